import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import List

import pytest
from hypothesis import HealthCheck, given, settings
from spacy.language import Language

pytest.importorskip("fastapi")
pytest.importorskip("httpx2")
import httpx2
from starlette.testclient import TestClient

from spacy_clinicalbert.cli.serve import is_loopback, read_token
from spacy_clinicalbert.deployment import answers
from spacy_clinicalbert.deployment.answers import Answer, NoteIn, Text
from spacy_clinicalbert.deployment.gathering import Closed, Gatherer, NoteFailed, QueueFull
from spacy_clinicalbert.deployment.records import to_record
from spacy_clinicalbert.deployment.service import make_app
from spacy_clinicalbert.pathology.component import read_report
from spacy_clinicalbert.pathology.record import PathologyRecord
from spacy_clinicalbert.summary.render import to_dict
from tests.deployment.conftest import TEXT, make_nlp, write_plugin
from tests.summary.conftest import NOTE as SUMMARY_NOTE
from tests.summary.conftest import make_nlp as make_summary_nlp

SECRET = "Zyxwv"


class Gate:
    """A component that waits until it is let through."""

    def __init__(self):
        self.open, self.entered = threading.Event(), threading.Event()

    def __call__(self, doc):
        self.entered.set()
        assert self.open.wait(20)
        return doc


@Language.factory("service_gate")
def make_gate(nlp, name):
    return Gate()


def gated():
    nlp = make_nlp("service_gate")
    return nlp, nlp.get_pipe("service_gate")


def test_annotate_answers_with_the_commands_record():
    expected = to_record(make_nlp()(TEXT))
    with TestClient(make_app(make_nlp())) as client:
        answer = client.post("/annotate", json={"text": TEXT, "id": "n1", "patient": "p1"})
    assert answer.status_code == 200
    assert answer.json() == {**expected, "id": "n1", "patient": "p1"}


def test_concurrent_clients_get_their_own_answers_in_shared_batches():
    sizes = []
    gatherer = Gatherer(make_nlp("bulk_raises_with_its_batch"), observe=sizes.append, gathering=0.05)
    gatherer.close()
    app = make_app(make_nlp("bulk_raises_with_its_batch"), gathering=0.02)

    def ask(number):
        text = "x " * number + ("bad" if number % 7 == 0 else "fever")
        return number, client.post("/annotate", json={"text": text, "id": number})

    with TestClient(app) as client, ThreadPoolExecutor(16) as pool:
        for number, answer in pool.map(ask, range(120)):
            if number % 7 == 0:
                assert answer.status_code == 422 and answer.json() == {"detail": "The pipeline failed on the note."}
            else:
                record = answer.json()
                assert record["id"] == number and record["entities"][0]["start"] == 2 * number
        metrics = client.get("/metrics").text
    count = next(line for line in metrics.splitlines() if line.startswith("clinicalbert_batch_notes_count"))
    assert float(count.split()[1]) < 120
    assert 'clinicalbert_requests_total{path="/annotate",status="422"} 18.0' in metrics


@pytest.mark.parametrize(
    "content, status",
    [
        (f'{{"text": ["{SECRET}"]}}', 422),
        (f'{{"note": "{SECRET}"}}', 422),
        (f'{{"text": "x", "{SECRET}": 1}}', 422),
        (f'{{"text": "{SECRET}', 422),
        (f'"{SECRET}"', 422),
        (f'{{"text": "bad {SECRET}"}}', 422),
        (f'{{"text": "\\ud800 {SECRET}"}}', 422),
        (f'{{"text": "{SECRET}", "id": "\\ud800"}}', 422),
        (f'{{"text": "{SECRET}", "patient": "\\udfff {SECRET}"}}', 422),
        (f'{{"text": "{SECRET}{"x" * 60}"}}', 413),
        (f'{{"text": "{SECRET}{"x" * 600}"}}', 413),
        (SECRET.encode() + b"\xff", 400),
        (b"[" * 400 + SECRET.encode(), 422),
    ],
)
def test_refusals_repeat_nothing_of_the_body(content, status, caplog):
    caplog.set_level(logging.DEBUG)
    app = make_app(make_nlp("bulk_fails_on_bad"), max_body=500, max_length=50)
    with TestClient(app) as client:
        answer = client.post("/annotate", content=content, headers={"Content-Type": "application/json"})
        assert client.post("/annotate", json={"text": "fever"}).status_code == 200
    assert answer.status_code == status and answer.json()["detail"]
    assert SECRET not in answer.text and SECRET not in caplog.text


def test_why_the_pipeline_failed_stands_in_the_log_alone(caplog):
    with TestClient(make_app(make_nlp("bulk_fails_on_bad"))) as client:
        answer = client.post("/annotate", json={"text": "bad"})
    assert "conftest" not in answer.text and "bulk_fails" not in answer.text
    assert "the component 'bulk_fails_on_bad': ValueError in conftest.py, line " in caplog.text


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


def test_requests_to_different_endpoints_share_a_batch():
    sizes = []
    nlp, gate = gated()
    gatherer = Gatherer(nlp, observe=sizes.append, gathering=0)
    first = gatherer.submit("fever")
    assert gate.entered.wait(10)
    says = [lambda doc: {"words": len(doc)}, lambda doc: {"text": doc.text}, lambda doc: 1 / 0]
    futures = [gatherer.submit("No fever.", say=say) for say in says]
    gate.open.set()
    gatherer.close()
    assert first.result(0) and sizes == [1, 3]
    assert [future.result(0) for future in futures[:2]] == ['{"words": 3}', '{"text": "No fever."}']
    with pytest.raises(NoteFailed):
        futures[2].result(0)


@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_answers_are_as_openapi_describes_them(mode):
    """Generated requests: no server error, no status or form of an answer that the description has not, nothing accepted that it forbids."""
    schemathesis = pytest.importorskip("schemathesis")
    app = make_app(make_nlp("clinical_pathology"), gathering=0)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    paths = set()
    for result in schema.get_all_operations():
        operation = result.ok()
        if mode == "NEGATIVE" and not operation.body:
            continue

        @settings(
            max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode[mode]))
        def check(case):
            case.call_and_validate()

        check()
        paths.add(operation.path)
    assert {"/annotate", "/pathology"} <= paths


def test_sigterm_lets_a_running_request_finish(tmp_path):
    nlp = make_nlp()
    nlp.add_pipe("bulk_waits", config={"folder": str(tmp_path)})
    nlp.to_disk(tmp_path / "pipeline")
    environment = {**os.environ, "PYTHONPATH": write_plugin(tmp_path, bulk_waits="make_waiting")}
    command = [sys.executable, "-m", "spacy", "clinicalbert", "serve", str(tmp_path / "pipeline"), "--port", "0"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            url = next(found[0] for line in process.stderr if (found := re.search(r"http://127.0.0.1:\d+", line)))
            log = []
            reading = threading.Thread(target=lambda: log.extend(process.stderr))
            reading.start()
            with ThreadPoolExecutor(1) as pool:
                asked = pool.submit(
                    httpx2.post, f"{url}/annotate", json={"text": f"{SECRET} fever.", "id": 7}, timeout=60
                )
                wait_for((tmp_path / "entered").exists)
                process.send_signal(signal.SIGTERM)
                wait_for(lambda: any("Shutting down" in line for line in log))
                with pytest.raises(httpx2.TransportError):
                    httpx2.get(f"{url}/health", timeout=60)
                (tmp_path / "open").touch()
                answer = asked.result(60)
            assert process.wait(60) in (0, -signal.SIGTERM)
            reading.join(60)
        finally:
            (tmp_path / "open").touch()
            process.kill()
    assert answer.status_code == 200 and answer.json()["id"] == 7 and answer.json()["entities"]
    assert SECRET not in "".join(log)


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("header", [None, "Bearer wrong", "tøken", "Basic tøken", "Bearer tøken2"])
@pytest.mark.parametrize("path", ["/annotate", "/metrics", "/openapi.json", "/other"])
def test_a_missing_or_wrong_token_is_refused(header, path):
    headers = {} if header is None else {"Authorization": header.encode()}
    with TestClient(make_app(make_nlp(), token="tøken")) as client:
        answer = client.post(path, json={"text": "x"}, headers=headers)
        assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
        assert client.get("/health").status_code == client.get("/ready").status_code == 200
        right = {"Authorization": "Bearer tøken".encode()}
        assert client.post("/annotate", json={"text": "x"}, headers=right).status_code == 200


def test_openapi_is_served_and_no_page_that_loads_scripts():
    with TestClient(make_app(make_nlp())) as client:
        assert "/annotate" in client.get("/openapi.json").json()["paths"]
        assert client.get("/docs").status_code == client.get("/redoc").status_code == 404


def test_a_full_queue_and_a_late_answer_say_when_to_come_again():
    nlp, gate = gated()
    app = make_app(nlp, max_waiting=1, max_notes=1, gathering=0, timeout=0.3)
    with TestClient(app) as client:
        first = app.state.gatherer.submit("fever")
        assert gate.entered.wait(10)
        late = client.post("/annotate", json={"text": "fever"})
        assert late.status_code == 503 and late.headers["Retry-After"]
        gate.open.set()
        first.result(10)
        gate.open.clear()
        gate.entered.clear()
        held = app.state.gatherer.submit("fever")
        assert gate.entered.wait(10)
        waiting = app.state.gatherer.submit("fever")
        full = client.post("/annotate", json={"text": "fever"})
        assert full.status_code == 429 and full.headers["Retry-After"]
        gate.open.set()
        assert held.result(10) and waiting.result(10)


def test_closing_finishes_what_was_taken_and_takes_no_more():
    nlp, gate = gated()
    gatherer = Gatherer(nlp, max_notes=1)
    futures = [gatherer.submit("fever", id=number) for number in range(4)]
    closing = threading.Thread(target=gatherer.close)
    closing.start()
    while gatherer.ready:
        pass
    with pytest.raises(Closed):
        gatherer.submit("fever")
    gate.open.set()
    closing.join(10)
    assert [f'"id": {number}' in future.result(0) for number, future in enumerate(futures)] == [True] * 4


def test_batches_are_bounded_by_notes_and_characters():
    nlp, gate = gated()
    sizes = []
    gatherer = Gatherer(nlp, max_waiting=8, max_notes=3, max_characters=20, observe=sizes.append, gathering=0)
    futures = [gatherer.submit("first")]
    assert gate.entered.wait(10)
    futures += [gatherer.submit(text) for text in ["a", "b", "c", "x" * 15, "y" * 15, "z" * 30, "d", "e"]]
    with pytest.raises(QueueFull):
        gatherer.submit("f")
    gate.open.set()
    gatherer.close()
    assert sizes == [1, 3, 1, 1, 1, 2] and all(future.result(0) for future in futures)


def test_an_error_of_the_gatherer_fails_its_batch_and_the_thread_goes_on(caplog):
    gatherer = Gatherer(make_nlp())
    right, gatherer._annotator = gatherer._annotator, None
    with pytest.raises(NoteFailed):
        gatherer.submit("fever").result(10)
    assert "A batch of 1 notes failed: TypeError in gathering.py" in caplog.text
    gatherer._annotator = right
    assert gatherer.submit("fever").result(10)
    gatherer.close()


def test_tokens_come_from_a_file_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("SPACY_CLINICALBERT_TOKEN", raising=False)
    assert read_token(None) is None
    monkeypatch.setenv("SPACY_CLINICALBERT_TOKEN", "one")
    (tmp_path / "token").write_text("two\n", encoding="utf8")
    assert (read_token(None), read_token(tmp_path / "token")) == ("one", "two")
    (tmp_path / "token").write_text("\n", encoding="utf8")
    with pytest.raises(ValueError, match="empty"):
        read_token(tmp_path / "token")


@pytest.mark.parametrize(
    "host, expected", [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_loopback_addresses_are_known(host, expected):
    assert is_loopback(host) is expected
