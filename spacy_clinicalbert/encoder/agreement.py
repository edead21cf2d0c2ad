"""How much of what a pipeline finds stays the same when its encoder computes in another way."""

from collections import Counter
from typing import Any, Dict, Iterable, List, Set, Tuple

from spacy.tokens import Doc

from ..corpora.docs import GOLD
from ..pathology.component import find_pathology
from ..pipeline.assertion import ASSERTION
from ..questions.answers import ANSWERS, find_answers


def agreement(expected: List[Doc], found: List[Doc], threshold: float = 0.5) -> Dict[str, float]:
    """Compare two annotations of the same notes, head by head.

    expected, found (List[Doc]): The same texts in the same order.
    threshold (float): Probability from which a category counts as given.
    RETURNS (Dict[str, float]): For "entities" and "spans KEY" the F1 of one against the other, by place and label; for
        "categories" the share of notes and labels that are decided alike, and "first category" the share of notes whose
        most probable label is the same; for "assertion AXIS" the share of spans, of those that both have, with the same label; "answers", with their questions and
        labels, and "pathology", the values of the records, by F1; "tags", "dependencies" and "sentences" by the share of tokens. A head that
        neither annotation shows is left out. 1.0 is the same.
    RAISES (ValueError): They are not the same texts.
    """
    if [doc.text for doc in expected] != [doc.text for doc in found]:
        raise ValueError("Only annotations of the same notes in the same order can be compared.")
    pairs = list(zip(expected, found))
    both = [*expected, *found]
    shares: Dict[str, float] = {}
    if any(doc.ents for doc in both):
        shares["entities"] = _f1((_places(one.ents), _places(other.ents)) for one, other in pairs)
    for key in sorted({key for doc in both for key in doc.spans if key not in (GOLD, ANSWERS)}):
        sides = ((_places(one.spans.get(key, ())), _places(other.spans.get(key, ()))) for one, other in pairs)
        shares[f"spans {key}"] = _f1(sides)
    if any(doc.cats for doc in both):
        decisions = [
            (one.cats[label] >= threshold) == (other.cats[label] >= threshold)
            for one, other in pairs
            for label in one.cats
        ]
        firsts = [max(one.cats, key=one.cats.get) == max(other.cats, key=other.cats.get) for one, other in pairs]  # type: ignore[arg-type]
        shares["categories"] = sum(decisions) / len(decisions)
        shares["first category"] = sum(firsts) / len(firsts)
    for axis, (n_same, n_all) in sorted(_assertions(pairs).items()):
        shares[f"assertion {axis}"] = n_same / n_all
    for name, read in (("answers", _answers), ("pathology", _pathology)):
        facts = [(read(one), read(other)) for one, other in pairs]
        if any(one or other for one, other in facts):
            shares[name] = _f1(facts)
    for name, attribute in (("tags", "TAG"), ("dependencies", "DEP"), ("sentences", "SENT_START")):
        if any(doc.has_annotation(attribute) for doc in both):
            same = [a == b for one, other in pairs for a, b in zip(one.to_array(attribute), other.to_array(attribute))]
            shares[name] = sum(same) / max(len(same), 1)
    return shares


def _places(spans: Iterable) -> Set:
    """Spans as a set; one that stands there twice counts twice."""
    seen: Counter = Counter()
    places = set()
    for span in spans:
        place = (span.start, span.end, span.label)
        places.add((*place, seen[place]))
        seen[place] += 1
    return places


def _assertions(pairs: List[Tuple[Doc, Doc]]) -> Dict[str, Tuple[int, int]]:
    """Axis → in how many spans both sides have the same label, and in how many they have one."""
    same: Counter = Counter()
    every: Counter = Counter()
    for one, other in pairs:
        for key in one.spans.keys() & other.spans.keys():
            sides = [
                {(span.start, span.end, span.label): row for span, row in zip(group, group.attrs.get(ASSERTION, ()))}
                for group in (one.spans[key], other.spans[key])
            ]
            for place in sides[0].keys() & sides[1].keys():
                ours, theirs = sides[0][place], sides[1][place]
                for axis in ours.keys() & theirs.keys():
                    every[axis] += 1
                    same[axis] += ours[axis][0] == theirs[axis][0]
    return {axis: (same[axis], n) for axis, n in every.items()}


def _answers(doc: Doc) -> Set[Any]:
    return {(answer.id, answer.start, answer.end, answer.label) for answer in find_answers(doc) or ()}


def _pathology(doc: Doc) -> Set[Any]:
    record = find_pathology(doc)
    if record is None:
        return set()
    return {(field, value.source, str(value.value), value.name) for field, value in record.values()}


def _f1(sides: Iterable) -> float:
    shared = total = 0
    for one, other in sides:
        shared += 2 * len(one & other)
        total += len(one) + len(other)
    return shared / total if total else 1.0
