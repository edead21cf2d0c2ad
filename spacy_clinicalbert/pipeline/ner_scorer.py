"""The scores of `clinical_ner`: per label, exact and overlapping, without what is not annotated."""

from collections import Counter, defaultdict
from typing import Any, Callable, DefaultDict, Dict, Iterable, List, Sequence, Set, Tuple

import numpy
from spacy.tokens import Span
from spacy.training import Example

from ..corpora.missing import known_labels
from ..evaluation import counts
from ..evaluation.gold import Answer, Note
from .gold import Gold, read_gold

Scores = Dict[str, Any]


def make_ner_scorer() -> Callable[..., Scores]:
    """The registered scorer `spacy-clinicalbert.ner_scorer.v1`: see `score_ner`."""
    return score_ner


def score_ner(
    examples: Iterable[Example],
    *,
    name: str,
    labels: Sequence[str],
    spans_key: str,
    gold_key: str,
    **settings: Any,
) -> Scores:
    """Compare `doc.ents` with the reference's, and the span group with everything that the reference has, overlapping
    entities too. A prediction of a label that the reference is not annotated for, or at a token that is missing there, is
    neither right nor wrong. Nor are labels that the component does not have: `doc.ents` holds those of other components too. Entities of several parts are left out.

    examples (Iterable[Example]): References that are not annotated are left out.
    name (str): The component's in `doc._.annotated`.
    labels (Sequence[str]): The component's.
    spans_key (str): The span group of the predictions.
    gold_key (str): The span group of the references, see `pipeline.gold.read_gold`.
    RETURNS (Dict[str, Any]): `ents_p`, `ents_r`, `ents_f` and `ents_per_type`, as spaCy's `ner` has them, and
        `ents_overlap_f` etc., where a span is right that overlaps one of the same label; and the same of the group,
        `spans_entities_f` etc. None where there is nothing to score.
    """
    of_ents: DefaultDict[str, numpy.ndarray] = defaultdict(lambda: numpy.zeros(counts.N_COUNTS))
    of_group: DefaultDict[str, numpy.ndarray] = defaultdict(lambda: numpy.zeros(counts.N_COUNTS))
    for example in examples:
        reference, predicted = example.reference, example.predicted
        known = known_labels(reference, name, labels)
        if reference.has_annotation("ENT_IOB"):
            missing = reference.to_array(["ENT_IOB"]).ravel() == 0
            _add(of_ents, example, Gold(list(reference.ents), [], missing), predicted.ents, known)
        gold = read_gold(reference, gold_key)
        if gold is not None:
            _add(of_group, example, gold, predicted.spans.get(spans_key, ()), known)
    return {**_scores(of_ents, "ents"), **_scores(of_group, f"spans_{spans_key}")}


def _add(
    totals: Dict[str, numpy.ndarray], example: Example, gold: Gold, found: Iterable[Span], known: Set[str]
) -> None:
    """Add the counts of one document, of the labels that its reference is annotated for."""
    reference = example.reference
    missing = gold.missing.copy()
    for span in gold.scattered:
        missing[span.start : span.end] = True
    for span in gold.spans:
        missing[span.start : span.end] = False
    gaps = [(reference[int(i)].idx, reference[int(i)].idx + len(reference[int(i)])) for i in numpy.flatnonzero(missing)]
    theirs, ours = _answers(gold.spans), _answers(found)
    labels = known.intersection(label for *_, label in theirs | ours)
    note = Note(reference.text, {answer for answer in theirs if answer[2] in labels}, labels, gaps)
    order: List[str] = sorted(labels)
    for label, row in zip(order, counts.count_note(note, ours, order, defaultdict(Counter))):
        totals[label] += row


def _answers(spans: Iterable[Span]) -> Set[Answer]:
    return {(span.start_char, span.end_char, span.label_) for span in spans}


def _scores(totals: Dict[str, numpy.ndarray], prefix: str) -> Scores:
    every = sum(totals.values(), numpy.zeros(counts.N_COUNTS))
    scores: Scores = {}
    for kind, places in (("", (0, 0)), ("_overlap", (3, 4))):
        for letter, value in zip("prf", _prf(every, *places)):
            scores[f"{prefix}{kind}_{letter}"] = value if every.any() else None
        per_type = {label: dict(zip("prf", _prf(row, *places))) for label, row in totals.items()}
        scores[f"{prefix}{kind}_per_type"] = per_type or None
    return scores


def _prf(row: numpy.ndarray, found_right: int, gold_right: int) -> Tuple[float, float, float]:
    _, found, gold, *_ = row
    p = row[found_right] / found if found else 0.0
    r = row[gold_right] / gold if gold else 0.0
    return float(p), float(r), float(2 * p * r / (p + r) if p + r else 0.0)
