"""The service under load: requests/s, latency and memory, with each answer checked.

    python -m benchmarks.service PIPELINE notes.jsonl
    python -m benchmarks.service PIPELINE notes.jsonl --short

The service runs in a process of its own, as `python -m spacy clinicalbert serve` starts it, in two ways: notes of all clients batched, and one note at a
time (`--batch-notes 1`). Each client sends the next note when it has its answer. An answer is wrong if it has another note's id, or differs from what the service
said to the same note alone, probabilities by more than 1e-4. At last come notes of words that no other note has, for memory: there an answer is wrong if its
mentions are not the characters that it names. Clients run on the same processors as the service. Exits with 1 if an answer was wrong.
"""

import http.client
import itertools
import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Tuple
from urllib.parse import urlsplit

import numpy
import psutil
import spacy
import typer

from spacy_clinicalbert.deployment.notes import Source, find_format, read_notes

from .memory import make_notes

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
TOLERANCE = 1e-4
ONE = ["--batch-notes", "1", "--gathering", "0"]


class Server(NamedTuple):
    address: Tuple[str, int]
    process: psutil.Process

    @property
    def memory(self) -> float:
        return self.process.memory_info().rss / 2**20


class Load(NamedTuple):
    """What some clients saw: seconds of each answer, and how many were wrong or refused."""

    latencies: List[float]
    wrong: int
    refused: int
    seconds: float


@contextmanager
def serving(pipeline: str, *options: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "spacy", "clinicalbert", "serve", pipeline, "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            found: Any = None
            for line in process.stderr:
                if found := re.search(r"http://\S+:\d+", line):
                    break
            if not found:
                sys.exit("The service has not started: try `python -m spacy clinicalbert serve`.")
            threading.Thread(target=process.stderr.read, daemon=True).start()
            url = urlsplit(found[0])
            yield Server((str(url.hostname), int(url.port or 0)), psutil.Process(process.pid))
        finally:
            process.send_signal(signal.SIGTERM)


def ask(connection: http.client.HTTPConnection, id: int, text: str) -> Tuple[int, Any]:
    body = json.dumps({"id": id, "text": text})
    connection.request("POST", "/annotate", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def is_close(found: Any, expected: Any) -> bool:
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(is_close(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(is_close, found, expected))
    return abs(found - expected) <= TOLERANCE if isinstance(expected, float) else found == expected


def put_load(
    server: Server,
    texts: List[str],
    is_right: Callable[[int, Any], bool],
    n_clients: int,
    seconds: float = float("inf"),
    order: Optional[Iterator[int]] = None,
) -> Load:
    """Let clients send texts, each of them the next one: for some time, or until there is none; by default each once."""
    begun = time.monotonic()
    end = begun + seconds
    numbers = iter(range(len(texts))) if order is None else order
    lock = threading.Lock()
    latencies: List[float] = []
    counts = {"wrong": 0, "refused": 0}

    def client() -> None:
        connection = http.client.HTTPConnection(*server.address)
        while time.monotonic() < end:
            with lock:
                number = next(numbers, None)
            if number is None:
                break
            sent = time.monotonic()
            status, answer = ask(connection, number, texts[number])
            latency = time.monotonic() - sent
            right = status == 200 and is_right(number, answer)
            with lock:
                if status in (429, 503):
                    counts["refused"] += 1
                else:
                    latencies.append(latency)
                    counts["wrong"] += not right
        connection.close()

    with ThreadPoolExecutor(n_clients) as pool:
        for done in [pool.submit(client) for _ in range(n_clients)]:
            done.result()  # an answer that never came is an error
    return Load(latencies, counts["wrong"], counts["refused"], time.monotonic() - begun)


def show(name: str, n_clients: int, load: Load, memory: str) -> None:
    p50, p95, p99 = (f"{value * 1000:.0f}" for value in numpy.percentile(load.latencies or [0], [50, 95, 99]))
    rate = len(load.latencies) / load.seconds
    row = [name, n_clients, len(load.latencies), f"{rate:.1f}", p50, p95, p99, load.wrong, load.refused, memory]
    print(f"| {' | '.join(map(str, row))} |", flush=True)


def float32_copy(pipeline: str, folder: str) -> None:
    """Save the pipeline with its encoders in float32, in which an answer does not depend on what it was batched with by more than rounding."""
    nlp = spacy.load(pipeline)
    encoders = [name for name in nlp.pipe_names if nlp.get_pipe_meta(name).factory == "clinicalbert"]
    precision = {f"components.{name}.model.precision": "float32" for name in encoders}
    spacy.load(pipeline, config=precision).to_disk(folder)


@app.command()
def main(
    pipeline: str,
    notes: Path = typer.Argument(..., exists=True),
    clients: str = typer.Option("1,8,64", help="How many, one run after another"),
    seconds: float = typer.Option(60.0, min=0.1, help="Of each run"),
    novel: int = typer.Option(5000, min=10, help="Notes of new words, at last"),
    short: bool = typer.Option(False, help="A few seconds, 20 notes, 4 clients: whether it works"),
) -> None:
    """Run it, and print a table."""
    if short:
        clients, seconds, novel = "1,4", 2.0, 20
    source = Source(str(notes), find_format(str(notes)))
    texts = [note.text for note in read_notes(source) if note.text][: 20 if short else None]
    print("| | clients | requests | a second | p50 ms | p95 | p99 | wrong | refused | MiB |\n|---" + "|---" * 9 + "|")
    n_wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        float32_copy(pipeline, folder)
        expected: List[Any] = [None] * len(texts)
        for name, options in (("one at a time", ONE), ("batched", [])):
            with serving(folder, *options) as server:
                if name == "one at a time":

                    def keep(number: int, answer: Any) -> bool:
                        expected[number] = answer
                        return answer["id"] == number

                    n_wrong += put_load(server, texts, keep, 1).wrong

                def is_expected(number: int, answer: Any) -> bool:
                    return is_close(answer, expected[number])

                put_load(server, texts[:20], is_expected, 4)  # warm
                # From one number of clients to the next it goes on: notes that have just been sent are remembered.
                order = itertools.cycle(range(len(texts)))
                for n_clients in map(int, clients.split(",")):
                    load = put_load(server, texts, is_expected, n_clients, seconds, order)
                    n_wrong += load.wrong
                    show(name, n_clients, load, f"{server.memory:.0f}")
                if name == "batched":
                    n_wrong += new_words(server, novel, n_clients)
    sys.exit(1 if n_wrong else 0)


def new_words(server: Server, n_notes: int, n_clients: int) -> int:
    """Memory after each tenth of some notes of new words. RETURNS (int): Wrong answers."""
    texts = list(make_notes(n_notes, 30))
    tenth = n_notes // 10
    loads, readings = [], []
    for start in range(0, 10 * tenth, tenth):
        part = texts[start : start + tenth]

        def is_own(number: int, answer: Any, part: List[str] = part) -> bool:
            entities = answer.get("entities", [])
            own = all(part[number][each["start"] : each["end"]] == each["text"] for each in entities)
            return answer["id"] == number and own

        loads.append(put_load(server, part, is_own, n_clients))
        readings.append(f"{server.memory:.0f}")
    latencies = [each for load in loads for each in load.latencies]
    wrong, refused = sum(load.wrong for load in loads), sum(load.refused for load in loads)
    total = Load(latencies, wrong, refused, sum(load.seconds for load in loads))
    show("batched, new words", n_clients, total, " ".join(readings))
    return wrong


if __name__ == "__main__":
    app()
