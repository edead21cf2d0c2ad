import os
import struct
from pathlib import Path

import pytest
import torch
from transformers import AlbertConfig, AutoConfig, AutoModel, ModernBertConfig

from spacy_clinicalbert.encoder.checkpoints import load_checkpoint, load_saved_checkpoint, save_checkpoint
from spacy_clinicalbert.encoder.trust import check_sizes, least_weights
from spacy_clinicalbert.pretraining.config import Encoder
from spacy_clinicalbert.pretraining.model import load_network
from tests.conftest import WRITERS, write_bert
from tests.heads import CONFIGS, change_json

HUGE = [
    {"vocab_size": 10**9},
    {"hidden_size": 32 * 10**6},
    {"max_position_embeddings": 10**9},
    {"type_vocab_size": 10**9},
    {"intermediate_size": 10**9},
    {"num_hidden_layers": 10**9},
]


@pytest.mark.parametrize("sizes", HUGE, ids=lambda sizes: next(iter(sizes)))
def test_a_config_that_asks_for_more_than_the_weights_hold_takes_no_memory(tmp_path, sizes):
    folder = write_bert(tmp_path / "bert")
    change_json(folder / "config.json", **sizes)
    with pytest.raises(ValueError, match=r"contradicts itself: .* at least [0-9,]+ weights"):
        load_checkpoint(str(folder))
    tokenizer = load_checkpoint(str(write_bert(tmp_path / "whole"))).tokenizer
    with pytest.raises(ValueError, match="contradicts itself"):
        load_network(Encoder(name=str(folder)), tokenizer, tokenizer)


@pytest.mark.parametrize("n_layers", [0, 1])
@pytest.mark.parametrize("kind", WRITERS)
def test_a_config_with_fewer_layers_than_the_weights_is_an_error(tmp_path, kind, n_layers):
    folder = WRITERS[kind](tmp_path / kind)
    name = "n_layers" if kind == "distilbert" else "num_hidden_layers"
    change_json(folder / "config.json", **{name: n_layers})
    with pytest.raises(ValueError, match=rf"declares {n_layers} layers, its weights have more"):
        load_checkpoint(str(folder))


def test_pretraining_does_not_start_from_a_part_of_the_layers(tmp_path):
    folder = write_bert(tmp_path / "bert")
    tokenizer = load_checkpoint(str(folder)).tokenizer
    change_json(folder / "config.json", num_hidden_layers=1)
    with pytest.raises(ValueError, match="declares 1 layers"):
        load_network(Encoder(name=str(folder)), tokenizer, tokenizer)


@pytest.mark.parametrize("config", [make() for make in CONFIGS.values()] + [
    AlbertConfig(vocab_size=50, embedding_size=8, hidden_size=16, num_hidden_layers=12, num_attention_heads=2, intermediate_size=32),
    ModernBertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, pad_token_id=0),
], ids=lambda config: config.model_type)  # fmt: skip
def test_least_weights_is_a_lower_bound(config):
    network = AutoModel.from_config(config)
    n_weights = sum(weights.numel() for weights in network.parameters())
    assert n_weights / 2 < least_weights(config) <= n_weights


def test_sizes_of_float16_weights_are_enough(tmp_path):
    folder = write_bert(tmp_path / "bert")
    save_checkpoint(load_checkpoint(str(folder)), tmp_path / "half", "float16")
    check_sizes(AutoConfig.from_pretrained(tmp_path / "half"), tmp_path / "half")
    assert load_saved_checkpoint(tmp_path / "half").network.dtype == torch.float32


DAMAGES = {
    "empty": lambda data: b"",
    "header cut": lambda data: data[:100],
    "weights cut": lambda data: data[:-1],
    "huge header": lambda data: struct.pack("<Q", 2**62) + b"{}",
    "no safetensors": lambda data: b"\x80\x04" + data,
}


@pytest.mark.parametrize(
    "load", [lambda folder: load_checkpoint(str(folder)), load_saved_checkpoint], ids=["name", "saved"]
)
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_weights_are_an_error_with_the_fix(tmp_path, damage, load):
    save_checkpoint(load_checkpoint(str(write_bert(tmp_path / "bert"))), tmp_path / "saved")
    weights = tmp_path / "saved" / "model.safetensors"
    weights.write_bytes(damage(weights.read_bytes()))
    with pytest.raises(ValueError, match="Copy the whole pipeline folder again|It must hold"):
        load(tmp_path / "saved")


@pytest.mark.parametrize("file_name", ["model.safetensors", "config.json", "tokenizer.json"])
@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("nowhere"), Path.mkdir], ids=["pipe", "link", "folder"]
)
def test_what_is_no_file_is_an_error_and_is_not_waited_for(tmp_path, make, file_name):
    save_checkpoint(load_checkpoint(str(write_bert(tmp_path / "bert"))), tmp_path / "saved")
    (tmp_path / "saved" / file_name).unlink()
    make(tmp_path / "saved" / file_name)
    with pytest.raises(ValueError, match=f"{file_name}.*Copy the whole pipeline folder again"):
        load_saved_checkpoint(tmp_path / "saved")
