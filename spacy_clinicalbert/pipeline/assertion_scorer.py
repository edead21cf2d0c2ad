"""How `clinical_assertion` is scored."""

from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Set

import numpy
from spacy.scorer import PRFScore
from spacy.training import Example

from ..corpora.docs import CATEGORY_HEADS

MISSING_ENT = 0  # spaCy's ENT_IOB of a token of which nothing is known
Table = Dict[str, Dict[str, PRFScore]]  # axis → label → counts


def make_assertion_scorer() -> Callable:
    """The registered scorer `spacy-clinicalbert.assertion_scorer.v1`; see `assertion_score`."""
    return assertion_score


def assertion_score(
    examples: Iterable[Example],
    *,
    gold: List[List[Any]],
    given: List[List[Dict[str, List[Any]]]],
    known: List[Set[str]],
    assertions_key: str,
    axes: Mapping[str, List[str]],
    name: str,
    **kwargs: Any,
) -> Dict[str, Any]:
    """Precision, recall and F of each label of each axis, twice: of the gold spans, as they were classified, and end to end, of the spans
    that the pipeline found. There a gold span that was not found counts as missed, and a span that is no gold one as wrong, unless
    the reference has no entity annotation, which leaves open what else is one. Found and gold span match if offsets and
    label are the same (without entity annotation: the offsets, for marked phrases have no labels of entities). Axes of which the
    annotation of a span says nothing do not count, nor do axes on which a note is not annotated, nor found spans of labels that
    `doc._.annotated` leaves out of what it says of other components, or on tokens of which it is not known whether they are in an entity.

    examples (Iterable[Example]): With what the pipeline found in the predicted Docs.
    gold (List[List[GoldSpan]]): The gold spans of each example, in the predicted Doc's tokens.
    given (List[List[Dict[str, List]]]): What these were classified as: axis → [label, probability].
    known (List[Set[str]]): The axes on which each example is annotated.
    assertions_key (str): The group of the predicted Docs with the results.
    axes (Mapping[str, List[str]]): Those that the component knows.
    name (str): The component's name in `doc._.annotated`.
    RETURNS (Dict[str, Any]): "assertion_acc", the share of gold labels that were given; "assertion_macro_f", the mean F of labels that occur;
        "assertion_per_axis", axis → label → p, r and f; "assertion_e2e_macro_f" and "assertion_e2e_per_axis". None where there is nothing to score.
    """
    own: Table = {axis: {} for axis in axes}
    end_to_end: Table = {axis: {} for axis in axes}
    for example, spans, assertions, own_axes in zip(examples, gold, given, known):
        for span, each in zip(spans, assertions):
            for axis, (label, _) in each.items():
                _count(own[axis], span.known.get(axis), label)
        _count_found(end_to_end, example, spans, own_axes, assertions_key, name)
    right = sum(score.tp for labels in own.values() for score in labels.values())
    n_known = sum(score.tp + score.fn for labels in own.values() for score in labels.values())
    return {
        "assertion_acc": right / n_known if n_known else None,
        "assertion_macro_f": _macro_f(own),
        "assertion_per_axis": _to_dict(own),
        "assertion_e2e_macro_f": _macro_f(end_to_end),
        "assertion_e2e_per_axis": _to_dict(end_to_end),
    }


def _count_found(
    table: Table, example: Example, gold: List[Any], known: Set[str], assertions_key: str, name: str
) -> None:
    exhaustive = example.reference.has_annotation("ENT_IOB")
    group = example.predicted.spans.get(assertions_key, ())
    assertions = group.attrs.get("assertion", []) if len(group) else []
    found = {(span.start, span.end, span.label_ if exhaustive else ""): each for span, each in zip(group, assertions)}
    matched = set()
    for span in gold:
        key = (span.start, span.end, span.label if exhaustive else "")
        each = found.get(key, {})
        matched.add(key)
        for axis, labels in table.items():
            if axis in span.known:
                _count(labels, span.known[axis], each[axis][0] if axis in each else None)
    # Readers state of every note which categories it has, and mixed corpora of every head whether it may learn: that says nothing of the entities.
    stated = {
        head: labels
        for head, labels in (example.reference._.annotated or {}).items()
        if head != name and head not in CATEGORY_HEADS and labels
    }
    gaps = numpy.array([tag == MISSING_ENT for tag in example.get_aligned("ENT_IOB")] if exhaustive else [], dtype=bool)
    for key in found.keys() - matched if exhaustive else ():
        start, end, span_label = key
        is_known = not stated or any(span_label in labels for labels in stated.values())
        if not is_known or gaps[start:end].any():
            continue
        for axis, (label, _) in found[key].items():
            if axis in known:
                table[axis].setdefault(label, PRFScore()).fp += 1


def _count(labels: Dict[str, PRFScore], truth: Optional[str], answer: Optional[str]) -> None:
    if truth is None:
        return
    if truth == answer:
        labels.setdefault(truth, PRFScore()).tp += 1
        return
    labels.setdefault(truth, PRFScore()).fn += 1
    if answer is not None:
        labels.setdefault(answer, PRFScore()).fp += 1


def _macro_f(table: Table) -> Optional[float]:
    scores = [score.fscore for labels in table.values() for score in labels.values()]
    return sum(scores) / len(scores) if scores else None


def _to_dict(table: Table) -> Dict[str, Dict[str, Dict[str, float]]]:
    return {axis: {label: score.to_dict() for label, score in sorted(labels.items())} for axis, labels in table.items()}
