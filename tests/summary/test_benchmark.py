import pytest

pytest.importorskip("networkx")
pytest.importorskip("sklearn")
pytest.importorskip("rouge_score")

from typer.testing import CliRunner

from benchmarks.summaries import app
from spacy_clinicalbert.corpora.splits import stays_out
from tests.corpora.files import write_csv
from tests.summary.conftest import make_nlp

NAMES = ["ID", "section_header", "section_text", "dialogue"]
DIALOGUE = "Doctor: What brings you in today?\nPatient: I have chest pain and a cough.\nDoctor: Since when?\nPatient: Since Monday."
FILES = {"train": "MTS-Dialog-TrainingSet.csv", "dev": "MTS-Dialog-ValidationSet.csv"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mts_dialog").mkdir()
    number = next(i for i in range(99) if not stays_out("mts_dialog", f"train-{i}"))
    for name in FILES.values():
        write_csv(tmp_path / "mts_dialog" / name, NAMES, [number, "CC", "Chest pain and a cough.", DIALOGUE])
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


def test_trained_pipelines_are_compared_in_their_mean_too(folder, toy):
    nlp = make_nlp(toy)
    for name in ("one", "two"):
        nlp.to_disk(folder / name)
    options = [each for name in ("one", "two") for each in ("--pipeline", str(folder / name))]
    result = CliRunner().invoke(app, ["score", str(folder), "--corpus", "mts_dialog", *options], catch_exceptions=False)
    rows = [line.split("|")[1:-1] for line in result.output.splitlines() if "− TextRank" in line]
    assert len(rows) == 3 and "mean of 2" in rows[2][0] and rows[0][1:] == rows[1][1:] == rows[2][1:]
