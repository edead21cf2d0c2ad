import json

import pytest
import spacy

from spacy_clinicalbert.corpora.docs import GOLD, make_reader, span_attributes
from spacy_clinicalbert.corpora.entity_questions import read_entity_questions
from spacy_clinicalbert.corpora.questions import cut_into_passages, question_records, read_questions

TEXTS = {
    "a": "Title of one\n\nThe fever began on Monday.\n\nAspirin was given for pain.\n\nAspirin helps.",
    "b": "Title of two\n\nThe cough began on Friday.\n\nNothing was given.",
}
ASKED = {"a": [("When?", "Monday"), ("What?", "Aspirin"), ("For?", "pain")], "b": [("When?", "Friday")]}


def write_squad(file):
    articles = []
    for name, text in TEXTS.items():
        qas = [
            {
                "id": f"{name}{i}",
                "question": question,
                "answers": [{"text": answer, "answer_start": text.index(answer)}],
            }
            for i, (question, answer) in enumerate(ASKED[name])
        ]
        articles.append({"title": name, "paragraphs": [{"document_id": name, "context": text, "qas": qas}]})
    file.write_text(json.dumps({"data": articles}))
    return file


@pytest.fixture
def path(tmp_path):
    return write_squad(tmp_path / "squad.json")


def test_questions_are_put_where_they_have_no_answer(path):
    records = list(question_records(path, other_article=1.0, removed_section=1.0))
    asked = {(record["id"], row["id"]): row for record in records for row in record["questions"]}
    made = {key: row["unanswerable"] for key, row in asked.items() if "unanswerable" in row}
    assert made == {
        ("b", "a0 other_article"): "other_article",
        ("b", "a1 other_article"): "other_article",
        ("b", "a2 other_article"): "other_article",
        ("a", "b0 other_article"): "other_article",
        ("a", "a0 removed_section"): "removed_section",
        ("a", "a2 removed_section"): "removed_section",  # Aspirin stands elsewhere too
        ("b", "b0 removed_section"): "removed_section",
    }
    (without,) = [record for record in records if record["id"] == "a" and not record["spans"][GOLD]]
    assert without["text"] == "Title of one\n\nAspirin helps."
    for record in records:
        answered = {span[3]["question"] for span in record["spans"][GOLD]}
        assert answered == {row["id"] for row in record["questions"] if "unanswerable" not in row}


def test_another_paragraph_of_an_article_is_not_another_article(path):
    (one, two) = json.loads(path.read_text())["data"]
    for paragraph in (*one["paragraphs"], *two["paragraphs"]):
        del paragraph["document_id"]
    path.write_text(json.dumps({"data": [{"title": "one", "paragraphs": one["paragraphs"] + two["paragraphs"]}]}))
    records = list(question_records(path, other_article=1.0, removed_section=0.0))
    assert [record["id"] for record in records] == ["one-1", "one-2"]
    assert not [row for record in records for row in record["questions"] if "unanswerable" in row]


def test_shares_seed_and_parts(path):
    assert [len(record["questions"]) for record in question_records(path, None, 0.0, 0.0)] == [3, 1]
    parts = list(question_records(path, None, 0.0, 0.0, n_questions=2))
    assert [[row["id"] for row in record["questions"]] for record in parts] == [["a0", "a1"], ["a2"], ["b0"]]
    assert [len(record["spans"][GOLD]) for record in parts] == [2, 1, 1]
    assert list(question_records(path)) == list(question_records(path))
    with pytest.raises(ValueError, match="removed_section is 2"):
        list(question_records(path, removed_section=2))


def test_predicted_docs_have_the_questions_and_not_what_is_known(path):
    examples = list(read_questions(path, other_article=1.0)(spacy.blank("en")))
    for example in examples:
        ids = [row["id"] for row in example.reference._.questions]
        assert [row["id"] for row in example.predicted._.questions] == ids
        assert not any("unanswerable" in row for row in example.predicted._.questions)
        assert GOLD not in example.predicted.spans
    assert any("unanswerable" in row for example in examples for row in example.reference._.questions)


def test_entities_are_answers_and_labels_that_a_note_lacks_have_none():
    rows = [
        {
            "id": 1,
            "text": "Aspirin and heparin for pain.",
            "entities": [[0, 7, "DRUG"], [12, 19, "DRUG"], [24, 28, "SIGN"]],
        },
        {"id": 2, "text": "No pain.", "entities": [[3, 7, "SIGN"]], "labels": ["SIGN"]},
        {"id": 3, "text": "Stable."},
    ]
    asked = {"DRUG": "Which drugs?", "AGE": "How old?", "SIGN": "Which signs?"}
    first, second = read_entity_questions(make_reader(lambda: rows, strict=True), asked)(spacy.blank("en"))
    answers = [
        (span.text, span.label_, row["question"])
        for span, row in zip(first.reference.spans[GOLD], span_attributes(first.reference))
    ]
    assert answers == [("Aspirin", "ANSWER", "DRUG"), ("heparin", "ANSWER", "DRUG"), ("pain", "ANSWER", "SIGN")]
    assert [row.get("unanswerable") for row in first.reference._.questions] == [None, "absent_label", None]
    assert [row["id"] for row in second.reference._.questions] == ["SIGN"]
    assert first.predicted._.questions[1] == {"id": "AGE", "question": "How old?", "n_answers": 20}
    assert first.reference._.annotated["clinical_ner"] == ()


def test_long_texts_are_cut_into_passages_that_hold_their_answers_whole(path):
    first, second = question_records(path, None, 0.0, 0.0)
    passages = list(cut_into_passages(first, max_words=9))
    assert [passage["text"] for passage in passages] == [
        "Title of one\n\nThe fever began on Monday.\n\n",
        "Aspirin was given for pain.\n\nAspirin helps.",
    ]
    asked = [{row["id"]: row["question"] for row in passage["questions"]} for passage in passages]
    assert asked == [{"a0 0": "When?"}, {"a1 1": "What?", "a2 1": "For?"}]
    for passage in passages:
        assert passage["id"] == "a"
        for start, end, label, attributes in passage["spans"][GOLD]:
            wanted = {"a0 0": "Monday", "a1 1": "Aspirin", "a2 1": "pain"}[attributes["question"]]
            assert label == "ANSWER" and passage["text"][start:end] == wanted
    (whole,) = cut_into_passages(second, max_words=99)
    assert whole["text"] == second["text"] and [row["id"] for row in whole["questions"]] == ["b0 0"]
    answer = [0, len(first["text"]), "ANSWER", {"question": "a0"}]
    assert [each["text"] for each in cut_into_passages({**first, "spans": {GOLD: [answer]}}, 3)] == [first["text"]]
    without = {**first, "questions": [{"id": "x", "question": "Why?"}], "spans": {GOLD: []}}
    assert list(cut_into_passages(without, 9)) == []


def test_ids_that_count_anew_in_each_text_stay_apart(path):
    file = json.loads(path.read_text())
    file["data"].append({"title": "c", "paragraphs": [{"context": "The rash began on Sunday.", "qas": []}]})
    for article in file["data"]:
        for number, question in enumerate(article["paragraphs"][0]["qas"]):
            question["id"] = number
    path.write_text(json.dumps(file))
    for seed in range(8):
        for record in question_records(path, other_article=1.0, removed_section=0.0, seed=seed):
            ids = [row["id"] for row in record["questions"]]
            assert len(set(ids)) == len(ids)


def test_two_questions_of_one_id_are_an_error_with_their_place(path):
    file = json.loads(path.read_text())
    file["data"][0]["paragraphs"][0]["qas"][1]["id"] = "a0"
    path.write_text(json.dumps(file))
    with pytest.raises(ValueError, match="Article 1 of .*paragraph 1, has two questions with the same id"):
        list(question_records(path))


@pytest.mark.parametrize("name", ["", None])
def test_articles_without_a_title_are_not_one_article(path, name):
    paragraph = {"context": "The rash began on Sunday.", "qas": []}
    articles = [{"title": name, "paragraphs": [{**paragraph, "document_id": name}]} for _ in range(40)]
    path.write_text(json.dumps({"data": articles}))
    parts = {split: [each["id"] for each in question_records(path, split)] for split in ("train", "dev", "test")}
    names = [name for each in parts.values() for name in each]
    assert all(parts.values()) and sorted(names) == list(range(1, 41))


def test_a_lost_entity_is_no_absent_label():
    rows = [
        {"id": 1, "text": "Aspirin100 for pain.", "entities": [[0, 7, "DRUG"], [15, 19, "SIGN"]]},
        {"id": 2, "text": "Aspirin for pain.", "entities": [[12, 16, "SIGN"]], "partial": True},
        {"id": 3, "text": "Rest for chest pain.", "entities": [[9, 19, "SIGN"], [9, 14, "SITE"]]},
    ]
    asked = {"DRUG": "Which drugs?", "SIGN": "Which signs?"}
    examples = read_entity_questions(make_reader(lambda: rows, strict=False), asked)(spacy.blank("en"))
    found = [[(row["id"], row.get("unanswerable")) for row in each.reference._.questions] for each in examples]
    assert found == [[("SIGN", None)], [("SIGN", None)], [("DRUG", "absent_label"), ("SIGN", None)]]
