"""What is written in a format is read again, and a damaged file is a ValueError or is read: nothing else, and never with its text."""

import json

import pytest
import spacy
from hypothesis import assume, given
from hypothesis import strategies as st

from spacy_clinicalbert.corpora.docs import Report, to_docs
from spacy_clinicalbert.corpora.formats import FORMATS
from tests.properties.strategies import cases, texts

NLP = spacy.blank("en")


@st.composite
def annotated(draw):
    """A text, and spans of whole tokens in it, that do not overlap."""
    text = draw(texts)
    doc = NLP.make_doc(text)
    words = [token.i for token in doc if not token.is_space]
    assume(words)
    places, last = [], 0
    for start in sorted(draw(st.sets(st.sampled_from(words), max_size=4))):
        if start >= last:
            places.append((start, start + 1, draw(st.sampled_from("AB"))))
            last = start + 1
    spans = [doc[start:end] for start, end, _ in places]
    return text, [(span.start_char, span.end_char, label) for span, (_, _, label) in zip(spans, places)]


def write_jsonl(path, text, spans):
    path.write_text(json.dumps({"id": "n", "text": text, "entities": spans}) + "\n", encoding="utf8")


def write_prodigy(path, text, spans):
    rows = [{"start": start, "end": end, "label": label} for start, end, label in spans]
    path.write_text(json.dumps({"text": text, "spans": rows, "answer": "accept"}) + "\n", encoding="utf8")


def write_doccano(path, text, spans):
    path.write_text(json.dumps({"id": 1, "text": text, "label": spans}) + "\n", encoding="utf8")


def write_brat(path, text, spans):
    path.with_suffix(".txt").write_bytes(text.encode("utf8"))
    lines = [
        f"T{number}\t{label} {start} {end}\t{text[start:end]}\n"
        for number, (start, end, label) in enumerate(spans, start=1)
    ]
    path.with_suffix(".ann").write_bytes("".join(lines).encode("utf8"))


def write_label_studio(path, text, spans):
    results = [
        {"id": str(number), "type": "labels", "value": {"start": start, "end": end, "text": text[start:end], "labels": [label]}}
        for number, (start, end, label) in enumerate(spans)
    ]  # fmt: skip
    path.write_text(json.dumps([{"data": {"text": text}, "annotations": [{"result": results}]}]), encoding="utf8")


WRITERS = {
    "jsonl": (write_jsonl, "a.jsonl", {}),
    "prodigy": (write_prodigy, "a.jsonl", {}),
    "doccano": (write_doccano, "a.jsonl", {"utf16": False}),
    "label_studio": (write_label_studio, "a.json", {}),
    "brat": (write_brat, "n.ann", {}),
}


@pytest.mark.parametrize("form", WRITERS)
@given(note=annotated())
@cases(0.5)
def test_what_is_written_is_read(tmp_path_factory, form, note):
    text, spans = note
    write, name, settings = WRITERS[form]
    path = tmp_path_factory.mktemp("corpus") / name
    write(path, text, spans)
    report = Report()
    (doc,) = to_docs(FORMATS[form](path.parent if form == "brat" else path, **settings), NLP, report)
    assert doc.text == text
    assert [(span.start_char, span.end_char, span.label_) for span in doc.spans.get("gold", ())] == spans


SECRET = "secretword"
WHOLE = {
    "jsonl": ("a.jsonl", json.dumps({"id": 1, "text": f"{SECRET} pain", "entities": [[0, 10, "A"]], "cats": {"x": 1}})),
    "prodigy": ("a.jsonl", json.dumps({"text": SECRET, "spans": [{"start": 0, "end": 10, "label": "A"}]})),
    "doccano": ("a.jsonl", json.dumps({"text": SECRET, "label": [[0, 10, "A"]]})),
    "conll": ("a.tsv", f"-DOCSTART-\tO\n\n{SECRET}\tB-A\npain\tI-A\n\nno\tO\n"),
    "pubtator": ("a.txt", f"1|t|{SECRET}\n1|a|pain\n1\t0\t10\t{SECRET}\tA\tD1\n"),
    "squad": (
        "a.json",
        json.dumps({"data": [{"title": "t", "paragraphs": [{"context": SECRET, "qas": [{"id": 1, "question": "Q", "answers": [{"text": SECRET, "answer_start": 0}]}]}]}]}),
    ),
    "mimic": ("a.csv", f'note_id,subject_id,text\n1,2,"{SECRET}\npain"\n'),
    "dialogues": ("a.csv", f'ID,section_header,section_text,dialogue\n1,CC,{SECRET},"Doctor: a\nPatient: b"\n'),
    "i2b2_xml": ("a.xml", f'<?xml version="1.0"?>\n<r><TEXT><![CDATA[{SECRET}]]></TEXT><TAGS><X id="1" start="0" end="10" text="{SECRET}"/></TAGS></r>'),
    "brat": ("n.ann", f"T1\tA 0 10\t{SECRET}\nA1\tNegated T1\nR1\tR Arg1:T1 Arg2:T1\n"),
    "i2b2_2010": ("n.con", f'c="{SECRET}" 1:0 1:0||t="problem"\n'),
}  # fmt: skip


@st.composite
def damaged(draw):
    form = draw(st.sampled_from(sorted(WHOLE)))
    data = bytearray(WHOLE[form][1].encode("utf8"))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        way = draw(st.sampled_from(["cut", "drop", "double", "byte", "insert"]))
        if way == "cut":
            del data[place:]
        elif way == "drop":
            del data[place : place + draw(st.integers(1, 12))]
        elif way == "double":
            data[place:place] = data[place : place + draw(st.integers(1, 20))]
        elif way == "byte" and data:
            data[place] = draw(st.integers(0, 255))
        else:
            data[place:place] = draw(st.sampled_from([b'"', b"{", b"]", b"\n", b"\t", b"<", b"null", b"-1", b"1e999", b"\\ud800", b"99999999999999999999", b"NaN", b"|", b",", b"\x00", b"\xff", b"true"]))  # fmt: skip
    return form, bytes(data)


@given(damaged())
@cases()
def test_a_damaged_file_is_read_or_is_an_error_without_its_text(tmp_path_factory, case):
    form, data = case
    folder = tmp_path_factory.mktemp("damaged")
    path = folder / WHOLE[form][0]
    path.write_bytes(data)
    if path.name.startswith("n."):
        (folder / "n.txt").write_text(f"{SECRET} pain", encoding="utf8")
    try:
        docs = list(to_docs(FORMATS[form](folder if path.name.startswith("n.") else path), NLP, Report()))
    except ValueError as error:
        assert SECRET not in str(error)
        assert any(place in str(error) for place in (path.name, "n.txt", "Note "))
    else:
        for doc in docs:
            assert all(0 <= span.start < span.end <= len(doc) for span in doc.spans.get("gold", ()))
