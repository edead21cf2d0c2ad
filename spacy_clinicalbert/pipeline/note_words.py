"""What the words of a note say of its categories by themselves: a linear model over words and pairs of neighbouring words, beside the encoder's vectors.

A vector says what a text means; which words stand in it says much of what kind of note it is, and is learned from few notes. spaCy's own text categorizer joins the two
too (`spacy.TextCatEnsemble.v2`).
"""

from typing import Any, Callable, List, NamedTuple, Optional, Tuple

import numpy
from numpy import ndarray
from spacy.attrs import IS_SPACE, LOWER
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

Input = Tuple[List[Doc], List[ndarray]]
# Large and odd: the order of a pair matters, and no bit of its first word is lost.
PAIR = numpy.uint64(0x9E3779B97F4A7C15)
# The length of a window's vector of words. An optimiser moves each weight by its rate at most, and at length 1 a note's scores would hardly move.
LENGTH = 5.0


class Words(NamedTuple):
    """Each time that a word, or a pair of them, stands in a window.

    rows (ndarray): Its row of the table, int32, (n,).
    values (ndarray): What it counts for, float32, (n,). Together those of a row in a window are log(1 + how often), scaled so that the window's vector is `LENGTH` long.
    tokens (ndarray): The token of it, or the first and the second of the pair, (n, 2).
    lengths (ndarray): How many each window has, one window behind the other, (n_windows,).
    """

    rows: ndarray
    values: ndarray
    tokens: ndarray
    lengths: ndarray


def WindowWords(n_rows: int) -> Model[Input, Floats2d]:
    """Scores of categories by the words of each window.

    n_rows (int): Rows of the table. Words share them by their hashes.
    RETURNS (Model[Tuple[List[Doc], List[ndarray]], Floats2d]): From docs and the tokens that each of their windows keeps, first and behind the last, to
        (n_windows, n_labels). The table begins with zeros.
    """
    return Model("window-words", forward, init=init, params={"W": None}, dims={"nO": None}, attrs={"n_rows": n_rows})


def init(model: Model, X: Optional[Input] = None, Y: Optional[Floats2d] = None) -> None:
    if Y is not None:
        model.set_dim("nO", Y.shape[1])
    model.set_param("W", model.ops.alloc2f(model.attrs["n_rows"], model.get_dim("nO")))


def forward(model: Model, X: Input, is_train: bool) -> Tuple[Floats2d, Callable]:
    ops: Any = model.ops
    found = [count_words(doc, windows, model.attrs["n_rows"]) for doc, windows in zip(*X)]
    rows = ops.asarray(numpy.concatenate([each.rows for each in found]))
    values = ops.asarray2f(numpy.concatenate([each.values for each in found])[:, None])
    lengths = ops.asarray1i(numpy.concatenate([each.lengths for each in found]))
    scores = sum_up(ops, model.get_param("W")[rows] * values, lengths)

    def backprop(d_scores: Floats2d) -> None:
        if not len(rows):
            return
        d_table = ops.alloc2f(*model.get_param("W").shape)
        ops.scatter_add(d_table, rows, ops.backprop_reduce_sum(d_scores, lengths) * values)
        model.inc_grad("W", d_table)

    return scores, backprop


def sum_up(ops: Any, rows: Floats2d, lengths: Any) -> Floats2d:
    """RETURNS (Floats2d): As `ops.reduce_sum`, which cannot do without rows, (len(lengths), width)."""
    return ops.reduce_sum(rows, lengths) if len(rows) else ops.alloc2f(len(lengths), rows.shape[1])


def count_words(doc: Doc, windows: ndarray, n_rows: int) -> Words:
    """RETURNS (Words): The words of some windows; white space is none, and a pair has no white space between."""
    ids, spaces = doc.to_array([LOWER, IS_SPACE]).T if len(doc) else numpy.zeros((2, 0), dtype="uint64")
    found = []
    for start, end in windows.tolist():
        tokens = start + numpy.flatnonzero(spaces[start:end] == 0)
        words = ids[tokens]
        pairs = words[:-1] * PAIR + words[1:]
        rows = (numpy.concatenate([words, pairs]) % numpy.uint64(n_rows)).astype("int32")
        _, inverse, counts = numpy.unique(rows, return_inverse=True, return_counts=True)
        length = numpy.sqrt((numpy.log1p(counts) ** 2).sum())
        values = (LENGTH * numpy.log1p(counts) / counts / max(length, 1e-6))[inverse]
        places = numpy.concatenate(
            [numpy.stack([tokens, tokens], axis=1), numpy.stack([tokens[:-1], tokens[1:]], axis=1)]
        )
        found.append((rows, values.astype("f"), places))
    nothing = numpy.zeros(0, dtype="int32"), numpy.zeros(0, dtype="f"), numpy.zeros((0, 2), dtype="int64")
    rows, values, places = (numpy.concatenate(each) for each in zip(nothing, *found))
    return Words(rows, values, places, numpy.array([len(each[0]) for each in found], dtype="int64"))


def word_scores(model: Model[Input, Floats2d], doc: Doc, windows: ndarray, shares: ndarray) -> ndarray:
    """What each token adds to the scores of its note; a pair is shared between its two.

    shares (ndarray): The weight of each window, (n_windows,).
    RETURNS (ndarray): (n_tokens, n_labels).
    """
    found = count_words(doc, windows, model.attrs["n_rows"])
    values = found.values * numpy.repeat(shares, found.lengths)
    table = model.ops.to_numpy(model.get_param("W"))
    scores = numpy.zeros((len(doc), table.shape[1]), dtype="f")
    for tokens in found.tokens.T:
        numpy.add.at(scores, tokens, table[found.rows] * values[:, None] / 2)
    return scores
