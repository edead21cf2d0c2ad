import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_clinicalbert.encoder.windows import Windows, check_windows, strided_windows


def cut(n_pieces, size, context):
    offsets = numpy.arange(n_pieces + 1)
    return strided_windows(size, context)("a" * n_pieces, offsets[:-1], offsets[1:])


@given(st.integers(0, 500), st.integers(1, 60), st.integers(0, 20))
def test_strided_windows_keep_each_piece_once(n_pieces, kept, context):
    windows = cut(n_pieces, kept + 2 * context, context)
    check_windows(windows, n_pieces, kept + 2 * context)
    ranges = zip(windows.keep_start, windows.keep_end)
    assert [piece for start, end in ranges for piece in range(start, end)] == list(range(n_pieces))


def test_strided_windows_give_context_on_both_sides():
    windows = cut(20, 10, 2)
    assert windows.start.tolist() == [0, 6, 12]
    assert windows.end.tolist() == [10, 16, 20]
    assert windows.keep_start.tolist() == [0, 8, 14]
    assert windows.keep_end.tolist() == [8, 14, 20]


def test_strided_windows_leave_a_short_text_whole():
    assert [array.tolist() for array in cut(10, 10, 2)] == [[0], [10], [0], [10]]
    assert len(cut(0, 10, 2).start) == 0


@pytest.mark.parametrize("size, context", [(4, 2), (10, -1), (0, 0)])
def test_strided_windows_that_keep_nothing_are_an_error(size, context):
    with pytest.raises(ValueError, match="keeps nothing"):
        strided_windows(size, context)


@pytest.mark.parametrize(
    "arrays",
    [
        ([0, 4], [6, 10], [0, 6], [5, 10]),  # loses a piece
        ([0, 4], [6, 10], [0, 4], [6, 10]),  # keeps two of them twice
        ([0], [9], [0], [9]),  # loses the end
        ([2], [10], [0], [10]),  # keeps what it does not encode
    ],
)
def test_check_windows_finds_lost_and_doubled_pieces(arrays):
    with pytest.raises(ValueError, match="exactly once"):
        check_windows(Windows(*map(numpy.array, arrays)), 10, 100)


def test_check_windows_finds_windows_that_do_not_fit():
    with pytest.raises(ValueError, match="takes 8"):
        check_windows(cut(20, 10, 2), 20, 8)
