import numpy
from hypothesis import given
from hypothesis import strategies as st

from spacy_clinicalbert.encoder.batches import Grid, group_by_length, make_passes, make_work
from spacy_clinicalbert.encoder.windows import Windows, strided_windows


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 200), st.integers(0, 20), st.integers(1, 4))
def test_group_by_length_bounds_padded_groups(lengths, max_items, max_padding, multiple):
    lengths = numpy.array(lengths, dtype="int64")
    groups = list(group_by_length(lengths, max_items, max_padding, multiple))
    assert all(len(group) < multiple or len(group) % multiple == 0 for group in groups)
    assert sorted(number for group in groups for number in group) == list(range(len(lengths)))
    assert all(len(group) == 1 or len(group) * lengths[group].max() <= max_items for group in groups)
    assert all((lengths[group].max() - lengths[group]).sum() <= max_padding for group in groups)


@given(st.integers(0, 300), st.integers(1, 300), st.integers(1, 8), st.integers(1, 4))
def test_make_passes_keeps_each_piece_once_in_its_place(n_pieces, max_items, multiple, n_windows):
    ids = numpy.arange(n_pieces) + 1000
    offsets = numpy.arange(n_pieces + 1)
    windows = strided_windows(30, 5)("a" * n_pieces, offsets[:-1], offsets[1:])
    work = make_work(ids, windows, distinct=False)
    wanted = numpy.zeros(work.n_rows, dtype="int64")
    wanted[work.rows], wanted[work.window_rows] = ids, 1
    seen = numpy.zeros(work.n_rows, dtype="int64")
    numbers = numpy.arange(len(windows.start))
    grid = Grid(multiple, n_windows)
    for ids_2d, mask, kept, rows in make_passes(ids, work, numbers, [1, 2], [3], 0, max_items, 8, grid, 43):
        assert ids_2d.shape[1] % multiple == 0 or ids_2d.shape[1] == 43
        seen[rows] += 1
        assert (ids_2d.ravel()[kept] == wanted[rows]).all()
        assert ids_2d.size <= max_items or len(ids_2d) == 1
        assert ((ids_2d != 0) == mask).all()
        for row, length in zip(ids_2d, mask.sum(1)):
            assert row[:2].tolist() == [1, 2] and row[length - 1] == 3
            assert (numpy.diff(row[2 : length - 1]) == 1).all()
    assert (seen == 1).all()


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4), max_size=12))
def test_make_work_lets_equal_windows_stand_for_one_another(texts):
    ids = numpy.array([piece for text in texts for piece in text], dtype="int64")
    ends = numpy.cumsum([len(text) for text in texts], dtype="int64")
    starts = ends - [len(text) for text in texts] if texts else ends
    work = make_work(ids, Windows(starts, ends, starts, ends), distinct=True)
    assert len(work.keys) == len(set(map(tuple, texts))) == len(work.windows.start)
    # What stands in a row is the wordpiece that asks for it, behind its window's first position.
    parts = [part for start, end in zip(*work.windows[:2]) for part in ([-1], ids[start:end])]
    in_rows = numpy.concatenate([ids[:0], *parts])
    assert len(in_rows) == work.n_rows and (in_rows[work.rows] == ids).all()
    assert len(work.window_rows) == len(texts) and (in_rows[work.window_rows] == -1).all()
    assert (work.rows[starts] == work.window_rows + 1).all()


def test_first_position_that_is_a_kept_wordpiece_too_goes_to_both_rows():
    """Where a tokenizer puts nothing before a text."""
    ids = numpy.array([7, 8, 9])
    work = make_work(ids, Windows(*map(numpy.array, ([0], [3], [0], [3]))), distinct=True)
    (whole,) = make_passes(ids, work, numpy.array([0]), [], [3], 0, 10, 8)
    assert whole.ids.tolist() == [[7, 8, 9, 3]]
    assert whole.kept.tolist() == [0, 0, 1, 2] and whole.rows.tolist() == [0, 1, 2, 3]
    assert work.window_rows.tolist() == [0] and work.rows.tolist() == [1, 2, 3]


def test_make_work_tells_windows_apart_that_keep_different_parts():
    ids = numpy.array([7, 8, 9, 7, 8, 9])
    arrays = ([0, 3], [3, 6], [0, 2], [2, 6])
    windows = Windows(*map(numpy.array, arrays))
    work = make_work(ids, windows, distinct=True)
    assert len(work.keys) == 2
