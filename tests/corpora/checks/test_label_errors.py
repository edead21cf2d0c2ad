import random

import pytest
import spacy

from spacy_clinicalbert.corpora.checks import entity_errors, label_errors
from spacy_clinicalbert.corpora.checks.findings import Tally
from spacy_clinicalbert.corpora.checks.label_errors import LabelErrors
from spacy_clinicalbert.corpora.checks.notes import Note

NLP = spacy.blank("en")
WORDS = {
    "surgery": "incision suture scalpel anesthesia drape".split(),
    "radiology": "film opacity lung view contrast".split(),
}


def find(records):
    check = LabelErrors(Tally(100), NLP)
    for number, record in enumerate(records):
        check.see(Note(record, f"n{number}", "", "", NLP))
    return {finding.kind: finding.examples for finding in check.findings()}


def notes(cats, count=40):
    rng = random.Random(0)
    for number in range(count):
        name = "surgery" if number % 2 else "radiology"
        text = " ".join(rng.choices(WORDS[name], k=20))
        yield {"text": f"{text} {number}", "cats": cats(name)}


@pytest.mark.parametrize(
    "cats, likely",
    [
        (lambda name: {name: 1.0}, {"surgery"}),  # one category a note
        (lambda name: {"surgery": float(name == "surgery"), "letter": None}, {"surgery"}),
        (
            lambda name: {"surgery": float(name == "surgery"), "radiology": float(name != "surgery"), "other": 1.0},
            {"surgery", "not radiology"},
        ),
    ],
)
def test_label_errors_are_found_in_categories(cats, likely):
    records = list(notes(cats))
    assert find(records) == {}
    records[7]["cats"] = cats("radiology")
    (examples,) = find(records).values()
    assert {(each.record, each.detail.split("likely ")[1]) for each in examples} == {("n7", each) for each in likely}


def test_label_errors_are_not_looked_for_where_the_model_knows_nothing():
    rng = random.Random(0)
    records = [
        {"text": f"{rng.random()} {rng.random()} {rng.random()}", "cats": {"a": float(i % 4 == 0)}} for i in range(60)
    ]
    assert set(find(records)) == {"not judged for label errors"}


def test_label_errors_of_few_or_unannotated_notes_are_none():
    assert find([{"text": "One note alone.", "cats": {"a": 1.0}, "entities": [[0, 3, "X"]]}]) == {}
    assert find([{"text": f"Note {i} has no annotation."} for i in range(30)]) == {}


def entity_notes(count=12):
    """Fever is always S, a drug in each third note always D."""
    for number in range(count):
        drug = "takes heparin" if number % 3 == 0 else "takes nothing"
        text = f"Note {number}: has fever and {drug} now ."
        entities = [[text.index("fever"), text.index("fever") + 5, "S"]]
        if number % 3 == 0:
            entities.append([text.index("heparin"), text.index("heparin") + 7, "D"])
        yield {"text": text, "entities": entities}


def test_label_of_one_note_alone_is_not_judged():
    text = "has rash ache chill cramp spasm faint ."
    places = [[text.index(word), text.index(word) + len(word), "ONE"] for word in text.split()[1:7]]
    plain = [{"text": f"Note {number} of a quiet day .", "entities": []} for number in range(8)]
    assert find([*plain, {"text": text, "entities": places}]) == {}
    examples = find([*entity_notes(30), {"text": text, "entities": places}]).values()
    assert "n30" not in {each.record for found in examples for each in found}


def test_label_that_nobody_looked_for_is_not_missed(monkeypatch):
    judged = []
    monkeypatch.setattr(entity_errors, "see_entities", lambda samples, *_: judged.extend(one.name for one in samples))
    first, second, third, *_ = entity_notes()
    first["labels"], second["labels"] = ["D", "S", "OTHER"], ["S"]  # nobody looked for D in the second
    assert find([first, second, third]) == {} and judged == ["n0", "n2"]


def test_label_errors_are_looked_for_in_a_bounded_sample(monkeypatch):
    monkeypatch.setattr(label_errors, "MAX_NOTES", 10)
    check = LabelErrors(Tally(100), NLP)
    check.see(Note({"text": "Some of them.", "entities": [[0, 4, "X"]], "partial": True}, "some", "", "", NLP))
    for number in range(200):
        check.see(Note({"text": f"Note {number}.", "entities": []}, f"n{number}", "", "", NLP))
    names = [sample.name for sample in check._samples]
    assert len(names) == len(set(names)) == 10 and any(int(name[1:]) >= 100 for name in names)
    assert [finding.message for finding in check.findings()] == [
        "Label errors were looked for in 10 of 200 annotated notes, drawn at random"
    ]


def test_label_errors_are_looked_for_among_frequent_labels(monkeypatch):
    for module in (label_errors, entity_errors):
        monkeypatch.setattr(module, "MAX_LABELS", 1)
    of_all = notes(lambda name: {"surgery": float(name == "surgery"), "letter": 1.0})
    records = [*of_all]
    records[7]["cats"] = {"surgery": 0.0, "letter": 1.0}
    assert set(find(records)) == {"frequent labels alone"}
    found = find(entity_notes(30))
    assert [each.detail for each in found["frequent labels alone"]] == ["of 2"]
    assert not any("D (" in each.detail for examples in found.values() for each in examples)
