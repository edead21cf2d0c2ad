import json

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span, SpanGroup

from spacy_clinicalbert.deployment.arrow import record_row, record_schema
from spacy_clinicalbert.deployment.records import RECORD_VERSION, Unwritable, axis_label, to_record
from tests.conftest import make_nlp
from tests.deployment.conftest import TEXT, make_doc
from tests.questions.conftest import NOTE as QA_NOTE
from tests.questions.conftest import WINDOWS as QA_WINDOWS
from tests.questions.conftest import asked
from tests.questions.conftest import make_nlp as make_qa_nlp


@pytest.fixture
def extensions():
    Doc.set_extension("toy_summary", default=None)
    Span.set_extension("toy_code", default=None)
    yield
    Doc.remove_extension("toy_summary")
    Span.remove_extension("toy_code")


def test_record_has_what_a_pipeline_found():
    record = to_record(make_doc(assertion={"certainty": "absent"}), position=3)
    assert record == json.loads(json.dumps(record))
    asserted = {"certainty": {"label": "absent", "probability": 0.9}}
    assert record == {
        "version": RECORD_VERSION,
        "position": 3,
        "id": 7,
        "patient": "p1",
        "entities": [
            {
                "start": start,
                "end": end,
                "label": label,
                "text": TEXT[start:end],
                "section": section,
                "assertion": asserted,
            }
            for start, end, label, section in [
                (12, 22, "PROBLEM", "history_of_present_illness"),
                (30, 37, "DRUG", "plan"),
                (45, 48, "TEST", "plan"),
            ]
        ],
        "cats": {},
        "sections": [
            {"start": 0, "end": 23, "label": "history_of_present_illness"},
            {"start": 24, "end": 49, "label": "plan"},
        ],
        "spans": {
            "section_heads": [
                {"start": 0, "end": 3, "label": "history_of_present_illness"},
                {"start": 24, "end": 28, "label": "plan"},
            ]
        },
    }
    assert (
        axis_label(record["entities"][0], "certainty") == "absent" and axis_label(record["entities"][0], "time") is None
    )


def test_record_of_a_blank_pipeline_says_that_nothing_was_looked_for():
    assert to_record(spacy.blank("en")("Denies chest pain.")) == {
        "version": RECORD_VERSION,
        "id": None,
        "cats": {},
        "spans": {},
    }


def test_record_joins_the_entities_that_overlap_with_those_of_the_doc():
    doc = make_doc()
    doc.set_ents(
        [
            Span(doc, ent.start, ent.end, label=ent.label_, kb_id="C1" if ent.label_ == "DRUG" else "")
            for ent in doc.ents
        ]
    )
    spans = [doc.char_span(12, 17, label="SITE"), *doc.ents]
    scores = numpy.array([0.61234567, 0.9, 0.8, 0.7], dtype="float32")
    doc.spans["entities"] = SpanGroup(doc, name="entities", spans=spans, attrs={"scores": scores})
    record = to_record(doc)
    found = [(each["label"], each["text"], each["probability"], each.get("overlaps")) for each in record["entities"]]
    assert found == [
        ("PROBLEM", "chest pain", 0.9, None),
        ("SITE", "chest", 0.612346, True),
        ("DRUG", "aspirin", 0.8, None),
        ("TEST", "CXR", 0.7, None),
    ]
    assert record["entities"][2]["kb_id"] == "C1"
    assert "entities" not in record["spans"]


def test_record_keeps_a_group_of_asserted_spans_that_are_no_entities():
    doc = make_doc()
    span = doc.char_span(5, 11, label="CUE")
    doc.spans["cues"] = SpanGroup(
        doc, name="cues", spans=[span], attrs={"assertion": [{"certainty": ["present", 0.5]}]}
    )
    asserted = {"certainty": {"label": "present", "probability": 0.5}}
    assert to_record(doc)["spans"]["cues"] == [{"start": 5, "end": 11, "label": "CUE", "assertion": asserted}]


def test_record_has_scores_attributes_and_categories():
    doc = make_doc()
    attrs = {"scores": [0.25], "attributes": [{"negation": "negated"}], "dose": [numpy.float32(2)], "of_the_group": "x"}
    doc.spans["sc"] = SpanGroup(doc, name="sc", spans=[doc.char_span(5, 11, label="CUE")], attrs=attrs)
    doc.cats = {"consult": 0.123456789, "letter": numpy.float32(0.5)}
    record = to_record(doc)
    assert record["cats"] == {"consult": 0.123457, "letter": 0.5}
    (span,) = record["spans"]["sc"]
    assert span["probability"] == 0.25 and span["attributes"] == {"negation": "negated", "dose": 2.0}
    json.dumps(record)


def test_record_has_what_components_set_as_extensions(extensions):
    doc = make_doc()
    doc._.toy_summary = {"stage": ("T2", numpy.int64(1)), "scores": numpy.array([1.5, 2.0])}
    doc.ents[1]._.toy_code = "RX1"
    record = to_record(doc)
    assert record["custom"] == {"toy_summary": {"stage": ["T2", 1], "scores": [1.5, 2.0]}}
    assert [entity.get("attributes") for entity in record["entities"]] == [None, {"toy_code": "RX1"}, None]
    doc._.toy_summary = {1, 2}
    with pytest.raises(Unwritable, match=r"doc\._\.toy_summary holds a set, .* doc_cleaner"):
        to_record(doc)


def test_record_has_the_pathology_record_in_plain_values():
    nlp = spacy.blank("en")
    nlp.add_pipe("clinical_pathology")
    record = to_record(nlp("Pathologic stage: pT1a."))
    (value,) = record["custom"]["pathology"]["pT"]
    assert value["value"] == "T1a" and value["evidence"][0]["text"] in "Pathologic stage: pT1a."
    json.dumps(record)


def test_record_leaves_out_the_encoders_vectors(toy):
    doc = make_nlp(toy, ("clinical_ner",))("The patient denies chest pain.")
    assert doc._.trf_data is not None
    record = to_record(doc)
    assert "custom" not in record and set(record) == {"version", "id", "cats", "entities", "spans"}
    json.dumps(record)


def test_record_has_answers_and_summary_in_plain_values(toy):
    nlp = make_qa_nlp(toy, threshold=0.0, n_answers=2, windows=QA_WINDOWS)
    nlp.add_pipe("clinical_summary", config={"max_words": 8})
    nlp.initialize()
    doc = asked(nlp, QA_NOTE, "what is denied", {"id": "fever", "question": "given for fever", "kind": "yes_no"})
    assert not {"questions", "summary"} & set(to_record(doc))
    doc = nlp(doc)
    record = to_record(doc)
    assert record == json.loads(json.dumps(record)) and record["spans"] == {}
    denied, fever = record["questions"]
    assert (denied["id"], denied["question"], denied["kind"]) == (0, "what is denied", "span")
    assert len(denied["answers"]) == 2 and len(fever["answers"]) == 1
    for row, answer in zip([*denied["answers"], *fever["answers"]], doc._.answers):
        assert (row["start"], row["end"], row["text"]) == (answer.start, answer.end, answer.span.text)
        assert row["score"] == pytest.approx(answer.score, abs=1e-6) and row.get("label") == answer.label
    assert [(row["start"], row["end"]) for row in record["summary"]] == [
        (span.start_char, span.end_char) for span in doc._.summary
    ]
    assert all(QA_NOTE[row["start"] : row["end"]] == row["text"] for row in record["summary"]) and record["summary"]


def test_groups_of_other_components_with_these_names_are_groups_of_spans():
    doc = make_doc()
    for name in ("answers", "summary"):
        doc.spans[name] = [doc.char_span(5, 11, label="CUE")]
    record = to_record(doc)
    assert record["spans"]["answers"] == record["spans"]["summary"] == [{"start": 5, "end": 11, "label": "CUE"}]
    assert not {"questions", "summary"} & set(record)


def test_record_of_answers_and_summary_is_a_row_of_parquet(toy):
    pyarrow = pytest.importorskip("pyarrow")
    nlp = make_qa_nlp(toy, threshold=1.0, questions=["what is denied"], windows=QA_WINDOWS)
    nlp.add_pipe("clinical_summary")
    nlp.initialize()
    record = to_record(nlp(QA_NOTE), position=0)
    (row,) = pyarrow.Table.from_pylist([record_row(record)], record_schema()).to_pylist()
    assert row["questions"] == [{"id": "0", "question": "what is denied", "kind": "span", "answers": []}]
    assert row["summary"] == record["summary"] and row["summary"][0]["salience"] is not None
