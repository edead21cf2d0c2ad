"""The same tests for this project's factory and spacy-transformers'. What stock does not pass is marked so, and the
mark is strict: should stock learn it, the test says so. docs/architecture.md lists them."""

import numpy
import pytest
import spacy
from spacy.training import Example
from spacy.training.loop import train_while_improving
from thinc.api import Adam, fix_random_seed
from transformers import BertModel

from tests.conftest import (
    encoder_config,
    encoder_weights,
    head_config,
    listener_config,
    make_examples,
    make_nlp,
    write_bert,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # stock's own; ours are held in the other tests
STOCK_FAILS = pytest.mark.xfail(strict=True, reason="spacy-transformers does not")
both = pytest.mark.parametrize("factory", ["transformer", "clinicalbert"])
only_ours = pytest.mark.parametrize("factory", [pytest.param("transformer", marks=STOCK_FAILS), "clinicalbert"])
HEADS = ("ner", "spancat", "textcat")


def train(nlp, examples, *, exclude=(), annotating=(), steps=2):
    """Update as `spacy train` does; return how far the encoder's weights went."""
    before = {name: weights.detach().clone() for name, weights in encoder_weights(nlp).named_parameters()}
    loop = train_while_improving(
        nlp, Adam(0.01, use_averages=False), [(0, examples)] * steps, lambda: (0.0, {}), dropout=0.1, eval_frequency=1000,
        accumulate_gradient=1, patience=0, max_steps=0, exclude=list(exclude), annotating_components=list(annotating),
        before_update=None,
    )  # fmt: skip
    for _ in loop:
        pass
    after = dict(encoder_weights(nlp).named_parameters())
    return max(float((after[name] - before[name]).detach().abs().max()) for name in before)


@both
@pytest.mark.parametrize("head", ["ner", "textcat", "textcat_multilabel", "spancat"])
def test_head_trains_the_encoder(toy, factory, head):
    nlp = make_nlp(toy, (head,), factory=factory)
    assert train(nlp, make_examples(nlp)) > 0
    assert all(doc.has_annotation("ENT_IOB") or head != "ner" for doc in nlp.pipe(["chest pain", ""]))


@pytest.mark.parametrize("last", HEADS)
@both
def test_encoder_trains_with_all_heads(toy, factory, last):
    nlp = make_nlp(toy, (*(head for head in HEADS if head != last), last), factory=factory)
    assert train(nlp, make_examples(nlp)) > 0


# A transition-based NER without annotation returns before it touches its listener.
@both
def test_encoder_trains_when_a_first_head_is_silent(toy, factory):
    nlp = make_nlp(toy, ("ner", "textcat"), factory=factory)
    assert train(nlp, make_examples(nlp, silent=("ner",))) > 0


@only_ours
def test_encoder_trains_when_the_last_head_is_silent(toy, factory):
    nlp = make_nlp(toy, ("textcat", "ner"), factory=factory)
    examples = make_examples(nlp)
    for example in examples:
        example.reference.ents = []
        example.reference.set_ents([], default="missing")
    assert train(nlp, examples) > 0


@both
def test_encoder_trains_when_a_first_head_is_frozen(toy, factory):
    nlp = make_nlp(toy, ("ner", "textcat"), factory=factory)
    assert train(nlp, make_examples(nlp), exclude=["ner"]) > 0


@only_ours
def test_encoder_trains_when_the_last_head_is_frozen(toy, factory):
    nlp = make_nlp(toy, ("ner", "textcat"), factory=factory)
    assert train(nlp, make_examples(nlp), exclude=["textcat"]) > 0


@both
def test_frozen_annotating_encoder_feeds_its_heads(toy, factory):
    nlp = make_nlp(toy, ("textcat",), factory=factory)
    before = nlp("chest pain").cats
    assert train(nlp, make_examples(nlp), exclude=["encoder"], annotating=["encoder"]) == 0
    assert nlp("chest pain").cats != before


@only_ours
def test_disabled_encoder_is_an_error(toy, factory):
    nlp = make_nlp(toy, factory=factory)
    with nlp.select_pipes(disable="encoder"), pytest.raises(ValueError, match="enable"):
        nlp("chest pain")


@only_ours
def test_vectors_of_another_pipeline_are_an_error(toy, factory):
    doc = make_nlp(toy, factory=factory)("chest pain")
    with pytest.raises(ValueError, match="another encoder"):
        make_nlp(toy, factory=factory).get_pipe("ner")(doc)


@only_ours
def test_two_encoders_feed_their_own_heads(toy, other_toy, factory):
    nlp = spacy.blank("en")
    for name, folder in (("one", toy), ("two", other_toy)):
        config = encoder_config(folder) if factory == "clinicalbert" else {"model": {"name": folder}}
        nlp.add_pipe(factory, name=name, config=config)
    for head, upstream in (("ner", "one"), ("textcat", "two")):
        nlp.add_pipe(head, config=head_config(head, listener_config(factory == "transformer", upstream)))
    nlp.initialize(lambda: make_examples(nlp))
    assert nlp("chest pain").cats
    before = [encoder_weights(nlp, name).state_dict()["embeddings.LayerNorm.weight"].clone() for name in ("one", "two")]
    nlp.update(make_examples(nlp), sgd=(sgd := Adam(0.01, use_averages=False)))
    nlp.update(make_examples(nlp), sgd=sgd)
    after = [encoder_weights(nlp, name).state_dict()["embeddings.LayerNorm.weight"] for name in ("one", "two")]
    assert all(not old.equal(new) for old, new in zip(before, after))


@only_ours
def test_one_update_trains_the_encoder(toy, factory):
    nlp = make_nlp(toy, HEADS, factory=factory)
    before = encoder_weights(nlp).state_dict()["embeddings.LayerNorm.weight"].clone()
    nlp.update(make_examples(nlp), sgd=Adam(0.01, use_averages=False))
    assert not before.equal(encoder_weights(nlp).state_dict()["embeddings.LayerNorm.weight"])


@only_ours
def test_nothing_is_truncated(toy, factory):
    nlp = make_nlp(toy, factory=factory)
    doc = nlp(" ".join(["abcdefgh" * 3] * 120))  # 24 wordpieces a token: 2880 in a window of 128 tokens
    vectors = doc._.trf_data.model_output.last_hidden_state.reshape(-1, 32)
    assert (numpy.abs(vectors).sum(axis=1) > 0).all()
    assert doc._.trf_data.align.lengths.min() > 0


@only_ours
def test_passes_over_a_long_note_are_bounded(toy, factory, monkeypatch):
    nlp = make_nlp(toy, factory=factory)
    sizes, forward = [], BertModel.forward

    def measured(network, **inputs):
        sizes.append(inputs["input_ids"].numel())
        return forward(network, **inputs)

    monkeypatch.setattr(BertModel, "forward", measured)
    nlp("the patient denies chest pain . " * 2000)
    assert max(sizes) <= 4096


@only_ours
def test_cased_checkpoint_without_tokenizer_config_stays_cased(tmp_path, factory):
    nlp = make_nlp(str(write_bert(tmp_path / "cased", cased=True)), factory=factory)
    upper, lower = (nlp(text)._.trf_data.model_output.last_hidden_state for text in ("A", "a"))
    assert not numpy.allclose(upper, lower)


@only_ours
def test_averaged_weights_reach_the_encoder(toy, factory):
    nlp = make_nlp(toy, ("textcat",), factory=factory)
    sgd = Adam(0.05, use_averages=True)
    for _ in range(3):
        nlp.update(make_examples(nlp), sgd=sgd)
    before = nlp("chest pain")._.trf_data.model_output.last_hidden_state
    with nlp.use_params(sgd.averages):
        averaged = nlp("chest pain")._.trf_data.model_output.last_hidden_state
    assert not numpy.allclose(before, averaged)
    assert numpy.array_equal(before, nlp("chest pain")._.trf_data.model_output.last_hidden_state)


@only_ours
def test_replaced_listener_has_an_optimiser_state_of_its_own(toy, factory):
    nlp = make_nlp(toy, ("ner", "textcat"), factory=factory)
    nlp.replace_listeners("encoder", "ner", ["model.tok2vec"])
    shims = [shim for name in ("encoder", "ner") for node in nlp.get_pipe(name).model.walk() for shim in node.shims]
    assert len({shim.id for shim in shims}) == 2


@only_ours
def test_a_doc_keeps_no_more_than_its_own_vectors(toy, factory):
    docs = list(make_nlp(toy, factory=factory).pipe(["chest pain", "fever " * 90]))
    memory = docs[0]._.trf_data.model_output.last_hidden_state
    while getattr(memory, "base", None) is not None:
        memory = memory.base
    assert memory.nbytes == 2 * 32 * 4


@both
@pytest.mark.parametrize("heads", [("ner",), ("textcat",)])
def test_saved_pipeline_gives_the_same_to_the_bit(toy, factory, heads, tmp_path):
    nlp = make_nlp(toy, heads, factory=factory)
    nlp.to_disk(tmp_path / "nlp")
    loaded = spacy.load(tmp_path / "nlp")
    one, two = (pipeline("The patient denies chest pain.") for pipeline in (nlp, loaded))
    assert numpy.array_equal(*(doc._.trf_data.model_output.last_hidden_state for doc in (one, two)))
    assert [ent.label_ for ent in one.ents] == [ent.label_ for ent in two.ents] and one.cats == two.cats


@both
def test_batch_with_empty_and_blank_docs_trains(toy, factory):
    nlp = make_nlp(toy, ("textcat",), factory=factory)
    blank = [
        Example.from_dict(nlp.make_doc(text), {"cats": {"progress": 1.0, "radiology": 0.0}}) for text in ("", " \n ")
    ]
    fix_random_seed(0)
    assert train(nlp, [blank[0], *make_examples(nlp), blank[1]]) > 0
