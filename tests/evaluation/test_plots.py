import json
import math
from collections import Counter
from xml.etree import ElementTree

import matplotlib.image
import pytest
from matplotlib.axes import Axes
from typer.testing import CliRunner

from spacy_clinicalbert.cli import app
from spacy_clinicalbert.evaluation import plots
from spacy_clinicalbert.evaluation.mistakes import Mistake, Mistakes, WrongCategories
from spacy_clinicalbert.evaluation.plot_sources import (
    NOTHING,
    confusion,
    draw_file,
    head_scores,
    speeds,
    training_curves,
)
from spacy_clinicalbert.evaluation.transfer import transfer

SPEEDS = [
    {"size": "S", "data": "MTSamples", "words": 1000, "oracle": 0.1},
    {"size": "S", "data": "MTSamples", "head": "ner", "system": "clinicalbert:openvino", "seconds": 2.0},
    {"size": "S", "data": "MTSamples", "head": "ner", "system": "other", "seconds": 4.0},
    {"size": "S", "data": "MTSamples", "head": "ner", "system": "other", "seconds": 5.0},
    {"size": "S", "data": "other", "head": "ner", "system": "other", "seconds": 1.0},
]
LOG = [
    {"step": 0, "group": "notes", "accuracy": 0.1, "perplexity": 90.0},
    {"step": 20, "group": "train", "loss": 5.0},
    {"step": 40, "group": "notes", "accuracy": 0.3, "perplexity": 30.0},
]
SCORES = {"bc5cdr": {"ner": {"ents_f": 0.8, "ents_p": 0.7, "intervals": {"ents_f": [0.75, 0.85]}}}}

image = Axes.imshow


def run(*arguments):
    return CliRunner().invoke(app, ["plot", *map(str, arguments)])


def texts(path):
    return {element.text.strip() for element in ElementTree.parse(path).iter() if element.text and element.text.strip()}


def write_run(folder):
    """What `train` leaves behind."""
    step = folder / "checkpoints" / "step-00000008"
    step.mkdir(parents=True)
    evaluations = [
        {"scores": {"ents_f": value, "cats_score": None}, "losses": {"ner": loss}, "seconds": 1}
        for value, loss in ((0.0, 9.0), (0.4, 5.0), (0.6, 1.0))
    ]
    (step / "progress.json").write_text(json.dumps({"step": 8, "losses": {"ner": 1.0}, "evaluations": evaluations}))
    (step / "config.cfg").write_text("[training]\neval_frequency = 4\n[training.score_weights]\nents_f = 1.0\nents_p = 0.0\ncats_score = 0.5\n")  # fmt: skip
    return step / "progress.json"


def test_curves_of_training_are_at_their_steps(tmp_path):
    panels = training_curves(write_run(tmp_path))
    assert panels["development scores"] == {"ents_f": ([0, 4, 8], [0.0, 0.4, 0.6])}
    assert panels["losses, each against its greatest"] == {"ner": ([4, 8], [1.0, 0.2])}


def test_curves_have_gaps_where_nothing_was_scored(tmp_path):
    path = write_run(tmp_path)
    progress = json.loads(path.read_text())
    for each, value in zip(progress["evaluations"], (0.1, None, 0.3)):
        each["scores"] = {"ents_f": value}
    path.write_text(json.dumps(progress))
    steps, values = training_curves(path)["development scores"]["ents_f"]
    assert steps == [0, 4, 8] and values[0] == 0.1 and math.isnan(values[1]) and values[2] == 0.3


def test_curves_are_drawn_of_runs_whose_config_leaves_settings_to_spacy(tmp_path):
    path = write_run(tmp_path)
    complete = (path.parent / "config.cfg").read_text()
    (path.parent / "config.cfg").write_text("[training]\n")
    (tmp_path / "model-last").mkdir()
    (tmp_path / "model-last" / "config.cfg").write_text(complete)
    assert training_curves(path)["development scores"] == {"ents_f": ([0, 4, 8], [0.0, 0.4, 0.6])}


def test_curves_are_not_those_of_a_checkpoint_that_is_being_written(tmp_path):
    write_run(tmp_path)
    part = tmp_path / "checkpoints" / "step-00000012.part"
    part.mkdir()
    (part / "progress.json").write_text("{")
    assert draw_file(tmp_path)[0] == "training"


def test_confusion_shows_shares_of_all_that_a_label_has(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "MAX_LABELS", 1)
    monkeypatch.setattr(Axes, "imshow", lambda self, shares, **_: shown.append(shares.tolist()) or image(self, shares))
    plots.plot_confusion({("A", "A"): 1, ("A", "B"): 3, ("B", "B"): 1}, NOTHING, "", tmp_path / "x.svg")
    assert shown == [[[0.25, 0.0], [0.0, 0.0]]]


def test_speeds_are_words_a_second_of_each_run():
    assert speeds(SPEEDS) == {"S: encoder and NER": {"clinicalbert:openvino": [500.0], "other": [250.0, 200.0]}}


def test_scores_without_intervals_are_not_drawn():
    assert head_scores(SCORES) == {"bc5cdr, ner": {"ents_f": (0.8, 0.75, 0.85)}}
    assert head_scores({"performance": 1}) == {} == head_scores([1])


def test_confusion_counts_each_answer_once():
    entities = [
        Mistake("other label", 0, (0, 3, "A"), (0, 3, "B"), 0.5),
        Mistake("missed", 0, (4, 5, "A"), None, None),
        Mistake("found, not in the gold", 0, None, (8, 9, "B"), 0.9),
    ]
    mistakes = Mistakes(entities=entities, counts={"A": {"right": 3}, "B": {"right": 1}})
    found = {("A", "B"): 1, ("A", NOTHING): 1, (NOTHING, "B"): 1, ("A", "A"): 3, ("B", "B"): 1}
    assert confusion(mistakes, "ents") == found
    mistakes = Mistakes(categories=[WrongCategories(0, ["A"], [("B", 0.7)])], right=Counter("AB"))
    assert confusion(mistakes, "cats") == {("A", "B"): 1, ("A", "A"): 1, ("B", "B"): 1}
    several = Mistakes(
        categories=[WrongCategories(0, ["A", "B"], [("C", 0.7), ("D", 0.6), ("B", 0.6)])], right=Counter("B")
    )
    found = {("A", NOTHING): 1, (NOTHING, "C"): 1, (NOTHING, "D"): 1, ("B", "B"): 1}
    assert confusion(several, "cats") == found  # a row has as many as its label has in the gold


def test_command_draws_each_file_by_what_stands_in_it(pipelines, corpora, tmp_path):
    write_run(tmp_path / "joint")
    for name, rows in (("throughput.jsonl", SPEEDS), ("log.jsonl", LOG)):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = transfer(pipelines, corpora, n_samples=10, say=lambda line: None)
    for name, values in (("matrix.json", result), ("metrics.json", SCORES)):
        (tmp_path / name).write_text(json.dumps(values))
    names = ["joint", "throughput.jsonl", "log.jsonl", "matrix.json", "metrics.json"]
    done = run(*(tmp_path / name for name in names), "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    kinds = ["joint-training", "throughput-speed", "log-pretraining", "matrix-transfer", "metrics-scores"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"{kind}{end}" for kind in kinds for end in (".png", ".svg")}  # fmt: skip
    for kind in kinds:
        image = matplotlib.image.imread(tmp_path / "out" / f"{kind}.png")
        assert min(image.shape[:2]) > 100 and image[..., :3].std() > 0.02
    assert {"ents_f", "development scores"} <= texts(tmp_path / "out" / "joint-training.svg")
    assert {"bc5cdr, ner", "ents_f", "0.80"} <= texts(tmp_path / "out" / "metrics-scores.svg")
    assert {"clinicalbert, openvino", "other"} <= texts(tmp_path / "out" / "throughput-speed.svg")
    assert {"held-out perplexity", "notes"} <= texts(tmp_path / "out" / "log-pretraining.svg")


def test_command_draws_a_pipeline_on_notes(pipelines, corpora, tmp_path):
    pipeline, corpus = next(iter(pipelines.values())), next(iter(corpora.values()))
    done = run("--pipeline", pipeline, "--corpus", corpus, "-o", tmp_path)
    assert done.exit_code == 0, done.output
    assert {"labels.svg", "confusion-entities.svg"} <= {path.name for path in tmp_path.iterdir()}
    assert {"entities", "F1, with its 95 % interval"} <= texts(tmp_path / "labels.svg")
    assert {NOTHING, "gold", "found"} <= texts(tmp_path / "confusion-entities.svg")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "Give files"),
        (["--pipeline", "x"], "go together"),
        (["{}/other.json"], "cannot be drawn"),
        (["{}"], "cannot be drawn"),
        (["{}/bare.json"], "have no intervals"),
        (["{}/torn.json"], "Line 1 of"),
        (["{}/torn.jsonl"], "Line 2 of"),
        (["{}/begun"], "no scores and no losses"),
    ],
)
def test_command_says_what_is_wrong(tmp_path, arguments, message):
    (tmp_path / "other.json").write_text('{"a": 1}')
    (tmp_path / "bare.json").write_text('{"bc5cdr": {"ner": {"ents_f": 0.8}}}')
    (tmp_path / "torn.json").write_text('{"a": ')
    (tmp_path / "torn.jsonl").write_text('{"step": 1, "group": "train", "loss": 2.0}\n{"step": 2')
    path = write_run(tmp_path / "begun")
    path.write_text(json.dumps({"losses": {}, "evaluations": [{"scores": {}, "losses": {"ner": 1.0}, "seconds": 1}]}))
    done = run(*(each.format(tmp_path) for each in arguments), "-o", tmp_path / "out")
    assert done.exit_code == 1 and message in done.output and not (tmp_path / "out").exists()
