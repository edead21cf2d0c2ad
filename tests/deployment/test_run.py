"""Runs, and what is left of those that are broken off. Processes are forked to be killed at each of their writes."""

import json
import os
import resource
import signal
import sqlite3
from datetime import datetime, timezone
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Corpus

from spacy_clinicalbert.corpora.docs import Report
from spacy_clinicalbert.corpora.formats import read_corpus
from spacy_clinicalbert.deployment import run as run_module
from spacy_clinicalbert.deployment.delivery import find_target
from spacy_clinicalbert.deployment.notes import Source, find_format
from spacy_clinicalbert.deployment.run import Totals, annotate_notes, find_places
from tests.deployment.conftest import make_nlp, make_texts, read_lines, write_notes

TO = {
    "out.jsonl": None,
    "out.parquet": None,
    "out.spacy": None,
    "sqlite:///out.db": None,
    "omop.csv": "omop",
    "omop.parquet": "omop",
    "omop.jsonl": "omop",
    "sqlite:///omop.db": "omop",
    "r4b.ndjson": "fhir-r4b",
    "r5.ndjson": "fhir-r5",
}
N_NOTES, PART = 10, 3


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


def contents(output):
    """What stands in a destination, in bytes or rows."""
    if output.startswith("sqlite"):
        with sqlite3.connect(output.removeprefix("sqlite:///")) as connection:
            table = "note_nlp" if "omop" in output else "annotations"
            return connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
    path = Path(output)
    if path.is_dir():
        return {each.name: each.read_bytes() for each in path.iterdir()}
    return path.read_bytes()


def remove(output):
    places = find_places(find_target(output, TO.get(output), None))
    for path in (Path(output.removeprefix("sqlite:///")), places.manifest, places.failed):
        if path.is_dir():
            for each in path.iterdir():
                each.unlink()
            path.rmdir()
        path.unlink(missing_ok=True)


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


def test_run_writes_records_as_json_lines(bulk):
    assert bulk("out.jsonl")._replace(memory=0) == Totals(10, 10, 0)
    records = read_lines(Path("out.jsonl"))
    assert [record["position"] for record in records] == list(range(10))
    assert [record["id"] for record in records] == list(range(1, 11))
    assert records[1]["patient"] == "p2" and records[1]["entities"][1]["section"] == "plan"
    assert sorted(each.name for each in Path().iterdir()) == ["notes.jsonl", "out.jsonl", "out.jsonl.manifest.jsonl"]


def test_run_writes_records_as_parquet(bulk):
    parquet = pytest.importorskip("pyarrow.parquet")
    bulk("out.jsonl")
    bulk("out.parquet")
    table = parquet.read_table("out.parquet").to_pylist()
    for row, record in zip(table, read_lines(Path("out.jsonl")), strict=True):
        assert row["id"] == str(record["id"]) and row["position"] == record["position"]
        found = [{name: value for name, value in entity.items() if value is not None} for entity in row["entities"]]
        assert found == record["entities"]
        assert (row["sections"] is None) == ("sections" not in record)
        assert [name for name, _ in row["spans"]] == list(record["spans"])


def test_run_writes_docs_that_spacy_and_the_readers_take(bulk):
    bulk("out.spacy")
    assert sorted(each.name for each in Path("out.spacy").iterdir()) == [f"part-0000000{i}.spacy" for i in range(4)]
    nlp = spacy.blank("en")
    docs = [example.reference for example in Corpus("out.spacy")(nlp)]
    assert [doc.text for doc in docs] == make_texts(10)
    again = list(read_corpus("out.spacy", nlp, Report()))
    assert [doc._.note_id for doc in again] == list(range(1, 11))
    assert [[ent.label_ for ent in doc.ents] for doc in again] == [[ent.label_ for ent in doc.ents] for doc in docs]
    assert docs[1].spans["sections"][1].label_ == "plan"


@pytest.mark.parametrize("first", ["omop.csv", "sqlite:///omop.db", "omop.parquet"])
def test_run_numbers_omop_rows_through(bulk, first):
    import csv

    bulk("omop.csv")
    with open("omop.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["note_nlp_id"]) for row in rows] == list(range(1, len(rows) + 1)) and len(rows) == 26
    assert rows[0]["nlp_datetime"] == "2025-01-02T03:04:05" and rows[0]["nlp_date"] == "2025-01-02"
    if first == "omop.parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        bulk(first)
        other = parquet.read_table(first).to_pylist()
        assert [str(row["note_nlp_id"]) for row in other] == [row["note_nlp_id"] for row in rows]
        assert other[0]["nlp_datetime"] == datetime(2025, 1, 2, 3, 4, 5)
    elif first != "omop.csv":
        bulk(first)
        bulk_rows = contents(first)
        assert [row[5] for row in bulk_rows] == [row["lexical_variant"] for row in rows]
        # A table that has rows of another system, or of an earlier run, gets the next ones.
        remove(first)
        bulk(first)
        Path("note_nlp.manifest.jsonl").unlink()
        bulk(first, notes=write_notes(Path("more.jsonl"), ["No fever."], first_id=99))
        assert [row[:2] for row in contents(first)][-1] == (27, 99)


def test_run_writes_fhir_that_the_library_reads(bulk):
    from fhir.resources import get_fhir_model_class

    bulk("r5.ndjson")
    kinds = []
    for row in read_lines(Path("r5.ndjson")):
        kinds.append(row["resourceType"])
        get_fhir_model_class(row["resourceType"]).model_validate(row)
    assert kinds[:2] == ["DocumentReference", "Condition"] and kinds.count("DocumentReference") == 10


@pytest.mark.parametrize("output", TO)
def test_a_run_that_is_killed_at_any_write_goes_on_to_the_same(bulk, output):
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


def test_resume_refuses_other_settings_and_another_pipeline(bulk, tmp_path):
    in_child(dying_at(14, lambda: bulk("out.jsonl")))
    with pytest.raises(ValueError, match=r"other settings \(max_length, part_size\)"):
        bulk("out.jsonl", resume=True, part_size=4, max_length=9)
    nlp = make_nlp()
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": "HPI"}])
    nlp.to_disk(tmp_path / "other")
    with pytest.raises(ValueError, match=r"other settings \(pipeline\)"):
        bulk("out.jsonl", resume=True, pipeline=str(tmp_path / "other"))


def test_a_run_writes_over_nothing(bulk):
    bulk("out.jsonl")
    with pytest.raises(ValueError, match=r"'out\.jsonl' is there already. --resume"):
        bulk("out.jsonl")
    Path("out.jsonl.manifest.jsonl").unlink()
    with pytest.raises(ValueError, match=r"'out\.jsonl' is there already"):
        bulk("out.jsonl", resume=True)
    bulk("sqlite:///out.db")
    for path in Path().glob("annotations.*"):
        path.unlink()
    with pytest.raises(ValueError, match="table 'annotations' of 'sqlite:///out.db' has rows already"):
        bulk("sqlite:///out.db", resume=True)


def test_resuming_a_run_that_is_done_says_how_it_ended(bulk):
    notes = write_notes(Path("some.jsonl"), ["x" * 99, "No fever."])
    bulk("out.jsonl", notes=notes, max_length=60)
    before = Path("out.jsonl").stat().st_mtime_ns
    assert bulk("out.jsonl", notes=notes, max_length=60, resume=True) == Totals(2, 1, 1)
    assert Path("out.jsonl").stat().st_mtime_ns == before and not Path("out.jsonl.parts").exists()


def test_resume_begins_where_there_is_nothing(bulk):
    assert bulk("out.jsonl", resume=True).annotated == 10


def test_two_runs_do_not_write_to_one_place(bulk):
    with run_module._locked(Path("out.jsonl.parts")), pytest.raises(ValueError, match="Another run is writing"):
        bulk("out.jsonl", resume=True)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"notes": "none.jsonl"}, "'none.jsonl' is not there"),
        ({"pipeline": "none"}, "'none' is neither the folder of a saved pipeline"),
        ({"concepts": "none.csv"}, "none.csv"),
    ],
)
def test_a_run_that_could_not_begin_leaves_nothing(bulk, settings, message):
    with pytest.raises((ValueError, OSError), match=message):
        bulk("out.jsonl", **settings)
    assert [each.name for each in Path().iterdir()] == ["notes.jsonl"]


def test_labels_that_are_no_fhir_resource_are_an_error_before_the_first_note(bulk, tmp_path):
    nlp = make_nlp()
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "TREATMENT", "pattern": "surgery"}])
    nlp.to_disk(tmp_path / "other")
    with pytest.raises(ValueError, match="For this pipeline, nothing says which FHIR resource the label TREATMENT"):
        bulk("r5.ndjson", pipeline=str(tmp_path / "other"))
    Path("concepts.csv").write_text("label,resource\nTREATMENT,none\n")
    assert bulk("r5.ndjson", pipeline=str(tmp_path / "other"), concepts="concepts.csv").failed == 0


def test_failures_name_the_note_and_not_its_text(bulk):
    texts = ["chest pain " * 9, "No fever."]
    rows = [{"id": note_id, "text": text} for note_id in ("a", "a") for text in texts] + [{"id": "b"}]
    Path("some.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    bulk("out.jsonl", notes="some.jsonl", max_length=60)
    reason = "it has 99 characters, and the pipeline takes 60: see --max-length"
    assert read_lines(Path("out.jsonl.failed.jsonl")) == [
        {"position": 0, "id": "a", "reason": reason},
        {"position": 2, "id": "a", "reason": reason},
        {"position": 4, "id": "b", "reason": "it has no text"},
    ]
    # Ids may come twice: each note has its own row.
    assert [(row["position"], row["id"]) for row in read_lines(Path("out.jsonl"))] == [(1, "a"), (3, "a")]


def test_omop_rows_want_ids_that_are_whole_numbers(bulk):
    Path("some.jsonl").write_text('{"id": "x", "text": "fever"}\n{"text": "fever"}\n{"id": "12", "text": "fever"}\n')
    assert bulk("omop.csv", notes="some.jsonl").failed == 2
    reasons = [each["reason"] for each in read_lines(Path("omop.csv.failed.jsonl"))]
    assert "whole number" in reasons[0] and "it has no id" in reasons[1]


@pytest.mark.parametrize("output", [*TO])
def test_an_empty_input_gives_an_empty_output(bulk, output):
    Path("none.jsonl").write_text("")
    assert bulk(output, notes="none.jsonl")._replace(memory=0) == Totals(0, 0, 0)
    found = contents(output)
    assert not found or output.endswith((".csv", ".parquet"))


def test_a_part_without_annotated_notes_is_empty(bulk):
    notes = write_notes(Path("some.jsonl"), ["x" * 99] * 3 + ["No fever."])
    bulk("out.spacy", notes=notes, max_length=60)
    nlp = spacy.blank("en")
    assert [doc.text for doc in read_corpus("out.spacy", nlp, Report())] == ["No fever."]
    assert len(DocBin().from_disk("out.spacy/part-00000000.spacy")) == 0
