import json
import re
from xml.etree import ElementTree

import numpy
import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_clinicalbert.cli import app
from spacy_clinicalbert.evaluation.reliability import calibration_tables, plot_reliability
from spacy_clinicalbert.pipeline.calibration import Calibration, reliability
from tests.pipeline.conftest import ASSERTED, make_assertion_nlp, make_reference, with_ents


@pytest.fixture(scope="module")
def saved(toy, tmp_path_factory):
    """A pipeline, and notes to calibrate it on."""
    folder = tmp_path_factory.mktemp("calibrate")
    nlp = make_assertion_nlp(toy)
    nlp.to_disk(folder / "pipeline")
    docs = [make_reference(nlp, *row) for row in ASSERTED]
    DocBin(docs=docs, store_user_data=True).to_disk(folder / "notes.spacy")
    DocBin(docs=[nlp.make_doc("No cough.")]).to_disk(folder / "bare.spacy")
    spacy.blank("en").to_disk(folder / "blank")
    return folder


def run(*args):
    return CliRunner().invoke(app, ["calibrate", *map(str, args)])


def test_command_writes_a_pipeline_with_temperatures_and_a_plot(saved, tmp_path):
    plot = tmp_path / "plots" / "reliability.svg"
    args = (saved / "pipeline", saved / "notes.spacy", tmp_path / "out", "--precision", 0.9, "--plot", plot)
    result = run(*args)
    assert result.exit_code == 0, result.output
    assert "| clinical_assertion | certainty | 7 |" in result.output
    assert "| clinical_assertion | time | historical |" in result.output
    assert f"Written to {tmp_path / 'out'}" in result.output and "cough" not in result.output
    nlp = spacy.load(tmp_path / "out")
    cfg = nlp.get_pipe("clinical_assertion").cfg
    assert set(cfg["temperatures"]) == {"certainty", "time"} and set(cfg["thresholds"]["time"]) == {"historical"}
    before = spacy.load(saved / "pipeline")
    docs = [next(each.pipe(with_ents(each)[:1])) for each in (before, nlp)]
    first, second = (doc.ents[0]._.assertion["certainty"][1] for doc in docs)
    assert first != second
    texts = {element.text for element in ElementTree.parse(plot).iter() if element.text and element.text.strip()}
    assert {"clinical_assertion, certainty", "clinical_assertion, time", "confidence", "accuracy"} <= texts
    first = plot.read_bytes()
    run(*args)
    assert plot.read_bytes() == first


def test_command_does_not_write_over_the_pipeline(saved):
    result = run(saved / "pipeline", saved / "notes.spacy", saved / "pipeline")
    assert result.exit_code == 1 and "Write to another folder" in result.output


def test_command_leaves_the_vectors_on_and_the_cleaner_in_the_pipeline(saved, tmp_path):
    nlp = spacy.load(saved / "pipeline")
    nlp.add_pipe("doc_cleaner")
    nlp.to_disk(tmp_path / "cleaning")
    result = run(tmp_path / "cleaning", saved / "notes.spacy", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert spacy.load(tmp_path / "out").pipe_names == nlp.pipe_names


def test_command_says_what_annotation_it_cannot_keep(saved, tmp_path):
    rows = [
        {"text": f"{word} fever.", "entities": [[len(word) + 1, len(word) + 6, "X", {"negation": value}]]}
        for word, value in (("No", "negated"), ("Has", "affirmed"), ("Denies", "negated"), ("With", "affirmed"))
    ]
    rows.append({"text": "No cough.", "entities": [[4, 8, "X", {"negation": "negated"}]]})
    (tmp_path / "notes.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    result = run(saved / "pipeline", tmp_path / "notes.jsonl", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "5 entities; entities that do not fall on token borders: 1" in result.output
    assert "cough" not in result.output


@pytest.mark.parametrize(
    "pipeline, notes, options, message",
    [
        ("blank", "notes.spacy", (), "no component to calibrate"),
        ("pipeline", "bare.spacy", (), "no gold annotation"),
        ("pipeline", "missing.spacy", (), "is not there"),
        ("pipeline", "notes.spacy", ("--plot", "x.pdf"), "not as '.pdf'"),
    ],
)
def test_command_says_what_is_wrong_and_writes_nothing(saved, tmp_path, pipeline, notes, options, message):
    result = run(saved / pipeline, saved / notes, tmp_path / "out", *options)
    assert result.exit_code == 1 and message in result.output
    assert not (tmp_path / "out").exists()


def calibration(n):
    table = reliability(numpy.array([0.6, 0.9]), numpy.array([False, True]))
    return Calibration(1.0, n, 0.1, 0.1, 0.2, 0.2, table, table, {f"a|{n}": 0.5})


def test_tables_hold_labels_with_bars():
    lines = calibration_tables({("textcat", "a|b"): calibration(2)}).splitlines()
    assert len({len(re.split(r"(?<!\\)\|", line)) for line in lines[:3]}) == 1
    assert len({len(re.split(r"(?<!\\)\|", line)) for line in lines[4:]}) == 1


def test_picture_of_thousands_of_labels_shows_those_with_most_answers(tmp_path, monkeypatch):
    """A row each would be a picture of gigabytes."""
    monkeypatch.setattr("spacy_clinicalbert.evaluation.reliability.MAX_LABELS", 2, raising=False)
    plot_reliability({("textcat", f"label {n}"): calibration(n) for n in range(4)}, tmp_path / "a.svg", after=False)
    texts = {element.text.strip() for element in ElementTree.parse(tmp_path / "a.svg").iter() if element.text}
    assert {text for text in texts if "label" in text} == {"textcat, label 2", "textcat, label 3"}


def test_command_takes_a_config_that_leaves_the_corpus_to_spacy(saved, tmp_path):
    config = tmp_path / "train.cfg"
    path = json.dumps(str(saved / "notes.spacy"))
    corpus = f'[corpora]\n[corpora.dev]\n@readers = "spacy.Corpus.v1"\ngold_preproc = false\npath = {path}\n'
    config.write_text(f"{corpus}[training]\nseed = 0\n")
    result = run(saved / "pipeline", config, tmp_path / "out")
    assert result.exit_code == 0, result.output
