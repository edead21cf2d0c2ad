"""How the probabilities of a note's windows become the note's: Thinc layers, chosen in the config of `clinical_note_classifier`.

Each takes the windows of all docs, one doc's behind the other's, and gives a row a doc; a doc without windows gets 0. All of them give probabilities,
and gradients in those of the windows.
"""

from typing import Any, Callable, NamedTuple, Optional, Tuple

import numpy
from numpy import ndarray
from thinc.api import Model


class Windows(NamedTuple):
    """The windows of some docs, on the host.

    probabilities (ndarray): (n_windows, n_labels).
    hidden (ndarray): What the classifier saw of each, (n_windows, width).
    weights (ndarray): The share of its doc's tokens that each keeps, float32, (n_windows,).
    docs (ndarray): The number of each one's doc, (n_windows,).
    n_docs (int): How many there are.
    """

    probabilities: ndarray
    hidden: ndarray
    weights: ndarray
    docs: ndarray
    n_docs: int


# The gradients in probabilities and, if the aggregator reads it, in what the classifier saw.
Gradients = Tuple[ndarray, Optional[ndarray]]
Aggregator = Model[Windows, ndarray]


def mean() -> Aggregator:
    """The registered layer `spacy-clinicalbert.mean.v1`: the mean over the note's tokens."""
    return Model("mean", _forward_mean)


def max_() -> Aggregator:
    """The registered layer `spacy-clinicalbert.max.v1`: that of the window which is the surest."""
    return Model("max", _forward_max)


def noisy_or() -> Aggregator:
    """The registered layer `spacy-clinicalbert.noisy_or.v1`: the probability that at least one window speaks for the label, were they independent:
    1 - Π(1 - p) (Pearl 1988)."""
    return Model("noisy_or", _forward_noisy_or)


def scaled_max_mean(c: float = 2.0, learn: bool = False) -> Aggregator:
    """The registered layer `spacy-clinicalbert.scaled_max_mean.v1`: (Pmax + Pmean · n / c) / (1 + n / c) for a note of n windows (Huang et al. 2019, arXiv
    1904.05342, section 4.2): the longer the note, the less one window decides. Pmean is the mean over tokens.

    c (float): Above 0; the paper's is 2.
    learn (bool): Learn c, from there on.
    """
    if not c > 0:
        raise ValueError(f"c of scaled_max_mean is {c}; set it above 0.")
    if not learn:
        return Model("scaled_max_mean", _forward_scaled, attrs={"c": c})
    # Its logarithm, so that c stays above 0.
    return Model("scaled_max_mean", _forward_scaled, init=_init_scaled, params={"log_c": None}, attrs={"c": c})


def attention() -> Aggregator:
    """The registered layer `spacy-clinicalbert.attention.v1`: a mean with weights that are learned, of each label its own: softmax over the note's windows of a
    linear function of what the classifier saw (Ilse et al. 2018, arXiv 1802.04712, without their second layer)."""
    return Model("attention", _forward_attention, init=_init_attention, params={"W": None})


def _param(model: Aggregator, name: str) -> ndarray:
    return model.ops.to_numpy(model.get_param(name))


def _sums(values: Any, windows: Windows) -> Any:
    """The sum over each doc's windows, (n_docs, n)."""
    totals = numpy.zeros((windows.n_docs, values.shape[1]), dtype=values.dtype)
    numpy.add.at(totals, windows.docs, values)
    return totals


def _forward_mean(model: Aggregator, windows: Windows, is_train: bool) -> Tuple[ndarray, Callable]:
    weights = windows.weights[:, None]

    def backprop(d_notes: ndarray) -> Gradients:
        return weights * d_notes[windows.docs], None

    return _sums(weights * windows.probabilities, windows), backprop


def _forward_max(model: Aggregator, windows: Windows, is_train: bool) -> Tuple[ndarray, Callable]:
    probabilities = windows.probabilities
    highest = numpy.zeros((windows.n_docs, probabilities.shape[1]), dtype=probabilities.dtype)
    numpy.maximum.at(highest, windows.docs, probabilities)

    def backprop(d_notes: ndarray) -> Gradients:
        is_highest = (probabilities == highest[windows.docs]).astype(probabilities.dtype)
        return is_highest / _sums(is_highest, windows)[windows.docs] * d_notes[windows.docs], None

    return highest, backprop


def _forward_noisy_or(model: Aggregator, windows: Windows, is_train: bool) -> Tuple[ndarray, Callable]:
    # Never quite 1: its logarithm would be infinite, and what other windows say would have no gradient.
    none = numpy.maximum(1 - windows.probabilities, 1e-7)
    product = numpy.exp(_sums(numpy.log(none), windows))

    def backprop(d_notes: ndarray) -> Gradients:
        return product[windows.docs] / none * d_notes[windows.docs], None

    return 1 - product, backprop


def _init_scaled(model: Aggregator, X: Any = None, Y: Any = None) -> None:
    model.set_param("log_c", model.ops.asarray1f([numpy.log(model.attrs["c"])]))


def _forward_scaled(model: Aggregator, windows: Windows, is_train: bool) -> Tuple[ndarray, Callable]:
    highest, backprop_max = _forward_max(model, windows, is_train)
    average, backprop_mean = _forward_mean(model, windows, is_train)
    learned = model.has_param("log_c")
    c = float(numpy.exp(_param(model, "log_c")[0])) if learned else model.attrs["c"]
    n_windows = numpy.bincount(windows.docs, minlength=windows.n_docs).astype("f")[:, None]
    share = 1 / (1 + n_windows / c)  # of the highest

    def backprop(d_notes: ndarray) -> Gradients:
        if learned:
            # d share / d log c = share² · n / c
            d_share = ((highest - average) * d_notes * share**2 * n_windows / c).sum()
            model.inc_grad("log_c", model.ops.asarray1f([d_share]))
        return backprop_max(share * d_notes)[0] + backprop_mean((1 - share) * d_notes)[0], None

    return share * highest + (1 - share) * average, backprop


def _init_attention(model: Aggregator, X: Any = None, Y: Any = None) -> None:
    if X is not None:
        # All windows alike, to begin with.
        model.set_param("W", model.ops.alloc2f(X.probabilities.shape[1], X.hidden.shape[1]))


def _forward_attention(model: Aggregator, windows: Windows, is_train: bool) -> Tuple[ndarray, Callable]:
    W = _param(model, "W")
    scores = windows.hidden @ W.T
    highest = numpy.full((windows.n_docs, len(W)), -numpy.inf, dtype=scores.dtype)
    numpy.maximum.at(highest, windows.docs, scores)
    exps = numpy.exp(scores - highest[windows.docs])
    weights = exps / _sums(exps, windows)[windows.docs]
    notes = _sums(weights * windows.probabilities, windows)

    def backprop(d_notes: ndarray) -> Gradients:
        d_each = d_notes[windows.docs]
        d_scores = weights * (windows.probabilities - notes[windows.docs]) * d_each
        model.inc_grad("W", model.ops.asarray2f(d_scores.T @ windows.hidden))  # type: ignore[arg-type]
        return weights * d_each, d_scores @ W

    return notes, backprop
