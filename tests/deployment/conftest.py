"""Toy pipelines that need no weights, and notes in files."""

import json
import os
import signal
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, SpanGroup

from spacy_clinicalbert.corpora.docs import install_extensions
from spacy_clinicalbert.deployment import run as run_module
from spacy_clinicalbert.deployment.delivery import find_target
from spacy_clinicalbert.deployment.notes import Source, find_format
from spacy_clinicalbert.deployment.run import annotate_notes
from tests.deployment.runs import N_NOTES, PART, TO

PATTERNS = [
    {"label": "PROBLEM", "pattern": "chest pain"},
    {"label": "PROBLEM", "pattern": "fever"},
    {"label": "DRUG", "pattern": "aspirin"},
    {"label": "TEST", "pattern": "CXR"},
]
TEXT = "HPI: Denies chest pain.\nPLAN: aspirin 81 mg. CXR."


@Language.component("bulk_fails_on_bad")
def fails_on_bad(doc):
    if "bad" in doc.text:
        raise ValueError(f"cannot read {doc.text}")
    return doc


class _Batches:
    """A component that works on batches of three, and fails on those with "bad" in them."""

    def __call__(self, doc):
        return next(self.pipe([doc]))

    def pipe(self, stream, batch_size=3):
        for docs in spacy.util.minibatch(stream, 3):
            try:
                for doc in docs:
                    fails_on_bad(doc)
            except ValueError as error:
                self.fail(docs, error)
            else:
                yield from docs

    def fail(self, docs, error):
        raise error


class _HandedOver(_Batches):
    """As spaCy's own: the whole batch goes to the error handler."""

    def set_error_handler(self, handler):
        self.handler = handler

    def fail(self, docs, error):
        self.handler("batches", self, docs, error)


@Language.factory("bulk_raises_with_its_batch")
def make_raising(nlp, name):
    return _Batches()


@Language.factory("bulk_hands_over_its_batch")
def make_handing_over(nlp, name):
    return _HandedOver()


@Language.component("bulk_says_half")
def says_half(doc):
    """As no tokenizer makes it, and an extension can have it."""
    if not Doc.has_extension("said"):
        Doc.set_extension("said", default=None)
    doc._.said = "\ud800" if "half" in doc.text else None
    return doc


@Language.component("bulk_loses_bad")
def loses_bad(doc):
    return Doc(doc.vocab, words=["other"]) if "bad" in doc.text else doc


class _Component:
    """One that is saved with its config alone."""

    def to_disk(self, path, exclude=()):
        pass


class _DiesOnce(_Component):
    """Takes its process with it, the first time that it sees "deadly"."""

    def __init__(self, marker):
        self.marker = Path(marker)

    def __call__(self, doc):
        if "deadly" in doc.text and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return doc


class _Waits(_Component):
    """Says that it has a note by one file, and waits for another."""

    def __init__(self, folder):
        self.entered, self.open = Path(folder) / "entered", Path(folder) / "open"

    def __call__(self, doc):
        self.entered.touch()
        while not self.open.exists():
            time.sleep(0.01)
        return doc


@Language.factory("bulk_dies_once")
def make_dying(nlp, name, marker: str):
    return _DiesOnce(marker)


@Language.factory("bulk_waits")
def make_waiting(nlp, name, folder: str):
    return _Waits(folder)


def write_plugin(folder, **components):
    """An installed package, as Python sees it, whose entry points are factories of this module. RETURNS (str): What PYTHONPATH must be."""
    info = folder / "toy-0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 0.0\n", encoding="utf8")
    entries = "".join(f"{name} = {__name__}:{function}\n" for name, function in components.items())
    (info / "entry_points.txt").write_text(f"[spacy_factories]\n{entries}", encoding="utf8")
    return os.pathsep.join([str(folder), str(Path(__file__).parents[2])])


def make_nlp(*components):
    nlp = spacy.blank("en")
    nlp.add_pipe("clinical_sections")
    nlp.add_pipe("entity_ruler").add_patterns(PATTERNS)
    for name in components:
        nlp.add_pipe(name)
    return nlp


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory):
    """A saved pipeline."""
    path = tmp_path_factory.mktemp("bulk") / "pipeline"
    make_nlp().to_disk(path)
    return str(path)


class Clock(datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2025, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


@pytest.fixture
def bulk(tmp_path, monkeypatch, pipeline):
    """A folder with notes, in which runs take place; their date is always the same."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_module, "datetime", Clock)
    write_notes(tmp_path / "notes.jsonl", make_texts(N_NOTES))

    def run(output, notes="notes.jsonl", pipeline=pipeline, **settings):
        target = find_target(output, TO.get(output), None)
        settings = {"part_size": PART, **settings}
        return annotate_notes(pipeline, Source(str(notes), find_format(str(notes))), target, **settings)

    return run


def make_texts(n):
    return [
        f"HPI: Denies chest pain {i}.\nPLAN: aspirin {i % 7} mg. CXR." if i % 5 else f"No fever {i}." for i in range(n)
    ]


def write_notes(path, texts, first_id=1):
    rows = [{"id": i, "patient": f"p{i % 3}", "text": text} for i, text in enumerate(texts, start=first_id)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf8")
    return path


def read_lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]


def make_doc(note_id=7, patient="p1", assertion=None):
    """The Doc of TEXT with entities, sections and, for each entity, what is asserted of it: axis → label."""
    install_extensions()
    doc = make_nlp()(TEXT)
    doc._.note_id, doc._.patient = note_id, patient
    if assertion is not None:
        rows = [{axis: [label, 0.9] for axis, label in assertion.items()} for _ in doc.ents]
        doc.spans["assertions"] = SpanGroup(doc, name="assertions", spans=doc.ents, attrs={"assertion": rows})
    return doc


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
    """RETURNS: A pipeline with a gate at its end, and the gate."""
    nlp = make_nlp("service_gate")
    return nlp, nlp.get_pipe("service_gate")
