import json
import logging
from collections import Counter

import numpy
import pytest
import spacy
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, DocBin, SpanGroup
from spacy.training import Example
from spacy.util import load_config_from_str

from spacy_clinicalbert.corpora.docs import install_extensions
from spacy_clinicalbert.pipeline.gold import make_targets
from tests.conftest import NOTES, encoder_config, encoder_weights, head_config, listener_config, make_examples, make_nlp

KEY = "entities"
# Over each other: a nested entity of another label, and one that crosses it.
NESTED = [("The patient denies chest pain and fever.", [(19, 29, "PROBLEM"), (19, 24, "SITE"), (25, 39, "LIST")])]


def make_ner(folder, stock=False, notes=None, **config):
    """As `make_nlp`, with settings of the component."""
    nlp = spacy.blank("en")
    nlp.add_pipe("clinicalbert", name="encoder", config=encoder_config(folder))
    nlp.add_pipe("clinical_ner", config={**head_config("clinical_ner", listener_config(stock)), **config})
    spacy.util.fix_random_seed(0)
    nlp.initialize(lambda: gold_examples(nlp, notes or NOTES))
    return nlp


def gold_examples(nlp, notes, annotated=None):
    """With every entity in the group, and nothing in `doc.ents`."""
    examples = []
    for text, entities, *_ in notes:
        reference = nlp.make_doc(text)
        reference.spans["gold"] = [reference.char_span(start, end, label=label) for start, end, label in entities]
        if annotated is not None:
            reference._.annotated = {"clinical_ner": annotated}
        examples.append(Example(nlp.make_doc(text), reference))
    return examples


def train(nlp, examples, n=50):
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate = 3e-3
    for _ in range(n):
        losses = nlp.update(examples, sgd=optimizer)
    return losses


def triples(spans):
    return [(span.start_char, span.end_char, span.label_) for span in spans]


def encoded(nlp, text):
    return nlp.get_pipe("encoder")(nlp.make_doc(text))


def head_scores(nlp, text):
    """(n_tokens, 4, n_labels)"""
    (scores,) = nlp.get_pipe("clinical_ner").model.predict([encoded(nlp, text)])
    return scores.reshape(len(scores), 4, -1)


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


def targets(nlp, text, entities, key="gold", attributes=None, joint=False, words=None):
    """Tags by label, and what was lost."""
    reference = nlp.make_doc(text)
    spans = [reference.char_span(start, end, label=label) for start, end, label in entities]
    attrs = {"attributes": attributes} if attributes else {}
    reference.spans[key] = SpanGroup(reference, name=key, spans=spans, attrs=attrs)
    predicted = Doc(nlp.vocab, words=words[0], spaces=words[1]) if words else nlp.make_doc(text)
    lost = Counter()
    tags, active = make_targets([Example(predicted, reference)], ["A", "B"], "clinical_ner", "gold", joint, lost)
    assert active.all()
    names = "?OBILU"
    return ["".join(names[tag + 1] for tag in tags[:, i]) for i in range(2)], dict(lost)


@pytest.mark.parametrize(
    "entities, joint, tags, lost",
    [
        ([(0, 5, "A"), (0, 3, "B")], False, ["BILOOO", "BLOOOO"], {}),
        ([(0, 5, "A"), (0, 5, "A")], False, ["BILOOO", "OOOOOO"], {}),
        ([(0, 3, "A"), (2, 9, "A")], False, ["?BIILO", "OOOOOO"], {"entities that overlap a longer one of the same label": 1}),
        ([(0, 3, "A"), (2, 9, "B")], False, ["BLOOOO", "OBIILO"], {}),
        ([(0, 3, "A"), (2, 9, "B")], True, ["?OOOOO", "OBIILO"], {"entities that overlap a longer one": 1}),
        ([(2, 3, "A"), (0, 9, "A")], False, ["BIIILO", "OOOOOO"], {"entities that overlap a longer one of the same label": 1}),
        ([(10, 11, "B"), (0, 1, "C")], False, ["OOOOOO", "OOOOOU"], {}),
    ],
)  # fmt: skip
def test_tags_of_entities(entities, joint, tags, lost):
    assert targets(spacy.blank("en"), "a b c d e f", entities, joint=joint) == (tags, lost)


def test_tokens_of_an_entity_of_several_parts_are_unknown_for_its_label():
    found = targets(
        spacy.blank("en"), "a b c d e f", [(0, 9, "A"), (4, 5, "B")], attributes=[{"parts": ((0, 1), (8, 9))}, {}]
    )
    assert found == (["?????O", "OOUOOO"], {"entities of several parts": 1})


def test_tokens_of_an_entity_off_the_borders_are_unknown_for_its_label():
    words = ["a", "b", "c", "d", "e-f"], [True, True, True, True, False]
    nlp = spacy.blank("en")
    found = targets(nlp, "a b c d e-f", [(8, 9, "A"), (0, 3, "B")], words=words)
    assert found == (["OOOO?", "BLOOO"], {"entities that do not fall on token borders": 1})


def test_references_without_the_group_give_their_ents():
    nlp = spacy.blank("en")
    install_extensions()
    assert targets(nlp, "a b c d e f", [(0, 3, "A")])[0] == ["BLOOOO", "OOOOOO"]
    reference = nlp.make_doc("a b c")
    reference.set_ents([reference.char_span(2, 3, label="B")])
    example = Example(nlp.make_doc("a b c"), reference)
    tags, active = make_targets([example], ["A", "B"], "clinical_ner", "gold", False, Counter())
    assert tags.tolist() == [[0, 0], [0, 4], [0, 0]] and active.all()


def test_what_cannot_be_learned_is_logged_once_without_text(toy, caplog):
    notes = [("Chest pain and fever.", [(0, 10, "PROBLEM"), (6, 20, "PROBLEM")])]
    with caplog.at_level(logging.WARNING):
        train(make_ner(toy, notes=notes), gold_examples(spacy.blank("en"), NOTES), n=1)
    (record,) = [each for each in caplog.records if "clinical_ner" in each.getMessage()]
    assert "of the same label: 1" in record.getMessage() and "hest" not in record.getMessage()


def test_added_label_leaves_the_others_as_they_are(toy):
    nlp = make_ner(toy)
    train(nlp, make_examples(nlp))
    ner = nlp.get_pipe("clinical_ner")
    text = NOTES[1][0]
    before, ents = head_scores(nlp, text), triples(nlp(text).ents)
    assert ner.add_label("NEW") == 1 and ner.add_label("NEW") == 0
    assert ner.labels == ("PROBLEM", "DRUG", "NEW")
    after = head_scores(nlp, text)
    assert after.shape[2] == 3 and numpy.allclose(after[:, :, :2], before, atol=1e-6)
    assert triples(nlp(text).ents) == ents
    notes = [*NOTES, ("Lungs clear.", [(0, 5, "NEW")])]
    train(nlp, gold_examples(nlp, notes))  # the optimiser takes the new shape
    assert triples(nlp("Lungs clear.").ents) == [(0, 5, "NEW")]
    assert triples(nlp(text).ents) == ents


def test_optimiser_goes_on_after_a_label_was_added(toy):
    nlp = make_ner(toy)
    optimizer = nlp.resume_training()
    nlp.update(make_examples(nlp), sgd=optimizer)
    nlp.get_pipe("clinical_ner").add_label("NEW")
    nlp.update(make_examples(nlp), sgd=optimizer)
    assert head_scores(nlp, NOTES[0][0]).shape[2] == 3


@pytest.mark.parametrize("how", ["disk", "bytes"])
def test_saved_component_gives_the_same(toy, tmp_path, how):
    nlp = make_ner(toy, thresholds={"DRUG": 0.25})
    train(nlp, make_examples(nlp))
    ner = nlp.get_pipe("clinical_ner")
    ner.add_label("NEW")
    ner.cfg["temperature"] = 1.5
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


def test_thresholds_and_temperature_act_on_probabilities(toy):
    nlp = make_ner(toy)
    train(nlp, make_examples(nlp))
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


def test_entities_that_stand_there_stay(toy):
    nlp = make_ner(toy)
    train(nlp, make_examples(nlp))
    text = NOTES[1][0]  # Aspirin given for chest pain.
    doc = encoded(nlp, text)
    doc.set_ents([doc.char_span(14, 23, label="MINE")])  # crosses "chest pain"
    doc = nlp.get_pipe("clinical_ner")(doc)
    assert triples(doc.ents) == [(0, 7, "DRUG"), (14, 23, "MINE")]
    assert triples(doc.spans[KEY]) == [(0, 7, "DRUG"), (18, 28, "PROBLEM")]


def test_empty_and_long_documents(toy):
    nlp = make_ner(toy)
    train(nlp, make_examples(nlp))
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


def test_scores_equal_spacys(toy):
    nlp = make_ner(toy)
    examples = make_examples(nlp)
    found = [[(19, 29, "PROBLEM")], [(0, 7, "PROBLEM"), (18, 28, "PROBLEM")], [(16, 21, "NONE")], []]
    for example, entities in zip(examples, found):
        spans = [example.predicted.char_span(start, end, label=label) for start, end, label in entities]
        example.predicted.set_ents(spans)
    examples[0].reference.set_ents([], missing=[examples[0].reference[0:3]], default="unmodified")
    ours, spacys = nlp.get_pipe("clinical_ner").score(examples), get_ner_prf(examples)
    for key in ("ents_p", "ents_r", "ents_f", "ents_per_type"):
        assert ours[key] == spacys[key]


def test_scorer_passes_over_what_is_not_annotated(toy):
    nlp = make_ner(toy)
    ner = nlp.get_pipe("clinical_ner")
    reference, predicted = (nlp.make_doc(NOTES[1][0]) for _ in range(2))
    drug, pain = predicted.char_span(0, 7, label="DRUG"), predicted.char_span(24, 28, label="PROBLEM")
    predicted.set_ents([drug, pain])
    predicted.spans[KEY] = [drug, pain]
    reference.spans["gold"] = [reference.char_span(18, 28, label="PROBLEM")]
    assert ner.score([Example(predicted, reference)])["ents_f"] is None
    reference._.annotated = {"clinical_ner": ("PROBLEM",)}
    scores = ner.score([Example(predicted, reference)])
    assert scores[f"spans_{KEY}_per_type"] == {"PROBLEM": {"p": 0, "r": 0, "f": 0}}
    assert scores[f"spans_{KEY}_overlap_f"] == 1 and scores[f"spans_{KEY}_f"] == 0
    reference._.annotated = {"clinical_ner": ()}
    assert ner.score([Example(predicted, reference)])[f"spans_{KEY}_f"] is None
    assert ner.score([])[f"spans_{KEY}_f"] is None


def test_component_without_labels_is_an_error():
    nlp = spacy.blank("en")
    nlp.add_pipe("clinical_ner")
    with pytest.raises(ValueError, match="E143"):
        nlp("Chest pain.")


def test_scorer_leaves_out_entities_of_several_parts(toy):
    nlp = make_ner(toy)
    reference, predicted = (nlp.make_doc(NOTES[0][0]) for _ in range(2))
    scattered, fever = (reference.char_span(start, 39, label="PROBLEM") for start in (19, 34))
    attributes = [{"parts": ((19, 24), (34, 39))}, {}]
    reference.spans["gold"] = SpanGroup(
        reference, name="gold", spans=[scattered, fever], attrs={"attributes": attributes}
    )
    predicted.spans[KEY] = [predicted.char_span(*place, label="PROBLEM") for place in ((19, 24), (34, 39))]
    scores = nlp.get_pipe("clinical_ner").score([Example(predicted, reference)])
    assert scores[f"spans_{KEY}_per_type"] == {"PROBLEM": {"p": 1, "r": 1, "f": 1}}
