import pytest
import spacy

from spacy_clinicalbert.corpora.checks.findings import Tally
from spacy_clinicalbert.corpora.checks.notes import Note
from spacy_clinicalbert.corpora.checks.personal_data import PersonalData


def find(text, show_text=False):
    check = PersonalData(Tally(100, show_text))
    check.see(Note({"text": text}, "n1", "", "", spacy.blank("en")))
    return [example for finding in check.findings() for example in finding.examples]


@pytest.mark.parametrize(
    "entity, value, around",
    [
        ("EMAIL_ADDRESS", "jane.roe@hospital.org", "Write to {} soon."),
        ("URL", "https://hospital.org/portal", "See {} for more."),
        ("PHONE_NUMBER", "(212) 736-5000", "Call {} with questions."),
        ("US_SSN", "536-22-8726", "Number {} on file."),
        ("CREDIT_CARD", "4111 1111 1111 1111", "Paid with {} today."),
        ("IP_ADDRESS", "192.168.17.4", "Sent from {} at night."),
        ("MEDICAL_LICENSE", "AB1234563", "Prescriber {} signed."),
        ("MEDICAL_RECORD_NUMBER", "MRN: 00481516", "Patient {} seen."),
        ("DATE_OF_BIRTH", "DOB: 03/14/1952", "Patient, {}, seen."),
        ("DATE_OF_BIRTH", "born on March 14, 1952", "He was {} at home."),
    ],
)
def test_personal_data_is_found_where_it_stands(entity, value, around):
    filler = "No acute distress, lungs clear, BP 120/80, WBC 11.2, see above. " * 5
    text = filler + around.format(value) + " " + filler
    (example,) = find(text)
    start = text.index(value)
    assert (example.record, example.text) == ("n1", None)
    assert example.detail == f"{entity}, characters {start}-{start + len(value)}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Seen on 03/14/2020 at 10:30. BP 120/80, HR 72, T 98.6, WBC 11.2, 5 mg b.i.d.at night.",
        "Admitted [**2101-1-1**], call [**Telephone/Fax (1) 212-736-5000**], DOB: [**1952-03-14**].",
        "MR imaging at 1.5 T; mitral regurgitation (MR) 2+. Date of birth unknown.",
        "Levels of 10.5, 11.2, 12.0 and 13.1. T2N0M0, CD4+/CD8-. Specimen 123456789.",
    ],
)
def test_personal_data_is_not_found_in_measurements_and_masks(text):
    assert find(text) == []


def test_personal_data_is_masked_even_where_text_is_shown():
    (first, second) = find("Mail to jane.roe@hospital.org or call (212) 736-5000 today.", show_text=True)
    assert first.text.startswith("Mail to #####") and "jane" not in first.text + second.text
    assert "736" not in first.text + second.text


def test_personal_data_of_long_notes_is_found_in_linear_time():
    text = "seen [** by the doctor there " * 20_000 + "Call (212) 736-5000 now."
    assert [example.detail for example in find(text)] == [f"PHONE_NUMBER, characters {len(text) - 19}-{len(text) - 5}"]
