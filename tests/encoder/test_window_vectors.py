"""The vector at the first position of each window: published, kept, and trained through."""

import numpy
import pytest
import spacy
import torch
from spacy.tokens import Doc, DocBin
from thinc.api import Adam
from transformers import AutoModel, AutoTokenizer

from spacy_clinicalbert.encoder.listener import WindowListener
from tests.conftest import encoder_config, encoder_weights, make_examples, make_nlp
from tests.encoder.test_model import LONG, make_encoder
from tests.encoder.test_pipe import count_windows

TEXT = "The patient denies chest pain."


def firsts(doc):
    return doc._.trf_data.model_output.window_vectors


def test_window_vectors_are_the_checkpoints_own(toy):
    model = make_encoder(toy, size=40, context=8)
    doc = spacy.blank("en").make_doc(LONG)
    (data,) = model.predict([doc]).doc_data
    tokenizer, network = AutoTokenizer.from_pretrained(toy), AutoModel.from_pretrained(toy).eval()
    ids = tokenizer(LONG, add_special_tokens=False)["input_ids"]
    starts = range(0, len(ids) - 16, 24)
    with torch.no_grad():
        inputs = [torch.tensor([[2, *ids[start : start + 40], 3]]) for start in starts]
        expected = [network(each).last_hidden_state[0, 0].numpy() for each in inputs]
    assert len(data.windows) == len(expected) > 10
    assert numpy.allclose(data.model_output.window_vectors, expected, atol=1e-5)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_window_vectors_are_the_same_from_the_cache_from_pipe_and_among_equal_windows(toy, engine):
    if engine == "openvino":
        pytest.importorskip("openvino")
    nlp = make_nlp(toy, (), engine=engine)
    seen = count_windows(nlp.get_pipe("encoder").shim.predictor)
    alone = nlp(TEXT)
    n_encoded = sum(seen)
    piped = list(nlp.pipe([TEXT, "", " \n ", TEXT]))
    assert sum(seen) == n_encoded == 1
    assert firsts(alone).shape == (1, 32) and numpy.abs(firsts(alone)).max() > 0.1
    assert all(numpy.array_equal(firsts(doc), firsts(alone)) for doc in (piped[0], piped[3]))
    assert "window_vectors" not in piped[1]._.trf_data.model_output and firsts(piped[2]).shape == (0, 32)


def test_window_vectors_and_windows_survive_serialisation(toy):
    nlp = make_nlp(toy, ())
    docs = list(nlp.pipe([LONG, "", " \n ", TEXT]))
    (again,) = DocBin(docs=docs[:1], store_user_data=True).get_docs(nlp.vocab)
    for doc, other in [(docs[0], again), *((doc, Doc(nlp.vocab).from_bytes(doc.to_bytes())) for doc in docs)]:
        one, two = doc._.trf_data.model_output, other._.trf_data.model_output
        assert one.keys() == two.keys()
        assert all(numpy.array_equal(one[key], two[key]) for key in one)


def test_a_doc_holds_no_more_than_its_own_windows(toy):
    docs = list(make_nlp(toy, ()).pipe([TEXT, LONG]))
    assert firsts(docs[0]).base is None and firsts(docs[0]).nbytes == 32 * 4


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_pooling_takes_all_or_the_first_of_a_tokens_wordpieces(toy, pooling):
    text = "fevers \x07 bad \n pains"
    doc = spacy.blank("en").make_doc(text)
    model = make_encoder(toy, pooling=pooling)
    tokenizer, network = AutoTokenizer.from_pretrained(toy), AutoModel.from_pretrained(toy).eval()
    encoding = tokenizer(text, return_offsets_mapping=True, return_tensors="pt")
    offsets = encoding.pop("offset_mapping")[0].tolist()
    with torch.no_grad():
        hidden = network(**encoding).last_hidden_state[0].numpy()
    array = model.predict([doc]).doc_data[0].model_output.last_hidden_state[0]
    n_several = 0
    for token in doc:
        pieces = [i for i, (start, end) in enumerate(offsets) if start < token.idx + len(token) and end > token.idx]
        n_several += len(pieces) > 1
        wanted = hidden[pieces[:1] if pooling == "first" else pieces]
        assert numpy.allclose(array[token.i], wanted.mean(0) if pieces else 0, atol=1e-5)
    assert n_several == 3


def test_unknown_pooling_is_an_error(toy):
    with pytest.raises(ValueError, match="pooling is one of mean, first"):
        make_encoder(toy, pooling="max")


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_gradients_of_tokens_and_windows_are_the_numerical_ones(toy, pooling):
    model = make_encoder(toy, size=20, context=4, pooling=pooling)
    network = model.shims[0].network
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    for layer in network.encoder.layer:
        layer.attention.self.dropout_prob = 0.0
    network.config.attention_probs_dropout_prob = network.config.hidden_dropout_prob = 0.0
    # Equal windows, which without dropout are encoded once.
    docs = [spacy.blank("en").make_doc(text) for text in ("fevers, no cough. " * 9, "", "chest pain", "chest pain")]
    generator = numpy.random.default_rng(0)
    batch, backprop = model.begin_update(docs)
    tokens = [generator.normal(size=(len(doc), 32)).astype("f") for doc in docs]
    windows = [generator.normal(size=(len(data.windows), 32)).astype("f") for data in batch.doc_data]
    assert [len(each) for each in windows] == [4, 0, 1, 1]
    bias = network.encoder.layer[1].output.dense.bias

    def loss(step, with_tokens):
        with torch.no_grad():
            bias[0] += step
            model.shims[0].forget()
            datas = [data.model_output for data in model.predict(docs).doc_data]
            bias[0] -= step
        total = sum((data["window_vectors"] * each).sum() for data, each in zip(datas, windows) if data)
        if with_tokens:
            total += sum((data["last_hidden_state"][0] * each).sum() for data, each in zip(datas, tokens) if data)
        return float(total)

    for with_tokens in (False, True):
        _, backprop = model.begin_update(docs)
        backprop(tokens if with_tokens else (), windows)
        slope = (loss(0.01, with_tokens) - loss(-0.01, with_tokens)) / 0.02
        assert slope == pytest.approx(float(bias.grad[0]), rel=0.02)
        bias.grad = None


def make_window_nlp(toy, heads=(), **model):
    """A pipeline with `clinical_note_classifier`, before or after other heads."""
    nlp = spacy.blank("en")
    nlp.add_pipe("clinicalbert", name="encoder", config=encoder_config(toy, **model))
    for name in heads:
        nlp.add_pipe(name)
    spacy.util.fix_random_seed(0)
    nlp.initialize(lambda: make_examples(nlp))
    return nlp


@pytest.mark.parametrize(
    "heads",
    [
        ("clinical_note_classifier",),
        ("clinical_note_classifier", "clinical_ner"),
        ("clinical_ner", "clinical_note_classifier"),
    ],
)
def test_gradient_is_the_sum_over_heads_of_windows_and_of_tokens(toy, heads):
    def gradient(*active):
        nlp = make_window_nlp(toy, heads)
        spacy.util.fix_random_seed(3)
        nlp.update(make_examples(nlp), sgd=False, exclude=[head for head in heads if head not in active])
        nlp.get_pipe("encoder")._finish_pending()
        return encoder_weights(nlp).embeddings.LayerNorm.weight.grad.numpy()

    alone = [gradient(head) for head in heads]
    assert all(numpy.abs(part).max() > 0 for part in alone)
    assert numpy.allclose(gradient(*heads), sum(alone), atol=1e-4)


def test_one_update_through_windows_moves_the_encoder_and_grad_factor_zero_keeps_it(toy):
    for factor, moves in ((1.0, True), (0.0, False)):
        nlp = spacy.blank("en")
        nlp.add_pipe("clinicalbert", name="encoder", config=encoder_config(toy))
        listener = {"@architectures": "spacy-clinicalbert.WindowListener.v1", "grad_factor": factor}
        nlp.add_pipe("clinical_note_classifier", config={"model": {"tok2vec": listener}})
        nlp.initialize(lambda nlp=nlp: make_examples(nlp))
        before = encoder_weights(nlp).embeddings.LayerNorm.weight.detach().clone()
        nlp.update(make_examples(nlp), sgd=Adam(0.01, use_averages=False))
        assert before.equal(encoder_weights(nlp).embeddings.LayerNorm.weight) != moves


def test_window_listener_gives_vectors_and_the_tokens_that_windows_keep(toy):
    nlp = make_nlp(toy, ())
    encoder = nlp.get_pipe("encoder")
    listener = WindowListener()
    encoder.add_listener(listener, "head")
    docs = list(nlp.pipe([LONG, "", " \n ", TEXT]))
    vectors, windows = listener.predict(docs)
    assert [len(each) for each in vectors] == [len(each) for each in windows]
    assert numpy.array_equal(vectors[0], firsts(docs[0])) and vectors[1].shape == (0, 32)
    assert windows[0][0, 0] == 0 and windows[0][-1, 1] == len(docs[0])
    assert windows[1].shape == windows[2].shape == (0, 2)
    with pytest.raises(ValueError, match="no vectors"):
        listener.predict([nlp.make_doc(TEXT)])


def test_window_listener_reads_its_own_of_two_encoders(toy, other_toy):
    nlp = spacy.blank("en")
    for name, folder in (("one", toy), ("two", other_toy)):
        nlp.add_pipe("clinicalbert", name=name, config=encoder_config(folder))
    listener = {"@architectures": "spacy-clinicalbert.WindowListener.v1", "upstream": "one"}
    nlp.add_pipe("clinical_note_classifier", config={"model": {"tok2vec": listener}})
    nlp.initialize(lambda: make_examples(nlp))
    assert nlp.get_pipe("clinical_note_classifier").model.get_ref("dense").get_dim("nI") == 32
    assert all(0 < value < 1 for value in nlp(TEXT).cats.values())


def test_frozen_annotating_encoder_feeds_a_head_of_windows(toy):
    nlp = make_window_nlp(toy, ("clinical_note_classifier",))
    before = nlp(TEXT).cats
    nlp.update(make_examples(nlp), sgd=Adam(0.01), exclude=["encoder"], annotates=["encoder"])
    assert nlp(TEXT).cats != before


def test_a_head_of_windows_cannot_have_an_encoder_of_its_own(toy):
    nlp = make_window_nlp(toy, ("clinical_note_classifier",))
    with pytest.raises(ValueError, match="Leave its listener"):
        nlp.replace_listeners("encoder", "clinical_note_classifier", ["model.tok2vec"])
    assert all(0 < value < 1 for value in nlp(TEXT).cats.values())


def test_replaced_listener_keeps_the_pooling(toy, tmp_path):
    nlp = make_nlp(toy, ("clinical_ner",), pooling="first")
    expected = nlp.get_pipe("clinical_ner").model.predict([nlp("fevers, chest pains")])[0]
    nlp.replace_listeners("encoder", "clinical_ner", ["model.tok2vec"])
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    for each in (nlp, loaded):
        assert numpy.allclose(
            each.get_pipe("clinical_ner").model.predict([nlp.make_doc("fevers, chest pains")])[0], expected, atol=1e-5
        )
