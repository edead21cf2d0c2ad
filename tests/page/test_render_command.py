import json

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_clinicalbert.cli import app
from spacy_clinicalbert.corpora.docs import Report, to_docs
from tests.deployment.conftest import make_nlp
from tests.page.html import check

NOTES = [
    {"id": "n1", "text": "Chest pain and fever.", "entities": [[0, 10, "PROBLEM"]]},
    {"id": "n2", "text": "Denies chest pain <b>now</b>.", "entities": [[7, 12, "PROBLEM"], [13, 17, "PROBLEM"]]},
    {"id": "n3", "text": "Aspirin, CXR.", "entities": [[0, 7, "PROBLEM"], [9, 12, "TEST"]]},
]


@pytest.fixture
def notes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in NOTES), encoding="utf8")
    (tmp_path / "note.txt").write_text("HPI: Denies chest pain.\r\nPLAN: aspirin.", encoding="utf8", newline="")
    (tmp_path / "empty.txt").write_text("\n")
    docs = list(to_docs(NOTES, spacy.blank("en"), Report()))
    DocBin(store_user_data=True, docs=docs).to_disk(tmp_path / "notes.spacy")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, ["render", *map(str, arguments)])


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["note.txt"], "HPI: Denies chest pain.\nPLAN: aspirin."),
        (["notes.jsonl", "--id", "n2"], NOTES[1]["text"]),
        (["notes.spacy", "--id", "#2"], NOTES[2]["text"]),
    ],
)
def test_render_writes_the_page_of_a_note(pipeline, notes, arguments, text):
    shown = run(pipeline, *arguments, "-o", "out.html")
    assert shown.exit_code == 0, shown.output
    assert check((notes / "out.html").read_text(encoding="utf8")).notes == [text]


def test_render_says_which_questions_nobody_answers(pipeline, notes):
    shown = run(pipeline, "note.txt", "--question", "Why?", "-o", "new/page.html")
    assert (
        shown.exit_code == 0 and "Not on it: The questions: the pipeline has no component clinical_qa." in shown.output
    )
    assert "no component clinical_qa" in check((notes / "new" / "page.html").read_text(encoding="utf8")).text


def test_render_says_what_annotation_it_could_not_compare(pipeline, notes):
    rows = [NOTES[0], {"text": "Has fever.", "entities": [[4, 7, "PROBLEM"]]}]
    (notes / "cut.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in rows), encoding="utf8")
    shown = run(pipeline, "cut.jsonl", "-o", "errors.html")
    assert shown.exit_code == 0 and "entities that do not fall on token borders: 1" in shown.output


@pytest.mark.parametrize("source", ["notes.jsonl", "notes.spacy"])
def test_render_shows_what_is_wrong_in_several_notes(notes, tmp_path_factory, source):
    path = tmp_path_factory.mktemp("case") / "pipeline"
    nlp = make_nlp()
    nlp.get_pipe("entity_ruler").add_patterns(
        [{"label": "PROBLEM", "pattern": [{"LOWER": "chest"}, {"LOWER": "pain"}]}]
    )
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "DRUG", "pattern": [{"LOWER": "aspirin"}]}])
    nlp.to_disk(path)
    shown = run(path, source, "-o", "errors.html")
    assert shown.exit_code == 0 and "4 entities and 0 notes' categories" in shown.output
    page = check((notes / "errors.html").read_text(encoding="utf8"))
    text = " ".join(page.text.split())
    assert "Entities, found, not in the gold: 1" in text and "Entities, missed: 1" not in text.replace("missed: 2", "")
    assert "n2, characters 7 to 17" in text and page.text.index("found, not in") < page.text.index("by label")
    assert run(path, source, "-o", "few.html", "--max-errors", 1).exit_code == 0
    few = check((notes / "few.html").read_text(encoding="utf8"))
    assert len(few.find("error")) == 1 and "0 of them" in few.text


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["none.txt"], "is not there"),
        (["none.jsonl"], "is not there"),
        (["empty.txt"], "'empty.txt' has no notes with text"),
        (["note.dat"], "neither .spacy, .jsonl nor .parquet"),
        (["notes.jsonl", "--id", "n9"], "None of the 3 notes has the id 'n9'"),
        (["notes.jsonl", "--question", "Why?"], "say by --id"),
    ],
)
def test_render_says_what_is_wrong_with_its_input(pipeline, notes, arguments, message):
    shown = run(pipeline, *arguments)
    assert shown.exit_code == 1 and message in " ".join(shown.output.split())
    assert not (notes / "page.html").exists()


def test_render_does_not_show_the_note_it_fails_on(notes, tmp_path_factory):
    path = tmp_path_factory.mktemp("bad") / "pipeline"
    make_nlp("bulk_fails_on_bad").to_disk(path)
    (notes / "bad.txt").write_text("bad secret", encoding="utf8")
    shown = run(path, "bad.txt")
    assert shown.exit_code == 1 and "bulk_fails_on_bad" in shown.output and "secret" not in shown.output
