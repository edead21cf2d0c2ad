import gc
import itertools
import logging

import numpy
import pytest
import spacy
import torch
from spacy.training import Example
from thinc.api import Adam, Config

from tests.conftest import encoder_config, encoder_weights, head_config, listener_config, make_examples, make_nlp
from tests.encoder.test_contract import HEADS, train

TEXT = "The patient denies chest pain."


def hidden(doc):
    return doc._.trf_data.model_output.last_hidden_state


@pytest.mark.parametrize("silent", [s for n in range(3) for s in itertools.combinations(HEADS, n)])
@pytest.mark.parametrize("order", list(itertools.permutations(HEADS)))
def test_encoder_trains_for_every_subset_of_silent_heads(toy, silent, order):
    nlp = make_nlp(toy, order)
    examples = make_examples(nlp)
    for name, example in itertools.product(silent, examples):
        if name == "ner":
            example.reference.set_ents([], default="missing")
        elif name == "textcat":
            example.reference.cats = {}
    assert train(nlp, examples, exclude=[name for name in silent if name == "spancat"]) > 0


@pytest.mark.parametrize("frozen", [f for n in (1, 2) for f in itertools.combinations(HEADS, n)])
def test_encoder_trains_for_every_subset_of_frozen_heads(toy, frozen):
    nlp = make_nlp(toy, HEADS)
    assert train(nlp, make_examples(nlp), exclude=frozen) > 0


@pytest.mark.parametrize("stock", [False, True])
def test_gradient_is_the_sum_over_heads(toy, stock):
    def gradient(*active):
        nlp = make_nlp(toy, HEADS, stock=stock)
        spacy.util.fix_random_seed(3)
        exclude = [head for head in HEADS if head not in active]
        nlp.update(make_examples(nlp), sgd=False, exclude=exclude)
        nlp.get_pipe("encoder")._finish_pending()
        return encoder_weights(nlp).embeddings.LayerNorm.weight.grad.numpy()

    alone = [gradient(head) for head in HEADS]
    assert all(numpy.abs(part).max() > 0 for part in alone)
    assert numpy.allclose(gradient(*HEADS), sum(alone), atol=1e-4)


def test_update_without_finish_update_is_flushed_by_the_next(toy):
    nlp = make_nlp(toy, ("textcat",))
    nlp.update(make_examples(nlp), sgd=False)
    assert encoder_weights(nlp).embeddings.LayerNorm.weight.grad is None
    nlp.update(make_examples(nlp), sgd=False)
    assert encoder_weights(nlp).embeddings.LayerNorm.weight.grad is not None


def test_gradients_of_several_updates_add_up_to_one_step(toy):
    """As `spacy train` with accumulate_gradient = 2."""
    nlp = make_nlp(toy, ("textcat",))
    examples, weights = make_examples(nlp), encoder_weights(nlp).embeddings.LayerNorm.weight
    gradients = []
    for parts in ([examples[:2]], [examples[2:]], [examples[:2], examples[2:]]):
        spacy.util.fix_random_seed(3)
        encoder_weights(nlp).eval()
        for module in encoder_weights(nlp).modules():
            module.p = 0.0  # dropout would differ
        for part in parts:
            nlp.update(part, sgd=False)
        before = weights.detach().clone()
        nlp.get_pipe("encoder")._finish_pending()
        gradients.append(weights.grad.clone())
        nlp.get_pipe("encoder").finish_update(Adam(0.0, use_averages=False))
        assert weights.equal(before) and weights.grad is None
    assert torch.allclose(gradients[0] + gradients[1], gradients[2], atol=1e-6) and gradients[2].abs().max() > 0


def test_gradient_of_an_annotated_batch_is_stepped_after_a_silent_one(toy):
    nlp = make_nlp(toy, ("textcat",))
    silent = [Example(nlp.make_doc(TEXT), nlp.make_doc(TEXT))]
    before = encoder_weights(nlp).embeddings.LayerNorm.weight.detach().clone()
    encoder = nlp.get_pipe("encoder")
    nlp.update(make_examples(nlp), sgd=False)
    encoder.update(silent)
    encoder.finish_update(Adam(0.01, use_averages=False))
    encoder.update(silent)
    assert not before.equal(encoder_weights(nlp).embeddings.LayerNorm.weight)


def test_gradient_made_after_the_forward_is_stepped_at_once(toy):
    """As of a component that runs the encoder's network by itself, in a batch where every listener is silent."""
    nlp = make_nlp(toy, ("textcat",))
    encoder = nlp.get_pipe("encoder")
    encoder.update([Example(nlp.make_doc(TEXT), nlp.make_doc(TEXT))])
    _, backprop = encoder.model.begin_update([nlp.make_doc(TEXT)])
    # (Through the last layer's norm, the gradient of ones is zero.)
    backprop([numpy.linspace(-1, 1, 6 * 32, dtype="f").reshape(6, 32) ** 3])
    before = encoder_weights(nlp).embeddings.LayerNorm.weight.detach().clone()
    encoder.finish_update(Adam(0.01, use_averages=False))
    assert not before.equal(encoder_weights(nlp).embeddings.LayerNorm.weight)


@pytest.mark.parametrize("use", [lambda nlp: nlp(TEXT), lambda nlp: nlp.to_bytes()])
def test_step_that_waits_for_a_silent_head_is_taken_before_the_next_use(toy, use):
    nlp = make_nlp(toy, ("ner", "textcat"))
    before = encoder_weights(nlp).embeddings.LayerNorm.weight.detach().clone()
    nlp.update(make_examples(nlp), sgd=Adam(0.01, use_averages=False), exclude=["ner"])
    assert before.equal(encoder_weights(nlp).embeddings.LayerNorm.weight)
    use(nlp)
    assert not before.equal(encoder_weights(nlp).embeddings.LayerNorm.weight)


@pytest.mark.parametrize("save", [lambda nlp, path: nlp.to_bytes(), lambda nlp, path: nlp.to_disk(path)])
def test_step_behind_a_silent_batch_is_taken_before_saving(toy, tmp_path, save):
    """As `spacy train` with accumulate_gradient = 2, whose second batch is silent."""
    nlp = make_nlp(toy, ("textcat",))
    before = encoder_weights(nlp).embeddings.LayerNorm.weight.detach().clone()
    nlp.update(make_examples(nlp), sgd=False)
    nlp.update([Example(nlp.make_doc(TEXT), nlp.make_doc(TEXT))], sgd=False)
    for _, pipe in nlp.pipeline:
        pipe.finish_update(Adam(0.01, use_averages=False))
    save(nlp, tmp_path)
    assert not before.equal(encoder_weights(nlp).embeddings.LayerNorm.weight)


def test_encoder_can_be_frozen_after_a_head_was_silent(toy):
    nlp = make_nlp(toy, ("ner", "textcat"))
    train(nlp, make_examples(nlp), exclude=["ner"])
    assert train(nlp, make_examples(nlp)[:2], exclude=["encoder"], annotating=["encoder"]) == 0


def test_weights_do_not_move_under_gradients_gathered_by_hand(toy):
    nlp = make_nlp(toy, ("textcat",))
    layer = encoder_weights(nlp).embeddings.LayerNorm
    seen = []
    nlp.update(make_examples(nlp)[:2], sgd=False)
    layer.register_forward_hook(lambda *args: seen.append(layer.weight.detach().clone()))
    nlp.get_pipe("encoder")._finish_pending()
    layer.register_full_backward_hook(lambda *args: seen.append(layer.weight.detach().clone()))
    nlp.update(make_examples(nlp)[2:], sgd=Adam(0.01, use_averages=False))
    forward, backward = seen
    assert forward.equal(backward) and not forward.equal(layer.weight)


def test_weights_do_not_move_between_forward_and_backward(toy):
    """`nlp.update(sgd=...)` calls finish_update before the heads: two updates so are two plain steps."""
    moved = []
    for at_once in (True, False):
        nlp = make_nlp(toy, ("textcat",))
        sgd = Adam(0.01, use_averages=False)
        spacy.util.fix_random_seed(5)
        for _ in range(2):
            nlp.update(make_examples(nlp), sgd=sgd if at_once else False)
            if not at_once:
                for _, pipe in nlp.pipeline:
                    pipe.finish_update(sgd)
        moved.append(encoder_weights(nlp).embeddings.LayerNorm.weight.detach().numpy().copy())
    assert numpy.allclose(*moved, atol=1e-6)


def test_steps_leave_no_tensors_behind(toy):
    nlp = make_nlp(toy, ("textcat",))
    sgd, counts = Adam(0.01, use_averages=False), []
    for step in range(9):
        nlp.update(make_examples(nlp), sgd=sgd)
        if step % 4 == 0:
            gc.collect()
            counts.append(sum(type(found) is torch.Tensor for found in gc.get_objects()))
    assert counts[1] == counts[2]


def test_grad_factor_zero_keeps_a_head_from_the_encoder(toy):
    nlp = spacy.blank("en")
    nlp.add_pipe("clinicalbert", name="encoder", config=encoder_config(toy))
    nlp.add_pipe("textcat", config=head_config("textcat", {**listener_config(), "grad_factor": 0.0}))
    nlp.initialize(lambda: make_examples(nlp))
    assert train(nlp, make_examples(nlp)) == 0


@pytest.mark.parametrize("texts", [[""], ["", ""], [" ", "\n\n"], ["", TEXT, " "]])
@pytest.mark.parametrize("stock", [False, True])
def test_empty_and_blank_docs(toy, texts, stock):
    nlp = make_nlp(toy, HEADS, stock=stock)
    docs = list(nlp.pipe(texts))
    assert [doc.text for doc in docs] == texts
    assert all("last_hidden_state" in doc._.trf_data.model_output or not len(doc) for doc in docs)
    assert all(not hidden(doc).any() for doc in docs if doc.text.isspace())
    cats = {"progress": 1.0, "radiology": 0.0}
    nlp.update([Example.from_dict(nlp.make_doc(text), {"cats": cats}) for text in texts], sgd=Adam(0.01))
    assert [len(nlp(text)) for text in texts] == [len(doc) for doc in docs]


def test_tokens_that_the_tokenizer_deletes_are_counted_and_said_once(toy, caplog):
    nlp = make_nlp(toy)
    docs = list(nlp.pipe(["pain \x07 \u200b fever", "  \n pain", "\x07"]))
    assert [doc._.trf_data.n_unread for doc in docs] == [2, 0, 1]
    assert all(not hidden(doc)[0, token.i].any() for doc in docs for token in doc if token.text in "\x07\u200b")
    nlp("\x07")
    (message,) = [record.getMessage() for record in caplog.records if "deletes" in record.getMessage()]
    assert "3 tokens" in message and "pain" not in message


def test_trf_data_is_aligned_to_tokens(toy):
    doc = make_nlp(toy)(TEXT)
    assert hidden(doc).shape == (1, len(doc), 32)
    assert doc._.trf_data.align.data.ravel().tolist() == list(range(len(doc)))
    assert doc._.trf_data.align.lengths.tolist() == [1] * len(doc)


def test_docs_with_vectors_serialise(toy):
    nlp = make_nlp(toy)
    doc = nlp(TEXT)
    again = spacy.tokens.Doc(nlp.vocab).from_bytes(doc.to_bytes())
    assert numpy.array_equal(hidden(doc), hidden(again))


def test_retokenised_doc_is_an_error(toy):
    nlp = make_nlp(toy)
    doc = nlp.get_pipe("encoder")(nlp.make_doc(TEXT))
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[3:5])
    with pytest.raises(ValueError, match="before the encoder"):
        nlp.get_pipe("ner")(doc)


def test_errors_hold_no_note_text(toy):
    nlp = make_nlp(toy)
    with nlp.select_pipes(disable="encoder"), pytest.raises(ValueError) as caught:
        nlp("secretword")
    assert "secretword" not in str(caught.value)


def test_two_encoders_then_two_heads_use_their_own(toy, other_toy):
    def build(*names):
        nlp = spacy.blank("en")
        for name, folder in (("one", toy), ("two", other_toy)):
            if name in names:
                nlp.add_pipe("clinicalbert", name=name, config=encoder_config(folder))
        for head, upstream in (("ner", "one"), ("textcat", "two")):
            if upstream in names:
                nlp.add_pipe(head, config=head_config(head, listener_config(upstream=upstream)))
        nlp.initialize(lambda: make_examples(nlp))
        return nlp

    nlp = build("one", "two")
    doc = nlp(TEXT)
    assert hidden(doc).shape[-1] == 16
    assert doc._.trf_data.beneath.model_output.last_hidden_state.shape[-1] == 32
    assert doc.cats and doc.has_annotation("ENT_IOB")
    assert nlp(doc)._.trf_data.beneath.beneath is None  # a second run piles nothing up


def test_sourced_pipeline_gives_the_same(toy):
    source = make_nlp(toy, HEADS)
    nlp = spacy.blank("en")
    for name in source.pipe_names:
        nlp.add_pipe(name, source=source)
    assert numpy.array_equal(hidden(nlp(TEXT)), hidden(source(TEXT)))
    assert nlp(TEXT).cats == source(TEXT).cats
    assert train(nlp, make_examples(nlp)) > 0


def test_sourced_encoder_feeds_a_new_head(toy, tmp_path):
    make_nlp(toy).to_disk(tmp_path / "nlp")
    config = {
        "nlp": {"lang": "en", "pipeline": ["encoder", "textcat"]},
        "components": {
            "encoder": {"source": str(tmp_path / "nlp")},
            "textcat": {"factory": "textcat", **head_config("textcat", listener_config(upstream="encoder"))},
        },
    }
    nlp = spacy.util.load_model_from_config(Config(config), auto_fill=True)
    before = hidden(spacy.load(tmp_path / "nlp")(TEXT))
    nlp.initialize(lambda: make_examples(nlp))
    assert numpy.array_equal(before, hidden(nlp(TEXT)))
    assert train(nlp, make_examples(nlp)) > 0


@pytest.mark.parametrize("stock", [False, True])
@pytest.mark.parametrize("head", HEADS)
def test_replaced_listener_survives_save_load_and_initialize(toy, head, stock, tmp_path):
    nlp = make_nlp(toy, ("ner", "textcat"), stock=stock) if head != "spancat" else make_nlp(toy, HEADS, stock=stock)
    train(nlp, make_examples(nlp))
    expected = nlp(TEXT)
    nlp.replace_listeners("encoder", head, ["model.tok2vec"])

    def same(pipeline):
        doc = pipeline(TEXT)
        assert doc.cats == pytest.approx(expected.cats, abs=1e-6)
        assert [(e.text, e.label_) for e in doc.ents] == [(e.text, e.label_) for e in expected.ents]
        assert [(s.start, s.end) for s in doc.spans.get("sc", [])] == [
            (s.start, s.end) for s in expected.spans.get("sc", [])
        ]

    same(nlp)
    nlp.to_disk(tmp_path / "nlp")
    loaded = spacy.load(tmp_path / "nlp")
    same(loaded)
    same(spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes()))
    network = next(shim.network for node in loaded.get_pipe(head).model.walk() for shim in node.shims)
    before = network.embeddings.LayerNorm.weight.detach().clone()
    loaded.initialize(lambda: make_examples(loaded))
    assert before.equal(network.embeddings.LayerNorm.weight)
    sgd = Adam(0.01)
    for _ in range(2):
        loaded.update(make_examples(loaded), sgd=sgd)
    assert not before.equal(network.embeddings.LayerNorm.weight)


def test_stock_model_block_is_an_error_with_the_fix(toy):
    config = {"model": {"@architectures": "spacy-transformers.TransformerModel.v3", "name": toy}}
    config["model"]["get_spans"] = {"@span_getters": "spacy-transformers.doc_spans.v1"}
    with pytest.raises(ValueError, match="Encoder.v1"):
        spacy.blank("en").add_pipe("clinicalbert", config=config)


def test_default_config_is_bio_clinicalbert():
    nlp = spacy.blank("en")
    nlp.add_pipe("clinicalbert")
    assert nlp.config["components"]["clinicalbert"]["model"]["name"] == "emilyalsentzer/Bio_ClinicalBERT"


def test_stock_settings_of_the_transformer_factory_are_taken(toy):
    nlp = spacy.blank("en")
    seen = []
    nlp.add_pipe("clinicalbert", config={**encoder_config(toy), "max_batch_items": 333})
    nlp.initialize()
    encoder = nlp.get_pipe("clinicalbert")
    encoder.set_extra_annotations = lambda docs, batch: seen.append((docs, batch))
    doc = nlp("chest pain " * 300)
    assert encoder.model.attrs["max_batch_items"] == 333
    ((docs, batch),) = seen
    assert docs == [doc] and batch.doc_data[0] is doc._.trf_data


def test_logs_hold_no_note_text(toy, caplog):
    caplog.set_level(logging.DEBUG)
    nlp = make_nlp(toy, HEADS)
    list(nlp.pipe(["secretword denies", ""]))
    assert "secretword" not in caplog.text


@pytest.mark.parametrize("factory", ["textcat", "clinical_ner", "clinical_note_classifier"])
@pytest.mark.parametrize("upstream", [None, "clinicalbrt"])
def test_head_without_an_encoder_says_so(toy, factory, upstream):
    nlp = spacy.blank("en")
    if upstream:
        nlp.add_pipe("clinicalbert", config=encoder_config(toy))
    architecture = "WindowListener" if factory == "clinical_note_classifier" else "Listener"
    listener = {"@architectures": f"spacy-clinicalbert.{architecture}.v1", "upstream": upstream or "*"}
    nlp.add_pipe(factory, config={"model": {"tok2vec": listener}})
    example = Example.from_dict(
        nlp.make_doc("Denies pain ."), {"entities": [(7, 11, "P")], "cats": {"a": 1.0, "b": 0.0}}
    )
    with pytest.raises(ValueError, match="belongs to no component clinicalbert. Add one"):
        nlp.initialize(lambda: [example])
