import multiprocessing
import os
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spacy_clinicalbert.cli import app
from tests.deployment.conftest import make_texts, read_lines, write_notes
from tests.processes import CONTEXT, start


def run(*arguments):
    return CliRunner().invoke(app, ["annotate", *map(str, arguments)])


@pytest.fixture
def notes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_notes(tmp_path / "notes.jsonl", make_texts(20))


def test_command_says_what_it_did_and_exits_with_0(pipeline, notes):
    shown = run(pipeline, notes, "out.jsonl")
    assert shown.exit_code == 0 and "20 notes, 20 annotated, 0 failed." in shown.output
    assert len(read_lines(Path("out.jsonl"))) == 20


def test_command_exits_with_3_if_notes_failed(pipeline, notes):
    shown = run(pipeline, notes, "out.jsonl", "--max-length", 20)
    assert shown.exit_code == 3 and "20 notes, 4 annotated, 16 failed" in shown.output
    assert "'out.jsonl.failed.jsonl'" in shown.output and "chest" not in shown.output
    again = run(pipeline, notes, "out.jsonl", "--max-length", 20, "--resume")
    assert again.exit_code == 3 and "16 failed" in again.output


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["notes.jsonl", "out.csv"], "Say --to"),
        (["notes.dat", "out.jsonl"], "say --from"),
        (["none.jsonl", "out.jsonl"], "is not there"),
        (["notes.jsonl", "out.jsonl", "--text-field", "body"], "has no 'body': set --text-field"),
        (["notes.jsonl", "out.jsonl", "--query", "SELECT 1"], "'notes.jsonl' is none: leave it out"),
        (["notes.jsonl", "out.jsonl", "--table", "results"], "'out.jsonl' is a file: leave it out"),
        (["notes.jsonl", "out.jsonl", "--concepts", "notes.jsonl"], "--concepts is for --to omop and FHIR"),
        (["sqlite:///a.db", "out.jsonl"], "wants --query"),
        (["sqlite:///a.db", "out.jsonl", "--query", "SELECT 1"], "has no ORDER BY"),
    ],
)
def test_command_says_what_stops_it_and_exits_with_1(pipeline, notes, arguments, message):
    shown = run(pipeline, *arguments)
    assert shown.exit_code == 1 and message in " ".join(shown.output.split())
    assert not Path("out.jsonl").exists()


def test_command_says_what_of_a_folder_it_passes_over(pipeline, notes):
    Path("folder").mkdir()
    Path("folder/a.txt").write_text("No fever.")
    shown = run(pipeline, "folder", "out.jsonl")
    assert shown.exit_code == 0 and "passed over" not in shown.output
    notes.rename("folder/notes.md")
    shown = run(pipeline, "folder", "other.jsonl")
    assert shown.exit_code == 0 and "In 'folder', 1 files that do not end in .txt" in shown.output


def test_command_takes_its_formats_by_name(pipeline, notes):
    notes.rename("notes.dat")
    assert run(pipeline, "notes.dat", "out.dat", "--from", "jsonl", "--to", "omop").exit_code == 0
    assert Path("out.dat").read_text().startswith("note_nlp_id,note_id,section_concept_id,snippet,offset,")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the workers in /proc")
def test_command_that_is_killed_goes_on_and_its_workers_end(pipeline, notes, monkeypatch):
    texts = make_texts(4000)
    write_notes(notes, texts)
    command = [pipeline, notes, "out.jsonl", "--workers", "2", "--part-size", "10", "--resume"]
    manifest = Path("out.jsonl.manifest.jsonl")
    process = start(Path("said"), app, ["annotate", *map(str, command)])
    deadline = time.monotonic() + 300
    while not (manifest.exists() and manifest.read_bytes().count(b"\n") > 5):
        assert process.is_alive() and time.monotonic() < deadline
        time.sleep(0.01)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.join()
    n_done = manifest.read_bytes().count(b"\n")
    assert n_done < 400 and not Path("out.jsonl").exists() and children
    while any(is_running(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    monkeypatch.setattr(
        multiprocessing, "get_context", lambda method: CONTEXT
    )  # those before were spawned, and imported all
    assert run(*command).exit_code == 0
    assert [record["position"] for record in read_lines(Path("out.jsonl"))] == list(range(4000))
    assert run(pipeline, notes, "whole.jsonl", "--part-size", 500).exit_code == 0
    assert Path("out.jsonl").read_bytes() == Path("whole.jsonl").read_bytes()


def is_running(process_id):
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_command_that_is_interrupted_exits_with_130(pipeline, notes, monkeypatch):
    from spacy_clinicalbert.deployment import run as run_module

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "annotate_parts", interrupt)
    shown = run(pipeline, notes, "out.jsonl")
    assert shown.exit_code == 130 and "--resume goes on" in shown.output
    assert os.listdir() == ["notes.jsonl"]
