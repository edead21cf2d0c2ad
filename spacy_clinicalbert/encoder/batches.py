"""Find the windows that must be encoded, and put them into padded forward passes of bounded size. Numpy only."""

from typing import Dict, Iterator, List, NamedTuple, Optional

import numpy
from numpy import ndarray

from .windows import Windows


class Grid(NamedTuple):
    """What the shapes of passes are multiples of, so that there are few of them.

    length (int): Positions of a pass' windows. They are padded to it.
    windows (int): Windows of a pass, where there are as many. Those beyond go into the next one.
    """

    length: int = 1
    windows: int = 1

    def pad(self, lengths: ndarray, max_length: Optional[int]) -> ndarray:
        """RETURNS (ndarray): Lengths of windows with their padding, of the same shape; none goes above the most positions that the network has."""
        padded = -(-lengths // self.length) * self.length
        return padded if max_length is None else numpy.minimum(padded, max_length)


class Work(NamedTuple):
    """Windows to encode, and which of their vectors each wordpiece gets.

    keys (List[bytes]): For each window what its kept vectors depend on: its wordpieces, and which of them are kept.
    windows (Windows): The windows over the wordpieces, without those that another one stands for.
    row_starts (ndarray): Each window's vectors are rows of one array, beginning here: that of its first position, behind
        it those of its kept wordpieces, (n_windows,).
    rows (ndarray): The row of each wordpiece's vector, (n_pieces,).
    window_rows (ndarray): The row of each window's first position, of all windows, also of those that another one
        stands for.
    n_rows (int): How many there are.
    """

    keys: List[bytes]
    windows: Windows
    row_starts: ndarray
    rows: ndarray
    window_rows: ndarray
    n_rows: int


class Pass(NamedTuple):
    """One padded forward pass over some windows.

    ids (ndarray): Wordpiece ids with special tokens and padding, (n_windows, length).
    mask (ndarray): 1 where ids is not padding, (n_windows, length).
    kept (ndarray): Positions in the flattened pass whose vectors are used, (n_kept,): the first of each window, then those
        of kept wordpieces. A position can be both, where the tokenizer puts nothing before a text.
    rows (ndarray): The rows (see `Work`) that these vectors go to, (n_kept,).
    """

    ids: ndarray
    mask: ndarray
    kept: ndarray
    rows: ndarray


def make_work(ids: ndarray, windows: Windows, distinct: bool) -> Work:
    """Find which windows must be encoded.

    ids (ndarray): The wordpiece ids of all texts, one behind the other, (n_pieces,).
    windows (Windows): Windows over these, whose kept parts tile them.
    distinct (bool): Let one window stand for all that are equal to it.
    """
    keys: Dict[bytes, int] = {}
    firsts: List[int] = []
    numbers: List[int] = []
    borders = numpy.stack(windows, 1) if len(windows.start) else numpy.zeros((0, 4), dtype="int64")
    for i, (start, end, *_) in enumerate(borders.tolist()):
        # The second part has one length, so that no two different windows share a key.
        key = ids[start:end].tobytes() + (borders[i, 2:] - start).tobytes()
        number = keys.setdefault(key if distinct else key + i.to_bytes(8, "little"), len(firsts))
        if number == len(firsts):
            firsts.append(i)
        numbers.append(number)
    chosen = Windows(*borders[firsts].T)
    n_own = 1 + chosen.keep_end - chosen.keep_start
    row_starts = numpy.cumsum(n_own) - n_own
    window_rows = row_starts[numbers] if numbers else row_starts
    shifts = 1 + window_rows - windows.keep_start
    rows = numpy.arange(len(ids)) + numpy.repeat(shifts, windows.keep_end - windows.keep_start)
    return Work(list(keys), chosen, row_starts, rows, window_rows, int(n_own.sum()))


def group_by_length(lengths: ndarray, max_items: int, max_padding: int, multiple: int = 1) -> Iterator[ndarray]:
    """Group windows, longest first, so that a group padded to its longest is bounded.

    lengths (ndarray): Positions of each window, (n_windows,).
    max_items (int): Positions a group, padding included. A window that is longer makes a group of its own.
    max_padding (int): How many of them may be padding: as many as a further pass costs.
    multiple (int): What the number of windows of a group is a multiple of, where there are as many.
    YIELDS (ndarray): Numbers of windows; each window stands in exactly one group.
    """
    order = numpy.argsort(-lengths, kind="stable")
    first = 0
    while first < len(order):
        longest = int(lengths[order[first]])
        last = first + max(1, max_items // longest)
        padding = numpy.cumsum(longest - lengths[order[first:last]])
        count = int(numpy.searchsorted(padding, max_padding, side="right"))
        count -= count % multiple if count > multiple else 0
        yield order[first : first + count]
        first += count


def make_passes(
    ids: ndarray,
    work: Work,
    numbers: ndarray,
    prefix: List[int],
    suffix: List[int],
    pad: int,
    max_items: int,
    max_padding: int,
    grid: Grid = Grid(),
    max_length: Optional[int] = None,
) -> Iterator[Pass]:
    """Build the forward passes for windows of a batch of texts.

    ids (ndarray): The wordpiece ids of all texts, one behind the other, (n_pieces,).
    work (Work): The windows over these.
    numbers (ndarray): Which of them to encode, (n_windows,).
    prefix, suffix (List[int]): Special tokens around a window.
    pad (int): The id that fills up.
    max_items (int): The most positions of a pass, padding included.
    max_padding (int): The most positions of a pass that are padding, those that the grid wants apart.
    grid (Grid): Of the shapes.
    max_length (Optional[int]): The most positions of a window that the network has, to which the grid keeps.
    YIELDS (Pass): Forward passes, longest windows first.
    """
    n_special = len(prefix) + len(suffix)
    lengths = grid.pad((work.windows.end - work.windows.start)[numbers] + n_special, max_length)
    for group in group_by_length(lengths, max_items, max_padding, grid.windows):
        chosen = numbers[group]
        start, end, keep_start, keep_end = (array[chosen, None] for array in work.windows)
        column = numpy.arange(int(lengths[group].max()))[None]
        piece = start + column - len(prefix)  # the wordpiece at each position, where it is one
        inside = (piece >= start) & (piece < end)
        padded = numpy.full(piece.shape, pad, dtype="int64")
        padded[inside] = ids[piece[inside]]
        padded[:, : len(prefix)] = prefix
        for offset, token in enumerate(suffix):
            padded[piece == end + offset] = token
        kept = (piece >= keep_start) & (piece < keep_end)
        firsts, row_starts = numpy.arange(len(chosen)) * piece.shape[1], work.row_starts[chosen]
        yield Pass(
            ids=padded,
            mask=(piece < end + len(suffix)).astype("int64"),
            kept=numpy.concatenate([firsts, numpy.flatnonzero(kept)]),
            rows=numpy.concatenate([row_starts, (1 + piece - keep_start + row_starts[:, None])[kept]]),
        )
