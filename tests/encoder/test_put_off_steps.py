"""A step that waits for a silent head belongs to the weights that were trained."""

import pickle

import numpy
import pytest
import torch
from thinc.api import Adam

from spacy_clinicalbert.encoder.shim import EncoderShim
from tests.conftest import encoder_weights, make_examples, make_nlp, write_bert


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    """A network without dropout."""
    folder = tmp_path_factory.mktemp("still") / "bert"
    return str(write_bert(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0))


@pytest.fixture
def waiting(still):
    """A pipeline whose encoder has a step to take, and its optimiser."""
    nlp, sgd = make_nlp(still, ("ner", "textcat")), Adam(0.01, use_averages=True)
    for _ in range(2):
        nlp.update(make_examples(nlp), sgd=sgd, exclude=["textcat"])
    assert nlp.get_pipe("encoder")._update.sgd is sgd
    return nlp, sgd


def norm(nlp):
    return encoder_weights(nlp).embeddings.LayerNorm.weight.detach().clone()


def test_step_is_taken_before_averages_are_used(waiting, still):
    nlp, sgd = waiting
    before = norm(nlp)
    with nlp.use_params(sgd.averages):
        nlp("chest pain")
        within = norm(nlp)
    key = (nlp.get_pipe("encoder").shim.id, "embeddings.LayerNorm.weight")
    assert not torch.equal(norm(nlp), before)
    assert numpy.allclose(within, sgd.averages[key]) and not torch.equal(within, norm(nlp))
    other, other_sgd = make_nlp(still, ("ner", "textcat")), Adam(0.01, use_averages=True)
    for _ in range(2):
        other.update(make_examples(other), sgd=other_sgd, exclude=["textcat"])
    other("chest pain")
    assert torch.allclose(norm(other), norm(nlp), atol=1e-6)
    assert numpy.allclose(other_sgd.averages[other.get_pipe("encoder").shim.id, key[1]], sgd.averages[key], atol=1e-6)


def test_step_is_taken_before_the_encoder_is_copied_into_a_head(waiting):
    nlp, _ = waiting
    before = norm(nlp)
    nlp.replace_listeners("encoder", "ner", ["model.tok2vec"])
    shims = [each for node in nlp.get_pipe("ner").model.walk() for each in node.shims if isinstance(each, EncoderShim)]
    (copied,) = (each.network.embeddings.LayerNorm.weight for each in shims)
    assert not torch.equal(copied, before) and torch.equal(copied, norm(nlp))
    assert len({shims[0].id, nlp.get_pipe("encoder").shim.id}) == 2


def test_step_is_taken_before_the_encoder_is_pickled(waiting):
    nlp, _ = waiting
    before = norm(nlp)
    again = pickle.loads(pickle.dumps(nlp))
    assert not torch.equal(norm(again), before) and torch.equal(norm(again), norm(nlp))
