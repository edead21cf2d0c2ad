import numpy
import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Example
from thinc.api import Adam, get_current_ops

from spacy_clinicalbert.pipeline.window_classifier import WindowClassifier, activate_forward
from tests.conftest import encoder_config, encoder_weights, make_examples

TEXT = "The patient denies chest pain."
LONG = "The patient denies chest pain; history of fever. Aspirin given for cough.\n" * 12
STRIDED = {"@misc": "spacy-clinicalbert.strided_windows.v1", "size": 40, "context": 8}


def make_textcat(toy, examples=make_examples, labels=None, **config):
    nlp = spacy.blank("en")
    nlp.add_pipe("clinicalbert", name="encoder", config=encoder_config(toy, windows=STRIDED))
    nlp.add_pipe("clinical_textcat", config=config)
    if labels:
        nlp.config["initialize"]["components"]["clinical_textcat"] = {"labels": labels}
    spacy.util.fix_random_seed(0)
    nlp.initialize(lambda: examples(nlp))
    return nlp


def with_cats(nlp, *rows):
    return [Example.from_dict(nlp.make_doc(text), {"cats": cats}) for text, cats in rows]


@pytest.mark.parametrize("exclusive", [True, False])
def test_cats_are_the_mean_over_windows_by_the_tokens_they_keep(toy, exclusive):
    nlp = make_textcat(toy, exclusive_classes=exclusive)
    doc = nlp(LONG)
    group = doc.spans["windows"]
    cats = group.attrs["cats"]
    assert len(group) == len(cats) > 5
    assert [(span.start, span.end) for span in group] == [tuple(each) for each in doc._.trf_data.windows.tolist()]
    lengths = numpy.array([len(span) for span in group])
    assert lengths.sum() == len(doc) and lengths.min() < lengths.max()
    for label in nlp.get_pipe("clinical_textcat").labels:
        own = numpy.array([each[label] for each in cats])
        assert doc.cats[label] == pytest.approx(float((own * lengths).sum() / len(doc)), abs=1e-6)
    sums = [sum(each.values()) for each in [doc.cats, *cats]]
    assert (numpy.abs(numpy.array(sums) - 1) < 1e-5).all() == exclusive


def test_notes_without_wordpieces_have_no_window_and_zeros(toy):
    nlp = make_textcat(toy)
    docs = list(nlp.pipe(["", " \n ", TEXT]))
    assert [doc.cats for doc in docs[:2]] == [{"progress": 0.0, "radiology": 0.0}] * 2
    assert [len(doc.spans["windows"]) for doc in docs] == [0, 0, 1]
    assert nlp("").cats == nlp(" ").cats == docs[0].cats
    assert list(nlp.get_pipe("clinical_textcat").pipe([])) == []


def test_a_token_of_several_windows_weighs_in_the_first(toy):
    doc = make_textcat(toy)("a" * 90)
    assert [(span.start, span.end) for span in doc.spans["windows"]] == [(0, 1)] + [(1, 1)] * 3
    assert doc.cats == pytest.approx(doc.spans["windows"].attrs["cats"][0])


def test_it_learns_and_keeps_what_it_learned(toy, tmp_path):
    nlp = make_textcat(toy)
    rows = (
        (TEXT * 6, {"progress": 1.0, "radiology": 0.0}),
        ("Lungs clear. " * 20, {"progress": 0.0, "radiology": 1.0}),
    )
    examples = with_cats(nlp, *rows)
    sgd = Adam(0.003)
    losses = [nlp.update(examples, sgd=sgd)["clinical_textcat"] for _ in range(25)]
    assert losses[-1] < losses[0] / 5
    docs = [nlp(text) for text, _ in rows]
    assert [max(doc.cats, key=doc.cats.get) for doc in docs] == ["progress", "radiology"]
    assert nlp.evaluate(with_cats(nlp, *rows))["cats_macro_f"] == 1
    nlp.to_disk(tmp_path / "nlp")
    for loaded in (spacy.load(tmp_path / "nlp"), spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())):
        assert loaded(rows[0][0]).cats == pytest.approx(docs[0].cats, abs=1e-6)
    (again,) = DocBin(docs=docs[:1]).get_docs(nlp.vocab)
    assert again.cats == docs[0].cats and again.spans["windows"].attrs == docs[0].spans["windows"].attrs


@pytest.mark.parametrize("exclusive", [True, False])
def test_gradient_is_that_of_the_loss(toy, exclusive):
    nlp = make_textcat(toy, exclusive_classes=exclusive)
    pipe = nlp.get_pipe("clinical_textcat")
    rows = ((LONG, {"progress": 1.0, "radiology": 0.0}), ("", {"progress": 1.0}), (TEXT, {"radiology": 1.0}))
    examples = with_cats(nlp, *rows)
    for example in examples:
        nlp.get_pipe("encoder")(example.predicted)
    bias = pipe.model.get_ref("output_layer").get_param("b")

    def loss(step):
        bias[0] += step
        value = pipe.update(examples)["clinical_textcat"]
        bias[0] -= step
        return value

    slope = (loss(0.01) - loss(-0.01)) / 0.02
    layer = pipe.model.get_ref("output_layer")
    layer.set_grad("b", layer.get_grad("b") * 0)
    pipe.update(examples)
    assert slope == pytest.approx(float(layer.get_grad("b")[0]), rel=1e-2) and abs(slope) > 0.1


def test_what_is_not_annotated_changes_nothing(toy):
    nlp = make_textcat(toy, exclusive_classes=False)
    silent = with_cats(nlp, (TEXT, {}), (LONG, {}))
    masked = with_cats(nlp, (TEXT, {"progress": 1.0, "radiology": 1.0}))
    masked[0].reference._.annotated = {"clinical_textcat": ()}
    before = encoder_weights(nlp).embeddings.LayerNorm.weight.detach().clone()
    for examples in (silent, masked):
        assert nlp.update(examples, sgd=Adam(0.01))["clinical_textcat"] == 0
    assert before.equal(encoder_weights(nlp).embeddings.LayerNorm.weight)


@pytest.mark.parametrize("exclusive, moves", [(True, True), (False, False)])
def test_one_of_exclusive_classes_says_it_of_all_others(toy, exclusive, moves):
    nlp = make_textcat(toy, exclusive_classes=exclusive)
    pipe = nlp.get_pipe("clinical_textcat")
    examples = with_cats(nlp, (TEXT, {"progress": 1.0}))
    nlp.get_pipe("encoder")(examples[0].predicted)
    pipe.update(examples)
    column = pipe.labels.index("radiology")
    assert (pipe.model.get_ref("output_layer").get_grad("b")[column] != 0) == moves


def test_two_of_exclusive_classes_are_an_error_without_text(toy):
    nlp = make_textcat(toy)
    with pytest.raises(ValueError, match="exclusive_classes = false") as caught:
        nlp.update(with_cats(nlp, (TEXT, {"progress": 1.0, "radiology": 1.0})))
    assert "chest" not in str(caught.value)


def test_labels_are_settled_when_it_is_initialised(toy):
    nlp = make_textcat(toy, labels=["a", "b", "c"])
    pipe = nlp.get_pipe("clinical_textcat")
    assert (
        pipe.labels == ("a", "b", "c")
        and pipe.label_data == ["a", "b", "c"]
        and list(nlp(TEXT).cats) == ["a", "b", "c"]
    )
    assert pipe.add_label("a") == 0
    with pytest.raises(ValueError, match="train it anew"):
        pipe.add_label("d")
    with pytest.raises(ValueError, match="one label, 'a'"):
        make_textcat(toy, labels=["a"])
    assert list(make_textcat(toy, labels=["a"], exclusive_classes=False)(TEXT).cats) == ["a"]


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_activations_and_their_gradients_are_torchs(activation):
    import torch

    X = numpy.random.default_rng(0).normal(0, 2, (5, 4)).astype("f")
    model = WindowClassifier(spacy.registry.architectures.get("spacy-clinicalbert.WindowListener.v1")(), activation)
    node = next(node for node in model.walk() if node.name == "activate")
    Y, backprop = activate_forward(node, X, True)
    x = torch.tensor(X, requires_grad=True)
    y = getattr(torch.nn.functional, activation)(x)
    y.sum().backward()
    assert numpy.allclose(Y, y.detach(), atol=1e-5)
    assert numpy.allclose(backprop(get_current_ops().asarray(numpy.ones_like(Y))), x.grad, atol=1e-5)


def test_unknown_activation_is_an_error():
    with pytest.raises(ValueError, match="activation is one of tanh"):
        WindowClassifier(None, "swish")
