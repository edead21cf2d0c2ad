import json

import pytest
from spacy.tokens import Span, SpanGroup

from spacy_clinicalbert.summary.case import UNASSERTED, case_summary
from spacy_clinicalbert.summary.component import install_getter
from spacy_clinicalbert.summary.render import to_json, to_markdown
from spacy_clinicalbert.tokenizer import blank_clinical

TEXT = """CHIEF COMPLAINT: Cough.

HPI: A 61-year-old obese male denies fever. Fever was absent. Takes aspirin 81 mg daily and Plavix. He has asthma.

PLAN: Rest. Return in two weeks.
"""
ENTS = [
    ("fever", "PROBLEM"),
    ("Fever", "PROBLEM"),
    ("aspirin", "DRUG"),
    ("81 mg", "Dosage"),
    ("Plavix", "DRUG"),
    ("asthma", "PROBLEM"),
]


def make_doc(text=TEXT, ents=ENTS):
    nlp = blank_clinical()
    nlp.add_pipe("clinical_sections")
    doc = nlp(text)
    at = [text.index(piece) for piece, _ in ents]
    doc.ents = [doc.char_span(i, i + len(piece), label=label) for i, (piece, label) in zip(at, ents)]
    said = [{"certainty": ["absent" if "ever" in ent.text else "present", 0.9]} for ent in doc.ents]
    doc.spans["assertions"] = SpanGroup(doc, spans=list(doc.ents), attrs={"assertion": said})
    install_getter()
    return doc


def test_each_line_stands_in_the_note():
    doc = make_doc()
    case = case_summary(doc)
    assert list(case) == ["patient", "complaint", "problems", "medications", "plan"]
    lines = {name: [line["text"] for line in part["lines"]] for name, part in case.items()}
    assert lines == {
        "patient": ["61-year-old obese male"],
        "complaint": ["Cough."],
        "problems": ["fever", "asthma"],
        "medications": ["aspirin", "Plavix"],
        "plan": ["Rest.", "Return in two weeks."],
    }
    for part in case.values():
        for line in part["lines"]:
            for start, end in line["evidence"]:
                assert TEXT[start:end].lower() == line["text"].lower()
    fever, _asthma = case["problems"]["lines"]
    assert len(fever["evidence"]) == 2 and fever["assertion"] == {"certainty": "absent"}
    aspirin, plavix = case["medications"]["lines"]
    assert [each["text"] for each in aspirin["details"]] == ["81 mg"] and "details" not in plavix


def test_markdown_and_json_say_the_same():
    doc = make_doc()
    doc.spans["summary"] = SpanGroup(doc, name="summary", spans=[doc[3:5]], attrs={"salience": [0.5]})
    page = to_markdown(doc)
    assert "## Problems\n\n- fever (absent) [" in page and "- aspirin, 81 mg [" in page
    found = json.loads(to_json(doc))
    assert found["summary"][0]["text"] == doc[3:5].text and set(found["case"]) == set(case_summary(doc))
    assert "- aspirin" not in to_markdown(make_doc(ents=[]))


@pytest.mark.parametrize(
    "text, shown",
    [
        ("+ JVD", "\\+ JVD"),
        ("1. Rest", "1\\. Rest"),
        ("5~10 mg, 20~30 mg", "5\\~10 mg, 20\\~30 mg"),
        ("&lt; 3", "\\&lt; 3"),
        ("1.5 mg", "1\\.5 mg"),
    ],
)
def test_markdown_shows_what_the_note_says(text, shown):
    doc = make_doc(text, [])
    doc.spans["summary"] = SpanGroup(doc, name="summary", spans=[doc[:]], attrs={"salience": [0.5]})
    assert f"- {shown} [0–{len(text)}]" in to_markdown(doc)


@pytest.mark.parametrize("text", ["", " \n", "Stable."])
def test_empty_parts_are_left_out(text):
    doc = make_doc(text, [])
    assert case_summary(doc) == {} and to_markdown(doc) == "" and json.loads(to_json(doc)) == {"case": {}}


def test_lines_beyond_the_most_are_counted():
    doc = make_doc("PLAN: " + " ".join(f"Step {word}." for word in "one two three four".split()), [])
    assert case_summary(doc, max_lines=3)["plan"]["more"] == 1 and "- … 1 more" in to_markdown(doc, max_lines=3)


def test_a_list_of_problems_says_that_nobody_told_the_absent_ones_apart():
    doc = make_doc()
    assert "unasserted" not in case_summary(doc)["problems"] and UNASSERTED not in to_markdown(doc)
    del doc.spans["assertions"]
    assert case_summary(doc)["problems"]["unasserted"] is True and UNASSERTED in to_markdown(doc)


def test_a_bullet_is_no_part_of_a_line():
    text = "MEDICATIONS:\n- Metformin 500 mg twice a day\n* Lisinopril 10 mg daily\n"
    lines = case_summary(make_doc(text, []))["medications"]["lines"]
    assert [line["text"] for line in lines] == ["Metformin 500 mg twice a day", "Lisinopril 10 mg daily"]
    for line in lines:
        ((start, end),) = line["evidence"]
        assert text[start:end] == line["text"]


def test_a_rule_behind_the_age_takes_no_longer_than_it_is():
    text = f"Age: 61 years old {'-' * 60} obese-looking {'- ' * 30} stable"  # hours, if each dash may be a word
    assert "patient" not in case_summary(make_doc(text, []))


def test_many_entities_take_linear_time(process_seconds):
    docs = [make_doc("Patient has fever and cough today.\n" * n, []) for n in (100, 800)]
    for doc in docs:
        doc.ents = [Span(doc, token.i, token.i + 1, "PROBLEM") for token in doc if token.text in ("fever", "cough")]
        said = [{"certainty": ["present", 0.9]}] * len(doc.ents)
        doc.spans["assertions"] = SpanGroup(doc, spans=list(doc.ents), attrs={"assertion": said})
    small, large = (process_seconds(case_summary, doc) for doc in docs)
    assert large < 24 * max(small, 0.01)
