import copy
import json
import os
import subprocess
import sys
import weakref

import spacy

from spacy_clinicalbert.corpora.checks.run import run_checks
from spacy_clinicalbert.corpora.checks.sources import Source, open_sources
from tests.corpora.checks.notes import Defect, clean_corpus, plant

# What planted defects bring with them: a text with two annotations is there twice, wrong spans look like label errors, and a
# duplicate across splits holds held-out text.
WITH_IT = {
    ("held-out text in another split", "train/train-13"),
    ("held-out text in another split", "train/train-15"),
    ("exact duplicate", "train/train-conflict"),
    ("likely label error, category", "train/train-conflict"),
    ("likely label error, entity", "train/train-0"),
    ("likely label error, entity", "train/train-2"),
}


def write(corpus, folder):
    """RETURNS: What names the files for the command."""
    arguments = []
    for split, records in corpus.items():
        path = folder / f"{split}.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf8")
        arguments.append(f"{split}={path}")
    return arguments


def check(arguments, **settings):
    nlp = spacy.blank("en")
    return run_checks(open_sources(arguments, None, None, nlp), nlp, max_examples=1000, **settings)


def findings(sections):
    return [finding for section in sections for finding in section.findings]


def test_run_finds_nothing_in_a_clean_corpus(tmp_path):
    assert findings(check(write(clean_corpus(), tmp_path))) == []


def test_run_finds_each_planted_defect_where_it_is_and_nothing_else(tmp_path):
    corpus = copy.deepcopy(clean_corpus())
    planted = plant(corpus)
    found = {
        Defect(finding.kind, finding.severity, example.record)
        for finding in findings(check(write(corpus, tmp_path)))
        for example in finding.examples
    }
    assert set(planted) - found == set()
    assert {(kind, record) for kind, _, record in found - set(planted)} <= WITH_IT


def test_run_keeps_no_record(tmp_path):
    """A generator's records are gone when the next comes, so that memory does not hold the corpus."""

    class Record(dict):
        pass

    alive = weakref.WeakSet()

    def read():
        for records in clean_corpus().values():
            for record in records:
                assert len(alive) <= 2
                kept = Record(record)
                alive.add(kept)
                yield kept

    Record.__hash__ = object.__hash__
    sections = run_checks([Source("a", read, lambda record: "train")], spacy.blank("en"))
    assert sections[0].n_notes == sum(map(len, clean_corpus().values()))


def test_run_asks_no_network(tmp_path):
    """In a process of its own, where nothing was imported or cached, and where any look-up or connection fails."""
    corpus = copy.deepcopy(clean_corpus())
    plant(corpus)
    code = "\n".join(
        [
            "import socket, sys",
            "def refuse(*args, **kwargs): raise SystemExit('asked the network')",
            "socket.getaddrinfo = socket.gethostbyname = socket.socket.connect = socket.create_connection = refuse",
            "import spacy",
            "from spacy_clinicalbert.corpora.checks.run import run_checks",
            "from spacy_clinicalbert.corpora.checks.sources import open_sources",
            "nlp = spacy.blank('en')",
            "sections = run_checks(open_sources(sys.argv[1:], None, None, nlp), nlp)",
            "print(*(finding.kind for finding in sections[0].findings), sep='\\n')",
        ]
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-c", code, *write(corpus, tmp_path)]
    shown = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert shown.returncode == 0, shown.stderr
    assert "personal data" in shown.stdout.splitlines()
