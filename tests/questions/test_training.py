import json
from io import StringIO
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config

from spacy_clinicalbert.corpora.docs import Report, split_of, to_docs
from spacy_clinicalbert.corpora.made_questions import made_question_records
from spacy_clinicalbert.corpora.questions import question_records
from spacy_clinicalbert.evaluation.reliability import calibrate_pipeline
from tests.corpora.test_made_questions import write_note
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


def write_docs(path, records):
    path.parent.mkdir(exist_ok=True)
    DocBin(docs=to_docs(records, spacy.blank("en"), Report()), store_user_data=True).to_disk(path)
    return str(path)


def test_second_stage_goes_on_from_what_the_first_has_learned(toy, tmp_path):
    write_note(
        tmp_path / "maccrobat2020" / "MACCROBAT2020", next(f"n{i}" for i in range(99) if split_of(f"n{i}") == "train")
    )
    asked = question_records(write_squad(tmp_path / "squad.json"), other_article=1.0)
    overrides = {
        "paths.train": write_docs(tmp_path / "stage" / "made.spacy", made_question_records(tmp_path)),
        "paths.dev": write_docs(tmp_path / "asked" / "a.spacy", asked),
        "training.max_steps": 2,
        "training.eval_frequency": 2,
    }
    network = {"paths.encoder": toy, "components.clinicalbert.model.engine": "torch"}
    first = init_nlp(load_config(ROOT / "configs" / "qa-stage.cfg", overrides={**overrides, **network}))
    before = first.get_pipe("clinical_qa").model.to_bytes()
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    train(first, tmp_path / "first", stdout=StringIO(), stderr=StringIO())
    learned = spacy.load(tmp_path / "first" / "model-last")
    overrides.update({"paths.train": str(tmp_path / "asked"), "paths.stage": str(tmp_path / "first" / "model-last")})
    second = init_nlp(load_config(ROOT / "configs" / "qa-second.cfg", overrides=overrides))
    head, encoder = (second.get_pipe(name) for name in ("clinical_qa", "clinicalbert"))
    assert head.encoder is encoder and head.model.to_bytes() != before
    for name in ("clinical_qa", "clinicalbert"):
        assert second.get_pipe(name).to_bytes() == learned.get_pipe(name).to_bytes()
    train(second, tmp_path / "second", stdout=StringIO(), stderr=StringIO())
    performance = json.loads((tmp_path / "second" / "model-last" / "meta.json").read_text())["performance"]
    assert performance["clinicalbert_loss"] > 0 and performance["clinical_qa_loss"] > 0
    assert encoder.to_bytes() != learned.get_pipe("clinicalbert").to_bytes()
