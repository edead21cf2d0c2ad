import numpy
import pytest
import spacy

import spacy_clinicalbert
from spacy_clinicalbert.explanation.explain import _by_token
from spacy_clinicalbert.explanation.heads import log_odds
from spacy_clinicalbert.pipeline.calibration import softmax
from spacy_clinicalbert.pipeline.note_classifier import LEAST
from spacy_clinicalbert.pipeline.note_words import Frequencies, table_of
from tests.conftest import WRITERS, encoder_config
from tests.pipeline.conftest import make_assertion_nlp, with_ents

NOTE = "The patient denies chest pain.\n\nPLAN: Aspirin given for fever. No history of cough.\n\nLUNGS: clear, stable."
LABELS = ["progress", "radiology", "consult"]


def make_classifier(
    folder, exclusive=False, aggregate="scaled_max_mean", temperatures=None, pooling="first", words=0, **model
):
    nlp = spacy.blank("en")
    nlp.add_pipe("clinicalbert", name="encoder", config=encoder_config(folder, **model))
    listener = {"@architectures": "spacy-clinicalbert.WindowListener.v1", "pooling": pooling}
    architecture = {
        "@architectures": "spacy-clinicalbert.NoteClassifier.v1",
        "tok2vec": listener,
        "aggregate": {"@layers": f"spacy-clinicalbert.{aggregate}.v1"},
        "words": words,
    }
    nlp.add_pipe("clinical_note_classifier", config={"exclusive_classes": exclusive, "model": architecture})
    nlp.config["initialize"]["components"]["clinical_note_classifier"] = {"labels": LABELS}
    spacy.util.fix_random_seed(0)
    nlp.initialize()
    pipe = nlp.get_pipe("clinical_note_classifier")
    rng = numpy.random.default_rng(0)
    pipe.model.get_ref("output_layer").set_param("W", rng.normal(size=(3, 32)).astype("f"))
    if words:
        found, table = Frequencies(), table_of(pipe.model.get_ref("words"))
        for _ in range(2):
            found.add(nlp.make_doc(NOTE))
        table.read(found)
        table.weights[...] = rng.normal(scale=5.0, size=table.weights.shape)
    pipe.cfg["temperatures"] = temperatures or {}
    return nlp


def logit(p):
    return numpy.log(p / (1 - p))


def gradients(nlp):
    return [node.has_grad(name) for _, pipe in nlp.pipeline for node in pipe.model.walk() for name in node.param_names]


@pytest.mark.parametrize("aggregate", ["mean", "max", "noisy_or", "scaled_max_mean", "attention"])
@pytest.mark.parametrize("exclusive", [False, True])
def test_category_adds_up(toy, aggregate, exclusive):
    temperatures = {"categories": 1.7} if exclusive else {label: 1.7 for label in LABELS}
    nlp = make_classifier(toy, exclusive, aggregate, temperatures)
    before = gradients(nlp)
    doc = nlp(NOTE)
    found = spacy_clinicalbert.explain(doc, nlp, "clinical_note_classifier", "radiology", n_steps=20)
    assert found.values.shape == (len(doc),) and found.span is None
    # What is explained is what the pipeline says.
    assert found.log_odds == pytest.approx(logit(doc.cats["radiology"]), abs=1e-3)
    assert found.probability == pytest.approx(doc.cats["radiology"], abs=1e-4)
    assert found.error == pytest.approx(found.log_odds - found.baseline - found.values.sum())
    assert abs(found.log_odds - found.baseline) > 1e-3
    if aggregate not in ("max", "scaled_max_mean"):  # whose gradients jump
        assert abs(found.error) < 0.01 * abs(found.log_odds - found.baseline) + 1e-4
    assert gradients(nlp) == before


@pytest.mark.parametrize("exclusive", [False, True])
def test_words_add_up_too(toy, exclusive):
    alone = make_classifier(toy, exclusive, "mean")
    nlp = make_classifier(toy, exclusive, "mean", words=512)
    doc = nlp(NOTE)
    found = spacy_clinicalbert.explain(doc, nlp, "clinical_note_classifier", "radiology", n_steps=20)
    without = spacy_clinicalbert.explain(alone(NOTE), alone, "clinical_note_classifier", "radiology", n_steps=20)
    assert found.log_odds == pytest.approx(logit(doc.cats["radiology"]), abs=1e-3)
    assert found.baseline == pytest.approx(without.baseline, abs=1e-4)
    assert abs(found.log_odds - without.log_odds) > 0.1
    assert abs(found.error) < 0.01 * abs(found.log_odds - found.baseline) + 1e-4
    white_space = [token.i for token in doc if token.is_space]
    assert (numpy.abs(found.values[white_space]) < 1e-6).all()


@pytest.mark.parametrize("kind", ["distilbert", "roberta", "modernbert"])
def test_other_networks_are_explained(tmp_path, kind):
    nlp = make_classifier(str(WRITERS[kind](tmp_path / kind)), aggregate="mean", pooling="mean")
    doc = nlp(NOTE)
    found = spacy_clinicalbert.explain(doc, nlp, "clinical_note_classifier", "progress", n_steps=20)
    assert found.log_odds == pytest.approx(logit(doc.cats["progress"]), abs=1e-3)
    assert abs(found.error) < 0.01 * abs(found.log_odds - found.baseline) + 1e-4


def test_values_are_the_gradients_of_a_small_step(toy):
    """With one step in the middle, against differences of the log-odds themselves."""
    from spacy_clinicalbert.explanation import network
    from spacy_clinicalbert.explanation.heads import find_head, score

    nlp = make_classifier(toy, aggregate="mean", pooling="mean")
    doc = nlp(NOTE)
    found = spacy_clinicalbert.explain(doc, nlp, "clinical_note_classifier", "progress", n_steps=1)
    head = find_head(nlp, "clinical_note_classifier", "progress")
    encoding = network.make_encoding(head.encoder.model, doc)
    rows = network.encode_note(encoding)
    inputs, masks = network.embed(encoding), network.embed_masks(encoding)
    passes = network.make_window_passes(encoding, numpy.arange(len(encoding.plan.work.keys)))
    token = 2  # "denies", one wordpiece
    (piece,) = numpy.flatnonzero(numpy.repeat(numpy.arange(len(doc)), encoding.plan.docs[0].token_lengths) == token)
    values = []
    for step in (-0.05, 0.05):
        middle = (inputs + masks) / 2
        middle[piece] += step * (inputs - masks)[piece]
        vectors = network.encode(encoding, middle[None], passes, rows)[0]
        value, gradient = score(head, doc, network.published(encoding, doc, vectors), None)
        gradient()
        values.append(value)
    assert found.values[token] == pytest.approx((values[1] - values[0]) / 0.1, rel=0.02, abs=1e-4)


def test_long_note_is_explained_as_in_one_piece(toy):
    nlp = make_classifier(toy, aggregate="mean")
    doc = nlp(NOTE * 3)
    whole = spacy_clinicalbert.explain(doc, nlp, "clinical_note_classifier", "progress", n_steps=5)
    nlp.get_pipe("encoder").model.attrs.update(max_batch_items=1, max_update_items=1)
    pieces = spacy_clinicalbert.explain(doc, nlp, "clinical_note_classifier", "progress", n_steps=5)
    numpy.testing.assert_allclose(whole.values, pieces.values, atol=1e-4)


def test_assertion_is_explained_by_what_stands_around_it(toy, trained):
    text = "No cough.\n\nEXAM: " + "Lungs clear. " * 20 + "\n\nPLAN: Chest pain and fever."
    start = text.index("Chest")
    doc = trained(with_ents(trained, [(text, [(3, 8, {}), (start, start + 10, {})])])[0])
    pipe = trained.get_pipe("clinical_assertion")
    certainty = [i for i, label in enumerate(pipe.labels) if label.startswith("certainty:")]
    likely = softmax(pipe.predict([doc])[0][:, certainty])[:, pipe.label_data["certainty"].index("absent")]
    found = spacy_clinicalbert.explain(doc, trained, "clinical_assertion", "certainty:absent")
    assert found.span == doc.ents[likely.argmax()]
    for ent, probability in zip(doc.ents, likely):
        found = spacy_clinicalbert.explain(doc, trained, "clinical_assertion", "certainty:absent", span=ent)
        assert found.span == ent and found.probability == pytest.approx(probability, abs=1e-3)
        assert abs(found.error) < 0.02 * abs(found.log_odds - found.baseline)
    # Of the last; the first sentence is farther from it than the component looks, in a section of its own.
    assert not found.values[:3].any() and found.values[-5:].any()


@pytest.mark.parametrize(
    "component, label, message",
    [
        ("nothing", "x", "has no component 'nothing'"),
        ("encoder", "x", "'encoder' cannot be explained"),
        ("clinical_assertion", "absent", "has no label 'absent'; it has certainty:present"),
    ],
)
def test_what_cannot_be_explained_is_an_error(trained, component, label, message):
    with pytest.raises(ValueError, match=message):
        spacy_clinicalbert.explain(trained("No cough."), trained, component, label)


@pytest.mark.parametrize("text, message", [("", "no words that the encoder reads"), ("No cough.", "no span that")])
def test_note_without_anything_to_explain_is_an_error(toy, text, message):
    nlp = make_assertion_nlp(toy)
    with pytest.raises(ValueError, match=message):
        spacy_clinicalbert.explain(nlp(text), nlp, "clinical_assertion", "certainty:absent")


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_log_odds_are_those_of_the_softmax(temperature):
    logits = numpy.array([0.3, -1.2, 2.0])
    p = numpy.exp(logits / temperature)
    p /= p.sum()
    value, gradient = log_odds(logits, 1, temperature)
    assert value == pytest.approx(logit(p[1]))
    for i in range(3):
        step = numpy.eye(3)[i] * 1e-6
        rise = log_odds(logits + step, 1, temperature)[0] - log_odds(logits - step, 1, temperature)[0]
        assert gradient[i] == pytest.approx(rise / 2e-6, rel=1e-4)
    assert log_odds(numpy.array([numpy.log(LEAST), 0.0]), 0, 1.0)[0] == pytest.approx(numpy.log(LEAST))


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_every_value_of_a_wordpiece_goes_to_a_token(toy, pooling):
    from spacy_clinicalbert.explanation.network import make_encoding

    nlp = make_classifier(toy, **{"pooling": "mean"})
    nlp.get_pipe("encoder").model.attrs["pooling"] = pooling
    doc = nlp.make_doc("Aspirins coughing 12/3, the patient")
    encoding = make_encoding(nlp.get_pipe("encoder").model, doc)
    values = numpy.arange(1.0, 1 + len(encoding.plan.ids))
    found = _by_token(encoding, values)
    assert found.sum() == pytest.approx(values.sum()) and len(encoding.plan.ids) > len(doc)
