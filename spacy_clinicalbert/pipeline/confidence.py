"""How probable an entity is: what span groups keep of it, and `span._.confidence`."""

from typing import Dict, Optional, Tuple

from spacy.tokens import Doc, Span

SCORES = "scores"  # in a span group's attrs, where spaCy's spancat has them too


def install_confidence() -> None:
    """Set the extension `span._.confidence`, if it is not there."""
    if not Span.has_extension("confidence"):
        Span.set_extension("confidence", getter=confidence)


def confidence(span: Span) -> Optional[float]:
    """The getter `span._.confidence`.

    RETURNS (Optional[float]): The probability of the span with its label, if a span group of the doc has one.
    """
    return confidences(span.doc).get((span.start, span.end, span.label))


def confidences(doc: Doc) -> Dict[Tuple[int, int, int], float]:
    """RETURNS (Dict[Tuple[int, int, int], float]): Start, end and label of each span in a group with probabilities → its own. Of several groups the first
    says it."""
    found: Dict[Tuple[int, int, int], float] = {}
    for group in doc.spans.values():
        for span, score in zip(group, group.attrs.get(SCORES, ())):
            found.setdefault((span.start, span.end, span.label), float(score))
    return found
