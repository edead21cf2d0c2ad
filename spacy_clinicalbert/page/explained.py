"""Explanations as a page shows them."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy
from spacy.language import Language
from spacy.tokens import Doc, Span

from ..explanation.attention import Attention, attention
from ..explanation.explain import Explanation, explain
from ..explanation.heads import find_head, spans_of
from ..pipeline.assertion import find_assertions
from .characters import one_line
from .renderer import render_heat

MAX_WORDS = 12  # in the table
MAX_PIECES = 64  # of a window whose attention is shown: a cell each by each
MAX_SPANS = 5  # that are explained for one label
AROUND = 200  # characters around the words that decide on a span


class Wanted(NamedTuple):
    """What is to be explained.

    component (str), label (str): As `explanation.explain.explain` takes them.
    """

    component: str
    label: str


def read_wanted(text: str) -> Wanted:
    """RETURNS (Wanted): What "COMPONENT:LABEL" says. RAISES (ValueError): It has no colon."""
    component, colon, label = text.partition(":")
    if not colon:
        raise ValueError(
            f"'{text}' is not COMPONENT:LABEL: say clinical_note_classifier:LABEL or clinical_assertion:certainty:absent."
        )
    return Wanted(component, label)


def read_layer(text: str) -> Tuple[int, ...]:
    """RETURNS (Tuple[int, ...]): What "LAYER:HEAD" or "LAYER:HEAD:WINDOW" says. RAISES (ValueError): It says something else."""
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(part.lstrip("-").isdecimal() for part in parts):
        raise ValueError(f"'{text}' is not LAYER:HEAD or LAYER:HEAD:WINDOW, in numbers from 0.")
    return tuple(map(int, parts))


def explained(doc: Doc, nlp: Language, wanted: Wanted, n_steps: int) -> List[Dict[str, Any]]:
    """Explain a label, of spans for those that have it.

    RETURNS (List[Dict[str, Any]]): What a page shows of each; see `note_page`.
    RAISES (ValueError), RAISES (ImportError): See `explain`.
    """
    spans = _spans(doc, nlp, wanted) or [None]
    return [_shown(doc, explain(doc, nlp, *wanted, span=span, n_steps=n_steps)) for span in spans[:MAX_SPANS]]


def _spans(doc: Doc, nlp: Language, wanted: Wanted) -> List[Optional[Span]]:
    """Of an assertion the spans that have it; none where no span has, and of a category."""
    axis, _, label = wanted.label.partition(":")
    spans = spans_of(find_head(nlp, *wanted), doc) or []
    said = find_assertions(doc)
    rows = [said.get((span.start, span.end, span.label), {}) for span in spans]
    return [span for span, row in zip(spans, rows) if axis in row and row[axis][0] == label]


def _shown(doc: Doc, found: Explanation) -> Dict[str, Any]:
    first, last = 0, len(doc.text)
    tokens = list(doc)
    if found.span is not None:
        told = [token for token, value in zip(tokens, found.values) if value] or list(found.span)
        first = max(0, told[0].idx - AROUND)
        last = min(len(doc.text), told[-1].idx + len(told[-1]) + AROUND)
    inside = [token.i for token in tokens if first <= token.idx and token.idx + len(token) <= last]
    places = [(doc[i].idx - first, doc[i].idx + len(doc[i]) - first) for i in inside]
    order = numpy.argsort(-numpy.abs(found.values), kind="stable")[:MAX_WORDS]
    of = "" if found.span is None else f" of “{one_line(found.span.text)}”"
    share = (
        f" ({abs(found.error / (found.log_odds - found.baseline)):.1%} of it)"
        if found.log_odds != found.baseline
        else ""
    )
    return {
        "title": f"Why {found.label}{of}",
        "said": f"Probability {found.probability:.1%}: log-odds {found.log_odds:+.3f}, and {found.baseline:+.3f} for as many masked words. What the words add up to "
        f"leaves {found.error:+.4f} of the difference unexplained{share}. Integrated gradients, with the encoder in float32.",
        "heat": render_heat(doc.text[first:last], places, [found.values[i] for i in inside], "log-odds"),
        "unit": "log-odds",
        "words": [(doc[int(i)].text, float(found.values[i])) for i in order if found.values[i]],
    }


def attended(doc: Doc, nlp: Language, layer: Tuple[int, ...]) -> Dict[str, Any]:
    """What a head of a layer attends to in a window.

    layer (Tuple[int, ...]): Layer, head and, or 0, window.
    RETURNS (Dict[str, Any]): "title", and the matrix: "pieces" and "rows".
    RAISES (ValueError): See `attention`.
    """
    number = layer[2] if len(layer) == 3 else 0
    found: Attention = attention(doc, nlp, layer[0], layer[1], window=number)
    pieces = found.pieces[:MAX_PIECES]
    rows = [{"piece": piece, "weights": found.weights[i, : len(pieces)].tolist()} for i, piece in enumerate(pieces)]
    more = len(found.pieces) - len(pieces)
    return {
        "title": f"Attention of layer {layer[0]}, head {layer[1]}, window {number}",
        "said": "From each row to each column. What a head attends to is no explanation of what comes out."
        + (f" The window has {more} more wordpieces." if more else ""),
        "pieces": pieces,
        "rows": rows,
    }
