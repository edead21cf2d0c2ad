"""The Thinc layer that makes a vector of a span and of what stands around it."""

from typing import Any, Callable, Optional, Tuple

import numpy
from thinc.api import Model, glorot_uniform_init
from thinc.types import Floats2d, Ragged

# Spans at a time: the vectors of their windows are gathered, which takes memory.
CHUNK = 512


def SpanContext(n_heads: int, window: int) -> Model[Tuple[Ragged, Ragged], Floats2d]:
    """The mean of a span's token vectors, beside a few weighted means of the tokens around it. The weight of a token in a head is a
    softmax, over the window, of what the head gives its vector and its place:

        weight = softmax(W · vector + b[place])    place: -window … -1 before the span, 1 … window behind it

    The softmax has one more term, exp(0), which stands for a vector of zeros: a head finds its cue there, or nothing.

    n_heads (int): Weighted means.
    window (int): Tokens on each side; the document's end ends it.
    RETURNS (Model[Tuple[Ragged, Ragged], Floats2d]): Takes the token vectors of documents (n_tokens, nI), and their spans as pairs of start and
        end within the document (n_spans, 2); gives (n_spans, nI * (1 + n_heads)).
    RAISES (ValueError): There are no heads, or the window has no tokens.
    """
    for name, value in (("n_heads", n_heads), ("window", window)):
        if value < 1:
            raise ValueError(f"{name} is {value}; set it to at least 1.")
    return Model(
        "span_context",
        forward,
        init=init,
        dims={"nI": None, "nO": None},
        params={"W": None, "b": None},
        attrs={"n_heads": n_heads, "window": window},
    )


def init(model: Model, X: Optional[Tuple[Ragged, Ragged]] = None, Y: Optional[Floats2d] = None) -> None:
    if X is not None:
        vectors: Any = X[0].dataXd
        model.set_dim("nI", vectors.shape[1])
    n_heads, width = model.attrs["n_heads"], model.get_dim("nI")
    model.set_dim("nO", width * (1 + n_heads))
    model.set_param("W", glorot_uniform_init(model.ops, (n_heads, width)))
    model.set_param("b", model.ops.alloc2f(2 * model.attrs["window"], n_heads))


def forward(model: Model, X: Tuple[Ragged, Ragged], is_train: bool) -> Tuple[Floats2d, Callable]:
    tokens, spans = X
    ops, xp = model.ops, model.ops.xp
    # Thinc's types know too little of slices for what follows.
    W: Any = model.get_param("W")
    b: Any = model.get_param("b")
    vectors: Any = tokens.dataXd
    n_heads, width = W.shape
    inside, sizes, places, outside = _find_places(ops, tokens, spans, model.attrs["window"])
    n_spans = len(sizes)
    Y: Any = ops.alloc2f(n_spans, width * (1 + n_heads))
    weights: Any = ops.alloc3f(n_spans, places.shape[1], n_heads)
    if n_spans:
        if len(inside):  # an empty span has zeros
            Y[:, :width] = ops.reduce_mean(vectors[inside], sizes)
        weights = _softmax(xp, (vectors @ W.T)[places] + b, outside)
        for rows in _chunks(n_spans):
            means = weights[rows].transpose(0, 2, 1) @ vectors[places[rows]]
            Y[rows, width:] = means.reshape(len(means), -1)

    def backprop(dY: Any) -> Tuple[Ragged, Ragged]:
        d_vectors: Any = ops.alloc2f(*vectors.shape)
        if n_spans:
            if len(inside):
                d_inside = ops.backprop_reduce_mean(xp.ascontiguousarray(dY[:, :width]), sizes)
                ops.scatter_add(d_vectors, inside, d_inside)
            d_weights: Any = ops.alloc3f(*weights.shape)
            for rows in _chunks(n_spans):
                d_means = dY[rows, width:].reshape(-1, n_heads, width)
                flat = places[rows].ravel()
                d_weights[rows] = (vectors[places[rows]] @ d_means.transpose(0, 2, 1)).reshape(d_weights[rows].shape)
                ops.scatter_add(d_vectors, flat, (weights[rows] @ d_means).reshape(-1, width))
            # Softmax: the term for nothing has no gradient of its own.
            d_scores = weights * (d_weights - (weights * d_weights).sum(axis=1, keepdims=True))
            d_of_tokens: Any = ops.alloc2f(len(vectors), n_heads)
            ops.scatter_add(d_of_tokens, places.ravel(), d_scores.reshape(-1, n_heads))
            model.inc_grad("b", d_scores.sum(axis=0))
            model.inc_grad("W", d_of_tokens.T @ vectors)
            d_vectors += d_of_tokens @ W
        return Ragged(d_vectors, tokens.lengths), spans

    return Y, backprop


def _softmax(xp: Any, scores: Any, outside: Any) -> Any:
    scores[outside] = -numpy.inf
    peak = xp.maximum(scores.max(axis=1, keepdims=True), 0)
    exps = xp.exp(scores - peak)
    return exps / (exps.sum(axis=1, keepdims=True) + xp.exp(-peak))


def _chunks(n_spans: int) -> Tuple[slice, ...]:
    return tuple(slice(start, start + CHUNK) for start in range(0, n_spans, CHUNK))


def _find_places(ops: Any, tokens: Ragged, spans: Ragged, window: int) -> Tuple[Any, Any, Any, Any]:
    """Rows of the tokens in spans (n_inside,), the spans' lengths (n_spans,), rows of the tokens around them (n_spans, 2 * window), and
    which of these places lie outside of the document."""
    lengths, n_spans = ops.to_numpy(tokens.lengths), ops.to_numpy(spans.lengths)
    pairs = ops.to_numpy(spans.dataXd).reshape(-1, 2).astype("int64")
    ends_of_docs = lengths.cumsum()
    firsts = numpy.repeat(ends_of_docs - lengths, n_spans)
    lasts = numpy.repeat(ends_of_docs, n_spans)
    starts, ends = pairs[:, 0] + firsts, pairs[:, 1] + firsts
    sizes = ends - starts
    inside = numpy.arange(sizes.sum()) + numpy.repeat(starts - (sizes.cumsum() - sizes), sizes)
    steps = numpy.arange(1, window + 1)
    places = numpy.concatenate([starts[:, None] - steps[::-1], ends[:, None] - 1 + steps], axis=1)
    outside = (places < firsts[:, None]) | (places >= lasts[:, None])
    places[outside] = 0
    return ops.asarray1i(inside), ops.asarray1i(sizes), ops.asarray2i(places), ops.xp.asarray(outside)
