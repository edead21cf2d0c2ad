import multiprocessing
import os
from datetime import datetime
from multiprocessing.connection import wait

import pytest

from spacy_clinicalbert.deployment import workers
from spacy_clinicalbert.deployment.notes import Note
from spacy_clinicalbert.deployment.workers import Job, annotate_parts, n_cores, peak_memory
from tests.deployment.conftest import make_texts
from tests.processes import CONTEXT


@pytest.fixture(autouse=True)
def prepared_processes(monkeypatch):
    """Workers come from a process that has imported what they need; test_command.py has them as they are."""
    monkeypatch.setattr(multiprocessing, "get_context", lambda method: CONTEXT)


def make_job(pipeline, folder, form="records"):
    folder.mkdir()
    return Job(pipeline, form, str(folder), None, None, 1, datetime(2025, 1, 2))


def make_parts(n):
    notes = [Note(i, i, text) for i, text in enumerate(make_texts(3 * n))]
    return ((number, notes[3 * number : 3 * number + 3]) for number in range(n))


def test_processes_give_what_one_gives_and_end(pipeline, tmp_path):
    results = {}
    for n_workers in (1, 2):
        job = make_job(pipeline, tmp_path / str(n_workers))
        done = sorted(annotate_parts(job, make_parts(5), n_workers))
        assert [each[:3] for each in done] == [(i, 3, 3) for i in range(5)] and done[0].memory > 2**20
        results[n_workers] = {path.name: path.read_bytes() for path in (tmp_path / str(n_workers)).iterdir()}
    assert results[1] == results[2] and len(results[1]) == 5
    assert not multiprocessing.active_children()


def test_workers_load_at_one_time(pipeline, tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr(workers, "wait", lambda connections: waited.append(len(connections)) or wait(connections))
    done = list(annotate_parts(make_job(pipeline, tmp_path / "a"), make_parts(4), 2))
    assert waited[0] == 2 and sorted(each.number for each in done) == [0, 1, 2, 3]
    waited.clear()  # one part: no second worker
    assert len(list(annotate_parts(make_job(pipeline, tmp_path / "b"), make_parts(1), 2))) == 1
    assert max(waited) == 1


def test_a_worker_that_dies_or_cannot_begin_stops_the_run(pipeline, tmp_path):
    parts = annotate_parts(make_job(pipeline, tmp_path / "a"), make_parts(50), 2)
    next(parts)
    for child in multiprocessing.active_children():
        child.kill()
    with pytest.raises(RuntimeError, match=r"A worker has died \(exit code -9\)"):
        list(parts)
    assert not multiprocessing.active_children()
    with pytest.raises(ValueError, match="neither the folder of a saved pipeline"):
        list(annotate_parts(make_job("none", tmp_path / "b"), make_parts(2), 2))
    assert not multiprocessing.active_children()


def test_cores_are_those_that_may_be_used(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert n_cores() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert 1 <= n_cores() <= os.cpu_count()
    assert peak_memory() > 2**20
