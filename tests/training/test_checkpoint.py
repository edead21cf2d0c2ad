import json

import numpy
import pytest
import spacy
from spacy.util import load_model_from_config
from thinc.api import Config

from spacy_clinicalbert.folders import step_folders
from spacy_clinicalbert.training.checkpoint import Checkpoint, Evaluation, Progress, RunError, save_checkpoint
from spacy_clinicalbert.training.loop import train
from spacy_clinicalbert.training.optimizer import adam
from spacy_clinicalbert.training.paths import NodePaths

SMALL = """
[nlp]
lang = "en"
pipeline = ["textcat_multilabel"]

[components]

[components.textcat_multilabel]
factory = "textcat_multilabel"

[components.textcat_multilabel.model]
@architectures = "spacy.TextCatBOW.v3"
exclusive_classes = false
ngram_size = 1
no_output_layer = false
length = 1024

[corpora]

[corpora.train]
@readers = "spacy-clinicalbert.jsonl.v1"
path = "train.jsonl"

[corpora.dev]
@readers = "spacy-clinicalbert.jsonl.v1"
path = "dev.jsonl"

[training]
max_steps = 1

[training.optimizer]
@optimizers = "spacy-clinicalbert.Adam.v1"
"""


def test_scores_are_numbers_again(tmp_path):
    scores = {"of_numpy": numpy.float32(0.5), "other": {1}}
    progress = Progress(step=1, evaluations=[Evaluation(scores, {}, 0)])
    save_checkpoint(tmp_path, spacy.blank("en"), adam(), Config(), progress, [])
    read = Checkpoint(step_folders(tmp_path)[-1]).progress.evaluations[0].scores
    assert read == {"of_numpy": 0.5, "other": "{1}"}


def test_damaged_development_notes_are_an_error_of_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, end in (("train", ""), ("dev", '{"text": "SECRET\n')):
        rows = [{"text": f"Note {number}.", "cats": {"A": number % 2}} for number in range(4)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + end)
    config = load_model_from_config(Config().from_str(SMALL), auto_fill=True).config
    with pytest.raises(RunError, match=r"Line 5 of 'dev\.jsonl' is not a JSON object") as error:
        train(config, tmp_path / "run")
    assert "SECRET" not in str(error.value)


LABELS = """
[paths]
labels = "labels.json"

[initialize]

[initialize.components]

[initialize.components.textcat_multilabel]

[initialize.components.textcat_multilabel.labels]
@readers = "spacy.read_labels.v1"
path = ${paths.labels}
"""


def test_labels_in_another_order_are_an_error_of_the_run(tmp_path, monkeypatch):
    """The weights would fit, and answer for the wrong labels."""
    monkeypatch.chdir(tmp_path)
    rows = [{"text": f"Note {number}.", "cats": {"A": number % 2, "B": 1 - number % 2}} for number in range(4)]
    for name in ("train", "dev"):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run(labels, max_steps):
        (tmp_path / "labels.json").write_text(json.dumps(labels))
        config = load_model_from_config(Config().from_str(SMALL + LABELS), auto_fill=True).config
        config["training"]["max_steps"] = max_steps
        train(config, tmp_path / "run", resume=True)

    run(["A", "B"], 1)
    with pytest.raises(RunError, match="'textcat_multilabel' has other labels than in the checkpoint"):
        run(["B", "A"], 2)
    run(["A", "B"], 2)


def test_weights_of_another_shape_are_not_copied_to_all_rows():
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("textcat_multilabel")
    for label in "AB":
        pipe.add_label(label)
    nlp.initialize()
    paths = NodePaths(nlp)
    weights = {name: array.copy() for name, array in paths.weights().items()}
    name = next(name for name, array in weights.items() if array.shape == (2,))
    with pytest.raises(ValueError, match=rf"{name} is of shape \(2,\)"):
        paths.set_weights({**weights, name: weights[name][:1]})
