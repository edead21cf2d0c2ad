"""`spacy_clinicalbert.explain`: which words made a category or an assertion."""

from typing import Any, List, NamedTuple, Optional

import numpy
import torch
from numpy import ndarray
from spacy.language import Language
from spacy.tokens import Doc, Span

from ..encoder.model import unpublish
from .heads import Head, find_head, read_tokens, reads_tokens, score, spans_of, words_of
from .network import (
    Encoding,
    embed,
    embed_masks,
    encode,
    encode_note,
    find_windows,
    make_encoding,
    make_window_passes,
    published,
)

INSTALL_CAPTUM = "Explanations want captum: pip install 'spacy-clinicalbert[explain]'."


class Explanation(NamedTuple):
    """Which words made a label what it is, by integrated gradients (Sundararajan, Taly and Yan 2017, arXiv 1703.01365).

    component (str), label (str): What is explained.
    span (Optional[Span]): Of which span; None of a category.
    values (ndarray): For each token of the Doc what it adds to the log-odds, (n_tokens,).
    log_odds (float): log p / (1 - p) of the label, after calibration, with the encoder in float32.
    baseline (float): The same of a note of as many masked wordpieces, whose words say nothing.
    error (float): What the values leave unexplained: log_odds - baseline - their sum. It is 0 where the integral is exact.
    """

    component: str
    label: str
    span: Optional[Span]
    values: ndarray
    log_odds: float
    baseline: float
    error: float

    @property
    def probability(self) -> float:
        """RETURNS (float): Of the label."""
        return float(1 / (1 + numpy.exp(-self.log_odds)))


def explain(
    doc: Doc, nlp: Language, component: str, label: str, *, span: Optional[Span] = None, n_steps: int = 50
) -> Explanation:
    """Say what each word adds to the log-odds of a category of `clinical_note_classifier`, or of an assertion of `clinical_assertion`.

    The network runs by torch in float32, over all windows whose vectors the component reads, `n_steps` times, forward and back. Between the note and a note of
    masks only the wordpieces' embeddings change, and what words say by themselves where the component reads them; special tokens and positions stay. Context that
    windows share counts once. The pipeline stays as it is.

    doc (Doc): The note, behind the pipeline.
    nlp (Language): The pipeline.
    component (str): The component's name.
    label (str): One of its labels, as `nlp.get_pipe(component).labels` has them: "certainty:absent" of an assertion.
    span (Optional[Span]): The span that an assertion is of, with any label. None takes that which the label is most probable for.
    n_steps (int): Points at which the gradient is taken (Gauss-Legendre quadrature). More make the error smaller.
    RETURNS (Explanation): The words' values.
    RAISES (ValueError): There is no such component, label or span, or nothing to read. RAISES (ImportError): captum is not installed.
    """
    try:
        from captum.attr import IntegratedGradients
    except ImportError:
        raise ImportError(INSTALL_CAPTUM) from None
    if n_steps < 1:
        raise ValueError(f"n_steps is {n_steps}; set it to 1 or more.")
    head = find_head(nlp, component, label)
    encoding = make_encoding(head.encoder.model, doc)
    rows = encode_note(encoding)
    said = torch.from_numpy(words_of(head, doc, published(encoding, doc, rows)))
    span = _choose(head, doc, encoding, rows, span)
    passes = make_window_passes(encoding, find_windows(encoding, *read_tokens(head, doc, span)))

    def forward(embeddings: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        encoded = encode(encoding, embeddings, passes, rows)
        return torch.stack([_Score.apply(*each, head, doc, encoding, span) for each in zip(encoded, words.sum(dim=1))])

    n_positions = sum(each.ids.size for each in passes)
    method: Any = IntegratedGradients(forward)
    inputs = embed(encoding)[None], said[None]
    masks = embed_masks(encoding)[None], torch.zeros_like(said)[None]
    given, given_words = method.attribute(
        inputs,
        masks,
        n_steps=n_steps,
        internal_batch_size=max(1, encoding.model.attrs["max_batch_items"] // max(1, n_positions)),
    )
    with torch.no_grad():
        log_odds, baseline = (float(forward(*each)) for each in (inputs, masks))
    values = _by_token(encoding, given[0].sum(dim=-1).cpu().numpy().astype("float64"))
    values += given_words[0].sum(dim=-1).numpy()
    error = log_odds - baseline - float(values.sum())
    return Explanation(component, label, span, values, log_odds, baseline, error)


class _Score(torch.autograd.Function):
    """A head, which is numpy's or cupy's, as torch sees it."""

    @staticmethod
    def forward(
        ctx: Any, rows: torch.Tensor, words: torch.Tensor, head: Head, doc: Doc, encoding: Encoding, span: Any
    ) -> torch.Tensor:
        value, gradient = score(head, doc, published(encoding, doc, rows), span, words.numpy())
        d_read, d_words = gradient()
        arrays: Any = [d_read]
        d_rows = unpublish(encoding.plan, rows, *((arrays,) if reads_tokens(head) else ((), arrays)))
        ctx.save_for_backward(d_rows, torch.from_numpy(d_words))
        return rows.new_tensor(value)

    @staticmethod
    def backward(ctx: Any, d_value: Any) -> Any:
        d_rows, d_words = ctx.saved_tensors
        return d_rows * d_value, d_words * d_value.to(d_words), None, None, None, None


def _choose(head: Head, doc: Doc, encoding: Encoding, rows: torch.Tensor, span: Optional[Span]) -> Optional[Span]:
    spans = spans_of(head, doc)
    if span is not None:
        if spans is None:
            raise ValueError(f"'{head.pipe.name}' classifies notes, and no spans.")
        if span.doc is not doc or not len(span):
            raise ValueError("The span is none of this document, or has no tokens.")
        return span
    if spans is None:
        return None
    if not spans:
        raise ValueError(f"The note has no span that '{head.pipe.name}' classifies.")
    data = published(encoding, doc, rows)
    values = []
    for each in spans:
        value, gradient = score(head, doc, data, each)
        gradient()  # the listener wants its backward
        values.append(value)
    return spans[int(numpy.argmax(values))]


def _by_token(encoding: Encoding, values: ndarray) -> ndarray:
    """The values of wordpieces, (n_pieces,), as those of tokens, (n_tokens,). A wordpiece of two tokens is shared between them; where tokens have the vectors of
    their first wordpieces alone, the others count for the token before."""
    plan = encoding.plan.docs[0]
    tokens = numpy.repeat(numpy.arange(len(plan.token_lengths)), plan.token_lengths)
    shares = numpy.bincount(plan.token_pieces, minlength=len(values))
    found = numpy.zeros(len(plan.token_lengths))
    numpy.add.at(found, tokens, values[plan.token_pieces] / shares[plan.token_pieces])
    rest: List[int] = numpy.flatnonzero(shares == 0).tolist()
    if rest and len(tokens):
        before = numpy.searchsorted(plan.token_pieces, rest, side="right") - 1
        numpy.add.at(found, tokens[numpy.maximum(before, 0)], values[rest])
    return found
