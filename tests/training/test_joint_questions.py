"""Questions and summaries in the pipeline of configs/joint.cfg: both heads learn beside the others, over one encoder that is saved once."""

import json
from io import StringIO

import numpy
import spacy
from spacy.training.corpus import Corpus
from spacy.training.initialize import init_nlp
from spacy.training.loop import train

from spacy_clinicalbert import ask
from spacy_clinicalbert.corpora.docs import split_of
from spacy_clinicalbert.questions.asked import read_known
from tests.conftest import encoder_weights
from tests.corpora.test_questions import write_squad
from tests.training.test_joint import load_script

HEADS = ("clinical_qa", "clinical_summary")
NOTE = "The patient denies chest pain. Aspirin given for fever."


def weights_of(nlp, name):
    return {
        (i, param): node.get_param(param).copy()
        for i, node in enumerate(nlp.get_pipe(name).model.walk())
        for param in node.param_names
        if node.has_param(param)
    }


def test_joint_pipeline_learns_questions_and_summaries_and_saves_its_encoder_once(joint_config, tmp_path):
    nlp = init_nlp(joint_config(**{"training.max_steps": 6, "training.batcher.size": 120}))
    before = {name: weights_of(nlp, name) for name in HEADS}
    network = {name: each.clone() for name, each in encoder_weights(nlp, "clinicalbert").named_parameters()}
    train(nlp, tmp_path, stdout=StringIO(), stderr=StringIO())
    performance = json.loads((tmp_path / "model-last" / "meta.json").read_text())["performance"]
    for name in HEADS:
        assert performance[f"{name}_loss"] > 0
        after = weights_of(nlp, name)
        # The layer of yes/no questions, of which there are none, stays as it is.
        assert {key for key, each in after.items() if not numpy.array_equal(each, before[name][key])}
    assert any(not each.equal(network[name]) for name, each in encoder_weights(nlp, "clinicalbert").named_parameters())
    assert performance["qa_f1"] is not None and performance["summary_rougeL"] is not None
    saved = tmp_path / "model-last"
    assert len(list(saved.rglob("*.safetensors"))) == 1
    n_bytes = {path.name: sum(file.stat().st_size for file in path.rglob("*")) for path in saved.iterdir()}
    assert n_bytes["clinical_qa"] < n_bytes["clinicalbert"] / 4
    loaded = spacy.load(saved)
    qa, encoder = loaded.get_pipe("clinical_qa"), loaded.get_pipe("clinicalbert")
    assert qa.encoder is encoder and qa.upstream == "*"
    qa._threshold = 0.0
    doc = loaded(NOTE)
    assert doc._.summary and doc.spans["entities"] is not None and doc._.answers is None
    (answer,) = ask(doc, "given for", loaded)
    assert answer.span.text in NOTE


def test_joint_conversion_has_questions_of_each_split_in_passages(tmp_path, monkeypatch):
    names = {split: next(f"n{i}" for i in range(99) if split_of(f"n{i}") == split) for split in ("train", "dev")}
    (tmp_path / "covid_qa").mkdir()
    (tmp_path / "xquad").mkdir()
    path = write_squad(tmp_path / "covid_qa" / "covid_qa.json")
    articles = json.loads(path.read_text())
    for article, name in zip(articles["data"], names.values()):
        article["paragraphs"][0]["document_id"] = name
    path.write_text(json.dumps(articles))
    write_squad(tmp_path / "xquad" / "xquad.en.json")
    script = load_script("convert_joint")
    monkeypatch.setattr(script, "MAX_WORDS", 9)
    found = {split: list(script.questions(tmp_path, split)) for split in ("train", "dev", "test")}
    assert {record["id"] for record in found["train"]} == {names["train"], "a", "b"}
    assert {record["id"] for record in found["dev"]} == {names["dev"]} and not found["test"]
    assert max(len(record["text"].split()) for records in found.values() for record in records) <= 9
    assert found["train"] == list(script.questions(tmp_path, "train"))
    script.write(tmp_path / "q" / "train.spacy", found["train"], spacy.blank("en"))
    (example, *_) = Corpus(tmp_path / "q" / "train.spacy")(spacy.blank("en"))
    assert read_known(example, "clinical_qa")
