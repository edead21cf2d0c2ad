import itertools

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.training import Example

from spacy_clinicalbert.pipeline.section_titles import Titles, load_table, normalise
from spacy_clinicalbert.pipeline.sections import find_heads
from spacy_clinicalbert.tokenizer import blank_clinical

pytestmark = pytest.mark.usefixtures("all_special_cases")
NOTE = """CHIEF COMPLAINT: Cough.

HPI. Three days of dry cough, no fever. ALLERGIES: None known.

2. Past Medical History (per wife):
Asthma.

PHYSICAL EXAMINATION:
VITAL SIGNS: Afebrile.
LUNGS: Clear.

BOWEL REGIMEN DETAILS: Senna.

A/P
1. Viral bronchitis.
"""


def make_nlp(**config):
    nlp = blank_clinical()
    nlp.add_pipe("clinical_sections", config=config)
    return nlp


@pytest.fixture(scope="module")
def nlp():
    return make_nlp()


@pytest.fixture(scope="module")
def titles():
    return Titles(load_table())


def heads(text, titles):
    return [(text[head.start : head.end], head.label) for head in find_heads(text, titles)]


def labels_of(nlp, text):
    doc = nlp(text)
    return [span.label_ for span in doc.spans["sections"]]


def test_sections_run_from_head_to_head(nlp):
    doc = nlp(NOTE)
    found = [(span.text, span.label_) for span in doc.spans["section_heads"]]
    assert found == [
        ("CHIEF COMPLAINT", "chief_complaint"),
        ("HPI", "history_of_present_illness"),
        ("ALLERGIES", "allergies"),
        ("Past Medical History", "past_medical_history"),
        ("PHYSICAL EXAMINATION", "physical_exam"),
        ("A/P", "assessment_and_plan"),
    ]
    sections = doc.spans["sections"]
    assert [span.label_ for span in sections] == [label for _, label in found]
    assert sections[0].text == "CHIEF COMPLAINT: Cough."
    assert sections[3].text == "Past Medical History (per wife):\nAsthma."
    assert sections[4].text.endswith("BOWEL REGIMEN DETAILS: Senna.")  # unknown, within an examination: a part of it


@pytest.mark.parametrize(
    "text, expected",
    [
        ("He was seen. PLAN: Rest.", [("PLAN", "plan")]),
        ("The plan: rest.\nplan: rest", [("plan", "plan")]),
        ("Seen. plan: rest", []),
        ("MEDICATIONS\nAspirin", [("MEDICATIONS", "medications")]),
        ("Medications\nAspirin", [("Medications", "medications")]),
        ("PERTINENT PAST MEDICAL HISTORY: None", [("PERTINENT PAST MEDICAL HISTORY", "past_medical_history")]),
        ("Cough.\n\nZEBRA STRIPES: three", [("ZEBRA STRIPES", "other")]),
        ("Cough.\n\nZebra stripes: three", []),
        ("DISCHARGE SUMMARY\n\nDIET: Regular.", [("DIET", "diet")]),
        ("DOB: 1/1/2000\nBP: 120/80\nPLAN: Rest", [("BP", "physical_exam"), ("PLAN", "plan")]),
        ("S: Cough\nO: Clear\nA: Cold\nP: Rest", [("S", "subjective"), ("O", "objective"), ("A", "assessment"), ("P", "plan")]),
        ("GROSS: Two parts.\nA: tan, 1 cm\nB: brown", [("GROSS", "gross_description")]),
        ("HISTORY: Pain.\nFINDINGS: Normal.", [("HISTORY", "clinical_history"), ("FINDINGS", "findings")]),
        ("HISTORY: Pain.\nALLERGIES: None", [("HISTORY", "history_of_present_illness"), ("ALLERGIES", "allergies")]),
        ("PROCEDURE: Biopsy.\nPROCEDURE: Cut.", [("PROCEDURE", "procedure"), ("PROCEDURE", "procedure_description")]),
        ("PROCEDURE: " + 40 * "It was cut. ", [("PROCEDURE", "procedure_description")]),
        ("LUNGS: Clear.\nHEART: Regular.\nPLAN: Rest", [("LUNGS", "physical_exam"), ("PLAN", "plan")]),
        ("ALLERGIES: none.\n\nZORBLAX FINDS\n- all is well", [("ALLERGIES", "allergies"), ("ZORBLAX FINDS", "other")]),
        ("ALLERGIES: none.\n\nZORBLAX FINDS\n(all is well)", [("ALLERGIES", "allergies"), ("ZORBLAX FINDS", "other")]),
        ("", []),
        (" \n", []),
    ],
)  # fmt: skip
def test_find_heads_tells_heads_from_other_text(titles, text, expected):
    assert heads(text, titles) == expected


@pytest.mark.parametrize("text", ["", "\n\n", "No head here."])
def test_sections_of_a_note_without_heads_are_empty_groups(nlp, text):
    doc = nlp(text)
    assert len(doc.spans["sections"]) == len(doc.spans["section_heads"]) == 0


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(["PLAN", "A:", "exam", ":", "\n", "\n\n", " ", "(", "x.", "É", "1.", "PLAN:rest"]), max_size=30
    )
)
def test_sections_never_overlap_and_stay_in_the_text(pieces):
    nlp = test_sections_never_overlap_and_stay_in_the_text.nlp
    doc = nlp("".join(pieces))
    sections, found = list(doc.spans["sections"]), list(doc.spans["section_heads"])
    assert len(sections) == len(found)
    for section, head in zip(sections, found):
        assert section.start == head.start and section.end >= head.end and section.label == head.label
    for one, other in itertools.pairwise(sections):
        assert one.end <= other.start


test_sections_never_overlap_and_stay_in_the_text.nlp = make_nlp()


def test_a_byte_order_mark_hides_no_section(nlp):
    doc = nlp("\ufeff" + NOTE)
    plain = nlp(NOTE)
    found = [(span.label_, span.end_char) for span in doc.spans["sections"]]
    assert found == [(span.label_, span.end_char + 1) for span in plain.spans["sections"]] and len(found) > 3


def test_a_note_whose_lines_end_in_carriage_returns_has_its_sections(nlp):
    text = "CHIEF COMPLAINT: Fever.\n\nPLAN\nRest.\n"
    docs = [nlp(text), nlp(text.replace("\n", "\r"))]
    labels, others = ([span.label_ for span in doc.spans["sections"]] for doc in docs)
    assert len(labels) == 2 and others == labels


def test_sections_take_titles_from_the_config_and_save_them(tmp_path):
    nlp = make_nlp(titles={"pets": ["Pets at home"], "plan": ["Way forward"]})
    nlp.get_pipe("clinical_sections").add_titles({"pets": ["Cats"]})
    text = "PETS AT HOME: two.\nCATS: one.\nWay forward: rest."
    nlp.to_disk(tmp_path)
    for loaded in (nlp, spacy.load(tmp_path), make_nlp().from_bytes(nlp.to_bytes())):
        doc = loaded(text)
        assert [span.label_ for span in doc.spans["sections"]] == ["pets", "pets", "plan"]
    assert "pets" in nlp.get_pipe("clinical_sections").labels


def test_a_title_that_moves_to_another_label_stays_there(tmp_path):
    nlp = make_nlp(titles={"plan": ["Allergies"]})
    nlp.get_pipe("clinical_sections").add_titles({"allergies": ["Plan"]})
    nlp.to_disk(tmp_path)
    for loaded in (nlp, spacy.load(tmp_path), make_nlp().from_bytes(nlp.to_bytes())):
        doc = loaded("ALLERGIES: none\nPLAN: go")
        assert [span.label_ for span in doc.spans["sections"]] == ["plan", "allergies"]


@pytest.mark.parametrize(
    "title, text",
    [
        ("HEENT", "PHYSICAL EXAM: well\nHEENT: Clear."),  # a part of another section
        ("Discharge Summary", "Discharge Summary\n\nShe was well."),  # a document
        ("Account", "Account: She was well."),  # passed over
        ("Procedure", f"Procedure: {'The bowel was freed. ' * 20}"),  # another label where it is long
    ],
)
def test_a_title_that_a_user_adds_means_nothing_else(title, text, tmp_path):
    nlp = make_nlp()
    assert "mine" not in labels_of(nlp, text)
    nlp.get_pipe("clinical_sections").add_titles({"mine": [title]})
    nlp.to_disk(tmp_path)
    for made in (nlp, make_nlp(titles={"mine": [title]}), spacy.load(tmp_path), make_nlp().from_bytes(nlp.to_bytes())):
        assert labels_of(made, text)[-1] == "mine"


def test_sections_take_another_table(tmp_path):
    table = {**load_table(), "titles": {"topic": ["plan"]}, "parts": []}
    path = tmp_path / "titles.json"
    spacy.util.srsly.write_json(path, table)
    doc = make_nlp(path=str(path), spans_key="topics")("PLAN: Rest.")
    assert [span.label_ for span in doc.spans["topics"]] == ["topic"] and "topics_heads" in doc.spans
    broken = tmp_path / "broken.json"
    spacy.util.srsly.write_json(broken, {"plan": ["plan"]})
    with pytest.raises(ValueError, match="'titles'"):
        make_nlp(path=str(broken))


def test_sections_score(nlp):
    doc = nlp(NOTE)
    scores = nlp.evaluate([Example(nlp.make_doc(NOTE), doc)])
    assert scores["spans_sections_f"] == 1.0 and scores["spans_sections_per_type"]["allergies"]["f"] == 1.0
    assert nlp.evaluate([Example(nlp.make_doc(NOTE), nlp.make_doc(NOTE))])["spans_sections_f"] is None


def test_table_has_each_title_once_and_normalised():
    table = load_table()
    every = [title for titles in table["titles"].values() for title in titles]
    assert len(every) == len(set(every)) and all(title == normalise(title) for title in every)
    labels = set(table["titles"])
    for part in table["parts"]:
        assert part["of"] in labels and labels.issuperset(part["within"])
        assert all(title == normalise(title) for title in part["titles"])
    reports = table["reports"]
    assert labels.issuperset([*reports["marks"], *reports["not"], *reports["titles"].values(), *table["open"]])
    assert labels.issuperset(table["narratives"].values())


def test_find_heads_takes_linear_time(titles, process_seconds):
    text = "A sentence (with this. Plan: and " * 2000
    assert process_seconds(find_heads, text * 8, titles) < 24 * max(process_seconds(find_heads, text, titles), 0.01)
