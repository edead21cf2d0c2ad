"""Damaged files are errors that name file and line, and never show what stands there."""

import gzip
import json
import traceback

import pytest
import spacy

from spacy_clinicalbert.corpora.docs import Report, to_docs
from spacy_clinicalbert.corpora.formats import FORMATS
from tests.corpora.files import read

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
    ("jsonl", "a.jsonl.gz", gzip.compress(b'{"text": "secretword"}\n' * 9, mtime=0)[:-9], "Line .* of .*damaged"),
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
    ("jsonl", "a.jsonl", '{"text": "a", "annotated": {"ner": "secretword"}}', "Line 1 of .*'annotated'"),
    ("i2b2_2010", "n.con", 'c="secretword" 1:0||t="problem"', "Line 1 of .*n.con"),
    ("i2b2_2010", "n.ast", 'c="secretword" 1:0 1:0||t="problem"||a="present"', "n.ast.*'n.con' is missing"),
    ("jsonl", "a.jsonl", '{"text": "secretword", "partial": "yes"}', "Line 1 of .*'partial'"),
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
    if name in ("n.ann", "n.con", "n.ast"):
        (tmp_path / "n.txt").write_text("secret word")
    if form == "uima":
        (tmp_path / "TypeSystem.xml").write_text(
            '<typeSystemDescription xmlns="http://uima.apache.org/resourceSpecifier"><types/></typeSystemDescription>'
        )
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    path = tmp_path if name.startswith("n.") else tmp_path / name
    with pytest.raises(ValueError, match=match) as caught:
        list(to_docs(FORMATS[form](path), spacy.blank("en"), Report()))
    assert type(caught.value) is ValueError and name in str(caught.value)
    error = caught.value
    shown = "".join(traceback.TracebackException.from_exception(error).format_exception_only())
    assert SECRET not in shown and (error.__cause__ is None or error.__suppress_context__)


def test_half_of_a_surrogate_pair_is_an_error_with_the_note(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 7, "text": "SECRET \\ud83d"}\n')
    with pytest.raises(ValueError, match="Note 7 has half of a surrogate pair") as caught:
        read("jsonl", path)
    assert "SECRET" not in str(caught.value)


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


REGION = {"start": 7, "end": 17, "text": "chest pain"}
RESULTS = [
    {"id": "r", "type": "labels", "value": {**REGION, "labels": ["P"]}},
    {"id": "r", "type": "choices", "from_name": "n", "value": {**REGION, "choices": ["x"]}},
    {"id": "c", "type": "choices", "from_name": "k", "value": {"choices": ["c"]}},
]
ANSWER = {"text": "chest pain", "answer_start": 7}
PARAGRAPH = {"context": "Denies chest pain.", "qas": [{"id": 1, "question": "Q", "answers": [ANSWER]}]}
WHOLE = {
    "jsonl": {
        "id": "n",
        "text": "Denies chest pain.",
        "entities": [[7, 17, "P", {"negation": "x"}]],
        "labels": ["P"],
        "cats": {"a": 1},
        "spans": {"s": [[0, 6, "H"]]},
        "annotated": {"ner": ["P"]},
        "questions": [{"id": 1}],
        "meta": {"a": 1},
    },
    "prodigy": {
        "text": "Denies chest pain.",
        "spans": [{"start": 7, "end": 17, "label": "P"}],
        "options": [{"id": "A"}],
        "accept": ["A"],
        "answer": "accept",
        "meta": {"id": "n"},
        "relations": [{}],
    },
    "doccano": {"id": 1, "text": "Denies chest pain.", "label": [[7, 17, "P"]], "Comments": ["c"], "relations": []},
    "negex": {**NEGEX, "sentence": "Denies chest pain.", "start": 7, "end": 17},
    "tcga": {"id": "i", "case": "c", "text": "Denies chest pain.", "T": "T2", "N": None, "M": "M0"},
    "mtsamples": {"sample_id": 1, "text": "Denies chest pain.", "specialties": ["Surgery"]},
    "squad": {"data": [{"title": "T", "paragraphs": [PARAGRAPH]}]},
    "label_studio": [
        {"id": 1, "data": {"text": "Denies chest pain."}, "annotations": [{"was_cancelled": False, "result": RESULTS}]}
    ],
}


def with_another_type_somewhere(value):
    """The same JSON value, again and again, each time with one part of it replaced."""
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            copy = value.copy()
            for other in (None, 1, -1, 1.5, "x", [], {}, ["x"], {"x": 1}):
                copy[key] = other
                yield copy
            for changed in with_another_type_somewhere(value[key]):
                copy[key] = changed
                yield copy
            if isinstance(value, dict):
                del copy[key]
                yield copy


@pytest.mark.parametrize("form", WHOLE)
def test_json_of_another_shape_is_read_or_an_error_with_its_place(form, tmp_path):
    nlp, path = spacy.blank("en"), tmp_path / ("a.json" if form in ("squad", "label_studio") else "a.jsonl")
    outcomes = set()
    for value in with_another_type_somewhere(WHOLE[form]):
        path.write_text(json.dumps(value))
        try:
            list(to_docs(FORMATS[form](path), nlp, Report()))
            outcomes.add("read")
        except ValueError as error:
            assert "chest" not in str(error)
            outcomes.add("error")
    assert outcomes == {"read", "error"}


TEXTS = {
    "pubtator": ("a.txt", "7|t|Fever.\n7|a|Chest pain.\n7\t0\t5\tFever\tDisease\tD1\n7\tCID\tD1\tD2\n"),
    "conll": ("a.tsv", "Denies\tO\nchest\tB-P\npain\tI-P\n\nNone\tO\n"),
    "brat": (
        "n.ann",
        "T1\tP 7 12;13 17\tchest pain\nE1\tP:T1 Where:T1\nA1\tNegated E1\nN1\tRef T1 U:1\tx\nR1\tX A:T1 B:T1\n",
    ),
    "i2b2_2010": ("n.con", 'c="chest pain" 1:1 1:2||t="problem"\n'),
    "i2b2_xml": ("a.xml", XML.format('<P id="1" start="0" end="6" text="secret" a="b"/><Q met="met"/>')),
    "mimic": ("a.csv", 'ROW_ID,SUBJECT_ID,CATEGORY,ISERROR,TEXT\n1,2,Nursing,,"Chest ""pain"",\nstable."\n'),
}


@pytest.mark.parametrize("form", TEXTS)
def test_text_that_is_cut_or_changed_anywhere_is_read_or_an_error_with_its_place(form, tmp_path):
    nlp, (name, content) = spacy.blank("en"), TEXTS[form]
    if name in ("n.ann", "n.con", "n.ast"):
        (tmp_path / "n.txt").write_text("Denies chest pain.")
    path = tmp_path if name in ("n.ann", "n.con") else tmp_path / name
    changed = [content[:i] for i in range(len(content))]
    changed += [content[:i] + new + content[i + 1 :] for i in range(len(content)) for new in ("", "9", "\t", "\n", '"')]
    outcomes = set()
    for each in changed:
        (tmp_path / name).write_text(each, encoding="utf8")
        try:
            list(to_docs(FORMATS[form](path), nlp, Report()))
            outcomes.add("read")
        except ValueError as error:
            assert "hest" not in str(error) and "secret" not in str(error)
            outcomes.add("error")
    assert outcomes == {"read", "error"}
