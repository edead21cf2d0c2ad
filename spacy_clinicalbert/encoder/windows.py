"""Cut a note's wordpieces into windows that an encoder can read. Numpy only.

wordpieces   0 1 2 3 4 5 6 7 8 9      size 6, context 1
window 0    [k k k k k c]             k: encoded and kept
window 1            [c k k k k k]     c: encoded as context only
"""

from typing import Callable, NamedTuple

import numpy
from numpy import ndarray


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
    if context < 0 or size <= 2 * context:
        raise ValueError(
            f"A window of {size} wordpieces with {context} of context on both sides keeps nothing. "
            "Set size above twice the context, and context to 0 or more."
        )
    stride = size - 2 * context

    def windows(text: str, piece_starts: ndarray, piece_ends: ndarray) -> Windows:
        n_pieces = len(piece_starts)
        n_windows = -(-max(n_pieces - 2 * context, 1) // stride) if n_pieces else 0
        start = numpy.arange(n_windows) * stride
        end = numpy.minimum(start + size, n_pieces)
        borders = start[1:] + context
        return Windows(start, end, numpy.append(start[:1], borders), numpy.append(borders, end[-1:]))

    return windows


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
