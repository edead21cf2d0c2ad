"""What `clinical_ner` learns from annotation, and that it learns nothing where there is none."""

import numpy
import pytest
from spacy.training import Example

from tests.conftest import NOTES
from tests.pipeline.ner import gold_examples, make_ner, train


def gradients(nlp, examples):
    """The gradient of each document, (n_tokens, 4, n_labels), with scores far from what is wished."""
    ner = nlp.get_pipe("clinical_ner")
    rng = numpy.random.default_rng(0)
    width = 4 * len(ner.labels)
    scores = [rng.normal(size=(len(example.predicted), width)).astype("f") for example in examples]
    loss, found = ner.get_loss(examples, scores)
    assert numpy.isfinite(loss)
    return [each.reshape(len(each), 4, -1) for each in found]


@pytest.mark.parametrize("mode", ["independent", "joint", "tokens"])
@pytest.mark.parametrize("annotated", [("DRUG",), ("PROBLEM",)])
def test_label_that_is_not_annotated_has_no_gradient(toy, mode, annotated):
    nlp = make_ner(toy, mode=mode)
    labels = nlp.get_pipe("clinical_ner").labels
    examples = gold_examples(nlp, NOTES, annotated)
    for gradient in gradients(nlp, examples):
        for label, column in zip(labels, numpy.moveaxis(gradient, 2, 0)):
            assert (column != 0).any() if label in annotated else (column == 0).all()
    if mode == "independent":  # and the annotated label has the gradient that it has beside others
        both = gradients(nlp, gold_examples(nlp, NOTES))
        column = labels.index(annotated[0])
        for alone, beside in zip(gradients(nlp, examples), both):
            assert numpy.allclose(alone[:, :, column], beside[:, :, column], atol=1e-6)


@pytest.mark.parametrize("mode", ["independent", "joint", "tokens"])
def test_gradient_is_that_of_the_loss(toy, mode):
    nlp = make_ner(toy, mode=mode)
    ner, examples = nlp.get_pipe("clinical_ner"), gold_examples(nlp, NOTES)[:2]
    rng = numpy.random.default_rng(0)
    scores = [rng.normal(size=(len(example.predicted), 4 * len(ner.labels))).astype("f") for example in examples]
    _, gradient = ner.get_loss(examples, scores)
    for document, token, column in [(0, 3, 0), (0, 4, 5), (1, 0, 7), (1, 2, 1)]:
        values = []
        for step in (0.05, -0.05):
            scores[document][token, column] += step
            values.append(ner.get_loss(examples, scores)[0])
            scores[document][token, column] -= step
        assert (values[0] - values[1]) / 0.1 == pytest.approx(float(gradient[document][token, column]), abs=1e-3)


@pytest.mark.parametrize("kind", ["no annotation", "annotated for nothing"])
def test_batch_without_annotation_changes_nothing(toy, kind):
    nlp = make_ner(toy)
    examples = gold_examples(nlp, NOTES, annotated=())
    if kind == "no annotation":
        examples = [Example(nlp.make_doc(text), nlp.make_doc(text)) for text, *_ in NOTES]
    before = nlp.to_bytes()
    losses = train(nlp, examples, n=2)
    assert losses["clinical_ner"] == 0 and nlp.to_bytes() == before
    assert all((gradient == 0).all() for gradient in gradients(nlp, examples))


def test_document_of_one_label_leaves_the_head_of_the_other_as_it_is(toy):
    nlp = make_ner(toy)
    ner = nlp.get_pipe("clinical_ner")
    layer = ner.model.get_ref("output_layer")
    nlp.update(gold_examples(nlp, NOTES, ("DRUG",)), sgd=False)
    gradient = layer.get_grad("W").reshape(4, 2, -1)
    assert (gradient[:, ner.labels.index("PROBLEM")] == 0).all()
    assert (gradient[:, ner.labels.index("DRUG")] != 0).any()


def test_missing_tokens_have_no_gradient(toy):
    nlp = make_ner(toy)
    text = NOTES[0][0]
    reference = nlp.make_doc(text)
    reference.set_ents([reference.char_span(19, 29, label="PROBLEM")], missing=[reference[6:7]])
    (gradient,) = gradients(nlp, [Example(nlp.make_doc(text), reference)])
    assert (gradient[6] == 0).all()
    assert all((gradient[i] != 0).any() for i in (0, 1, 2, 3, 4, 5, 7))


def test_group_knows_missing_tokens_that_its_spans_cover(toy):
    """An entity that `doc.ents` cannot have, for it overlaps a longer one."""
    nlp = make_ner(toy)
    text = NOTES[0][0]
    reference = nlp.make_doc(text)
    drug, problem = reference.char_span(4, 29, label="DRUG"), reference.char_span(25, 39, label="PROBLEM")
    reference.set_ents([drug], missing=[reference[5:7]])
    reference.spans["gold"] = [drug, problem]
    (gradient,) = gradients(nlp, [Example(nlp.make_doc(text), reference)])
    labels = nlp.get_pipe("clinical_ner").labels
    assert (gradient[5:7, :, labels.index("DRUG")] == 0).all()
    assert (gradient[5:7, :, labels.index("PROBLEM")] != 0).any(axis=1).all()


def test_smoothing_and_weights_change_the_gradient(toy):
    plain, smooth, heavy = (
        make_ner(toy, **config) for config in ({}, {"label_smoothing": 0.1}, {"class_weights": {"DRUG": 3.0}})
    )
    (_, base, *_), (_, smoothed, *_), (_, weighted, *_) = (
        gradients(nlp, gold_examples(nlp, NOTES)) for nlp in (plain, smooth, heavy)
    )
    # Aspirin is the first token: unit (3) of DRUG (1), and begin (0) is not wished.
    assert smoothed[0, 3, 1] == pytest.approx(base[0, 3, 1] + 0.1, abs=1e-6)
    assert smoothed[0, 0, 1] == pytest.approx(base[0, 0, 1] - 0.1 / 4, abs=1e-6)
    assert numpy.allclose(weighted[0, :, 1], 3 * base[0, :, 1])
    assert numpy.array_equal(weighted[1:], base[1:]) and numpy.array_equal(weighted[:, :, 0], base[:, :, 0])
