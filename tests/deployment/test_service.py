import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from spacy.language import Language

pytest.importorskip("fastapi")
pytest.importorskip("httpx2")
from starlette.testclient import TestClient

from spacy_clinicalbert.cli.serve import is_loopback, read_token
from spacy_clinicalbert.deployment.gathering import Closed, Gatherer, NoteFailed, QueueFull
from spacy_clinicalbert.deployment.records import to_record
from spacy_clinicalbert.deployment.service import make_app
from tests.deployment.conftest import TEXT, make_nlp

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
                assert answer.status_code == 422 and "ValueError in conftest.py" in answer.text
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


def test_an_error_of_the_gatherer_fails_its_batch_and_the_thread_goes_on():
    gatherer = Gatherer(make_nlp())
    right, gatherer._annotator = gatherer._annotator, None
    with pytest.raises(NoteFailed, match="TypeError"):
        gatherer.submit("fever").result(10)
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
