import numpy
import pytest
import torch
from spacy import registry
from thinc.api import Adam
from transformers import AutoConfig, AutoModel

from spacy_clinicalbert.encoder.layers import freeze_layers, layer_scales
from tests.conftest import SIZES, make_examples, make_nlp, write_distilbert, write_modernbert, write_roberta
from tests.encoder.test_model import make_encoder


def learn(model):
    """One update. RETURNS: How far each parameter moved at the most."""
    import spacy

    before = {name: weights.detach().clone() for name, weights in model.shims[0].network.named_parameters()}
    torch.manual_seed(0)
    _, backprop = model.begin_update([spacy.blank("en").make_doc("chest pain")])
    backprop([numpy.linspace(-1, 1, 64, dtype="f").reshape(2, 32) ** 3])
    model.finish_update(Adam(0.01, use_averages=False))
    after = model.shims[0].network.named_parameters()
    return {name: float((weights - before[name]).detach().abs().max()) for name, weights in after}


def test_layer_decay_lets_lower_layers_learn_more_slowly(toy):
    moved = learn(make_encoder(toy, layer_decay=0.1, lr_scale=0.5))
    upper, lower = (moved[f"encoder.layer.{i}.output.dense.weight"] for i in (1, 0))
    assert upper == pytest.approx(0.005, rel=0.1) and lower == pytest.approx(0.0005, rel=0.1)
    assert moved["embeddings.word_embeddings.weight"] == pytest.approx(0.00005, rel=0.1)


@pytest.mark.parametrize("write", [write_distilbert, write_roberta, write_modernbert])
def test_layer_scales_know_every_parameter_of_the_layers(write, tmp_path):
    network = AutoModel.from_pretrained(write(tmp_path / "network"))
    scales = layer_scales(network, 0.5)
    names = {name for name, _ in network.named_parameters() if "pooler" not in name and "final_norm" not in name}
    assert set(scales) == names and set(scales.values()) == {1.0, 0.5, 0.25}


RELATIVE = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False}


@pytest.mark.parametrize(
    "kind, settings, beneath",
    [
        ("deberta", RELATIVE, {"encoder.rel_embeddings.weight"}),
        (
            "deberta-v2",
            {**RELATIVE, "norm_rel_ebd": "layer_norm"},
            {"encoder.rel_embeddings.weight", "encoder.LayerNorm.weight", "encoder.LayerNorm.bias"},
        ),
        ("mpnet", {"pad_token_id": 1}, {"encoder.relative_attention_bias.weight"}),
        ("megatron-bert", {}, set()),
        ("xlm-roberta-xl", {"pad_token_id": 1}, set()),
        ("esm", {"pad_token_id": 1}, set()),
        ("roformer", {"embedding_size": 16}, set()),
    ],
)
def test_what_every_layer_reads_is_beneath_them(kind, settings, beneath):
    network = AutoModel.from_config(AutoConfig.for_model(kind, **{**SIZES, **settings}))
    freeze_layers(network, 1)
    named = {name: weights for name, weights in network.named_parameters() if weights.numel()}
    beside = {name for name in named if name.startswith("encoder.") and not name.startswith("encoder.layer.")}
    beside -= {name for name in beside if name.startswith("encoder.embed_positions")}  # sines, which never learn
    assert {name for name in beside if not named[name].requires_grad} == beneath
    scales = layer_scales(network, 0.5)
    assert {name: scales.get(name, 1.0) for name in beside} == {
        name: 0.25 if name in beneath else 1.0 for name in beside
    }


def test_fresh_layers_begin_anew_and_lower_ones_do_not(toy):
    torch.manual_seed(0)
    whole, fresh = (make_encoder(toy, n_fresh_layers=n).shims[0].network.encoder.layer for n in (0, 1))
    assert torch.equal(whole[0].output.dense.weight, fresh[0].output.dense.weight)
    assert not torch.equal(whole[1].output.dense.weight, fresh[1].output.dense.weight)
    assert fresh[1].output.dense.bias.abs().max() == 0 and fresh[1].output.dense.weight.std() < 0.03
    assert fresh[1].output.LayerNorm.weight.min() == 1


def test_fresh_layers_stay_as_they_were_trained_when_a_pipeline_is_loaded(toy, tmp_path):
    import spacy

    nlp = make_nlp(toy, n_fresh_layers=2)
    nlp.to_disk(tmp_path)
    one, other = (each.get_pipe("encoder").model.shims[0].network for each in (nlp, spacy.load(tmp_path)))
    assert torch.equal(one.encoder.layer[1].output.dense.weight, other.encoder.layer[1].output.dense.weight)


@pytest.mark.parametrize("setting", ["n_frozen_layers", "n_fresh_layers"])
def test_too_many_layers_are_an_error(toy, setting):
    with pytest.raises(ValueError, match=f"{setting} = 3"):
        make_encoder(toy, **{setting: 3})


def test_freeze_layers_can_be_undone(toy):
    network = make_encoder(toy).shims[0].network
    freeze_layers(network, 2)
    assert {name.split(".")[0] for name, weights in network.named_parameters() if weights.requires_grad} == {"pooler"}
    freeze_layers(network, 0)
    assert all(weights.requires_grad for weights in network.parameters())


def test_unfreeze_gradually_opens_layers_from_the_top(toy):
    nlp = make_nlp(toy)
    network = nlp.get_pipe("encoder").model.shims[0].network
    examples = make_examples(nlp)
    optimizer = nlp.create_optimizer()
    before_update = registry.callbacks.get("spacy-clinicalbert.unfreeze_gradually.v1")(2, "encoder")
    moved = []
    for step in range(6):
        before = {name: weights.detach().clone() for name, weights in network.named_parameters()}
        before_update(nlp, {"step": step, "epoch": 0})
        nlp.update(examples, sgd=optimizer)
        names = [name for name, weights in network.named_parameters() if not torch.equal(weights, before[name])]
        moved.append({part for part in ("embeddings", "layer.0", "layer.1") if any(part in name for name in names)})
    assert moved == [set(), set(), {"layer.1"}, {"layer.1"}, {"embeddings", "layer.0", "layer.1"}] + [
        {"embeddings", "layer.0", "layer.1"}
    ]


def test_unfreeze_gradually_leaves_frozen_what_is_set_so(toy):
    nlp = make_nlp(toy, n_frozen_layers=1)
    network = nlp.get_pipe("encoder").model.shims[0].network
    before_update = registry.callbacks.get("spacy-clinicalbert.unfreeze_gradually.v1")(1, "encoder")
    trains = []
    for step in range(4):
        before_update(nlp, {"step": step, "epoch": 0})
        trains.append([layer.output.dense.weight.requires_grad for layer in network.encoder.layer])
    assert trains == [[False, False], [False, True], [False, True], [False, True]]
    assert not network.embeddings.word_embeddings.weight.requires_grad


def test_unfreeze_gradually_refuses_no_steps():
    with pytest.raises(ValueError, match="steps_per_layer"):
        registry.callbacks.get("spacy-clinicalbert.unfreeze_gradually.v1")(0)
