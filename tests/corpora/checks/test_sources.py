import json

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_clinicalbert.corpora.checks.sources import UnusableCorpus, doc_record, load_nlp, open_sources
from spacy_clinicalbert.corpora.docs import Report, install_extensions, to_docs

RECORD = {"id": "a", "patient": "p", "text": "Has fever and cough.", "entities": [[4, 9, "X", {"negation": "no"}]]}


@pytest.fixture
def nlp():
    return spacy.blank("en")


def notes(arguments, nlp, form=None):
    return [note for source in open_sources(arguments, form, None, nlp) for note in source.notes(nlp)]


@pytest.mark.parametrize("prefix, split", [("", "dev"), ("test=", "test"), ("jsonl:", "dev"), ("test=jsonl:", "test")])
def test_sources_take_split_and_format_from_the_argument_else_from_file_and_record(prefix, split, tmp_path, nlp):
    path = tmp_path / "my=notes.jsonl"
    path.write_text(json.dumps({**RECORD, "split": "dev"}) + "\n" + json.dumps({"text": "b"}) + "\n")
    first, second = notes([f"{prefix}{path}"], nlp)
    assert first.split == split and first.name == f"{'test' if 'test' in prefix else 'my=notes'}/a"
    assert second.name.endswith("/#2") and second.split == ("test" if "test" in prefix else "")


def test_sources_read_a_format_that_is_named(tmp_path, nlp):
    (tmp_path / "n.txt").write_text("Has fever.\n")
    (tmp_path / "n.ann").write_text("T1\tX 4 9\tfever\n")
    for note in notes([f"train=brat:{tmp_path}"], nlp) + notes([str(tmp_path)], nlp, "brat"):
        assert note.record["entities"][0][:3] == [4, 9, "X"]


def test_sources_give_the_records_of_spacy_files(tmp_path, nlp):
    records = [
        {**RECORD, "summary": "What it says."},
        {"id": "b", "text": "No entities annotated.", "cats": {"c": 1.0}},
        {"id": "c", "text": "None here.", "entities": []},
    ]
    docs = DocBin(docs=to_docs(records, nlp, Report()), store_user_data=True)
    docs.to_disk(tmp_path / "a.spacy")
    first, second, third = (note.record for note in notes([f"train={tmp_path / 'a.spacy'}"], nlp))
    assert first["entities"] == RECORD["entities"] and (first["id"], first["patient"]) == ("a", "p")
    assert first["summary"] == "What it says." and "summary" not in second
    assert "entities" not in second and second["cats"] == {"c": 1.0}
    assert third["entities"] == [] and third["spans"] == {}


def test_sources_read_folders_of_spacy_files(tmp_path, nlp):
    for name in ("a", "b"):
        DocBin(docs=[nlp(f"Has {name}.")]).to_disk(tmp_path / f"{name}.spacy")
    for argument in (f"train={tmp_path}", f"train=spacy:{tmp_path}"):
        assert [note.text for note in notes([argument], nlp)] == ["Has a.", "Has b."]


def test_doc_record_says_what_is_not_known(nlp):
    entities = {"text": RECORD["text"], "entities": RECORD["entities"]}
    records = [{**entities, "partial": True}, {**entities, "labels": ["X"]}, entities]
    partial, some, whole = map(doc_record, to_docs(records, nlp, Report()))
    assert (partial["partial"], some["partial"], whole["partial"]) == (True, False, False)
    assert some["labels"] == ["X"] and "labels" not in whole


def test_doc_record_takes_entities_of_docs_that_were_made_elsewhere(nlp):
    doc = nlp("Has fever.")
    doc.set_ents([doc.char_span(4, 9, label="X")])
    assert doc_record(doc)["entities"] == [[4, 9, "X"]]


def test_sources_name_records_that_are_none_and_read_on(tmp_path, nlp):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "a", "text": "secretword", "entities": [[0, 99, "X"]]}\n{"text": 3}\n{"text": "fine"}\n')
    first, second, third = notes([str(path)], nlp)
    assert "Line 1" in first.damage and "Line 2" in second.damage and not third.damage
    assert "secretword" not in first.damage and first.text == "secretword" and second.text == ""


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.jsonl", b'{"text": "secretword', "Line 1 of .*JSON"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "secretword \xe4"}\n', "Line 2 of .*UTF-8"),
        ("a.spacy", b"secretword", "damaged"),
        ("a.parquet", b"PAR1secretword", "damaged"),
        ("a.csv", b"secretword", "--format"),
    ],
)
def test_sources_that_cannot_be_read_are_errors_without_text(name, content, message, tmp_path, nlp):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnusableCorpus, match=message) as error:
        notes([str(tmp_path / name)], nlp)
    assert "secretword" not in str(error.value)


def test_sources_that_do_not_exist_are_errors(tmp_path, nlp):
    with pytest.raises(UnusableCorpus, match="There is no"):
        open_sources([f"train={tmp_path / 'a.jsonl'}"], None, None, nlp)
    with pytest.raises(UnusableCorpus, match="no format 'word'"):
        open_sources([], "word", None, nlp)
    with pytest.raises(UnusableCorpus, match="nothing to check"):
        open_sources([], None, tmp_path, nlp)
    with pytest.raises(UnusableCorpus, match="tokenizer"):
        load_nlp(str(tmp_path / "pipeline"))


def test_sources_replace_halves_of_characters(tmp_path, nlp):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "Temperature 38 \\ud83d C today"}\n')
    (note,) = notes([str(path)], nlp)
    assert note.text == "Temperature 38 \ufffd C today" and len(note.doc) == 5


def test_a_pipeline_gives_its_tokenizer(tmp_path):
    spacy.blank("de").to_disk(tmp_path / "pipeline")
    assert load_nlp(str(tmp_path / "pipeline")).lang == "de" and load_nlp("en").lang == "en"


@pytest.mark.parametrize("name", ["clinical", "en"])
def test_tokenizers_take_notes_of_any_length(name):
    assert len(load_nlp(name).make_doc("fever " * 200_000)) >= 200_000


def test_doc_record_of_a_component_that_may_learn_all_labels(nlp):
    doc = nlp.make_doc("Has fever.")
    doc.set_ents([doc.char_span(4, 9, label="X")])
    install_extensions()
    doc._.annotated = {"ner": None}
    assert "labels" not in doc_record(doc) and doc_record(doc)["entities"] == [[4, 9, "X"]]
