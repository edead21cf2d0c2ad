"""Memory: a long stream of notes, and one very long note. MiB resident, each part in a process of its own.

    python -m benchmarks.memory run ENCODER

The notes are made up of words that no other note has, so that nothing which grows with the vocabulary can hide.
"""

import ctypes
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator, List

import psutil
import spacy
import typer
from spacy.training import Example
from thinc.api import Adam

app = typer.Typer(add_completion=False)
PARTS = ("stream", "weights", "long-predict", "long-train")


def resident() -> float:
    return psutil.Process(os.getpid()).memory_info().rss / 2**20


def peak() -> float:
    lines = Path("/proc/self/status").read_text(encoding="utf8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def make_notes(n_notes: int, n_words: int, seed: int = 0) -> Iterator[str]:
    rng = random.Random(seed)
    for _ in range(n_notes):
        words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 9))) for _ in range(n_words)]
        for i in range(0, n_words, 12):
            words[i] = words[i].capitalize()
            words[i - 1] += "."
        yield "PLAN: " + " ".join(words)


def make_pipeline(encoder: Path) -> spacy.language.Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("clinicalbert", config={"model": {"name": str(encoder)}})
    tok2vec = {"@architectures": "spacy-clinicalbert.Listener.v1"}
    ner = {"@architectures": "spacy.TransitionBasedParser.v2", "state_type": "ner", "extra_state_tokens": False}
    nlp.add_pipe(
        "ner", config={"model": {**ner, "hidden_width": 64, "maxout_pieces": 2, "use_upper": False, "tok2vec": tok2vec}}
    )
    nlp.initialize(lambda: [Example.from_dict(nlp.make_doc("No fever."), {"entities": [(3, 8, "PROBLEM")]})])
    return nlp


@app.command()
def stream(encoder: Path, n_notes: int = 10_000, n_words: int = 30) -> None:
    """Notes through `nlp.pipe` inside `memory_zone`, a zone for each tenth of them."""
    nlp = make_pipeline(encoder)
    readings: List[float] = []
    notes = make_notes(n_notes, n_words)
    for _ in range(10):
        with nlp.memory_zone():
            part = (next(notes) for _ in range(n_notes // 10))
            n = sum(1 for doc in nlp.pipe(part) if doc._.trf_data is not None)
        assert n == n_notes // 10
        readings.append(resident())
    ctypes.CDLL(None).malloc_trim(0)  # what the C library holds of memory that was given back to it
    shown = " ".join(f"{value:.0f}" for value in readings)
    print(
        f"| {n_notes:,} notes of {n_words} new words, after each tenth; at last, trimmed | {shown}; {resident():.0f} |"
    )


@app.command()
def weights(encoder: Path) -> None:
    """What a saved pipeline's weights take in prediction: memory of its own, and pages of their file."""
    with tempfile.TemporaryDirectory() as folder:
        make_pipeline(encoder).to_disk(folder)
        script = f"import spacy; spacy.load({folder!r})('No fever.'); print(open('/proc/self/status').read())"
        done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True)
    fields = dict(line.split(":", 1) for line in done.stdout.splitlines() if ":" in line)
    own, mapped = (int(fields[key].split()[0]) / 1024 for key in ("RssAnon", "RssFile"))
    print(f"| a saved pipeline, loaded, one note: own memory, pages of files | {own:.0f} {mapped:.0f} |")


@app.command()
def long_predict(encoder: Path, n_characters: int = 360_000) -> None:
    """One note, annotated."""
    nlp = make_pipeline(encoder)
    nlp("No fever.")
    nlp.max_length = n_characters
    (note,) = make_notes(1, n_characters // 6)
    before = resident()
    doc = nlp(note[:n_characters])
    print(
        f"| a note of {n_characters:,} characters ({len(doc):,} tokens), annotated: before, peak | {before:.0f} {peak():.0f} |"
    )


@app.command()
def long_train(encoder: Path, n_characters: int = 360_000) -> None:
    """One note, as a batch of training."""
    nlp = make_pipeline(encoder)
    nlp.max_length = n_characters
    (note,) = make_notes(1, n_characters // 6)
    doc = nlp.make_doc(note[:n_characters])
    optimizer = Adam(1e-5)
    short = Example.from_dict(nlp.make_doc("No fever."), {"entities": [(3, 8, "PROBLEM")]})
    nlp.update([short], sgd=optimizer)
    before = resident()
    entities = [(token.idx, token.idx + len(token), "PROBLEM") for token in list(doc)[2::50] if token.is_alpha]
    nlp.update([Example.from_dict(doc, {"entities": entities})], sgd=optimizer)
    print(f"| the same in one update, max_update_items = 8192: before, peak | {before:.0f} {peak():.0f} |")


@app.command()
def run(encoder: Path) -> None:
    """Everything, as Markdown."""
    print("| | MiB resident |\n|---|---|", flush=True)
    for part in PARTS:
        subprocess.run([sys.executable, "-m", "benchmarks.memory", part, str(encoder)], check=True)


if __name__ == "__main__":
    app()
