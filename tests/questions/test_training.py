import json
from io import StringIO
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config

from spacy_clinicalbert.corpora.docs import Report, to_docs
from spacy_clinicalbert.corpora.questions import question_records
from spacy_clinicalbert.evaluation.reliability import calibrate_pipeline
from tests.corpora.test_questions import write_squad

ROOT = Path(__file__).parent.parent.parent


def test_config_trains_on_squad_and_the_pipeline_is_calibrated(toy, tmp_path):
    path = write_squad(tmp_path / "squad.json")
    overrides = {
        "paths.train": str(path),
        "paths.dev": str(path),
        "paths.encoder": toy,
        "corpora.train.other_article": 1.0,
        "corpora.dev.other_article": 1.0,
        "training.max_steps": 2,
        "training.eval_frequency": 2,
        "components.clinicalbert.model.precision": "float32",
        "components.clinicalbert.model.engine": "torch",
    }
    nlp = init_nlp(load_config(ROOT / "configs" / "qa.cfg", overrides=overrides))
    train(nlp, tmp_path, stdout=StringIO(), stderr=StringIO())
    performance = json.loads((tmp_path / "model-last" / "meta.json").read_text())["performance"]
    assert performance["clinicalbert_loss"] > 0 and performance["clinical_qa_loss"] > 0
    assert 0 <= performance["qa_auroc_per_rule"]["other_article"] <= 1
    docs = to_docs(question_records(path, other_article=1.0), spacy.blank("en"), Report())
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "dev.spacy")
    found = calibrate_pipeline(str(tmp_path / "model-last"), str(tmp_path / "dev.spacy"), tmp_path / "calibrated", 0.5)
    assert set(found) == {("clinical_qa", "answerable")}
    pipe = spacy.load(tmp_path / "calibrated").get_pipe("clinical_qa")
    done = found["clinical_qa", "answerable"]
    assert (pipe.cfg["temperature"], pipe.threshold) == pytest.approx((done.temperature, done.thresholds["answerable"]))
