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
