import pytest
import spacy

from spacy_clinicalbert.pipeline.section_titles import Titles, load_table
from spacy_clinicalbert.summary.sentences import find_sentences
from spacy_clinicalbert.tokenizer import blank_clinical
from tests.summary.conftest import NOTE

TITLES = Titles(load_table())
nlp = blank_clinical()


def sentences(text, doc=None):
    doc = nlp.make_doc(text) if doc is None else doc
    found = find_sentences(doc, TITLES)
    return [(doc[a:b].text, label) for (a, b), label in zip(found.places.tolist(), found.sections)]


def test_sentences_have_their_sections_and_no_heads():
    hpi, plan = "history_of_present_illness", "plan"
    wanted = [
        ("Chest pain.", "chief_complaint"),
        ("The patient has chest pain and fever.", hpi),
        ("He was seen by Dr. Smith for cough; no history of pain.", hpi),
        ("She denies:\nfever\ncough", hpi),
        ("Mother had fever.", "family_history"),
        ("1. Aspirin given for chest pain.", plan),
        ("2. Lungs clear, stable.", plan),
    ]
    assert sentences(NOTE) == wanted
    pipeline = blank_clinical()
    pipeline.add_pipe("clinical_sections")
    assert sentences(NOTE, pipeline(NOTE)) == wanted


@pytest.mark.parametrize("text, n", [
    ("Fever and a cough that has been\ngoing on for days.", 1),
    ("She takes aspirin b.i.d. for the pain. No fever.", 2),
    ("no fever\nNo cough", 2),
    ("A line that is rather long and was broken because it was\nFull of words.", 1),
    ("No evidence of:\n- fever\n- cough\n\nStable.", 2),
    ("DISCHARGE SUMMARY\n\nStable.", 1),
    ("Patient denies: Chest pain. Dyspnea. Palpitations.\nStable.", 2),
    ("No acute distress. HEENT: Clear. Lungs clear.", 3),
    ("Patient has no history of\n   Diabetes\n   Hypertension\n\nStable.", 2),
    ("Negative for\nFever\nChills", 1),
    ("She denies the following:\n\n- Fever\n\n- Chills\n\nStable.", 2),
    ("He has asthma.\n\n- Fever\n\n- Chills", 3),
    ("A line that is rather long was broken behind the article the\nEmergency staff wrote. He left. Stable.", 3),
    ("He was admitted on Sept. 12 with chest pain. Temp. 98.6.", 2),
    ("Seen by Drs. Smith and Jones.", 1),
    ("", 0), ("  \n", 0), ("2.", 0), ("x" * 5000, 1),
])  # fmt: skip
def test_what_depends_on_what_is_before_is_not_cut_off(text, n):
    assert len(sentences(text)) == n


@pytest.mark.parametrize("text", ["PLAN:2 units of packed red cells.", "ASSESSMENT:61-year-old man."])
def test_what_is_glued_to_a_head_is_not_lost(text):
    ((found, section),) = sentences(text)
    assert found == text and section in ("plan", "assessment")


def test_sentences_do_not_overlap_and_take_linear_time(process_seconds):
    small, large = (spacy.blank("en").make_doc(NOTE * n) for n in (50, 400))
    found = find_sentences(large, TITLES)
    assert (found.places[1:, 0] >= found.places[:-1, 1]).all() and (found.words > 0).all()
    assert process_seconds(find_sentences, large, TITLES) < 24 * max(
        process_seconds(find_sentences, small, TITLES), 0.01
    )


def test_a_long_rule_in_front_of_a_sentence_takes_linear_time(process_seconds):
    small, large = (spacy.blank("en").make_doc(f"{'-' * n} stable today") for n in (1000, 8000))
    assert process_seconds(find_sentences, large, TITLES) < 24 * max(
        process_seconds(find_sentences, small, TITLES), 0.01
    )
