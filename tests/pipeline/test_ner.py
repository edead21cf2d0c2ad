"""What `clinical_ner` finds, and what it keeps."""

import json
import logging
from collections import Counter

import numpy
import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.util import load_config_from_str

from spacy_clinicalbert.corpora.docs import install_extensions
from spacy_clinicalbert.pipeline.crf import IN, Spans
from spacy_clinicalbert.pipeline.gold import make_targets
from spacy_clinicalbert.pipeline.ner import Found
from tests.conftest import NOTES, encoder_weights, head_config, listener_config, make_examples, make_nlp
from tests.pipeline.ner import KEY, gold_examples, make_ner, train, triples

# Over each other: a nested entity of another label, and one that crosses it.
NESTED = [("The patient denies chest pain and fever.", [(19, 29, "PROBLEM"), (19, 24, "SITE"), (25, 39, "LIST")])]


@pytest.fixture(scope="module")
def learned(toy):
    nlp = make_ner(toy)
    train(nlp, make_examples(nlp))
    return nlp.to_bytes()


@pytest.fixture
def learned_ner(toy, learned):
    """A pipeline that has learned the toy notes."""
    return make_ner(toy).from_bytes(learned)


def encoded(nlp, text):
    return nlp.get_pipe("encoder")(nlp.make_doc(text))


def head_scores(nlp, text):
    """(n_tokens, 4, n_labels)"""
    (scores,) = nlp.get_pipe("clinical_ner").model.predict([encoded(nlp, text)])
    return scores.reshape(len(scores), 4, -1)


@pytest.mark.parametrize("mode", ["independent", "joint", "tokens"])
@pytest.mark.parametrize("stock", [False, True])
def test_ner_learns_the_toy_notes(toy, mode, stock):
    nlp = make_ner(toy, stock=stock, mode=mode)
    before = encoder_weights(nlp).embeddings.LayerNorm.weight.detach().clone()
    losses = train(nlp, make_examples(nlp))
    assert losses["clinical_ner"] < 0.5
    assert not before.equal(encoder_weights(nlp).embeddings.LayerNorm.weight)
    for (_, entities, _), doc in zip(NOTES, nlp.pipe(text for text, *_ in NOTES)):
        assert triples(doc.ents) == triples(doc.spans[KEY]) == entities
        assert all(0.8 < ent._.confidence <= 1 for ent in doc.ents)
    scores = nlp.evaluate(make_examples(nlp))
    assert scores["ents_f"] == scores[f"spans_{KEY}_f"] == scores["ents_overlap_f"] == 1
    assert scores["ents_per_type"]["DRUG"] == {"p": 1, "r": 1, "f": 1}


def test_ner_finds_overlapping_labels(toy):
    nlp = make_ner(toy, notes=NESTED)
    train(nlp, gold_examples(nlp, NESTED))
    ((text, entities),) = NESTED
    doc = nlp(text)
    assert sorted(triples(doc.spans[KEY])) == sorted(entities)
    scores = doc.spans[KEY].attrs["scores"]
    assert len(scores) == 3 and scores.dtype == numpy.float32 and (scores > 0.5).all()
    # The most probable first, and then what does not overlap it.
    best = doc.spans[KEY][int(scores.argmax())]
    assert triples([best])[0] in triples(doc.ents) and len(doc.ents) < 3
    for span, score in zip(doc.spans[KEY], scores):
        assert span._.confidence == score
    assert doc[0:1]._.confidence is None


def test_joint_mode_finds_no_overlap(toy, caplog):
    with caplog.at_level(logging.WARNING):
        nlp = make_ner(toy, notes=NESTED, mode="joint")
    assert "entities that overlap a longer one: 1" in caplog.text and "chest" not in caplog.text
    train(nlp, gold_examples(nlp, NESTED))
    doc = nlp(NESTED[0][0])
    assert triples(doc.ents) == triples(doc.spans[KEY]) == [(19, 24, "SITE"), (25, 39, "LIST")]


def test_two_spans_at_equal_offsets_keep_their_probabilities_in_a_docbin(toy):
    notes = [("Chest pain.", [(0, 10, "PROBLEM"), (0, 10, "REASON")])]
    nlp = make_ner(toy, notes=notes)
    train(nlp, gold_examples(nlp, notes))
    doc = nlp("Chest pain.")
    assert len(doc.ents) == 1 and len(doc.spans[KEY]) == 2
    stored = DocBin(docs=[doc], store_user_data=False).to_bytes()
    (read,) = DocBin().from_bytes(stored).get_docs(nlp.vocab)
    assert (read.spans[KEY].attrs["scores"] == doc.spans[KEY].attrs["scores"]).all()
    confidences = {span.label_: span._.confidence for span in doc.spans[KEY]}
    assert confidences == {span.label_: span._.confidence for span in read.spans[KEY]}
    assert len(set(confidences.values())) == 2 and read.ents[0]._.confidence == max(confidences.values())


def test_what_cannot_be_learned_is_logged_once_without_text(toy, caplog):
    notes = [("Chest pain and fever.", [(0, 10, "PROBLEM"), (6, 20, "PROBLEM")])]
    with caplog.at_level(logging.WARNING):
        train(make_ner(toy, notes=notes), gold_examples(spacy.blank("en"), NOTES), n=1)
    (record,) = [each for each in caplog.records if "clinical_ner" in each.getMessage()]
    assert "of the same label: 1" in record.getMessage() and "hest" not in record.getMessage()


def test_added_label_leaves_the_others_as_they_are(learned_ner):
    nlp = learned_ner
    ner = nlp.get_pipe("clinical_ner")
    text = NOTES[1][0]
    before, ents = head_scores(nlp, text), triples(nlp(text).ents)
    assert ner.add_label("NEW") == 1 and ner.add_label("NEW") == 0
    assert ner.labels == ("PROBLEM", "DRUG", "NEW")
    after = head_scores(nlp, text)
    assert after.shape[2] == 3 and numpy.allclose(after[:, :, :2], before, atol=1e-6)
    assert triples(nlp(text).ents) == ents
    notes = [*NOTES, ("Lungs clear.", [(0, 5, "NEW")])]
    train(nlp, gold_examples(nlp, notes), n=100)  # the optimiser takes the new shape
    assert triples(nlp("Lungs clear.").ents) == [(0, 5, "NEW")]
    assert triples(nlp(text).ents) == ents


@pytest.mark.parametrize("mode", ["tokens", "joint"])
def test_added_label_is_found_nowhere_before_it_learns(toy, mode):
    nlp = make_ner(toy, mode=mode)
    train(nlp, gold_examples(nlp, NOTES))
    ner = nlp.get_pipe("clinical_ner")
    ner.cfg["threshold"] = 0.0 if mode == "tokens" else 0.1
    before = [triples(nlp(text).ents) for text, *_ in NOTES]
    ner.add_label("NEW")
    assert [triples(nlp(text).ents) for text, *_ in NOTES] == before and any(before)


def test_optimiser_goes_on_after_a_label_was_added(toy):
    nlp = make_ner(toy)
    optimizer = nlp.resume_training()
    nlp.update(make_examples(nlp), sgd=optimizer)
    nlp.get_pipe("clinical_ner").add_label("NEW")
    nlp.update(make_examples(nlp), sgd=optimizer)
    assert head_scores(nlp, NOTES[0][0]).shape[2] == 3


@pytest.mark.parametrize("how", ["disk", "bytes"])
def test_saved_component_gives_the_same(learned_ner, tmp_path, how):
    nlp = learned_ner
    ner = nlp.get_pipe("clinical_ner")
    ner.add_label("NEW")
    ner.cfg.update(thresholds={"DRUG": 0.25}, temperature=1.5)
    if how == "disk":
        nlp.to_disk(tmp_path)
        loaded = spacy.load(tmp_path)
    else:
        loaded = spacy.util.load_model_from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert loaded.get_pipe("clinical_ner").cfg == ner.cfg
    for text, *_ in NOTES:
        ours, theirs = nlp(text), loaded(text)
        assert triples(ours.spans[KEY]) == triples(theirs.spans[KEY])
        assert (ours.spans[KEY].attrs["scores"] == theirs.spans[KEY].attrs["scores"]).all()


def test_thresholds_and_temperature_act_on_probabilities(learned_ner):
    nlp = learned_ner
    ner = nlp.get_pipe("clinical_ner")
    text = NOTES[1][0]
    sure = {ent.label_: ent._.confidence for ent in nlp(text).ents}
    ner.cfg["temperature"] = 2.0
    cooler = {ent.label_: ent._.confidence for ent in nlp(text).ents}
    assert sure.keys() == cooler.keys() and all(cooler[label] < sure[label] for label in sure)
    ner.cfg["thresholds"] = {"DRUG": 1.0}
    assert [ent.label_ for ent in nlp(text).ents] == ["PROBLEM"]
    # Of one label the readings exclude each other, however low the threshold.
    ner.cfg.update(thresholds={}, threshold=1e-4)
    doc = nlp(text)
    for label in ner.labels:
        taken = [token.i for span in doc.spans[KEY] if span.label_ == label for token in span]
        assert len(taken) == len(set(taken))
    assert len(doc.spans[KEY]) > len(sure)


def test_in_the_mode_tokens_white_space_is_not_there_in_training_too(toy):
    nlp = make_ner(toy, mode="tokens")
    ner = nlp.get_pipe("clinical_ner")
    reference = nlp.make_doc("has fever \n cough")
    reference.set_ents([reference.char_span(4, 9, "PROBLEM"), reference.char_span(12, 17, "PROBLEM")])
    assert [token.is_space for token in reference] == [False, False, True, False]
    scores = numpy.random.default_rng(0).normal(size=(4, 4 * len(ner.labels))).astype("f")
    loss, (gradient,) = ner.get_loss([Example(nlp.make_doc(reference.text), reference)], [scores])
    assert not gradient[2].any() and gradient[[0, 1, 3]].any(axis=1).all()
    # Directly behind the first, the second has to begin: in alone would go on with it.
    inner = gradient.reshape(4, 4, -1)[3, IN - 1, ner.labels.index("PROBLEM")]
    assert inner > 0 and loss > 0


def test_initialising_anew_forgets_a_calibration(toy):
    nlp = make_ner(toy, thresholds={"DRUG": 0.25})
    ner = nlp.get_pipe("clinical_ner")
    ner.cfg.update(thresholds={"PROBLEM": 2.0}, temperature=5.0)
    nlp.initialize(lambda: make_examples(nlp))
    assert (ner.cfg["thresholds"], ner.cfg["temperature"]) == ({"DRUG": 0.25}, 1.0)


@pytest.mark.parametrize(
    "config",
    [
        {"mode": "both"},
        {"threshold": 0.0},
        {"thresholds": {"DRUG": 1.5}},
        {"temperature": 0.0},
        {"label_smoothing": 1.0},
    ],
)
def test_settings_that_cannot_be_are_errors(config):
    with pytest.raises(ValueError, match="clinical_ner.*; set it|Set the .* of 'clinical_ner'"):
        spacy.blank("en").add_pipe("clinical_ner", config=config)


def test_entities_that_stand_there_stay(learned_ner):
    nlp = learned_ner
    text = NOTES[1][0]  # Aspirin given for chest pain.
    doc = encoded(nlp, text)
    doc.set_ents([doc.char_span(14, 23, label="MINE")])  # crosses "chest pain"
    doc = nlp.get_pipe("clinical_ner")(doc)
    assert triples(doc.ents) == [(0, 7, "DRUG"), (14, 23, "MINE")]
    assert triples(doc.spans[KEY]) == [(0, 7, "DRUG"), (18, 28, "PROBLEM")]


def test_what_stands_there_does_not_take_what_it_does_not_touch():
    """The more probable of two that overlap crosses a rule's entity: the other has its place."""
    nlp = spacy.blank("en")
    ner = nlp.add_pipe("clinical_ner")
    ner.add_label("PROBLEM")
    doc = nlp.make_doc("acute chest pain syndrome")
    doc.set_ents([doc.char_span(0, 5, label="MINE")])
    starts, ends, labels = numpy.array([0, 1]), numpy.array([3, 4]), numpy.array([0, 0])
    spans = Spans(starts, ends, labels, numpy.array([0.9, 0.8]))
    ner.set_annotations([doc], [Found(spans, numpy.array([True, False]))])
    assert triples(doc.ents) == [(0, 5, "MINE"), (6, 25, "PROBLEM")]


@pytest.mark.parametrize("factory", ["clinical_ner", "clinical_note_classifier"])
def test_two_that_would_write_one_span_group_are_an_error(toy, factory):
    nlp = make_ner(toy)
    key = nlp.get_pipe("clinical_ner").cfg["spans_key"]
    nlp.add_pipe(factory, name="second", config={**head_config(factory, listener_config()), "spans_key": key})
    with pytest.raises(ValueError, match="'clinical_ner' and 'second' both write.*spans_key"):
        nlp.initialize(lambda: make_examples(nlp))


def test_targets_of_long_notes_take_linear_time(process_seconds):
    nlp = spacy.blank("en")
    install_extensions()

    def example(n):
        text = "has chest pain and a mild fever now . " * n
        return gold_examples(nlp, [(text, [(38 * i + 4, 38 * i + 14, "A") for i in range(n)])])

    seconds = [
        process_seconds(make_targets, examples, ["A"], "clinical_ner", "gold", False, Counter())
        for examples in (example(250), example(2000))
    ]
    assert seconds[1] < 24 * max(seconds[0], 0.005)


def test_empty_and_long_documents(learned_ner):
    nlp = learned_ner
    long = " ".join([text for text, *_ in NOTES] * 40)
    docs = list(nlp.pipe(["", NOTES[0][0], "", long, " "], batch_size=5))
    assert [len(doc.ents) for doc in docs[:3]] == [0, 2, 0]
    assert len(docs[3].ents) >= 150
    assert docs[3].spans[KEY].attrs["scores"].shape == (len(docs[3].spans[KEY]),)
    assert list(nlp.pipe([])) == [] and nlp.get_pipe("clinical_ner").predict([]) == []
    assert triples(nlp(NOTES[0][0]).ents) == triples(docs[1].ents)
    empty = Example(nlp.make_doc(""), nlp.make_doc(""))
    assert nlp.update([empty])["clinical_ner"] == 0
    assert nlp.update([empty, *make_examples(nlp)])["clinical_ner"] > 0


def test_several_heads_learn_over_one_encoder(toy):
    heads = ("ner", "clinical_ner", "textcat", "spancat")
    nlp = make_nlp(toy, heads)
    examples = make_examples(nlp)
    losses = train(nlp, examples, n=60)
    assert losses["clinical_ner"] < 0.5
    doc = nlp(NOTES[1][0])
    assert triples(doc.spans[KEY]) == NOTES[1][1] and doc.cats["progress"] > 0.5
    nlp.replace_listeners("encoder", "clinical_ner", ["model.tok2vec"])
    doc = nlp(NOTES[1][0])
    assert triples(doc.spans[KEY]) == NOTES[1][1]


def test_labels_come_from_a_file(toy, tmp_path):
    (tmp_path / "labels.json").write_text(json.dumps(["DRUG", "PROBLEM", "RARE"]), encoding="utf8")
    nlp = make_ner(toy)
    nlp.config["initialize"]["components"]["clinical_ner"] = {
        "labels": {"@readers": "spacy.read_labels.v1", "path": str(tmp_path / "labels.json")}
    }
    again = spacy.util.load_model_from_config(load_config_from_str(nlp.config.to_str()), auto_fill=True)
    again.initialize(lambda: make_examples(again))
    ner = again.get_pipe("clinical_ner")
    assert ner.labels == ("DRUG", "PROBLEM", "RARE") == tuple(ner.label_data)
    assert ner.model.get_dim("nO") == 12
    assert again.config["components"]["clinical_ner"] == nlp.config["components"]["clinical_ner"]


def test_component_without_labels_is_an_error():
    nlp = spacy.blank("en")
    nlp.add_pipe("clinical_ner")
    with pytest.raises(ValueError, match="E143"):
        nlp("Chest pain.")


def test_settings_of_labels_that_are_none_are_told(toy, caplog):
    make_ner(toy, thresholds={"PROBLM": 0.3, "DRUG": 0.4}, class_weights={"drug": 2.0})
    said = [record.getMessage() for record in caplog.records if "no such label" in record.getMessage()]
    assert said == [
        "'clinical_ner' has thresholds for PROBLM, and no such label. Its labels are PROBLEM, DRUG.",
        "'clinical_ner' has class_weights for drug, and no such label. Its labels are PROBLEM, DRUG.",
    ]
