"""Put windows into padded forward passes of bounded size. Numpy only."""

from typing import Iterator, List, NamedTuple

import numpy
from numpy import ndarray

from .windows import Windows


class Pass(NamedTuple):
    """One padded forward pass over some windows.

    ids (ndarray): Wordpiece ids with special tokens and padding, (n_windows, length).
    mask (ndarray): 1 where ids is not padding, (n_windows, length).
    kept (ndarray): Positions in the flattened pass whose vectors are used, (n_kept,).
    pieces (ndarray): The wordpieces that these positions are the vectors of, (n_kept,).
    """

    ids: ndarray
    mask: ndarray
    kept: ndarray
    pieces: ndarray


def group_by_length(lengths: ndarray, max_items: int) -> Iterator[ndarray]:
    """Group windows, longest first, so that a group padded to its longest has at most max_items positions.

    lengths (ndarray): Positions of each window, (n_windows,).
    max_items (int): Positions a group, padding included. A window that is longer makes a group of its own.
    YIELDS (ndarray): Numbers of windows; each window stands in exactly one group.
    """
    order = numpy.argsort(-lengths, kind="stable")
    first = 0
    while first < len(order):
        last = first + max(1, max_items // int(lengths[order[first]]))
        yield order[first:last]
        first = last


def make_passes(
    ids: ndarray, windows: Windows, prefix: List[int], suffix: List[int], pad: int, max_items: int
) -> Iterator[Pass]:
    """Build the forward passes for all windows of a batch of texts.

    ids (ndarray): The wordpiece ids of all texts, one behind the other, (n_pieces,).
    windows (Windows): Windows over these.
    prefix, suffix (List[int]): Special tokens around a window.
    pad (int): The id that fills up.
    max_items (int): The most positions of a pass, padding included.
    YIELDS (Pass): Forward passes, longest windows first.
    """
    n_special = len(prefix) + len(suffix)
    for group in group_by_length(windows.end - windows.start + n_special, max_items):
        start, end, keep_start, keep_end = (array[group, None] for array in windows)
        column = numpy.arange(int((end - start).max()) + n_special)[None]
        piece = start + column - len(prefix)  # the wordpiece at each position, where it is one
        inside = (piece >= start) & (piece < end)
        padded = numpy.full(piece.shape, pad, dtype="int64")
        padded[inside] = ids[piece[inside]]
        padded[:, : len(prefix)] = prefix
        for offset, token in enumerate(suffix):
            padded[piece == end + offset] = token
        kept = (piece >= keep_start) & (piece < keep_end)
        yield Pass(
            ids=padded,
            mask=(piece < end + len(suffix)).astype("int64"),
            kept=numpy.flatnonzero(kept),
            pieces=piece[kept],
        )
