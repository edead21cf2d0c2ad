"""The best answers of a window. Numpy only."""

from typing import List, NamedTuple

import numpy
from numpy import ndarray


class Candidate(NamedTuple):
    """A span that may be an answer.

    score (float): How much more the network gives for it than for no answer in this window: the log-odds, before calibration.
    first, last (int): Its wordpieces, of the window or, where it says so, of the document.
    """

    score: float
    first: int
    last: int


def best_spans(logits: ndarray, may_start: ndarray, may_end: ndarray, max_length: int, n_best: int) -> List[Candidate]:
    """Find the best spans of a window that do not overlap.

    logits (ndarray): Start and end at the first position, where no answer stands, and at each wordpiece of the window, (1 + n_pieces, 2).
    may_start, may_end (ndarray): Whether a span may start and end at each wordpiece, (n_pieces,) each.
    max_length (int): The most wordpieces of a span.
    n_best (int): How many to find.
    RETURNS (List[Candidate]): The best first.
    """
    n_pieces = len(logits) - 1
    if not n_pieces:
        return []
    logits = logits.astype("float64")
    max_length = min(max_length, n_pieces)
    starts = numpy.where(may_start, logits[1:, 0], -numpy.inf)
    ends = numpy.full(n_pieces + max_length - 1, -numpy.inf)
    ends[:n_pieces] = numpy.where(may_end, logits[1:, 1], -numpy.inf)
    # Row: where it starts; column: how much further on it ends.
    scores = starts[:, None] + numpy.lib.stride_tricks.sliding_window_view(ends, max_length)
    first = numpy.arange(n_pieces)[:, None]
    last = first + numpy.arange(max_length)
    none = logits[0].sum()
    found: List[Candidate] = []
    for _ in range(n_best):
        row, column = divmod(int(scores.argmax()), max_length)
        if scores[row, column] == -numpy.inf:
            break
        found.append(Candidate(float(scores[row, column] - none), row, row + column))
        scores[(first <= row + column) & (last >= row)] = -numpy.inf
    return found


def merge(candidates: List[Candidate], n_best: int) -> List[Candidate]:
    """The best of what several windows give, without what overlaps a better one.

    candidates (List[Candidate]): By wordpieces of the document.
    RETURNS (List[Candidate]): The best first.
    """
    found: List[Candidate] = []
    for each in sorted(candidates, key=lambda one: (-one.score, one.first, one.last)):
        if len(found) == n_best:
            break
        if all(each.last < other.first or each.first > other.last for other in found):
            found.append(each)
    return found
