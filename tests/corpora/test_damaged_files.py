"""Damaged files are errors that name file and line, and never show what stands there."""

import gzip
import json
import traceback

import pytest
import spacy

from spacy_clinicalbert.corpora.docs import Report, to_docs
from spacy_clinicalbert.corpora.formats import FORMATS

SECRET = "secretword"
QUESTION = {"id": 1, "question": SECRET, "answers": [{"text": SECRET, "answer_start": 99}]}
SPAN = {"start": 0, "end": 99, "label": SECRET}
XML = "<?xml version='1.0'?>\n<r>\n<TEXT>secretword</TEXT>\n<TAGS>{}</TAGS>\n</r>"
BOMB = (
    "<?xml version='1.0'?>\n<!DOCTYPE r [\n<!ENTITY a 'secretword'>\n<!ENTITY b '&a;&a;&a;&a;'>\n]>\n"
    "<r><TEXT>&b;&b;&b;&b;</TEXT><TAGS></TAGS></r>"
)
NEGEX = {"id": 1, "sentence": SECRET, "start": 0, "end": 99, "negation": "", "temporality": "", "experiencer": ""}

DAMAGED = [
    # wrong encoding
    ("jsonl", "a.jsonl", b'{"text": "a"}\n{"text": "secretword \xe4"}\n', "Line 2 of .*UTF-8"),
    ("pubtator", "a.txt", b"1|t|a\n1|a|secretword \xe4\n", "Line 2 of .*UTF-8"),
    ("conll", "a.tsv", b"a\tO\nsecretword\xe4\tO\n", "Line 2 of .*UTF-8"),
    ("brat", "n.txt", b"a\nsecretword\xe4\n", "Line 2 of .*UTF-8"),
    ("squad", "a.json", b'{"data":\n"secretword\xe4"}', "Line 2 of .*UTF-8"),
    ("mimic", "a.csv", b"note_id,subject_id,text\n1,2,secretword\xe4\n", "Line 2 of .*UTF-8"),
    ("i2b2_2010", "n.txt", b"secretword\xe4", "Line 1 of .*UTF-8"),
    # cut off
    ("jsonl", "a.jsonl", '{"text": "a"}\n{"text": "secretword', "Line 2 of .*JSON"),
    ("jsonl", "a.jsonl.gz", gzip.compress(b'{"text": "secretword"}\n' * 9)[:-9], "Line .* of .*damaged"),
    ("prodigy", "a.jsonl", '\n{"text": "secretword', "Line 2 of .*JSON"),
    ("doccano", "a.jsonl", '\n{"text": "secretword', "Line 2 of .*JSON"),
    ("negex", "a.jsonl", '\n{"sentence": "secretword', "Line 2 of .*JSON"),
    ("tcga", "a.jsonl", '\n{"text": "secretword', "Line 2 of .*JSON"),
    ("squad", "a.json", '{"data": [\n{"title": "secretword', "Line 2 of .*JSON"),
    ("label_studio", "a.json", '[\n{"data": {"text": "secretword', "Line 2 of .*JSON"),
    ("mimic", "a.csv", 'note_id,subject_id,text\n1,2,"secretword\n', "Line 2 of .*cut off"),
    ("dialogues", "a.csv", 'ID,section_text,dialogue\n1,2,"secretword\n', "Line 2 of .*cut off"),
    ("i2b2_xml", "a.xml", "<r>\n<TEXT>secretword", "Line 2 of .*not XML"),
    ("parquet", "a.parquet", b"PAR1secretword", "damaged"),
    # wrong columns
    ("conll", "a.tsv", "a\tO\nsecretword\tNN\tO\n", "Line 2 of"),
    ("conll", "a.tsv", "a\tO\nb\tsecretword\n", "Line 2 of .*tag"),
    ("mimic", "a.csv", "note_id,secretword\n1,2\n", "Line 1 of .*subject_id, text"),
    ("mimic", "a.csv", "note_id,subject_id,text\n1,2,secretword,3\n", "Line 2 of .*4 columns"),
    ("mimic", "a.csv", "", "Line 1 of .*empty"),
    ("mtsamples", "a.csv", "transcription,medical_specialty\na,secretword\n", "Line 2 of"),
    ("mtsamples", "a.jsonl", '{"sample_id": 1, "text": "secretword"}', "Line 1 of"),
    ("negex", "a.txt", "secretword\tb\nc\td\n", "Line 1 of"),
    ("negex", "a.jsonl", '{"sentence": "secretword"}', "Line 1 of"),
    ("tcga", "a.jsonl", '{"text": "secretword", "T": "secretword", "N": null, "M": null}', "Line 1 of .*field T"),
    ("dialogues", "a.csv", "dialogue\nsecretword\n", "Line 1 of"),
    ("squad", "a.json", '{"data": [{"secretword": []}]}', "Article 1 of"),
    ("squad", "a.json", '["secretword"]', "Line 1 of"),
    ("label_studio", "a.json", '[{"data": {"note": "secretword"}}]', "Task 1 of .*'text'"),
    ("label_studio", "a.json", '{"secretword": 1}', "Line 1 of"),
    ("prodigy", "a.jsonl", '{"secretword": 1}', "Line 1 of"),
    ("prodigy", "a.jsonl", '{"text": "a", "answer": "secretword"}', "Line 1 of"),
    ("doccano", "a.jsonl", '{"text": "a", "label": ["secretword"]}', "Line 1 of .*categories = true"),
    ("jsonl", "a.jsonl", '{"text": ["secretword"]}', "Line 1 of .*'text'"),
    ("jsonl", "a.jsonl", '{"text": "a", "entities": {"secretword": 1}}', "Line 1 of .*'entities'"),
    ("jsonl", "a.jsonl", '{"text": "a", "entities": [["secretword"]]}', "Line 1 of .*'entities'"),
    ("jsonl", "a.jsonl", '{"text": "a", "cats": {"a": "secretword"}}', "Line 1 of .*'cats'"),
    ("i2b2_2010", "n.con", 'c="secretword" 1:0||t="problem"', "Line 1 of .*n.con"),
    # offsets beyond the text
    ("jsonl", "a.jsonl", '\n{"text": "secretword", "entities": [[0, 99, "X"]]}', "Line 2 of .*offsets"),
    ("jsonl", "a.jsonl", '{"text": "secretword", "entities": [[-1, 2, "X"]]}', "Line 1 of .*offsets"),
    ("pubtator", "a.txt", "1|t|secretword\n1\t0\t99\tsecretword\tX\n", "Line 2 of .*offsets"),
    ("brat", "n.ann", "T1\tX 0 3\tsec\nT2\tX 0 99\tsecretword\n", "Line 2 of .*n.ann.*offsets"),
    (
        "squad",
        "a.json",
        json.dumps({"data": [{"paragraphs": [{"context": SECRET, "qas": [QUESTION]}]}]}),
        "Article 1 of",
    ),
    ("negex", "a.jsonl", json.dumps(NEGEX), "Line 1 of .*offsets"),
    ("prodigy", "a.jsonl", json.dumps({"text": SECRET, "spans": [SPAN]}), "Line 1 of .*offsets"),
    ("doccano", "a.jsonl", json.dumps({"text": SECRET, "label": [[0, 99, SECRET]]}), "Line 1 of .*offsets"),
    (
        "label_studio",
        "a.json",
        json.dumps(
            [
                {
                    "data": {"text": SECRET},
                    "annotations": [
                        {
                            "result": [
                                {"id": "r", "type": "labels", "value": {**SPAN, "labels": [SECRET], "text": SECRET}}
                            ]
                        }
                    ],
                }
            ]
        ),
        "Task 1 of .*offsets",
    ),
    ("i2b2_2010", "n.con", 'c="secretword" 7:0 7:0||t="problem"', "Line 1 of .*n.con.* a line"),
    ("i2b2_xml", "a.xml", XML.format('<X start="0" end="99" text="secretword"/>'), "Tag 1 of .*offsets"),
    ("i2b2_xml", "a.xml", XML.format('<X start="0" end="secretword"/>'), "Tag 1 of .*offsets"),
    # bad XML
    ("i2b2_xml", "a.xml", "<r>\n<TEXT>secretword</r>", "Line 2 of .*not XML"),
    ("i2b2_xml", "a.xml", "<r>secretword</r>", "Line 1 of .*TEXT"),
    ("i2b2_xml", "a.xml", BOMB, "Line 3 of .*entity"),
    ("uima", "a.xmi", BOMB, "Line 3 of .*a.xmi.*entity"),
    ("uima", "a.xmi", "<r>\nsecretword", "Line 2 of .*a.xmi.*not XML"),
    ("uima", "a.xmi", "<r>secretword</r>", "a.xmi.*dkpro-cassis"),
]


@pytest.mark.parametrize("form, name, content, match", DAMAGED, ids=lambda value: str(value)[:20])
def test_damaged_file_is_an_error_with_its_place_and_without_its_text(tmp_path, form, name, content, match):
    if form in ("uima", "parquet"):
        pytest.importorskip({"uima": "cassis", "parquet": "pyarrow"}[form])
    if name in ("n.ann", "n.con"):
        (tmp_path / "n.txt").write_text("secret word")
    if form == "uima":
        (tmp_path / "TypeSystem.xml").write_text(
            '<typeSystemDescription xmlns="http://uima.apache.org/resourceSpecifier"><types/></typeSystemDescription>'
        )
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    path = tmp_path if name in ("n.txt", "n.ann", "n.con") else tmp_path / name
    with pytest.raises(ValueError, match=match) as caught:
        list(to_docs(FORMATS[form](path), spacy.blank("en"), Report()))
    assert type(caught.value) is ValueError and name in str(caught.value)
    error = caught.value
    shown = "".join(traceback.TracebackException.from_exception(error).format_exception_only())
    assert SECRET not in shown and (error.__cause__ is None or error.__suppress_context__)


def test_strict_makes_every_drop_an_error(tmp_path):
    (tmp_path / "n.txt").write_text("left or right pain")
    (tmp_path / "n.ann").write_text("T1\tX 0 4;14 18\tleft pain\n")
    with pytest.raises(ValueError, match="note n, characters 0-18"):
        list(to_docs(FORMATS["brat"](tmp_path), spacy.blank("en"), Report(strict=True)))


@pytest.mark.parametrize("form, library", [("uima", "cassis"), ("parquet", "pyarrow")])
def test_missing_library_is_an_error_that_says_what_to_install(form, library, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(ImportError, match=r"pip install 'spacy-clinicalbert\[corpora\]'"):
        list(FORMATS[form](tmp_path))
