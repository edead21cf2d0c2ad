"""A tiny pretraining run: the sample notes, a toy BERT, in a temporary folder."""

import json
from pathlib import Path

import pytest

from spacy_clinicalbert.corpora.jsonl import jsonl_records
from spacy_clinicalbert.pretraining.config import check_config

ROOT = Path(__file__).parent.parent.parent


def sample_notes(split):
    return [record["text"] for record in jsonl_records(ROOT / "assets" / "sample_notes.jsonl", split)]


def write_notes(path, texts):
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf8")
    return str(path)


@pytest.fixture
def make_run(tmp_path, toy):
    """Makes the config of a run, as the sections to change say."""

    def make(**changes):
        sections = {
            "pretraining": {"max_steps": 6, "precision": "float32", "log_steps": 2},
            "encoder": {"name": toy},
            "corpus": {
                "cache": str(tmp_path / "cache"),
                "sources": {"notes": {"path": write_notes(tmp_path / "train.jsonl", sample_notes("train")[:20])}},
            },
            "stages": {
                "short": {"length": 32, "batch_size": 6, "share": 0.5},
                "long": {"length": 64, "batch_size": 4, "share": 0.5},
            },
            "optimizer": {"learn_rate": 1e-3},
            "validation": {
                "sets": {"dev": {"path": write_notes(tmp_path / "dev.jsonl", sample_notes("dev")[:4])}},
                "steps": 3,
                "length": 32,
                "max_pieces": 600,
            },
        }
        for name, settings in changes.items():
            sections[name] = {**sections.get(name, {}), **settings}  # one level deep
        return check_config(sections, "test")

    return make
