import pytest

pytest.importorskip("networkx")
pytest.importorskip("sklearn")
pytest.importorskip("rouge_score")

from typer.testing import CliRunner

from benchmarks.summaries import app
from tests.corpora.files import write_csv

NAMES = ["ID", "section_header", "section_text", "dialogue"]
DIALOGUE = "Doctor: What brings you in today?\nPatient: I have chest pain and a cough.\nDoctor: Since when?\nPatient: Since Monday."
FILES = {"train": "MTS-Dialog-TrainingSet.csv", "dev": "MTS-Dialog-ValidationSet.csv"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mts_dialog").mkdir()
    for name in FILES.values():
        write_csv(tmp_path / "mts_dialog" / name, NAMES, [9000, "CC", "Chest pain and a cough.", DIALOGUE])
    return tmp_path


def test_dialogues_are_scored_under_their_budget(folder):
    result = CliRunner().invoke(app, ["score", str(folder), "--corpus", "mts_dialog"], catch_exceptions=False)
    head, *lines = result.output.splitlines()
    assert head == "1 texts of mts_dialog, part dev, 20 words; references have 5 (median)"
    rows = {cells[1].strip(): cells[2:] for cells in (line.split("|") for line in lines) if len(cells) > 3}
    assert {"lead-3", "lead", "TextRank", "centroid, tf-idf", "oracle"} <= set(rows)
    scores = {name: float(cells[0].split()[0]) for name, cells in rows.items() if cells[0].strip()[0].isdigit()}
    assert scores["oracle"] == max(scores.values()) and scores["oracle"] > scores["lead-3"] > 0
    few = CliRunner().invoke(
        app, ["score", str(folder), "--corpus", "mts_dialog", "--budget", "4"], catch_exceptions=False
    )
    assert "part dev, 4 words" in few.output


def test_dialogues_are_converted(folder):
    path = folder / "train.spacy"
    options = ["convert", str(folder), "train", str(path), "--corpus", "mts_dialog"]
    result = CliRunner().invoke(app, options, catch_exceptions=False)
    assert "1 notes read, 1 kept" in result.output and path.exists()
