"""The gold spans that `clinical_assertion` learns from and is scored on."""

from typing import Any, Dict, List, Mapping, NamedTuple

import numpy
from spacy.training import Example

from ..corpora.docs import span_attributes
from .assertion_axes import Axes, read_labels

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
    annotated = (reference._.annotated or {}).get(component)
    where = "A note" if reference._.note_id is None else f"Note {reference._.note_id}"
    found = []
    for span, attributes in zip(reference.spans[key], span_attributes(reference, key)):
        known = read_labels(attributes, axes, table, where)
        if annotated is not None:
            known = {axis: label for axis, label in known.items() if axis in annotated}
        tokens: Any = example.alignment.y2x[span.start : span.end]
        if not len(tokens):
            raise ValueError(
                f"{where} has a gold span, tokens {span.start}-{span.end}, of which the predicted text has no token."
            )
        found.append(GoldSpan(int(tokens.min()), int(tokens.max()) + 1, span.label_, known))
    return found


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
