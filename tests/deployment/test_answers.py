from typing import List

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx2")
from starlette.testclient import TestClient

from spacy_clinicalbert.deployment import answers
from spacy_clinicalbert.deployment.answers import Answer, NoteIn, Text
from spacy_clinicalbert.deployment.service import make_app
from spacy_clinicalbert.pathology.component import read_report
from spacy_clinicalbert.pathology.record import PathologyRecord
from spacy_clinicalbert.summary.render import to_dict
from tests.deployment.conftest import make_nlp
from tests.questions.conftest import NOTE as QA_NOTE
from tests.questions.conftest import WINDOWS as QA_WINDOWS
from tests.questions.conftest import asked
from tests.questions.conftest import make_nlp as make_qa_nlp
from tests.summary.conftest import NOTE as SUMMARY_NOTE
from tests.summary.conftest import make_nlp as make_summary_nlp

REPORT = "Right kidney, radical nephrectomy: tumor size: 3.0 x 2.5 cm. Pathologic stage: pT1a NX."


def test_pathology_answers_with_the_reports_record():
    with TestClient(make_app(make_nlp("clinical_pathology"))) as client:
        answer = client.post("/pathology", json={"text": REPORT, "id": 1, "patient": "p1"}).json()
        record = PathologyRecord.model_validate(answer.pop("pathology"))
        assert answer == {"version": 1, "id": 1, "patient": "p1"}
        assert record == read_report(REPORT) and record.pT[0].value == "T1a"
        assert client.post("/pathology", json={"text": ""}).json() == {"version": 1, "id": None, "pathology": {}}
        assert client.post("/annotate", json={"text": REPORT}).json()["custom"]["pathology"]["pT"]
        assert client.post("/summarize", json={"text": REPORT}).status_code == 404
        assert 'path="/pathology",status="200"' in client.get("/metrics").text


def test_summarize_answers_with_sentences_and_case(toy):
    nlp = make_summary_nlp(toy, max_words=10)
    nlp.add_pipe("clinical_sections", first=True)
    expected = to_dict(nlp(SUMMARY_NOTE))
    with TestClient(make_app(nlp)) as client:
        answer = client.post("/summarize", json={"text": SUMMARY_NOTE, "id": "n1"}).json()
        empty = client.post("/summarize", json={"text": ""}).json()
        paths = set(client.get("/openapi.json").json()["paths"])
    assert answer == {"version": 1, "id": "n1", **expected} and answer["summary"] and answer["case"]
    assert empty == {"version": 1, "id": None, "summary": [], "case": {}}
    assert paths == {"/annotate", "/summarize", "/health", "/ready", "/metrics"}


def test_ask_answers_each_question_where_the_note_does(toy):
    nlp = make_qa_nlp(toy, threshold=0.0, n_answers=2, windows=QA_WINDOWS)
    questions = ["given for fever", "what is denied"]
    expected = nlp(asked(nlp, QA_NOTE, *questions))._.answers
    with TestClient(make_app(nlp)) as client:
        body = {"text": QA_NOTE, "id": "n1", "questions": questions}
        answer = client.post("/ask", json=body).json()
        empty = client.post("/ask", json={**body, "text": ""}).json()
        for wrong in ([], [" "], ["x"] * 101):
            assert client.post("/ask", json={**body, "questions": wrong}).status_code == 422
        assert client.post("/annotate", json={"text": QA_NOTE}).json()["spans"] == {}
    assert [row["question"] for row in answer["questions"]] == questions and answer["id"] == "n1"
    given = [each for row in answer["questions"] for each in row["answers"]]
    assert len(given) == len(expected) == 4
    for each, wanted in zip(given, expected):
        assert (each["start"], each["end"], each["text"]) == (wanted.start, wanted.end, wanted.span.text)
        assert each["score"] == pytest.approx(wanted.score, abs=1e-4)
    assert empty["questions"] == [{"question": text, "answers": []} for text in questions]


@pytest.mark.parametrize("text", [QA_NOTE, ""])
def test_ask_says_which_question_is_too_long(toy, text):
    nlp = make_qa_nlp(toy, max_question=30, windows=QA_WINDOWS)
    with TestClient(make_app(nlp)) as client:
        body = {"text": text, "questions": ["what is denied", "secret " * 60]}
        answer = client.post("/ask", json=body)
        metrics = client.get("/metrics").text
    assert answer.status_code == 422 and "secret" not in answer.text
    assert "Question 1 of the document has" in answer.json()["detail"] and "takes 1 to 30" in answer.json()["detail"]
    assert "clinicalbert_batch_notes_count 0.0" in metrics


def test_an_endpoint_is_a_row_with_a_body_what_components_read_and_what_is_said(monkeypatch):
    """As one for questions would be."""

    class Asked(NoteIn):
        questions: List[Text]

    def prepare(doc, note):
        doc._.questions = note.questions

    def say(doc, note):
        return {"id": note.id, "asked": doc._.questions, "pieces": len(doc)}

    row = Answer("/asked", "entity_ruler", "", say, Asked, prepare)
    monkeypatch.setattr(answers, "ANSWERS", [*answers.ANSWERS, row])
    with TestClient(make_app(make_nlp())) as client:
        answer = client.post("/asked", json={"text": "No fever.", "questions": ["Why?"]})
        assert answer.json() == {"id": None, "asked": ["Why?"], "pieces": 3}
        assert client.post("/annotate", json={"text": "No fever.", "questions": ["Why?"]}).status_code == 422
        assert client.post("/asked", json={"text": "No fever."}).status_code == 422
        assert "/asked" in client.get("/openapi.json").json()["paths"]
