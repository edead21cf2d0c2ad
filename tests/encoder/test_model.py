import shutil

import numpy
import pytest
import spacy
import torch
from thinc.api import Adam
from transformers import AutoModel, ConvBertConfig

from spacy_clinicalbert.encoder.batches import Grid
from spacy_clinicalbert.encoder.checkpoints import load_tokenizer
from spacy_clinicalbert.encoder.model import Encoder
from spacy_clinicalbert.encoder.plan import make_plan, plan_docs, plan_passes, tokenize
from spacy_clinicalbert.encoder.shim import shim_of
from spacy_clinicalbert.encoder.windows import Windows, note_windows, strided_windows
from tests.conftest import SIZES, WRITERS, write_bert, write_weights

LONG = "The patient denies chest pain; history of fever, cough stable. " * 40


def make_encoder(folder, size=128, context=16, **settings):
    model = Encoder(folder, strided_windows(size, context), **{"precision": "float32", "engine": "torch", **settings})
    model.initialize()
    return model


def vectors(model, *texts):
    """The published vectors of each text, (n_tokens, width)."""
    docs = [spacy.blank("en").make_doc(text) for text in texts]
    arrays = [data.model_output.get("last_hidden_state") for data in model.predict(docs).doc_data]
    return [numpy.zeros((0, 32)) if array is None else array[0] for array in arrays]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {kind: str(write(tmp_path_factory.mktemp("kinds") / kind)) for kind, write in WRITERS.items()}


@pytest.mark.parametrize("end", ["", " ", "\n"])
@pytest.mark.parametrize("kind", WRITERS)
def test_encoder_gives_the_mean_of_the_checkpoints_own_vectors(folders, kind, end):
    text = f"The patient denies  chest pains,\nno fevers 😀.{end}"
    doc = spacy.blank("en").make_doc(text)
    folder = folders[kind]
    tokenizer, network = load_tokenizer(folder), AutoModel.from_pretrained(folder).eval()
    encoding = tokenizer([text], return_offsets_mapping=True, return_token_type_ids=False, return_tensors="pt")
    offsets = encoding.pop("offset_mapping")[0].tolist()
    with torch.no_grad():
        hidden = network(**encoding).last_hidden_state[0].numpy()
    (array,) = vectors(make_encoder(folder), text)
    for token, vector in zip(doc, array):
        pieces = [i for i, (start, end) in enumerate(offsets) if start < token.idx + len(token) and end > token.idx]
        expected = hidden[pieces].mean(0) if pieces else numpy.zeros(32)
        assert numpy.allclose(vector, expected, atol=1e-5), token.i
        assert pieces or token.is_space


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        " \n\t\n ",
        "a" * 100_000,
        "😀 👨‍👩‍👧 ❤️",
        "cafe\u0301 na\u0308ive \u0301",
        "a\x00b \x07 \u200b \ufeff \ufffd",
        "שלום \u202eعربى abc\u202c",
        "[CLS] [SEP] [PAD] [MASK]",
        "fever \n\n ",
        LONG,
    ],
)
@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("windows", [strided_windows(128, 16), note_windows(40, 4)])
def test_encoder_takes_any_text(folders, kind, windows, text):
    model = make_encoder(folders[kind])
    model.attrs["windows"] = windows
    (array,) = vectors(model, text)
    assert array.shape == (len(spacy.blank("en").make_doc(text)), 32)
    assert numpy.isfinite(array).all()


@pytest.mark.parametrize("kind", WRITERS)
def test_encoder_reads_special_tokens_of_a_note_as_text(folders, kind):
    model = make_encoder(folders[kind])
    tokenizer = shim_of(model).checkpoint.tokenizer
    text = " ".join(["pain", *tokenizer.all_special_tokens, "today"])
    for _ in range(2):
        ((ids, starts, ends),) = tokenize(shim_of(model).checkpoint, [text])
        assert not set(ids.tolist()) & (set(tokenizer.all_special_ids) - {tokenizer.unk_token_id})
        assert (starts[0], ends[-1]) == (0, len(text))
        tokenizer(text)  # transformers takes them for special tokens, and the next time is as the first


def test_encoder_gives_every_word_of_a_long_note_its_vector(toy):
    doc = spacy.blank("en").make_doc(LONG)
    (array,) = vectors(make_encoder(toy, size=40, context=8), LONG)
    assert ((numpy.abs(array).sum(1) > 0) == [not token.is_space for token in doc]).all()


def test_encoder_vectors_do_not_depend_on_the_batch(toy):
    model = make_encoder(toy, size=40, context=8)
    texts = ["No fever.", LONG, "", "chest pain", " \n ", "x" * 50]
    together = vectors(model, *texts)
    for text, array in zip(texts, together):
        assert numpy.allclose(vectors(model, text)[0], array, atol=1e-5)


def test_padding_that_a_network_sees_is_kept_from_it(toy, tmp_path):
    """ConvBERT's convolutions reach beyond the last wordpiece."""
    shutil.copytree(toy, tmp_path / "convbert")
    config = ConvBertConfig(**SIZES, embedding_size=32, head_ratio=1, initializer_range=0.2)
    write_weights(tmp_path / "convbert", config)
    model = make_encoder(str(tmp_path / "convbert"))
    texts = ["No fever.", "Patient denies chest pain.", "cough"]
    for text, array in zip(texts, vectors(model, *texts)):
        assert numpy.allclose(vectors(model, text)[0], array, atol=1e-5)


def test_encoder_rejects_windows_that_lose_pieces(toy):
    model = Encoder(toy, lambda text, starts, ends: Windows(*(numpy.array([x]) for x in (0, 5, 0, 5))))
    with pytest.raises(ValueError, match="exactly once"):
        model.initialize()


def test_encoder_rejects_windows_longer_than_the_checkpoint_reads(toy):
    with pytest.raises(ValueError, match="takes 510"):
        make_encoder(toy, size=511)
    assert make_encoder(toy, size=510)


def test_encoder_without_weights_says_how_to_get_them(toy):
    with pytest.raises(ValueError, match=r"nlp\.initialize"):
        Encoder(toy, strided_windows()).predict([spacy.blank("en").make_doc("pain")])


def gradients(model, docs, d_arrays):
    torch.manual_seed(1)
    batch, backprop = model.begin_update(docs)
    backprop(d_arrays)
    named = dict(model.shims[0].network.named_parameters())
    found = {name: weights.grad.to_dense().clone() for name, weights in named.items() if weights.grad is not None}
    for weights in named.values():
        weights.grad = None
    return [data.model_output.get("last_hidden_state") for data in batch.doc_data], found


def test_gradient_of_the_embeddings_holds_the_words_of_the_batch_alone_and_steps_as_a_whole_one(toy):
    stepped = []
    for sparse in (True, False):
        model = make_encoder(toy, size=20, context=4)
        model.attrs["max_batch_items"] = 30
        words = model.shims[0].network.embeddings.word_embeddings
        assert words.sparse
        words.sparse = sparse
        optimizer = Adam(0.01, L2=0.1, L2_is_weight_decay=True, grad_clip=1.0)
        for step in range(3):  # the second step has gradients of two batches
            for text in ("chest pain, no fever", "History of cough. " * 9)[: 1 + step % 2]:
                doc = spacy.blank("en").make_doc(text)
                torch.manual_seed(step)
                _, backprop = model.begin_update([doc])
                backprop([numpy.linspace(-1, 1, 32 * len(doc), dtype="f").reshape(len(doc), 32) ** 3])
            assert words.weight.grad.is_sparse == sparse
            model.finish_update(optimizer)
        stepped.append({name: weights.detach() for name, weights in model.shims[0].network.named_parameters()})
    # A key's bias moves all scores of a query alike: its gradient is zero but for rounding, which Adam blows up.
    names = [name for name in stepped[0] if not name.endswith("key.bias")]
    assert all(torch.allclose(stepped[0][name], stepped[1][name], atol=1e-6) for name in names)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("budget", [1, 300])
def test_update_beyond_the_budget_gives_the_same_vectors_and_gradients(toy, budget, precision):
    model = Encoder(toy, strided_windows(40, 8), precision=precision)
    model.initialize()
    model.attrs["max_batch_items"] = 100
    docs = [spacy.blank("en").make_doc(text) for text in (LONG, "", "chest pain", " ")]
    generator = numpy.random.default_rng(0)
    d_arrays = [generator.normal(size=(len(doc), 32)).astype("f") for doc in docs]
    arrays, expected = gradients(model, docs, d_arrays)
    model.attrs["max_update_items"] = budget
    bounded_arrays, bounded = gradients(model, docs, d_arrays)
    assert all(numpy.array_equal(a, b) for a, b in zip(arrays, bounded_arrays) if a is not None)
    assert expected.keys() == bounded.keys() and expected
    assert all(torch.allclose(expected[name], bounded[name], atol=1e-6) for name in expected)


def test_update_beyond_the_budget_encodes_again_only_what_has_a_gradient(toy):
    model = make_encoder(toy, size=40, context=8)
    model.attrs.update(max_batch_items=100, max_update_items=1)
    doc = spacy.blank("en").make_doc(LONG)
    calls = []
    model.shims[0].network.register_forward_pre_hook(
        lambda network, args, kwargs: calls.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    _, backprop = model.begin_update([doc])
    forward_calls = len(calls)
    d_array = numpy.zeros((len(doc), 32), dtype="f")
    d_array[3] = 1.0
    backprop([d_array])
    assert len(calls) == forward_calls + 1
    assert max(calls) <= 100


def test_gradient_is_the_numerical_one(toy):
    model = make_encoder(toy, size=20, context=4)
    network = model.shims[0].network
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    network.config.attention_probs_dropout_prob = 0.0
    for layer in network.encoder.layer:
        layer.attention.self.dropout_prob = 0.0
    doc = spacy.blank("en").make_doc("The patient denies chest pain, no fevers. History of cough and fever given.")
    direction = numpy.random.default_rng(0).normal(size=(len(doc), 32)).astype("f")
    _, backprop = model.begin_update([doc])
    backprop([direction])
    bias = network.encoder.layer[1].output.dense.bias

    def loss(step):
        with torch.no_grad():
            bias[0] += step
            value = float((model.predict([doc]).doc_data[0].model_output.last_hidden_state[0] * direction).sum())
            bias[0] -= step
        return value

    assert (loss(0.01) - loss(-0.01)) / 0.02 == pytest.approx(float(bias.grad[0]), rel=0.02)


def test_bfloat16_is_close_to_float32(toy):
    exact = vectors(make_encoder(toy), LONG)[0]
    model = Encoder(toy, strided_windows(), precision="bfloat16", engine="torch")
    model.initialize()
    rough = vectors(model, LONG)[0]
    assert not numpy.array_equal(exact, rough)
    cosine = (exact * rough).sum(1) / (numpy.linalg.norm(exact, axis=1) * numpy.linalg.norm(rough, axis=1) + 1e-9)
    assert cosine[numpy.abs(exact).sum(1) > 0].min() > 0.99


def test_unknown_precision_is_an_error(toy):
    with pytest.raises(ValueError, match="precision"):
        Encoder(toy, strided_windows(), precision="float8")


def test_lr_scale_scales_the_step_of_the_encoder(toy):
    moved = []
    for lr_scale in (1.0, 0.1):
        model = make_encoder(toy, lr_scale=lr_scale)
        before = model.shims[0].network.embeddings.word_embeddings.weight.detach().clone()
        doc = spacy.blank("en").make_doc("chest pain")
        torch.manual_seed(0)
        _, backprop = model.begin_update([doc])
        backprop([numpy.linspace(-1, 1, 64, dtype="f").reshape(2, 32) ** 3])
        model.finish_update(Adam(0.01, use_averages=False))
        moved.append(float((model.shims[0].network.embeddings.word_embeddings.weight - before).detach().abs().max()))
    assert moved[1] == pytest.approx(moved[0] / 10, rel=0.1)


@pytest.mark.parametrize("kind", [*WRITERS, "as long as the network takes"])
def test_shapes_of_passes_change_no_vector(folders, tmp_path, kind):
    if kind in folders:
        model = make_encoder(folders[kind])
    else:  # 30 positions, which are no multiple of 8
        model = make_encoder(str(write_bert(tmp_path / "short", max_position_embeddings=30)), size=28, context=4)
    texts = [LONG, "The patient denies chest pain.", "", "fever " * 25]
    expected = vectors(model, *texts)
    shim_of(model).predictor.grid = Grid(8, 4)
    shim_of(model).cache.clear()
    for array, found in zip(expected, vectors(model, *texts)):
        numpy.testing.assert_allclose(found, array, atol=1e-5)


@pytest.mark.parametrize("n_parallel, n_passes", [(1, 1), (2, 2)])
def test_few_windows_share_a_pass_where_one_runs_at_a_time(toy, n_parallel, n_passes):
    model = make_encoder(toy, size=60, context=5)
    plan = make_plan(plan_docs(model, [spacy.blank("en").make_doc("fever " * 99)]), True)
    passes = list(plan_passes(model, plan, numpy.arange(len(plan.work.keys)), n_parallel=n_parallel))
    assert sum(len(ids) for ids, *_ in passes) == 2 and len(passes) == n_passes
