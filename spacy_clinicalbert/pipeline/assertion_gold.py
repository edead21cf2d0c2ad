"""The gold spans that `clinical_assertion` learns from and is scored on."""

from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Set

import numpy
from spacy.training import Example

from ..corpora.docs import span_attributes
from ..corpora.missing import known_labels
from .assertion_axes import Axes, read_labels
from .gold import align

MISSING = -1  # a target of which nothing is known


class GoldSpan(NamedTuple):
    """A gold span in the tokens of the predicted Doc.

    start (int): Its first token.
    end (int): Behind its last token.
    label (str): Its own label, "PROBLEM" for instance.
    known (Dict[str, str]): Axis → label, of what was annotated.
    """

    start: int
    end: int
    label: str
    known: Dict[str, str]


def gold_spans(
    example: Example, key: str, axes: Axes, table: Mapping[str, Mapping[str, Mapping[str, str]]], component: str
) -> List[GoldSpan]:
    """The gold spans of an example.

    example (Example): Its reference has them in a span group, with their attributes.
    key (str): The group.
    axes (Axes): Those that count.
    table (Mapping): What attributes mean, as `assertion_axes.add_attributes` gives it.
    component (str): Where the reference's `doc._.annotated` has this name, the axes that stand there alone are known.
    RETURNS (List[GoldSpan]): In the group's order; none where the reference has no such group.
    RAISES (ValueError): An attribute's value is not known, or the two Docs of the example have other texts.
    """
    reference = example.reference
    if key not in reference.spans:
        return []
    annotated = known_labels(reference, component, axes)
    where = "A note" if reference._.note_id is None else f"Note {reference._.note_id}"
    found: List[GoldSpan] = []
    if not len(reference.spans[key]):
        return found
    to_predicted = align(example, where).y2x
    for span, attributes in zip(reference.spans[key], span_attributes(reference, key)):
        read = read_labels(attributes, axes, table, where)
        known = {axis: label for axis, label in read.items() if axis in annotated}
        tokens: Any = to_predicted[span.start : span.end]
        if not len(tokens):
            raise ValueError(
                f"{where} has a gold span, tokens {span.start}-{span.end}, of which the predicted text has no token."
            )
        found.append(GoldSpan(int(tokens.min()), int(tokens.max()) + 1, span.label_, known))
    return found


def known_axes(
    examples: Sequence[Example], gold: Sequence[Sequence[GoldSpan]], key: str, axes: Axes, component: str
) -> List[Set[str]]:
    """The axes on which references are annotated, so that a span that is no gold one can be wrong there. Where `doc._.annotated` does not
    say it, they are those of the note's gold spans, and of a note without such spans those of all notes'.

    examples (Sequence[Example]): The examples.
    gold (Sequence[Sequence[GoldSpan]]): Their gold spans, as `gold_spans` gives them.
    key (str): The group that has them. A reference without it is not annotated.
    axes (Axes): Those that count.
    component (str): Its name in `doc._.annotated`.
    RETURNS (List[Set[str]]): Of each example.
    """
    of_notes = [{axis for span in spans for axis in span.known} for spans in gold]
    of_all = set().union(*of_notes)
    known: List[Set[str]] = []
    for example, own in zip(examples, of_notes):
        reference = example.reference
        if key not in reference.spans:
            known.append(set())
        elif component in (reference._.annotated or {}):
            known.append(known_labels(reference, component, axes))
        else:
            known.append(own or of_all)
    return known


def targets(gold: List[List[GoldSpan]], axes: Axes) -> numpy.ndarray:
    """The numbers of the labels of gold spans.

    gold (List[List[GoldSpan]]): Of each example.
    axes (Axes): Axis → labels, in the order of their numbers.
    RETURNS (ndarray): (n_spans, n_axes), int64; `MISSING` where nothing is known, or the axis has no such label.
    """
    numbers = {axis: {label: i for i, label in enumerate(labels)} for axis, labels in axes.items()}
    rows = [
        [own.get(span.known.get(axis, ""), MISSING) for axis, own in numbers.items()] for each in gold for span in each
    ]
    return numpy.array(rows, dtype="int64").reshape(-1, len(axes))
