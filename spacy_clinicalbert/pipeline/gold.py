"""What a reference says of entities, and the tags that follow from it."""

from collections import Counter
from contextlib import suppress
from typing import Any, List, NamedTuple, Optional, Sequence

import numpy
from numpy import ndarray
from spacy.tokens import Doc, Span
from spacy.training import Alignment, Example

from ..corpora.docs import span_attributes
from ..corpora.missing import known_labels
from .crf import BEGIN, IN, LAST, OUTSIDE, UNIT, UNKNOWN

PARTS = "entities of several parts"
BORDERS = "entities that do not fall on token borders"
OVERLAP = "entities that overlap a longer one of the same label"
OVERLAP_JOINT = "entities that overlap a longer one"


class Gold(NamedTuple):
    """The annotation of a reference.

    spans (List[Span]): Of one part each.
    scattered (List[Span]): What covers entities of several parts.
    missing (ndarray): bool, (n_tokens,): tokens of which nothing is known, but for the spans.
    """

    spans: List[Span]
    scattered: List[Span]
    missing: ndarray


class Targets(NamedTuple):
    """What is learned from some examples, for the tokens of their predicted docs, one behind the other.

    tags (ndarray): int8, (n_tokens, n_labels), `crf.UNKNOWN` where nothing is known.
    active (ndarray): bool, (n_tokens, n_labels): whether the token's document is annotated for the label.
    """

    tags: ndarray
    active: ndarray


def read_gold(doc: Doc, key: str) -> Optional[Gold]:
    """Read a reference.

    key (str): The span group that has its entities, overlapping ones too; without the group, they are `doc.ents`.
    RETURNS (Optional[Gold]): None if it is not annotated.
    """
    in_ents = doc.has_annotation("ENT_IOB")
    if key not in doc.spans and not in_ents:
        return None
    missing = doc.to_array(["ENT_IOB"]).ravel() == 0 if in_ents else numpy.zeros(len(doc), dtype=bool)
    if key not in doc.spans:
        return Gold(list(doc.ents), [], missing)
    spans: List[Span] = []
    scattered: List[Span] = []
    for span, attributes in zip(doc.spans[key], span_attributes(doc, key)):
        (scattered if "parts" in attributes else spans).append(span)
    return Gold(spans, scattered, missing)


def align(example: Example, where: str) -> Alignment:
    """The alignment of an example's tokens.

    where (str): The note, for the error.
    RAISES (ValueError): The texts differ in more than white space and case. spaCy's own error shows their first words.
    """
    alignment = None
    with suppress(ValueError):
        alignment = example.alignment
    if alignment is None:
        raise ValueError(
            f"{where} has annotation of another text than the predicted one. Make each predicted Doc of its reference's text: "
            "Example(nlp.make_doc(reference.text), reference)."
        )
    return alignment


def name_note(reference: Doc, position: int) -> str:
    """How an error names a note: by its id, or its place in the batch."""
    return f"Document {position} of the batch" if reference._.note_id is None else f"Note {reference._.note_id}"


def make_targets(
    examples: Sequence[Example], labels: Sequence[str], component: str, key: str, joint: bool, lost: Counter
) -> Targets:
    """Turn references into tags. Where a chain cannot have an entity its tokens are unknown: of several parts, overlapping
    a longer one of the same chain (of the same label, or, if joint, of any), or not on the borders of the predicted tokens.

    examples (Sequence[Example]): Docs that are not annotated give no active label.
    labels (Sequence[str]): Those of the component. Entities of others are passed over.
    component (str): Its name in `doc._.annotated`.
    key (str): See `read_gold`.
    joint (bool): One chain for all labels.
    lost (Counter): Takes reason → how many entities are not in the tags for it.
    RETURNS (Targets): Arrays.
    RAISES (ValueError): The Docs of an example have other texts.
    """
    tags, active = [], []
    for position, example in enumerate(examples):
        shape = len(example.predicted), len(labels)
        gold = read_gold(example.reference, key)
        own = set() if gold is None else known_labels(example.reference, component, labels)
        known = numpy.array([label in own for label in labels], dtype=bool)
        active.append(numpy.broadcast_to(known, shape))
        tags.append(numpy.full(shape, OUTSIDE, dtype="int8"))
        if gold is not None and known.any():
            places = {label: i for i, label in enumerate(labels) if known[i]}
            to_predicted = align(example, name_note(example.reference, position)).y2x
            _fill(tags[-1], example, gold, to_predicted, places, joint, lost)
    if not tags:
        return Targets(numpy.zeros((0, len(labels)), dtype="int8"), numpy.zeros((0, len(labels)), dtype=bool))
    return Targets(numpy.concatenate(tags), numpy.concatenate(active))


def _same_text(span: Span, other: Span) -> bool:
    """As `Example.get_aligned_spans_y2x` compares them, which reads both Docs whole for each call."""
    one, two = (each.text.lower().strip().replace(" ", "") for each in (span, other))
    return one == two


def _fill(
    tags: ndarray, example: Example, gold: Gold, to_predicted: Any, places: dict, joint: bool, lost: Counter
) -> None:
    for i in numpy.flatnonzero(gold.missing):
        tags[to_predicted[int(i)]] = UNKNOWN
    forget = []
    for span in gold.scattered:
        if span.label_ in places:
            lost[PARTS] += 1
            forget.append((to_predicted[span.start : span.end], places[span.label_]))
    for span in sorted(gold.spans, key=lambda span: (span.start - span.end, span.start)):
        if span.label_ not in places:
            continue
        column = places[span.label_]
        where = to_predicted[span.start : span.end]
        if not len(where) or not _same_text(span, example.predicted[int(where[0]) : int(where[-1]) + 1]):
            lost[BORDERS] += 1
            forget.append((where, column))
            continue
        rows = slice(int(where[0]), int(where[-1]) + 1)
        own = numpy.full(rows.stop - rows.start, IN, dtype="int8")
        own[0], own[-1] = BEGIN, LAST
        if len(own) == 1:
            own[0] = UNIT
        if (tags[rows, column] == own).all():
            continue  # annotated twice
        if (tags[rows] if joint else tags[rows, column]).max() > OUTSIDE:
            lost[OVERLAP_JOINT if joint else OVERLAP] += 1
            forget.append((numpy.arange(rows.start, rows.stop), column))
            continue
        if joint:
            tags[rows] = OUTSIDE
        tags[rows, column] = own
    for where, column in forget:
        taken = tags[where] > OUTSIDE
        free = where[~(taken.any(axis=1) if joint else taken[:, column])]
        tags[free, column] = UNKNOWN
