"""Folders that are not what they say."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from spacy_clinicalbert.encoder.heads import PARTS, load_head
from tests.conftest import write_bert, write_modernbert
from tests.heads import CONFIGS, IOB, TYPES, change_json, write_head

# transformers warns of what our errors say too
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def change_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def without_head(folder):
    change_weights(folder, lambda weights: [weights.pop(key) for key in list(weights) if key.startswith("classifier")])


def as_pickle(folder, **more):
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    with open(folder / "pytorch_model.bin", "wb") as file:
        pickle.dump({**state, **more}, file) if more else torch.save(state, file)


def other_network(folder):
    shutil.copy(write_head(folder.parent / "other", "distilbert") / "model.safetensors", folder)


DAMAGES = {
    "head is missing": (without_head, r"2 weights are missing, such as 'classifier\.(weight|bias)'"),
    "names fewer labels": (
        lambda folder: change_json(
            folder / "config.json", id2label={"0": "O", "1": "B-X"}, label2id={"O": 0, "B-X": 1}
        ),
        r"config.json names 2 labels, and 'classifier\.bias' of its weights has another shape",
    ),
    "label ids with a gap": (
        lambda folder: change_json(
            folder / "config.json", id2label={"0": "O", "1": "B-X", "2": "I-X", "3": "B-Y", "7": "I-Y"}
        ),
        "from 0 to 4",
    ),
    "a label twice": (
        lambda folder: change_json(folder / "config.json", id2label=dict(enumerate(["O", "O", "I-X", "B-X", "X"]))),
        "a name of its own",
    ),
    "only pretrained": (
        lambda folder: change_json(folder / "config.json", architectures=["BertForMaskedLM"]),
        "no head that can be imported.*BertForMaskedLM.*ForTokenClassification or ForSequenceClassification",
    ),
    "says nothing": (lambda folder: change_json(folder / "config.json", architectures=None), "architectures.*nothing"),
    "is of another task": (
        lambda folder: change_json(folder / "config.json", architectures=["BertForSequenceClassification"]),
        r"not a whole BertForSequenceClassification.*missing, such as 'bert\.pooler",
    ),
    "has code of its own": (
        lambda folder: change_json(folder / "config.json", architectures=["BertCrfForTokenClassification"]),
        "BertCrfForTokenClassification.*whose head is BertForTokenClassification",
    ),
    "has weights of its own": (
        lambda folder: change_weights(folder, lambda weights: weights.update({"crf.transitions": torch.zeros(5, 5)})),
        r"'crf\.transitions'",
    ),
    "has adapters": (
        lambda folder: change_weights(
            folder, lambda weights: weights.update({"bert.encoder.layer.0.adapter.weight": torch.zeros(2)})
        ),
        r"'bert\.encoder\.layer\.0\.adapter\.weight'",
    ),
    "says another network": (
        lambda folder: change_json(folder / "config.json", architectures=["RobertaForTokenClassification"]),
        "RobertaForTokenClassification.*'bert'",
    ),
    "has another network's weights": (other_network, "not a whole checkpoint of a 'bert' network"),
    "pickled code": (lambda folder: as_pickle(folder, evil=Path("x")), "Cannot load the weights"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "Cannot load the weights"),
    "cut off": (
        lambda folder: (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:500]),
        "Cannot load the weights",
    ),
    "no tokenizer": (lambda folder: (folder / "vocab.txt").unlink(), "Cannot load the tokenizer"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "config.json"),
    "a larger vocabulary": (
        lambda folder: (folder / "vocab.txt").write_text("\n".join(map(str, range(500)))),
        "wordpieces|contradicts",
    ),
    "no folder": (shutil.rmtree, "no folder"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_folder_that_is_not_what_it_says_is_an_error(tmp_path, damage):
    folder = write_head(tmp_path / "head")
    change, message = DAMAGES[damage]
    change(folder)
    with pytest.raises(ValueError, match=message) as caught:
        load_head(str(folder))
    assert str(folder) in str(caught.value)


def test_network_whose_head_is_not_known_names_those_that_are(tmp_path):
    folder = write_modernbert(tmp_path / "modernbert")
    change_json(folder / "config.json", architectures=["ModernBertForSequenceClassification"])
    with pytest.raises(ValueError, match="'modernbert' network.*bert, camembert.*roberta") as caught:
        load_head(str(folder))
    assert all(name in str(caught.value) for name in PARTS)


def test_pretrained_checkpoint_has_no_head(tmp_path):
    with pytest.raises(ValueError, match="no head that can be imported.*BertModel"):
        load_head(str(write_bert(tmp_path / "bert")))


@pytest.mark.parametrize(
    "problem, names, message",
    [
        ("regression", ["risk"], "regression"),
        (None, ["risk"], 'problem_type = "multi_label_classification"'),
        ("regression", ["risk", "age"], "regression"),
    ],
)
def test_regression_is_an_error_that_says_what_to_set(tmp_path, problem, names, message):
    folder = write_head(tmp_path / "head", "bert", "texts", names, problem_type=problem)
    with pytest.raises(ValueError, match=message):
        load_head(str(folder))


def test_weights_only_pickles_are_read(tmp_path):
    folder = write_head(tmp_path / "head")
    expected = load_head(str(folder))
    as_pickle(folder)
    assert (load_head(str(folder)).logits("chest pain") == expected.logits("chest pain")).all()


def test_a_token_classifier_may_bring_a_pooler_that_it_does_not_read(tmp_path):
    folder = write_head(tmp_path / "head")
    change_weights(folder, lambda weights: weights.update({"bert.pooler.dense.bias": torch.zeros(32)}))
    assert load_head(str(folder)).dense is None


@pytest.mark.parametrize("kind", PARTS)
def test_all_layers_of_a_head_are_carried_over(tmp_path, kind):
    folder = write_head(tmp_path / "texts", kind, "texts", TYPES)
    head = load_head(str(folder))
    weights = load_file(folder / "model.safetensors")
    base = head.network.base_model_prefix
    of_head = {key for key in weights if not key.startswith(f"{base}.") or "pooler" in key}
    shapes = sorted(tuple(weights[key].shape) for key in of_head)
    assert shapes == sorted(each.shape for layer in (head.dense, head.output) for each in layer)
    assert set(CONFIGS) == set(PARTS) and head.labels == TYPES
    tokens = load_head(str(write_head(tmp_path / "tokens", kind, "tokens", IOB)))
    assert tokens.dense is None and tokens.output.W.shape == (5, 32)
    assert json.loads((folder / "config.json").read_text())["architectures"] == [type(head.network).__name__]
