import numpy
import pytest
from thinc.api import Ragged

from spacy_clinicalbert.pipeline import span_context
from spacy_clinicalbert.pipeline.span_context import SpanContext


def make_layer(lengths, spans, width=4, n_heads=2, window=3):
    """A layer with all weights random, token vectors of documents, and their spans as pairs, document by document."""
    rng = numpy.random.default_rng(0)
    tokens = Ragged(rng.normal(size=(sum(lengths), width)).astype("f"), numpy.array(lengths, dtype="i"))
    pairs = numpy.array([pair for each in spans for pair in each], dtype="i").reshape(-1, 2)
    model = SpanContext(n_heads, window)
    X = (tokens, Ragged(pairs, numpy.array([len(each) for each in spans], dtype="i")))
    model.initialize(X)
    model.set_param("b", rng.normal(size=(2 * window, n_heads)).astype("f"))
    return model, X


def expected(model, tokens, spans):
    """The layer span by span, as its docstring has it."""
    W, b, window = model.get_param("W"), model.get_param("b"), model.attrs["window"]
    rows, first = [], 0
    for length, n_spans in zip(tokens.lengths, spans.lengths):
        vectors = tokens.dataXd[first : first + length]
        first += length
        for start, end in spans.dataXd[len(rows) : len(rows) + n_spans]:
            places = [(start - k, window - k) for k in range(1, window + 1)]
            places += [(end - 1 + k, window + k - 1) for k in range(1, window + 1)]
            places = [(token, row) for token, row in places if 0 <= token < length]
            parts = [vectors[start:end].mean(axis=0)]
            for head in range(len(W)):
                exps = [numpy.exp(W[head] @ vectors[token] + b[row, head]) for token, row in places]
                weighted = [each * vectors[token] for each, (token, _) in zip(exps, places)]
                parts.append(sum(weighted, numpy.zeros(vectors.shape[1])) / (1 + sum(exps)))
            rows.append(numpy.concatenate(parts))
    return numpy.array(rows)


SPANS = [[(0, 1), (1, 3), (4, 5), (0, 5)], [], [(2, 3), (2, 3)], [(0, 1)]]


@pytest.mark.parametrize("chunk", [1, 3, 512])
def test_span_context_is_the_mean_and_weighted_means_within_the_document(chunk, monkeypatch):
    monkeypatch.setattr(span_context, "CHUNK", chunk)
    model, X = make_layer([5, 0, 4, 1], SPANS)
    assert numpy.allclose(model.predict(X), expected(model, *X), atol=1e-5)


@pytest.mark.parametrize("chunk", [2, 512])
def test_span_context_gradient_is_that_of_finite_differences(chunk, monkeypatch):
    monkeypatch.setattr(span_context, "CHUNK", chunk)
    model, X = make_layer([5, 0, 4, 1], SPANS)
    Y, backprop = model.begin_update(X)
    d_Y = numpy.random.default_rng(1).normal(size=Y.shape).astype("f")
    d_tokens, spans = backprop(d_Y)
    assert spans is X[1]
    gradients = [(X[0].dataXd, d_tokens.dataXd), *((model.get_param(name), model.get_grad(name)) for name in "Wb")]
    for array, gradient in gradients:
        assert numpy.abs(gradient).max() > 0.01
        for place in numpy.ndindex(array.shape):
            value, step = array[place], 1e-2
            sums = []
            for moved in (value + step, value - step):
                array[place] = moved
                sums.append(float((model.predict(X) * d_Y).sum()))
            array[place] = value
            assert (sums[0] - sums[1]) / (2 * step) == pytest.approx(gradient[place], abs=2e-3)


def test_span_context_takes_documents_without_spans():
    model, X = make_layer([3, 0], [[], []])
    Y, backprop = model.begin_update(X)
    d_tokens, _ = backprop(Y)
    assert Y.shape == (0, 12) and d_tokens.dataXd.shape == (3, 4) and not d_tokens.dataXd.any()


def test_span_context_of_a_document_alone_and_among_others_is_the_same():
    model, X = make_layer([5, 4], [[(1, 2)], [(0, 2), (3, 4)]])
    alone = (Ragged(X[0].dataXd[5:], X[0].lengths[1:]), Ragged(X[1].dataXd[1:], X[1].lengths[1:]))
    assert numpy.allclose(model.predict(X)[1:], model.predict(alone), atol=1e-6)


def test_span_context_of_spans_without_tokens_is_what_is_around_them():
    model, X = make_layer([3, 2], [[(1, 1)], []])
    Y = model.predict(X)
    assert Y.shape == (1, 12) and not Y[:, :4].any() and Y[:, 4:].any()
