"""Cut a note's wordpieces into windows that an encoder can read. Numpy only.

wordpieces   0 1 2 3 4 5 6 7 8 9      size 6, context 1
window 0    [k k k k k c]             k: encoded and kept
window 1            [c k k k k k]     c: encoded as context only
"""

import itertools
from functools import partial
from typing import Callable, List, NamedTuple, Tuple

import numpy
from numpy import ndarray

from .borders import Border, find_borders

_SPACES = numpy.array([code for code in range(0x3001) if chr(code).isspace()], dtype="uint32")


class Windows(NamedTuple):
    """Windows over the wordpieces of one text, in the order of the text, each array of shape (n_windows,).

    start, end (ndarray): First wordpiece that the window encodes, and the one behind its last.
    keep_start, keep_end (ndarray): The part of them whose vectors are used. These parts tile the text.
    """

    start: ndarray
    end: ndarray
    keep_start: ndarray
    keep_end: ndarray


# The text, and the characters at which its wordpieces start and end, of shape (n_wordpieces,) each.
Windower = Callable[[str, ndarray, ndarray], Windows]


def strided_windows(size: int = 128, context: int = 16) -> Windower:
    """The registered function `spacy-clinicalbert.strided_windows.v1`: windows of one size at equal distances.

    size (int): Wordpieces a window, without the special tokens that the network wants around them.
    context (int): Wordpieces at each inner border of a window that are encoded and not kept.
    RETURNS (Windower): Cuts a text.
    RAISES (ValueError): Nothing of a window would be kept.
    """
    _check_sizes(size, context)
    return partial(_cut_by_stride, size, context)


def _cut_by_stride(size: int, context: int, text: str, piece_starts: ndarray, piece_ends: ndarray) -> Windows:
    n_pieces, stride = len(piece_starts), size - 2 * context
    n_windows = -(-max(n_pieces - 2 * context, 1) // stride) if n_pieces else 0
    start = numpy.arange(n_windows) * stride
    end = numpy.minimum(start + size, n_pieces)
    borders = start[1:] + context
    return Windows(start, end, numpy.append(start[:1], borders), numpy.append(borders, end[-1:]))


def note_windows(size: int = 158, context: int = 8) -> Windower:
    """The registered function `spacy-clinicalbert.note_windows.v1`: windows that follow a note's own borders.

    A section's head opens a window; what the section holds is packed into it as far as it fits. A longer section is cut
    where a block, a line or a sentence ends, with context on both sides of the cut. Context never crosses a head: the
    same section gives the same windows in every note, and an edit changes no window outside its section.

        section      |PLAN: b b b b . b b b b b . b b b|      size 9, context 2
        window 0     |k k k k k k c c|                        k: encoded and kept
        window 1             |c c k k k k k k c|              c: encoded as context only
        window 2                         |c c k k k|

    size (int): Wordpieces a window, without the special tokens that the network wants around them.
    context (int): Wordpieces at each cut that are encoded and not kept.
    RETURNS (Windower): Cuts a text.
    RAISES (ValueError): Nothing of a window would be kept.
    """
    _check_sizes(size, context)
    return partial(_cut_by_borders, size, context)


def _cut_by_borders(size: int, context: int, text: str, piece_starts: ndarray, piece_ends: ndarray) -> Windows:
    n_pieces = len(piece_starts)
    starts, kinds = find_borders(text)
    piece_starts = _behind_space(text, piece_starts, piece_ends)
    # The first wordpiece of what begins at each border, and each word's, by the white space before it.
    strengths = numpy.zeros(n_pieces + 1, dtype="int64")
    strengths[1:n_pieces][piece_starts[1:] > piece_ends[:-1]] = 1
    numpy.maximum.at(strengths, numpy.searchsorted(piece_starts, starts), kinds + 1)
    strengths[[0, n_pieces]] = Border.SECTION + 1
    heads = numpy.flatnonzero(strengths == Border.SECTION + 1).tolist()
    rows: List[Tuple[int, int, int, int]] = []
    for head, end in itertools.pairwise(heads):
        start = keep = head
        while keep < end:
            cut = end if end - start <= size else _find_cut(strengths, keep, start + size - context)
            rows.append((start, min(cut + context, end), keep, cut))
            start, keep = max(cut - context, head), cut
    return Windows(*numpy.array(rows, dtype="int64").reshape(-1, 4).T)


def _behind_space(text: str, piece_starts: ndarray, piece_ends: ndarray) -> ndarray:
    """Where the words begin in wordpieces that have the white space before a word, as those of byte-level tokenizers; one of white space alone begins where it does."""
    codes = numpy.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    is_space = numpy.isin(codes, _SPACES)
    # Where offsets are trimmed, as RoBERTa's are, white space at the end is a piece of no characters behind the last one.
    at = numpy.minimum(piece_starts, len(text) - 1)
    if not is_space[at].any():
        return piece_starts
    places = numpy.where(is_space, len(text), numpy.arange(len(text)))
    following = numpy.minimum.accumulate(places[::-1])[::-1][at]
    return numpy.where(following < piece_ends, following, piece_starts)


def _find_cut(strengths: ndarray, first: int, last: int) -> int:
    """Where to end what a window keeps, so that it begins at `first` and ends at `last` or before: at the last of the
    strongest borders in its second half, for a window that keeps little costs as much as any."""
    half = first + (last - first) // 2
    behind = strengths[half + 1 : last + 1][::-1]
    return last - int(behind.argmax())


def _check_sizes(size: int, context: int) -> None:
    if context < 0 or size <= 2 * context:
        raise ValueError(
            f"A window of {size} wordpieces with {context} of context on both sides keeps nothing. "
            "Set size above twice the context, and context to 0 or more."
        )


def check_windows(windows: Windows, n_pieces: int, max_length: int) -> None:
    """RAISES (ValueError): Wordpieces would be lost or doubled, or a window is longer than the network takes."""
    start, end, keep_start, keep_end = windows
    tiles = (
        numpy.array_equal(keep_start[1:], keep_end[:-1])
        and (start <= keep_start).all()
        and (keep_start <= keep_end).all()
        and (keep_end <= end).all()
        and (keep_start[0] == 0 and keep_end[-1] == n_pieces if len(start) else n_pieces == 0)
    )
    if not tiles:
        raise ValueError(
            f"The windows do not keep each of a text's {n_pieces} wordpieces exactly once: their kept parts must "
            "follow one another from the first wordpiece to the last, each inside its window."
        )
    longest = int((end - start).max(initial=0))
    if longest > max_length:
        raise ValueError(
            f"A window of {longest} wordpieces does not fit: this checkpoint takes {max_length}, special tokens "
            "not counted. Set the windows' size to at most that."
        )
