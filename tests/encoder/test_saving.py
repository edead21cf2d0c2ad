import json

import numpy
import pytest
import spacy
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

from tests.conftest import encoder_weights, make_nlp, write_bert
from tests.encoder.test_component import TEXT, hidden


def test_saved_folder_opens_with_transformers(toy, tmp_path):
    nlp = make_nlp(toy)
    nlp.to_disk(tmp_path / "nlp")
    folder = tmp_path / "nlp" / "encoder" / "model"
    assert not list((tmp_path / "nlp" / "encoder").rglob("*.bin"))
    network, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    weights = encoder_weights(nlp).state_dict()
    assert all(value.equal(weights[name]) for name, value in network.state_dict().items())
    assert tokenizer.tokenize("No pain") == AutoTokenizer.from_pretrained(toy).tokenize("No pain")


def test_float16_halves_what_is_saved_and_loads_as_float32(toy, tmp_path):
    nlp = make_nlp(toy, saved_precision="float16")
    before = encoder_weights(nlp).state_dict()
    nlp.to_disk(tmp_path / "nlp")
    folder = tmp_path / "nlp" / "encoder" / "model"
    assert all(value.dtype == torch.float16 for value in load_file(folder / "model.safetensors").values())
    assert AutoModel.from_pretrained(folder, torch_dtype="auto").dtype == torch.float16
    assert all(value.dtype == torch.float32 for value in encoder_weights(nlp).parameters())  # those here stay
    loaded = encoder_weights(spacy.load(tmp_path / "nlp")).state_dict()
    assert all(value.equal(before[name].half().float()) for name, value in loaded.items())
    assert any(not value.equal(before[name]) for name, value in loaded.items())
    copied = make_nlp(toy, saved_precision="float16").from_bytes(nlp.to_bytes())
    assert all(value.equal(before[name]) for name, value in encoder_weights(copied).state_dict().items())


def test_weights_that_float16_cannot_hold_are_an_error(toy, tmp_path):
    nlp = make_nlp(toy, saved_precision="float16")
    encoder_weights(nlp).get_input_embeddings().weight.data[0, 0] = 1e6
    with pytest.raises(ValueError, match="saved_precision to float32"):
        nlp.to_disk(tmp_path / "nlp")
    with pytest.raises(ValueError, match="saved_precision is one of float32, float16, not 'int8'"):
        make_nlp(toy, saved_precision="int8")


def test_loading_needs_neither_hub_nor_the_first_folder(tmp_path, monkeypatch):
    first = write_bert(tmp_path / "first")
    nlp = make_nlp(str(first))
    nlp.to_disk(tmp_path / "nlp")
    first.rename(tmp_path / "gone")
    monkeypatch.setattr("socket.socket.connect", lambda *args: pytest.fail("a connection was tried"))
    assert numpy.array_equal(hidden(spacy.load(tmp_path / "nlp")(TEXT)), hidden(nlp(TEXT)))


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "lacks .*model.safetensors"),
        (lambda folder: (folder / "config.json").unlink(), "lacks .*/config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "/config.json. .* damaged"),
        (lambda folder: (folder / "tokenizer_config.json").unlink(), "lacks .*tokenizer_config.json"),
        (
            lambda folder: [(folder / name).unlink() for name in ("tokenizer.json", "vocab.txt")],
            "lacks .*/tokenizer.json",
        ),
        (
            lambda folder: (folder / "model.safetensors").write_bytes(
                (folder / "model.safetensors").read_bytes()[:999]
            ),
            "model.safetensors. .* damaged",
        ),
        (lambda folder: [path.unlink() for path in folder.iterdir()] + [folder.rmdir()], "another factory"),
        (
            lambda folder: (folder / "config.json").write_text(
                json.dumps({**json.loads((folder / "config.json").read_text()), "hidden_size": 64})
            ),
            "Cannot load the weights",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_folder_is_an_error_that_names_the_file(toy, tmp_path, damage, message):
    make_nlp(toy).to_disk(tmp_path / "nlp")
    damage(tmp_path / "nlp" / "encoder" / "model")
    with pytest.raises(ValueError, match=message):
        spacy.load(tmp_path / "nlp")


def test_pipeline_of_the_stock_factory_is_an_error(toy, tmp_path):
    make_nlp(toy).to_disk(tmp_path / "nlp")
    folder = tmp_path / "nlp" / "encoder" / "model"
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_bytes(b"msgpack")
    with pytest.raises(ValueError, match="another factory"):
        spacy.load(tmp_path / "nlp")
