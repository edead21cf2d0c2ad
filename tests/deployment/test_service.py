import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings

pytest.importorskip("fastapi")
pytest.importorskip("httpx2")
import httpx2
from starlette.testclient import TestClient

from spacy_clinicalbert.cli.serve import is_loopback, read_token
from spacy_clinicalbert.deployment.records import to_record
from spacy_clinicalbert.deployment.service import make_app
from tests.deployment.conftest import TEXT, gated, make_nlp, write_plugin

SECRET = "Zyxwv"


def test_annotate_answers_with_the_commands_record():
    expected = to_record(make_nlp()(TEXT))
    with TestClient(make_app(make_nlp())) as client:
        answer = client.post("/annotate", json={"text": TEXT, "id": "n1", "patient": "p1"})
    assert answer.status_code == 200
    assert answer.json() == {**expected, "id": "n1", "patient": "p1"}


def test_concurrent_clients_get_their_own_answers_in_shared_batches():
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


@pytest.mark.parametrize(
    "content, kind, said",
    [
        (
            '{"text": "fever"}',
            "text/plain",
            "is not a JSON object; is the header Content-Type: application/json there?",
        ),
        ('{"txt": "fever"}', "application/json", "body has a field that is not known; body.text is missing"),
        ('{"text": "fever', "application/json", "body is not JSON"),
    ],
)
def test_refusals_say_plainly_what_is_wrong(content, kind, said):
    with TestClient(make_app(make_nlp())) as client:
        answer = client.post("/annotate", content=content, headers={"Content-Type": kind})
    assert answer.status_code == 422 and said in answer.json()["detail"]


def test_why_the_pipeline_failed_stands_in_the_log_alone(caplog):
    with TestClient(make_app(make_nlp("bulk_fails_on_bad"))) as client:
        answer = client.post("/annotate", json={"text": "bad"})
    assert "conftest" not in answer.text and "bulk_fails" not in answer.text
    assert "the component 'bulk_fails_on_bad': ValueError in conftest.py, line " in caplog.text


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


@pytest.mark.parametrize("token", [None, "secret"])
def test_openapi_says_where_a_token_is_wanted(token):
    paths = make_app(make_nlp(), token=token).openapi()["paths"]
    wanted = {path for path, ways in paths.items() if any("security" in way for way in ways.values())}
    assert wanted == ({"/annotate", "/metrics"} if token else set())


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


def test_tokens_come_from_a_file_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("SPACY_CLINICALBERT_TOKEN", raising=False)
    assert read_token(None) is None
    monkeypatch.setenv("SPACY_CLINICALBERT_TOKEN", "one")
    (tmp_path / "token").write_text("two\n", encoding="utf8")
    assert (read_token(None), read_token(tmp_path / "token")) == ("one", "two")
    (tmp_path / "token").write_text("two\r\n", encoding="utf-8-sig")  # as Windows' editors write it
    assert read_token(tmp_path / "token") == "two"
    (tmp_path / "token").write_text("\n", encoding="utf8")
    with pytest.raises(ValueError, match="empty"):
        read_token(tmp_path / "token")


@pytest.mark.parametrize(
    "host, expected", [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_loopback_addresses_are_known(host, expected):
    assert is_loopback(host) is expected
