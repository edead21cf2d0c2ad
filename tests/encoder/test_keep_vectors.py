import pytest
from thinc.api import Adam

from spacy_clinicalbert.encoder.cache import keep_vectors
from spacy_clinicalbert.encoder.shim import shim_of
from tests.conftest import NOTES, make_examples, make_nlp


def test_kept_vectors_are_made_once(toy, monkeypatch):
    nlp = make_nlp(toy, ())
    shim = shim_of(nlp.get_pipe("encoder").model)
    nlp.get_pipe("encoder").cfg["max_cache_items"] = 0
    keep_vectors(1000, "encoder")(nlp)
    texts = [text for text, *_ in NOTES]
    first = [doc._.trf_data.model_output.last_hidden_state for doc in nlp.pipe(texts)]

    def never(engine, inputs):
        raise AssertionError("encoded again")

    monkeypatch.setattr(type(shim.predictor), "encode", never)
    held = shim.cache.n_pieces
    again = [doc._.trf_data.model_output.last_hidden_state for doc in nlp.pipe(texts)]
    assert held == shim.cache.n_pieces > 0 and all((one == other).all() for one, other in zip(first, again))
    assert nlp.get_pipe("encoder").cfg["max_cache_items"] == 0  # what is saved stays


def test_less_than_nothing_cannot_be_kept():
    with pytest.raises(ValueError, match="0 or more"):
        keep_vectors(-1)


def test_kept_vectors_survive_averages_of_heads_alone(toy):
    nlp = make_nlp(toy, ("textcat",))
    keep_vectors(1000, "encoder")(nlp)
    nlp("chest pain")
    shim = shim_of(nlp.get_pipe("encoder").model)
    held, predictor = shim.cache.n_pieces, shim.predictor
    sgd = Adam(0.01, use_averages=True)
    nlp.update(make_examples(nlp), sgd=sgd, exclude=["encoder"], annotates=["encoder"])
    assert sgd.averages
    with nlp.use_params(sgd.averages):
        assert shim.cache.n_pieces >= held > 0 and shim.predictor is predictor
    assert shim.cache.n_pieces >= held and shim.predictor is predictor
