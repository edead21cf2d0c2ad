import pytest
import spacy
from spacy.tokens import Span, SpanGroup

from spacy_clinicalbert.corpora.docs import install_extensions
from spacy_clinicalbert.page.contents import _outline
from spacy_clinicalbert.page.note_page import note_page
from spacy_clinicalbert.questions.answers import Found, write_answers
from spacy_clinicalbert.questions.asked import Question
from tests.deployment.conftest import TEXT, make_doc
from tests.page.html import check


@pytest.mark.parametrize(
    "assertion, css, said",
    [
        ({"certainty": "absent"}, "absent", "PROBLEM absent"),
        ({"certainty": "possible"}, "possible", "PROBLEM possible"),
        ({"certainty": "hypothetical", "experiencer": "family"}, "unsure", "PROBLEM hypothetical, family"),
        ({"certainty": "present", "time": "historical"}, None, "PROBLEM historical"),
        ({"certainty": "present", "time": "recent", "experiencer": "patient"}, None, "PROBLEM"),
    ],
)
def test_page_shows_entities_with_what_is_asserted(assertion, css, said):
    page = check(note_page(make_doc(assertion=assertion)))
    spans = [each for each in page.find("span") if "title" in each]
    assert len(spans) == 3 and all(
        {"absent", "possible", "unsure"}.intersection(each["class"].split()) == ({css} if css else set())
        for each in spans
    )
    assert said in page.text
    certainty = assertion["certainty"]
    assert (
        f"certainty: {certainty} 90%" in spans[0]["title"]
        and "section: history of present illness" in spans[0]["title"]
    )
    # The same for the keyboard.
    chips = [each for each in page.find("chip") if "tabindex" in each]
    assert [each["aria-label"] for each in chips] == [each["title"] for each in spans]
    assert page.notes == [TEXT]


def test_page_shows_confidence_and_what_overlaps():
    doc = make_doc()
    ent = doc.ents[0]
    group = [Span(doc, ent.start, ent.end, label=ent.label_), Span(doc, ent.start, ent.start + 1, label="SITE")]
    doc.spans["entities"] = SpanGroup(doc, name="entities", spans=group, attrs={"scores": [0.98, 0.7]})
    doc.spans["others"] = SpanGroup(doc, name="others", spans=[Span(doc, ent.start, ent.end, label=ent.label_)])
    page = check(note_page(doc))
    tips = [each["data-tip"] for each in page.find("chip") if "data-tip" in each]
    assert tips[0].startswith("SITE 70%") and "overlaps a more probable one" in tips[0]
    assert tips[1].startswith("PROBLEM 98%") and len(tips) == 4
    lines = {each["style"][:8] for each in page.find("span") if "SITE" in each.get("title", "")}
    assert lines == {"--slot:1"}


def test_page_has_an_outline_that_leads_to_the_sections():
    page = check(note_page(make_doc()))
    assert [link for link in page.links if link.startswith("#s")] == ["#s0", "#s1"]
    assert "history of present illness" in page.text and [each["class"] for each in page.find("head")] == [
        "head",
        "head",
    ]


def test_page_shows_categories_with_what_each_window_says():
    doc = make_doc()
    doc.cats = {"progress": 0.8, "<b>consult": 0.1}
    spans = [doc[:6], doc[6:]]
    cats = [{"progress": 0.95, "<b>consult": 0.05}, {"progress": 0.4, "<b>consult": 0.2}]
    doc.spans["windows"] = SpanGroup(doc, name="windows", spans=spans, attrs={"cats": cats})
    page = check(note_page(doc))
    assert [each["style"] for each in page.find("fill")] == ["width:80.0%", "width:10.0%"]
    assert f"characters 0 to {doc[6].idx - 1}: 95%" in page.text.replace("\n", " ") or "95%" in page.text
    start = doc[6].idx
    assert f"#w{start}-{len(TEXT)}" in page.links and f"w{start}-{len(TEXT)}" in page.ids and "<b>consult" in page.text


def test_page_shows_answers_in_place_and_questions_without():
    install_extensions()
    doc = make_doc()
    found = [
        Found(Question("a", "Which <drug>?"), [(doc.ents[1].start, doc.ents[1].end, 0.75)], {}),
        Found(Question("b", "Since when?"), [], {}),
    ]
    from spacy_clinicalbert.questions.answers import install_getter

    install_getter()
    write_answers(doc, found, 1, 0.5)
    text = note_page(doc)
    page = check(text)
    (answer,) = [each for each in page.find("answer") if "title" in each]
    assert answer["title"] == "Answer to question 1, 75%"
    assert "Which <drug>?" in page.text and "The note does not say." in page.text
    start = doc.ents[1].start_char
    assert f"#e{start}-{start + 7}" in page.links and f"body:has(#e{start}-{start + 7}:target)" in text


def test_page_links_summary_and_pathology_to_their_evidence():
    nlp = spacy.blank("en")
    nlp.add_pipe("clinical_sections")
    nlp.add_pipe("clinical_pathology")
    doc = nlp("DIAGNOSIS: Invasive ductal carcinoma of the left breast.\nStage pT1c pN0.\nPLAN: Return <soon>.")
    sentence = doc[2:10]
    doc.spans["summary"] = SpanGroup(doc, name="summary", spans=[sentence], attrs={"salience": [0.5]})
    page = check(note_page(doc))
    assert "Summary" in page.text and "Pathology record" in page.text and "pT" in page.text
    start = doc.text.index("pT1c")
    assert any(link.startswith(f"#e{start}-") for link in page.links)
    assert f"#e{sentence.start_char}-{sentence.end_char}" in page.links


@pytest.mark.parametrize("text", ["", " \n ", "x" * 100_000, "\u202e<script>alert(1)</script>\x00", "no results"])
def test_page_of_whatever_a_note_is(text):
    install_extensions()
    doc = spacy.blank("en").make_doc(text)
    doc._.note_id = text[:50] or None
    page = check(note_page(doc, about=text[:50], problems=[text[:50]]))
    assert "\u202e" not in page.text and "\x00" not in page.text
    assert len(page.notes) == 1


def test_outline_takes_linear_time(process_seconds):
    """A note of many sections and many entities."""

    def make_record(n):
        places = [{"start": 10 * i, "end": 10 * i + 10, "label": "plan"} for i in range(n)]
        return {"sections": places, "entities": [{**each, "end": each["start"] + 4} for each in places for _ in (1, 2)]}

    short, long = make_record(500), make_record(4000)
    assert [row["count"] for row in _outline(short)] == [2] * 500
    assert process_seconds(_outline, long) < 24 * max(process_seconds(_outline, short), 0.005)


def test_embedded_page_links_within_itself():
    page = check(note_page(make_doc(), embedded=True))
    assert page.links[0] == "about:srcdoc"
