"""What is left of runs that are broken off, and that they go on. Processes are forked to be killed at each of their writes."""

import os
import resource
import signal
import sqlite3
from functools import cache
from pathlib import Path

import pytest
import spacy

from spacy_clinicalbert.deployment import run as run_module
from spacy_clinicalbert.deployment.database import Table
from spacy_clinicalbert.deployment.delivery import find_target
from spacy_clinicalbert.deployment.run import Totals, find_places
from tests.deployment.conftest import make_nlp, make_texts, read_lines, write_notes
from tests.deployment.runs import N_NOTES, TO, contents, remove


def in_child(function):
    """Run a function in a forked process. RETURNS (int): Its exit code, or the negative number of the signal that killed it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            function()
            code = 0
        except OSError:
            code = 7
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def dying_at(moment, function):
    """A function that kills its own process at its n-th write, counted over all that changes files."""

    def wrapped():
        n_calls = 0

        def counting(right):
            def call(*args, **kwargs):
                nonlocal n_calls
                n_calls += 1
                if n_calls == moment:
                    os.kill(os.getpid(), signal.SIGKILL)
                return right(*args, **kwargs)

            return call

        for name in ("fsync", "replace", "mkdir", "unlink", "rmdir"):
            setattr(os, name, counting(getattr(os, name)))
        function()

    return wrapped


@pytest.mark.parametrize("output", TO)
def test_a_run_that_is_killed_at_any_write_goes_on_to_the_same(bulk, output, monkeypatch):
    monkeypatch.setattr(spacy, "load", cache(spacy.load))  # some hundred runs; what is held is what they write
    with_failures = ["x" * 99, *make_texts(N_NOTES)]
    notes = write_notes(Path("some.jsonl"), with_failures)
    settings = {"notes": notes, "max_length": 60}
    bulk(output, **settings)
    places = find_places(find_target(output, TO[output], None))
    expected, failed = contents(output), places.failed.read_bytes()
    step = {"out.jsonl": 1, "sqlite:///omop.db": 1, "out.spacy": 2}.get(output, 6)
    for moment in range(1, 1000, step):
        remove(output)
        killed = in_child(dying_at(moment, lambda: bulk(output, **settings)))
        assert killed in (0, -signal.SIGKILL)
        if moment % 4 == 0:  # a second time, on the way back
            in_child(dying_at(3, lambda: bulk(output, resume=True, **settings)))
        totals = bulk(output, resume=True, **settings)
        assert totals._replace(memory=0) == Totals(11, 10, 1), moment
        assert contents(output) == expected and places.failed.read_bytes() == failed, moment
        assert not places.folder.exists()
        if killed == 0:
            break
    assert moment > 20


@pytest.mark.parametrize("limit", [200, 900, 2500, 5000])
def test_a_full_disk_stops_a_run_that_goes_on_to_the_same(bulk, limit):
    bulk("out.jsonl")
    expected = contents("out.jsonl")
    assert len(expected) > 5000
    remove("out.jsonl")

    def run():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        bulk("out.jsonl")

    assert in_child(run) == 7
    assert not Path("out.jsonl").exists() and not list(Path().rglob("*.tmp"))
    bulk("out.jsonl", resume=True)
    assert contents("out.jsonl") == expected


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_manifest_whose_last_line_is_cut_goes_on(bulk, cut):
    bulk("out.jsonl")
    expected = contents("out.jsonl")
    remove("out.jsonl")
    in_child(dying_at(14, lambda: bulk("out.jsonl")))
    path = Path("out.jsonl.manifest.jsonl")
    assert len(path.read_bytes().splitlines()) >= 3
    path.write_bytes(path.read_bytes()[:-cut])
    bulk("out.jsonl", resume=True)
    assert contents("out.jsonl") == expected
    assert [line.get("part") for line in read_lines(path)[1:5]] == [0, 1, 2, 3]


def test_damaged_input_stops_a_run_that_goes_on_when_it_is_mended(bulk):
    lines = Path("notes.jsonl").read_text().splitlines(keepends=True)
    bulk("out.jsonl")
    expected = contents("out.jsonl")
    remove("out.jsonl")
    Path("notes.jsonl").write_text("".join([*lines[:7], '{"text": "secret', *lines[7:]]))
    with pytest.raises(ValueError, match=r"Line 8 of 'notes\.jsonl' is not a JSON object"):
        bulk("out.jsonl")
    assert len(read_lines(Path("out.jsonl.manifest.jsonl"))) == 3
    Path("notes.jsonl").write_text("".join(lines))
    bulk("out.jsonl", resume=True)
    assert contents("out.jsonl") == expected


@pytest.mark.parametrize("change", ["another text", "fewer notes"])
def test_resume_refuses_an_input_that_has_changed(bulk, change):
    lines = Path("notes.jsonl").read_text().splitlines(keepends=True)
    in_child(dying_at(14, lambda: bulk("out.jsonl")))
    lines = [lines[0].replace("fever", "cough"), *lines[1:]] if change == "another text" else lines[:2]
    Path("notes.jsonl").write_text("".join(lines))
    with pytest.raises(ValueError, match="input has changed"):
        bulk("out.jsonl", resume=True)


def test_resume_refuses_other_code(bulk, monkeypatch):
    in_child(dying_at(14, lambda: bulk("out.jsonl")))
    right = run_module.fingerprint
    changed = lambda path: "other" if path.name == "spacy_clinicalbert" else right(path)  # noqa: E731
    monkeypatch.setattr(run_module, "fingerprint", changed)
    with pytest.raises(ValueError, match=r"other settings \(code\)"):
        bulk("out.jsonl", resume=True)


def test_resume_refuses_other_settings_and_another_pipeline(bulk, tmp_path):
    in_child(dying_at(14, lambda: bulk("out.jsonl")))
    with pytest.raises(ValueError, match=r"other settings \(max_length, part_size\)"):
        bulk("out.jsonl", resume=True, part_size=4, max_length=9)
    nlp = make_nlp()
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": "HPI"}])
    nlp.to_disk(tmp_path / "other")
    with pytest.raises(ValueError, match=r"other settings \(pipeline\)"):
        bulk("out.jsonl", resume=True, pipeline=str(tmp_path / "other"))


def test_resuming_a_run_that_is_done_says_how_it_ended(bulk):
    notes = write_notes(Path("some.jsonl"), ["x" * 99, "No fever."])
    bulk("out.jsonl", notes=notes, max_length=60)
    before = Path("out.jsonl").stat().st_mtime_ns
    assert bulk("out.jsonl", notes=notes, max_length=60, resume=True) == Totals(2, 1, 1)
    assert Path("out.jsonl").stat().st_mtime_ns == before and not Path("out.jsonl.parts").exists()


@pytest.mark.parametrize("output", ["out.jsonl", "out.spacy", "sqlite:///out.db", "sqlite:///omop.db"])
def test_resuming_a_run_that_is_done_looks_at_its_output_and_its_input(bulk, output):
    lines = Path("notes.jsonl").read_text().splitlines(keepends=True)
    bulk(output)
    expected = contents(output)
    assert bulk(output, resume=True) == Totals(10, 10, 0) and contents(output) == expected
    for changed in (lines[:-1], [*lines, lines[0]], [*lines[:4], lines[5], lines[4], *lines[6:]]):
        Path("notes.jsonl").write_text("".join(changed))
        with pytest.raises(ValueError, match="input has changed since the run began. To begin anew, remove '"):
            bulk(output, resume=True)
    Path("notes.jsonl").write_text("".join(lines))
    if output.startswith("sqlite"):
        table = "note_nlp" if "omop" in output else "annotations"
        with sqlite3.connect(output.removeprefix("sqlite:///")) as connection:
            connection.execute(f"DELETE FROM {table} WHERE {'note_nlp_id' if 'omop' in output else 'position'} = 5")
    else:
        os.rename(output, "elsewhere")
    with pytest.raises(ValueError, match=r"is not there any more. To begin anew, remove '.*manifest\.jsonl'"):
        bulk(output, resume=True)


def test_resuming_a_run_that_is_done_writes_its_failures_again(bulk):
    notes = write_notes(Path("some.jsonl"), ["x" * 99, "No fever."])
    bulk("out.jsonl", notes=notes, max_length=60)
    failed = Path("out.jsonl.failed.jsonl")
    before = failed.read_bytes()
    failed.unlink()
    bulk("out.jsonl", notes=notes, max_length=60, resume=True)
    assert failed.read_bytes() == before


@pytest.mark.parametrize("output", ["out.jsonl", "sqlite:///omop.db"])
def test_an_empty_input_is_finished_and_may_be_resumed(bulk, output):
    Path("none.jsonl").write_text("")
    for resume in (False, True):
        assert bulk(output, notes="none.jsonl", resume=resume)._replace(memory=0) == Totals(0, 0, 0)
    Path("none.jsonl").write_text('{"text": "No fever."}')
    with pytest.raises(ValueError, match="input has changed"):
        bulk(output, notes="none.jsonl", resume=True)


def insert_others(output, table, keys):
    with sqlite3.connect(output.removeprefix("sqlite:///")) as connection:
        name = connection.execute(f"SELECT name FROM pragma_table_info('{table}') LIMIT 1").fetchone()[0]
        connection.executemany(f"INSERT INTO {table} ({name}) VALUES (?)", [(key,) for key in keys])


@pytest.mark.parametrize("output", ["sqlite:///out.db", "sqlite:///omop.db"])
@pytest.mark.parametrize("n_done", [0, 1])
def test_a_run_leaves_the_rows_of_others_in_its_table_and_says_so(bulk, output, n_done, monkeypatch):
    """Which were written while it was annotating, or putting its parts there."""
    table = "note_nlp" if "omop" in output else "annotations"
    right = Table.insert

    def insert(self, first, behind, rows):
        if len(inserted) == n_done:
            insert_others(output, table, [first])
        inserted.append(first)
        right(self, first, behind, rows)

    inserted = []
    monkeypatch.setattr(Table, "insert", insert)
    for resume in (False, True):
        with pytest.raises(ValueError, match=f"'{table}' of .* has 1 rows already .* To begin anew, remove"):
            bulk(output, resume=resume)
        rows = contents(output)
        assert [row[1] for row in rows].count(None) == 1 and len(inserted) == n_done + 1 + resume


def test_resume_begins_where_there_is_nothing(bulk):
    assert bulk("out.jsonl", resume=True).annotated == 10


def test_what_a_worker_of_another_run_left_behind_is_not_taken(bulk):
    expected = bulk("expected.jsonl") and contents("expected.jsonl")
    left = Path("out.jsonl.parts/0123456789abcdef")
    left.mkdir(parents=True)
    (left / "part-00000000.jsonl").write_text("{}\n" * 9, encoding="utf8")
    bulk("out.jsonl")
    assert contents("out.jsonl") == expected


def test_a_folder_that_somebody_makes_meanwhile_costs_no_docs(bulk, monkeypatch):
    right = run_module.deliver

    def deliver(*args):
        Path("out.spacy").mkdir(exist_ok=True)
        right(*args)

    with monkeypatch.context() as patch, pytest.raises(ValueError, match=r"'out\.spacy' was made meanwhile"):
        patch.setattr(run_module, "deliver", deliver)
        bulk("out.spacy")
    Path("out.spacy").rmdir()
    assert bulk("out.spacy", resume=True).annotated == 10 and len(list(Path("out.spacy").iterdir())) == 4


@pytest.mark.parametrize("output", ["out.jsonl", "out.parquet"])
def test_a_file_that_somebody_makes_meanwhile_is_not_written_over(bulk, output, monkeypatch):
    right = run_module.deliver

    def deliver(*args):
        Path(output).write_text("Of somebody else.", encoding="utf8")
        right(*args)

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "deliver", deliver)
        for resume in (False, True):
            with pytest.raises(ValueError, match="was made meanwhile"):
                bulk(output, resume=resume)
    assert Path(output).read_text(encoding="utf8") == "Of somebody else."
    Path(output).unlink()
    assert bulk(output, resume=True).annotated == 10 and Path(output).stat().st_size > 100


def test_two_runs_do_not_write_to_one_place(bulk):
    with run_module._locked(Path("out.jsonl.parts")), pytest.raises(ValueError, match="Another run is writing"):
        bulk("out.jsonl", resume=True)
