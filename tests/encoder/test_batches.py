import numpy
from hypothesis import given
from hypothesis import strategies as st

from spacy_clinicalbert.encoder.batches import group_by_length, make_passes
from spacy_clinicalbert.encoder.windows import strided_windows


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 200))
def test_group_by_length_bounds_padded_groups(lengths, max_items):
    lengths = numpy.array(lengths, dtype="int64")
    groups = list(group_by_length(lengths, max_items))
    assert sorted(number for group in groups for number in group) == list(range(len(lengths)))
    assert all(len(group) == 1 or len(group) * lengths[group].max() <= max_items for group in groups)


@given(st.integers(0, 300), st.integers(1, 300))
def test_make_passes_keeps_each_piece_once_in_its_place(n_pieces, max_items):
    ids = numpy.arange(n_pieces) + 1000
    offsets = numpy.arange(n_pieces + 1)
    windows = strided_windows(30, 5)("a" * n_pieces, offsets[:-1], offsets[1:])
    seen = numpy.zeros(n_pieces, dtype="int64")
    for ids_2d, mask, kept, pieces in make_passes(ids, windows, [1, 2], [3], 0, max_items):
        seen[pieces] += 1
        assert (ids_2d.ravel()[kept] == ids[pieces]).all()
        assert ids_2d.size <= max_items or len(ids_2d) == 1
        assert ((ids_2d != 0) == mask).all()
        for row, length in zip(ids_2d, mask.sum(1)):
            assert row[:2].tolist() == [1, 2] and row[length - 1] == 3
            assert (numpy.diff(row[2 : length - 1]) == 1).all()
    assert (seen == 1).all()
