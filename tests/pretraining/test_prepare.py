"""What is made of the text before the first step, and kept."""

import json
import threading
from pathlib import Path

import pytest

from spacy_clinicalbert.pretraining import texts, tokens
from spacy_clinicalbert.pretraining.prepare import prepare
from spacy_clinicalbert.pretraining.train import pretrain
from tests.pretraining.conftest import sample_notes


def test_prepare_only_fills_the_cache_and_the_run_uses_it(make_run, tmp_path):
    config = make_run(vocabulary={"mode": "replace", "size": 600})
    pretrain(config, tmp_path / "run", prepare_only=True)
    assert not (tmp_path / "run").exists()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")}
    prepared = prepare(config)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")} == before
    counts = prepared.vocabulary["sets"]["dev"]
    assert counts["after"]["pieces_per_word"] < counts["before"]["pieces_per_word"]


def test_half_written_counts_are_no_counts(make_run, tmp_path, monkeypatch):
    config, write = make_run(), Path.write_text

    def full(path, text, **settings):
        if "-words-" not in path.name:
            return write(path, text, **settings)
        write(path, text[:9], **settings)
        raise OSError("No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(Path, "write_text", full)
        prepare(config)
    assert prepare(config).vocabulary["sets"]["dev"]["after"]["words"] > 0


def test_two_runs_that_fill_one_cache_at_a_time_fill_it_once(make_run, tmp_path, monkeypatch):
    config, whole, read = make_run(), make_run(), tokens.read_notes
    whole.corpus.cache = str(tmp_path / "whole")
    wanted = prepare(whole).sources["notes"]
    begun, others = [], []

    def slow(*args):
        notes = read(*args)
        yield next(notes)
        begun.append(args)
        if len(begun) == 1:  # the other one begins in the midst of the first
            others.append(threading.Thread(target=prepare, args=[config]))
            others[0].start()
            others[0].join(2)
        yield from notes

    monkeypatch.setattr(tokens, "read_notes", slow)
    found = prepare(config).sources["notes"]
    others[0].join()
    assert len(begun) == 2 and found.ids.tolist() == wanted.ids.tolist()  # training and held-out notes, once each


def test_vocabulary_is_learned_anew_where_more_is_held_out(make_run, tmp_path, monkeypatch):
    folder = tmp_path / "corpora" / "mtsamples"
    folder.mkdir(parents=True)
    rows = [
        {"sample_id": i, "text": text, "specialties": ["Radiology"]} for i, text in enumerate(sample_notes("train"))
    ]
    (folder / "mtsamples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sources = {"mtsamples": {"format": "public", "path": str(folder.parent)}}
    corpus = {"cache": str(tmp_path / "cache"), "sources": sources}
    config = make_run(vocabulary={"mode": "replace", "size": 600}, corpus=corpus, validation={"sets": {}})
    for digest in ("before", "after"):
        monkeypatch.setattr(texts, "splits_digest", lambda digest=digest: digest)
        prepare(config)
    for kind in ("vocabulary", "mtsamples"):
        assert sum(path.is_dir() for path in (tmp_path / "cache").glob(f"{kind}-*")) == 2
