import random
import re
from importlib.resources import files
from itertools import pairwise

import pytest
import spacy

from spacy_clinicalbert.page.characters import visible
from spacy_clinicalbert.page.renderer import MAX_LINES, NoteRenderer, cut, find_slots, render_heat
from tests.page.html import Page


def mark(start, end, label="X", **more):
    return {"start": start, "end": end, "label": label, **more}


def random_marks(n, length=60):
    rng = random.Random(0)
    places = [sorted((rng.randint(0, length), rng.randint(0, length))) for _ in range(n)]
    return [mark(start, end, rng.choice(["A", "B", ""])) for start, end in places]


def test_cut_tiles_the_text_and_names_the_marks_of_each_piece():
    marks = random_marks(40)
    pieces = list(cut(60, marks))
    assert pieces[0].start == 0 and pieces[-1].end == 60
    assert all(one.end == other.start for one, other in pairwise(pieces))
    for piece in pieces:
        if piece.start < piece.end:
            cover = {i for i, each in enumerate(marks) if each["start"] <= piece.start and piece.end <= each["end"]}
            assert set(piece.marks) == {i for i in cover if marks[i]["start"] < marks[i]["end"]}
    assert sorted(i for piece in pieces for i in piece.begins) == list(range(40))


def test_slots_of_marks_that_overlap_differ():
    marks = random_marks(12)
    slots = find_slots(marks)
    for i, one in enumerate(marks):
        for j, other in enumerate(marks[:i]):
            if one["label"] and other["label"] and one["start"] < other["end"] and other["start"] < one["end"]:
                assert slots[i] != slots[j] or slots[i] == MAX_LINES - 1
    assert max(find_slots([mark(0, 10)] * 30)) == MAX_LINES - 1


def test_renderer_keeps_the_text_with_its_lines():
    text = "HPI: a < b & c\n\n  indented\ttab"
    page = Page(NoteRenderer().render_ents(text, random_marks(10, len(text)), None))
    assert page.notes == [text]


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "</div></main><img src=x onerror=alert(1)>",
        '" onmouseover="alert(1)',
        "&lt;b&gt; {{ 7 * 7 }} {% raw %}",
        "{text} {0} {label!r}",
        "<!-- ]]> --> <style>*{display:none}</style>",
    ],
)
def test_renderer_shows_whatever_the_note_says_as_text(text):
    found = NoteRenderer().render_ents(
        text, [mark(0, len(text), text, tip=text, more=text), mark(1, 3, "", css="a", id="b")], None
    )
    page = Page(found)
    assert page.notes == [text]
    assert {name for _, each in page.elements for name in each} <= set(
        "class id style title tabindex role aria-label data-tip dir".split()
    )
    assert [each["data-tip"] for each in page.find("chip")] == [text]


@pytest.mark.parametrize("code", [0, 7, 0x1B, 0x7F, 0x85, 0xAD, 0x202E, 0x2066, 0x200B, 0xFEFF, 0xD800, 0xE0041])
def test_unseen_characters_are_written_out(code):
    assert visible(f"a{chr(code)}b") == f"a⟨U+{code:04X}⟩b"
    visible(f"a{chr(code)}b").encode("utf8")


def test_what_scripts_need_stays():
    for text in ("tab\there\nand there", "न\u200dम", "مرحبا", "é 😀"):
        assert visible(text) == text
    assert visible("a\r\nb\rc") == "a\nb\nc"


def test_one_line_of_a_million_characters_is_one_piece():
    text = "x" * 1_000_000
    found = NoteRenderer().render_ents(text, [mark(10, 20)], None)
    assert Page(found).notes == [text] and len(found) < 1_001_000


def test_colours_are_the_users_where_they_registered_some():
    spacy.registry.displacy_colors("page_test", func={"MINE": "#123456", "BAD": "red;background:url(//x)"})
    try:
        found = NoteRenderer({"labels": ["A", "B"]}).render_ents(
            "abcd", [mark(0, 1, "MINE"), mark(1, 2, "BAD"), mark(2, 3, "B")], None
        )
    finally:
        spacy.registry.displacy_colors.get_all()
        import catalogue

        catalogue._remove(("spacy", "displacy_colors", "page_test"))
    mine, bad, b = Page(found).find("span")
    assert "--c:#123456" in mine["style"] and "url" not in found
    assert "c2" in bad["class"].split() and "c1" in b["class"].split()


def test_heat_has_a_colour_for_each_word_that_counts():
    page = Page(
        render_heat("no chest pain <b>", [(0, 2), (3, 8), (9, 13), (14, 17)], [2.0, -1.0, 0.001, 0.5], "log-odds")
    )
    assert page.notes == ["no chest pain <b>"]
    assert [each["style"] for each in page.find("for")] == ["--v:1.00", "--v:0.25"]
    assert [each["title"] for each in page.find("against")] == ["-1 log-odds"]


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear))


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def full(colour):
    return "#" + "".join(2 * each for each in colour[1:]) if len(colour) == 4 else colour


def test_colours_can_be_read_light_and_dark():
    """WCAG 2: 4.5 for text, of chips too; 3 for lines."""
    style = (files("spacy_clinicalbert.page") / "style.css").read_text(encoding="utf8")
    schemes = [
        {n: full(c) for n, c in re.findall(r"--([\w]+):(#[0-9a-f]{3,6})", rule)}
        for rule in re.findall(r":root\{(.*?)\}", style, re.DOTALL)
    ]
    assert len(schemes) == 2
    for colours in schemes:
        for name in ("text", "soft", "link"):
            assert contrast(colours[name], colours["page"]) >= 4.5 and contrast(colours[name], colours["panel"]) >= 4.5
        assert contrast(colours["text"], colours["hit"]) >= 4.5
        for number in range(8):
            assert contrast(colours["on"], colours[f"c{number}"]) >= 4.5
            assert contrast(colours["panel"], colours[f"c{number}"]) >= 3
