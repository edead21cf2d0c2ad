import json
import random

import pytest

from spacy_clinicalbert.corpora.annotated_questions import (
    LABELS,
    label_questions,
    polarity_questions,
    relation_questions,
)
from spacy_clinicalbert.corpora.brat import brat_records
from spacy_clinicalbert.corpora.cloze import cloze_record, term_finder
from spacy_clinicalbert.corpora.docs import GOLD, split_of
from spacy_clinicalbert.corpora.made_questions import NUMBERS, made_question_records
from spacy_clinicalbert.corpora.public import training_records
from spacy_clinicalbert.corpora.splits import load_splits
from spacy_clinicalbert.corpora.topic_questions import topic_records
from tests.corpora.files import read, spans, write_lines

NOTE = (
    "Aspirin 81 mg was given for severe fever. No cough, possible rash.\n\n"
    "The fever of the patient rose again after two days.\n\nThe fever and the chills were gone in the end.\n"
)
MARKED = [
    ("Medication", "Aspirin", 0),
    ("Dosage", "81 mg", 0),
    ("Severity", "severe", 0),
    ("Sign_symptom", "fever", 0),
    ("Sign_symptom", "cough", 0),
    ("Sign_symptom", "rash", 0),
    ("Sign_symptom", "fever", 60),
    ("Sign_symptom", "chills", 0),
]
MORE = "R1\tMODIFY Arg1:T2 Arg2:T1\nR2\tMODIFY Arg1:T3 Arg2:T4\nR3\tMODIFY Arg1:T3 Arg2:E9\nA1\tPOLARITY T5 NEG\nA2\tPOLARITY T6 UNCERTAIN\n"
PAIRS = [
    ("What is gout ?", "What is gout? Gout is a painful swelling of joints. It comes and goes."),
    ("What are the treatments for gout ?", "Drugs against pain help in an attack."),
    ("Short ?", "Yes."),
]


def write_note(folder, name, text=NOTE, more=MORE):
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, (label, words, after) in enumerate(MARKED, start=1):
        start = text.index(words, after)
        rows.append(f"T{number}\t{label} {start} {start + len(words)}\t{words}\n")
    (folder / f"{name}.txt").write_text(text)
    (folder / f"{name}.ann").write_text("".join(rows) + more)


@pytest.fixture
def note(tmp_path):
    write_note(tmp_path / "notes", "n1")
    (record,) = brat_records(tmp_path / "notes", relations=True)
    return record


def asked(record):
    """Question → the texts of its answers."""
    names = {question["id"]: question["question"] for question in record["questions"]}
    found = {question: [] for question in names.values()}
    for start, end, label, attributes in record["spans"][GOLD]:
        assert label == "ANSWER"
        found[names[attributes["question"]]].append(record["text"][start:end])
    return found


def test_brat_gives_relations_where_they_are_wanted(note, tmp_path):
    rows = {tuple(row[:2]): row[3] for row in note["entities"]}
    assert rows[8, 13] == {"relations": [["MODIFY", 0, 7]]}
    assert note["unread"] == {"relations": 1}  # of an event that is not there
    (docs, report) = read("brat", tmp_path / "notes", relations=True)
    assert report.unread["relations"] == 1 and ("81 mg", "Dosage") in spans(docs[0])
    assert read("brat", tmp_path / "notes")[1].unread["relations"] == 3


def test_labels_relations_and_polarity_become_questions(note):
    found = asked(label_questions(note))
    assert found["Which drugs were given?"] == ["Aspirin"] and found["How old is the patient?"] == []
    assert found["Which signs and symptoms are named?"] == ["fever", "cough", "rash", "fever", "chills"]
    absent = [question for question in label_questions(note)["questions"] if "unanswerable" in question]
    lost = label_questions({**note, "partial": True})["questions"]
    assert lost and not any("unanswerable" in question for question in lost)
    assert len(absent) == len(LABELS) - 3 and {each["unanswerable"] for each in absent} == {"absent_label"}
    assert asked(relation_questions(note)) == {
        "How much Aspirin was given?": ["81 mg"],
        "How severe was fever?": ["severe"],
    }
    said = {
        row["question"]: (row["kind"], row["label"]) for row in polarity_questions(note, random.Random(0))["questions"]
    }
    assert said == {
        "Did the patient have cough?": ("yes_no", "no"),
        "Did the patient have rash?": ("yes_no", "maybe"),
        "Did the patient have fever?": ("yes_no", "yes"),
        "Did the patient have chills?": ("yes_no", "yes"),
    }


def test_findings_that_are_both_present_and_absent_are_not_asked(tmp_path):
    write_note(tmp_path / "a", "n1", more="A1\tPOLARITY T4 NEG\nA2\tPOLARITY T8 NEG\nA3\tPOLARITY T8 POS\n")
    (record,) = brat_records(tmp_path / "a")
    questions = [row["question"] for row in polarity_questions(record, random.Random(0))["questions"]]
    assert len(questions) == 1 and "fever" not in questions[0] and "chills" not in questions[0]


def test_a_cloze_question_is_no_longer_in_its_text():
    find = term_finder(["fever", "high fever", "cough"])
    text = "He had a high fever for many days. The FEVER came back later, and then went. No cough.\nSo the fever was of no interest."
    assert [text[start:end] for start, end in find(text)] == ["high fever", "FEVER", "cough", "fever"]
    seen = set()
    for seed in range(10):
        record = cloze_record({"id": "a", "text": text}, find, random.Random(seed))
        (row,) = record["questions"]
        seen.add(row["question"])
        (answer,) = asked(record)[row["question"]]
        assert answer.lower() == "fever" and "what" in row["question"].split()
        assert row["question"].split(" what ")[-1].rstrip("?") not in record["text"]
    assert seen == {"The what came back later, and then went?", "So the what was of no interest?"}
    assert cloze_record({"id": "a", "text": "No fever."}, find, random.Random(0)) is None


def test_questions_about_a_topic_are_put_to_all_that_is_said_of_it():
    rows = [{"meta": {"focus": "gout", "question": question, "answer": answer}} for question, answer in PAIRS]
    rows.append({"meta": {"focus": "alone", "question": "What is it ?", "answer": "It is a thing of its own."}})
    (record,) = topic_records(rows, random.Random(0))
    assert asked(record) == {
        "What is gout ?": ["Gout is a painful swelling of joints."],
        "What are the treatments for gout ?": ["Drugs against pain help in an attack."],
    }
    assert all(answer in record["text"] for _, answer in PAIRS)
    assert {tuple(row["about"]) for row in record["questions"]} == {("gout",)}


@pytest.fixture
def folder(tmp_path):
    """Corpora with notes of all splits, and a copy of a held-out one."""
    copy = next(iter(load_splits()["maccrobat2020"].get("copies", ())), None)
    names = [f"note{i}" for i in range(20)] + ([copy] if copy else [])
    for name in names:
        write_note(tmp_path / "maccrobat2020" / "MACCROBAT2020", name)
    rows = [
        {"focus": topic, "question": question.replace("gout", topic), "answer": answer.replace("gout", topic)}
        for topic in ("gout", "asthma", "shingles")
        for question, answer in PAIRS
    ]
    (tmp_path / "medquad").mkdir()
    write_lines(tmp_path / "medquad" / "medquad.jsonl", *rows)
    return tmp_path


def kinds_of(records):
    found = {}
    for record in records:
        for row in record["questions"]:
            kind = next(
                word for word in row["id"].split() if word in ("cloze", "label", "relation", "polarity", "topic")
            )
            found.setdefault(kind, []).append(row)
    return found


def test_made_questions_are_the_same_for_a_seed_and_bounded(folder):
    records = list(made_question_records(folder))
    assert json.dumps(records) == json.dumps(list(made_question_records(folder)))
    assert json.dumps(records) != json.dumps(list(made_question_records(folder, seed=1)))
    found = kinds_of(records)
    assert set(found) == {"cloze", "label", "relation", "polarity", "topic"}
    assert not any("about" in row for rows in found.values() for row in rows)
    assert {row["unanswerable"] for row in found["topic"] if "unanswerable" in row} <= {
        "other_article",
        "removed_section",
    }
    numbers = {"labels": 7, "cloze": 3, "topics": 0}
    few = kinds_of(made_question_records(folder, numbers=numbers, other_article=0, removed_section=0))
    assert {kind: len(rows) for kind, rows in few.items()} == {"label": 7, "cloze": 3}
    assert max(len(record["questions"]) for record in made_question_records(folder, n_questions=2)) == 2


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_made_questions_keep_to_their_split(folder, split):
    """By the ids of the notes, which their questions' ids have."""
    notes = {
        record["id"].split()[-1]
        for record in made_question_records(folder, split, numbers={"cloze": 99, "labels": 999})
    }
    assert notes and {split_of(name) for name in notes} == {split}
    if split == "train":
        assert notes <= {record["id"] for _, record in training_records(folder, "maccrobat2020")}
    else:
        assert "topic" not in kinds_of(made_question_records(folder, split))


def test_a_question_is_not_put_where_its_words_stand(folder):
    """All notes have a fever and aspirin, and no text of MedQuAD has."""
    records = list(made_question_records(folder, numbers={"relations": 999, "topics": 999}, other_article=1.0))
    put = [
        (record["text"], row["question"])
        for record in records
        for row in record["questions"]
        if row.get("unanswerable") == "other_article"
    ]
    assert put
    for text, question in put:
        assert not any(word in text and word in question for word in ("fever", "Aspirin", "gout", "asthma", "shingles"))


def test_made_questions_say_what_is_wrong(folder, tmp_path):
    with pytest.raises(ValueError, match="'riddles'. Kinds are cloze, labels"):
        next(made_question_records(folder, numbers={**NUMBERS, "riddles": 1}))
    with pytest.raises(ValueError, match="split 'all'"):
        next(made_question_records(folder, "all"))
    with pytest.raises(ValueError, match=r"Nothing can be asked.*docs/data\.md"):
        next(made_question_records(tmp_path / "empty"))
    with pytest.raises(ValueError, match="other_article is 2"):
        next(made_question_records(folder, other_article=2))


def test_made_questions_are_read_as_any_corpus(folder):
    docs, report = read("made_questions", folder, numbers={"relations": 9, "polarity": 9})
    assert report.kept == len(docs) and not report.dropped
    assert any(row.get("label") == "no" for doc in docs for row in doc._.questions)
    assert {label for doc in docs for _, label in spans(doc)} == {"ANSWER"}
    assert all(doc._.annotated["clinical_ner"] == () for doc in docs)
