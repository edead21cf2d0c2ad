import numpy
import pytest
from spacy.util import registry
from thinc.api import Adam, warmup_linear

from spacy_clinicalbert.training.optimizer import adam
from spacy_clinicalbert.training.paths import NodePaths
from tests.conftest import make_examples, make_nlp

HEADS = ("ner", "clinical_ner", "textcat_multilabel")


def step(nlp, optimizer, silent=()):
    """One step of `spacy train`."""
    nlp.update(make_examples(nlp, silent), sgd=False, drop=0.0)
    for _, pipe in nlp.pipeline:
        pipe.finish_update(optimizer)
    optimizer.step_schedules()


def same(one, other):
    return one.keys() == other.keys() and all(numpy.array_equal(one[name], other[name]) for name in one)


def weights(nlp):
    return {name: array.copy() for name, array in NodePaths(nlp).weights().items()}


@pytest.mark.parametrize(
    "settings",
    [{}, {"L2_is_weight_decay": False, "use_averages": False}, {"grad_clip": 0.1, "beta1": 0.8, "beta2": 0.9}],
)
def test_arithmetic_is_thincs(toy, settings):
    found = []
    for make in (Adam, registry.optimizers.get("spacy-clinicalbert.Adam.v1")):
        nlp = make_nlp(toy, HEADS, attention_dropout=0.0, layer_decay=0.5)
        optimizer = make(warmup_linear(0.01, 2, 10), L2=0.01, **settings)
        for _ in range(4):
            step(nlp, optimizer)
        found.append(weights(nlp))
    assert same(*found)


def test_state_goes_on_in_another_pipeline_of_other_ids(toy, tmp_path):
    """With heads that are silent after the load: Thinc goes on to move them by their momentum."""

    def make():
        # Both in the state that the other has; dropout would draw other numbers.
        nlp = make_nlp(toy, HEADS, layer_decay=0.5, lr_scale=0.5)
        nlp.get_pipe("encoder").shim.network.eval().train = lambda mode=True: nlp.get_pipe("encoder").shim.network
        return nlp, adam(warmup_linear(0.01, 2, 10), L2=0.01)

    nlp, optimizer = make()
    for _ in range(3):
        step(nlp, optimizer)
    optimizer.to_disk(tmp_path / "state", nlp)
    held = weights(nlp)
    for silent in (("ner", "textcat"), ()):
        step(nlp, optimizer, silent)
    other, loaded = make()
    assert not {node.id for node in NodePaths(other).nodes.values()} & {
        node.id for node in NodePaths(nlp).nodes.values()
    }
    NodePaths(other).set_weights(held)
    assert loaded.from_disk(tmp_path / "state", other) is loaded
    assert loaded.n_steps == 3 and loaded.learn_rate == 0.01 * 7 / 8
    for silent in (("ner", "textcat"), ()):
        step(other, loaded, silent)
    assert loaded.learn_rate == optimizer.learn_rate and loaded.n_steps == optimizer.n_steps == 5
    assert same(weights(other), weights(nlp))
    paths, others = NodePaths(nlp), NodePaths(other)
    for name in ("mom1", "mom2", "averages", "nr_update"):
        one = {paths.path(key): value for key, value in getattr(optimizer, name).items()}
        assert same(one, {others.path(key): value for key, value in getattr(loaded, name).items()})
    assert any(path.startswith("encoder/0.0/") for path in one) and any(path.startswith("ner/") for path in one)


def test_state_of_another_pipeline_or_an_earlier_step_is_an_error(toy, tmp_path):
    nlp, optimizer = make_nlp(toy, HEADS), adam(0.01)
    step(nlp, optimizer)
    optimizer.to_disk(tmp_path / "state", nlp)
    with pytest.raises(ValueError, match="has the state of 'ner/.* which the pipeline does not have"):
        adam(0.01).from_disk(tmp_path / "state", make_nlp(toy, ("clinical_ner",)))
    step(nlp, optimizer)
    with pytest.raises(ValueError, match="is of step 1, and this optimiser has taken 2"):
        optimizer.from_disk(tmp_path / "state", nlp)


def test_layers_that_are_gone_are_left_out(toy, tmp_path):
    nlp, optimizer = make_nlp(toy, ("clinical_ner",)), adam(0.01)
    step(nlp, optimizer)
    nlp.get_pipe("clinical_ner").add_label("LATE")  # which makes a new layer
    step(nlp, optimizer)
    optimizer.to_disk(tmp_path / "state", nlp)
    loaded = adam(0.01).from_disk(tmp_path / "state", nlp)
    gone = set(optimizer.nr_update) - set(loaded.nr_update)
    assert {name for _, name in gone} == {"W", "b"} and NodePaths(nlp).path(gone.pop()) is None


def test_weights_of_spacys_transformer_are_held_too(toy):
    nlp, other = (make_nlp(toy, ("ner",), factory="transformer") for _ in range(2))
    optimizer = adam(0.01)
    for _ in range(2):
        step(nlp, optimizer)
    text = "Aspirin given for chest pain."
    vectors = [each(text)._.trf_data.model_output.last_hidden_state for each in (nlp, other)]
    assert not numpy.allclose(*vectors)
    NodePaths(other).set_weights(weights(nlp))
    assert numpy.array_equal(vectors[0], other(text)._.trf_data.model_output.last_hidden_state)
    assert {NodePaths(nlp).path(key) is None for key in optimizer.nr_update} == {False}
