import json

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_clinicalbert.corpora.docs import Report
from spacy_clinicalbert.corpora.formats import read_corpus

RECORD = {"id": "n1", "text": "No fever.", "entities": [[3, 8, "PROBLEM"]], "labels": ["PROBLEM"]}


def read(source):
    report = Report()
    return list(read_corpus(str(source), spacy.blank("en"), report)), report


@pytest.mark.parametrize("name", ["notes.jsonl", "jsonl:notes.txt"])
def test_read_corpus_reads_records_and_reports(tmp_path, name):
    path = tmp_path / name.split(":")[-1]
    path.write_text(json.dumps(RECORD) + "\n")
    (doc,), report = read(f"jsonl:{path}" if ":" in name else path)
    assert [ent.text for ent in doc.ents] == ["fever"] and report.kept == 1


def test_read_corpus_keeps_what_a_spacy_file_says_of_annotation(tmp_path):
    (tmp_path / "notes.jsonl").write_text(json.dumps(RECORD) + "\n")
    docs, _ = read(tmp_path / "notes.jsonl")
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "notes.spacy")
    (doc,), report = read(tmp_path / "notes.spacy")
    assert doc._.annotated["ner"] == ("PROBLEM",) and doc._.note_id == "n1" and not report.read


def test_read_corpus_reads_another_format_by_its_name(tmp_path):
    (tmp_path / "notes.tsv").write_text("No\tO\nfever\tB-PROBLEM\n")
    (doc,), _ = read(f"conll:{tmp_path / 'notes.tsv'}")
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("fever", "PROBLEM")]


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("notes.tsv", b"", "neither .spacy"),
        ("nowhere.spacy", None, "is not there"),
        ("notes.spacy", b"fever", "damaged, or no .spacy file"),
        ("notes.spacy", b"", "damaged, or no .spacy file"),
    ],
)
def test_read_corpus_says_what_is_wrong(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read(tmp_path / name)
    assert "fever" not in str(error.value)


@pytest.mark.parametrize("name", ["notes.json", "notes.jsonl"])
def test_read_corpus_says_that_a_format_is_misspelt(tmp_path, name):
    (tmp_path / name).write_text("[]")
    with pytest.raises(ValueError, match="There is no format 'labelstudio'. Formats: .*label_studio"):
        read(f"labelstudio:{tmp_path / name}")
