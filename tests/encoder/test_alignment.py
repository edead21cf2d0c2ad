import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from spacy_clinicalbert.encoder.alignment import align, token_offsets

TEXTS = [
    "",
    " ",
    " \n\n\t ",
    "No fever. BP 120/80",
    "  x  y ",
    "naïve cafe\u0301 👨‍👩‍👧 😀",
    "שלום עולם",
    "a\x00b\u200bc",
    "x" * 5000,
]


@pytest.mark.parametrize("text", TEXTS)
def test_token_offsets_are_spacys(text):
    doc = spacy.blank("en").make_doc(text)
    starts, ends = token_offsets(doc)
    assert starts.tolist() == [token.idx for token in doc]
    assert ends.tolist() == [token.idx + len(token) for token in doc]


spans = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=30)


def to_offsets(gaps_and_lengths):
    """Spans one behind the other, with gaps."""
    steps = numpy.array(gaps_and_lengths, dtype="int64").reshape(-1, 2)
    ends = numpy.cumsum(steps.sum(1))
    return ends - steps[:, 1], ends


@given(spans, spans)
def test_align_finds_what_overlaps(tokens, pieces):
    token_starts, token_ends = to_offsets(tokens)
    piece_starts, piece_ends = to_offsets(pieces)
    indices, lengths = align(token_starts, token_ends, piece_starts, piece_ends)
    found = numpy.split(indices, numpy.cumsum(lengths)[:-1]) if len(lengths) else []
    for start, end, aligned in zip(token_starts, token_ends, found):
        overlaps = [i for i, (s, e) in enumerate(zip(piece_starts, piece_ends)) if s < end and e > start]
        assert aligned.tolist() == overlaps


def test_align_counts_a_straddling_piece_for_both_tokens():
    indices, lengths = align(*map(numpy.array, ([0, 2], [2, 4], [1], [3])))
    assert indices.tolist() == [0, 0] and lengths.tolist() == [1, 1]
