import pytest
import spacy

from spacy_clinicalbert.corpora.checks.documents import Conflicts, Documents
from spacy_clinicalbert.corpora.checks.findings import Tally
from spacy_clinicalbert.corpora.checks.notes import Note

NLP = spacy.blank("en")
TEXT = "Has fever and cough."


def conflicts(*records):
    check = Conflicts(Tally(10))
    for number, record in enumerate(records):
        check.see(Note({"text": TEXT, **record}, f"n{number}", "", "", NLP))
    return [example.detail for finding in check.findings() for example in finding.examples]


@pytest.mark.parametrize(
    "first, second, found",
    [
        ({"cats": {"a": 1.0}}, {"cats": {"a": 1.0}}, []),
        ({"cats": {"a": 1.0}}, {"cats": {"a": 0.0}}, ["other categories than n0"]),
        ({"cats": {"a": 1.0}}, {"cats": {"a": 1.0, "b": 0.0}}, []),
        ({"cats": {"a": 1.0, "b": None}}, {"cats": {"a": 1.0, "b": 1.0}}, []),
        ({"cats": {"a": 1.0}}, {"cats": {"b": 1.0}}, ["other categories than n0"]),
        ({"cats": {"a": 1.0}}, {"entities": [[4, 9, "X"]]}, []),
        ({"entities": [[4, 9, "X"]]}, {"text": "HAS  fever and cough", "entities": [[5, 10, "X"]]}, []),
        ({"entities": [[4, 9, "X"]]}, {"entities": []}, ["other entities than n0"]),
        ({"entities": [[4, 9, "X"]]}, {"entities": [[4, 9, "Y"]]}, ["other entities than n0"]),
        ({"entities": [[4, 9, "X"]]}, {"text": "Has cough.", "entities": []}, []),
        ({"entities": [[4, 9, "X"]]}, {}, []),
        ({"entities": [[4, 9, "X"]], "partial": True}, {"entities": [[14, 19, "X"]], "partial": True}, []),
        ({"entities": [[4, 9, "X"]], "labels": ["X"]}, {"entities": [[14, 19, "Y"]], "labels": ["Y"]}, []),
        ({"entities": [[4, 9, "X"]], "labels": ["X"]}, {"entities": [[4, 9, "X"], [14, 19, "Y"]]}, []),
        ({"entities": [[4, 9, "X"]], "labels": ["X"]}, {"entities": []}, ["other entities than n0"]),
    ],
)
def test_conflicts_are_between_what_both_notes_know(first, second, found):
    assert conflicts(first, second) == found


def test_documents_in_one_split_or_without_ids_and_splits_are_no_defect():
    check = Documents(Tally(10))
    for number, split in enumerate(["train", "train", "", ""]):
        check.see(Note({"id": number, "patient": "p", "text": TEXT}, f"n{number}", "", split, NLP))
        check.see(Note({"text": TEXT}, f"m{number}", "", split, NLP))
    assert list(check.findings()) == []


def test_notes_of_nobody_are_not_of_one_patient():
    check = Documents(Tally(10))
    for split in ("train", "dev"):
        check.see(Note({"patient": "", "text": TEXT}, f"n-{split}", "", split, NLP))
    assert list(check.findings()) == []
