import re

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_clinicalbert.encoder.borders import Border, find_borders
from spacy_clinicalbert.encoder.windows import Windows, check_windows, note_windows, strided_windows


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


HEADS = ["HISTORY:", "PLAN:", "Past Medical History:", "FINDINGS"]
PARTS = ["fever", "chest pain.", "No cough.", "given", "\n", "\n\n", "a; b"]


def cut_note(text, size, context):
    """Windows over a note whose wordpieces are its words and punctuation marks."""
    spans = [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]
    starts, ends = numpy.array(spans, dtype="int64").reshape(-1, 2).T
    windows = note_windows(size, context)(text, starts, ends)
    check_windows(windows, len(starts), size)
    return windows, starts, ends


def cut_texts(text, size, context):
    """What each window encodes and keeps, as text."""
    windows, starts, ends = cut_note(text, size, context)
    return [
        (text[starts[start] : ends[end - 1]], text[starts[keep] : ends[keep_end - 1]])
        for start, end, keep, keep_end in zip(*windows)
    ]


sections = st.tuples(st.sampled_from(HEADS), st.lists(st.sampled_from(PARTS), max_size=40).map(" ".join))
notes = st.lists(sections, max_size=5).map(lambda parts: "\n".join(f"{head}\n{body}" for head, body in parts))


@given(notes, st.integers(1, 30), st.integers(0, 6))
def test_note_windows_keep_each_piece_once_and_cross_no_head(text, kept, context):
    windows, starts, _ = cut_note(text, kept + 2 * context, context)
    borders, kinds = find_borders(text)
    for head in numpy.searchsorted(starts, borders[kinds == Border.SECTION]).tolist():
        assert not ((windows.start < head) & (head < windows.end)).any()
        assert head == len(starts) or head in windows.keep_start


@given(notes, notes, notes)
def test_note_windows_give_a_section_the_same_windows_in_every_note(before, after, section):
    section = "PLAN: rest\n" + section
    alone = cut_texts(section, 12, 2)
    between = cut_texts(f"{before}\n{section}\nEND OF NOTE\n{after}", 12, 2)
    n_before = len(cut_texts(before, 12, 2))
    assert between[n_before : n_before + len(alone)] == alone


def test_note_windows_pack_what_fits_and_cut_at_the_strongest_border():
    text = "PLAN: one two.\n\nThree four five six. Seven eight\nnine ten eleven twelve thirteen"
    assert [kept for _, kept in cut_texts(text, 8, 1)] == [
        "PLAN: one two.",  # a block, though the next sentence began within reach
        "Three four five six.",
        "Seven eight\nnine ten eleven twelve thirteen",
    ]
    assert cut_texts(text, 17, 1) == [(text, text)]


@pytest.mark.parametrize("size", [6, 8, 30])
def test_note_windows_cut_wordpieces_with_their_white_space_at_the_same_words(size):
    """Byte-level tokenizers have the space before a word in its first wordpiece."""
    text = "Stable today.\n PLAN: go home; rest\n\n LABS: none. Fol lows up"
    plain = [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]
    spaced = [match.span() for match in re.finditer(r"[^\S\n]?\w+|[^\w\s]|\n", text)]
    kept = []
    for spans in (plain, spaced):
        starts, ends = numpy.array(spans, dtype="int64").T
        windows = note_windows(size, 1)(text, starts, ends)
        check_windows(windows, len(spans), size)
        kept.append(
            [text[starts[keep] : ends[end - 1]].strip() for keep, end in zip(windows.keep_start, windows.keep_end)]
        )
    if size == 30:
        assert kept[1] == kept[0] == ["Stable today.", "PLAN: go home; rest", "LABS: none. Fol lows up"]
    assert {each.split(":")[0] for each in kept[1]} >= {"PLAN", "LABS"}


@pytest.mark.parametrize(
    "text, spans", [("Fever. ", [(0, 5), (5, 6), (7, 7)]), (" ", [(1, 1)]), ("a  b", [(0, 1), (2, 2), (3, 4)])]
)
def test_note_windows_take_pieces_of_white_space_that_have_no_characters(text, spans):
    """RoBERTa's tokenizers trim the offsets of what is white space."""
    starts, ends = numpy.array(spans, dtype="int64").T
    windows = note_windows(8, 1)(text, starts, ends)
    assert [array.tolist() for array in windows] == [[0], [len(spans)], [0], [len(spans)]]


def test_note_windows_cut_between_words_of_byte_level_tokenizers():
    text = "one two thr ee four five six seven"
    pieces = ["one", " two", " thr", " ee", " fo", "ur", " five", " si", "x", " sev", "en"]
    ends = numpy.cumsum([len(piece) for piece in pieces])
    windows = note_windows(4, 0)(text, ends - [len(piece) for piece in pieces], ends)
    assert [text[(ends[keep - 1] if keep else 0) : ends[end - 1]] for keep, end in zip(windows.keep_start, windows.keep_end)] == [
        "one two thr ee", " four five", " six seven"
    ]  # fmt: skip


def test_note_windows_show_context_within_the_section_only():
    text = "HISTORY: none\nPLAN: " + "word " * 20
    windows = cut_texts(text, 10, 2)
    assert windows[0] == ("HISTORY: none", "HISTORY: none")
    assert windows[1] == ("PLAN: " + "word " * 7 + "word", "PLAN: " + "word " * 5 + "word")
    assert all(len(encoded.split()) == len(kept.split()) + 4 for encoded, kept in windows[2:-1])


@pytest.mark.parametrize("size, context", [(4, 2), (10, -1)])
def test_note_windows_that_keep_nothing_are_an_error(size, context):
    with pytest.raises(ValueError, match="keeps nothing"):
        note_windows(size, context)
