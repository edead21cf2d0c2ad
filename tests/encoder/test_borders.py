import pytest

from spacy_clinicalbert.encoder.borders import Border, find_borders

NOTE = """CHIEF COMPLAINT: Fever. No cough.

PHYSICAL EXAM
Lungs are clear; no wheeze.
2. Heart regular.

  Past Medical History:
1. Asthma
"""


def test_find_borders_tells_sections_blocks_lines_and_sentences():
    starts, kinds = find_borders(NOTE)
    found = [(NOTE[start:].split()[0], Border(kind).name) for start, kind in zip(starts, kinds)]
    assert found == [
        ("No", "SENTENCE"),
        ("PHYSICAL", "SECTION"),
        ("Lungs", "LINE"),
        ("no", "SENTENCE"),
        ("2.", "LINE"),
        ("Heart", "SENTENCE"),
        ("Past", "SECTION"),
        ("1.", "LINE"),
        ("Asthma", "SENTENCE"),
    ]


def test_find_borders_takes_carriage_returns_for_ends_of_lines():
    starts, kinds = find_borders(NOTE)
    for ends in ("\r", "\r\n"):
        found = find_borders(NOTE.replace("\n", ends))
        assert found.kinds.tolist() == kinds.tolist()
        assert found.starts.tolist() == [
            start + NOTE[:start].count("\n") * (len(ends) - 1) for start in starts.tolist()
        ]


@pytest.mark.parametrize(
    "line, kind",
    [
        ("PLAN: rest", Border.SECTION),
        ("History of Present Illness:", Border.SECTION),
        ("3. ASSESSMENT AND PLAN:", Border.SECTION),
        ("Allergies: none", Border.SECTION),
        ("DISCHARGE MEDICATIONS", Border.SECTION),
        ("A. Findings: none", Border.SECTION),
        ("The patient was told the following: rest", Border.BLOCK),
        ("she said: rest", Border.BLOCK),
        ("T: 98.6", Border.BLOCK),
        ("WBC 12.1", Border.BLOCK),
        ("Seen at 10:30 today", Border.BLOCK),
        ("OK", Border.BLOCK),
    ],
)
def test_find_borders_tells_heads_from_prose_and_values(line, kind):
    starts, kinds = find_borders(f"x\n\n{line}\ny")
    assert (starts[0], kinds[0]) == (3, kind)


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\r\n \t\n", "x", "." * 9])
def test_find_borders_of_texts_without_any(text):
    assert len(find_borders(text).starts) == 0


def test_find_borders_takes_linear_time_for_hostile_texts():
    for text in (" " * 200_000, "\n" * 200_000, "A " * 100_000, 'a."' + '"' * 200_000, ". " * 100_000, "A:" * 100_000):
        find_borders(text)
