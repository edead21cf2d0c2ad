import numpy
import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Example
from thinc.api import Adam, get_current_ops

from spacy_clinicalbert.encoder.listener import WindowListener
from spacy_clinicalbert.evaluation.heads import find_answers, find_heads
from spacy_clinicalbert.pipeline.aggregators import mean
from spacy_clinicalbert.pipeline.note_classifier_model import NoteClassifier, activate_forward
from tests.conftest import encoder_config, encoder_weights, make_examples

TEXT = "The patient denies chest pain."
LONG = "The patient denies chest pain; history of fever. Aspirin given for cough.\n" * 12
STRIDED = {"@misc": "spacy-clinicalbert.strided_windows.v1", "size": 40, "context": 8}


def make_textcat(
    toy, examples=make_examples, labels=None, aggregate="mean", pooling="first", words=0, facts=None, **config
):
    """With exclusive classes, if nothing else is said."""
    config = {"exclusive_classes": True, **config}
    model = {"aggregate": {"@layers": f"spacy-clinicalbert.{aggregate}.v1"}, "tok2vec": {"pooling": pooling}}
    model.update(words=words, facts=facts)
    if aggregate == "scaled_max_mean":
        model["aggregate"]["learn"] = True
    config["model"] = model
    nlp = spacy.blank("en")
    nlp.add_pipe("clinicalbert", name="encoder", config=encoder_config(toy, windows=STRIDED))
    nlp.add_pipe("clinical_note_classifier", config=config)
    if labels:
        nlp.config["initialize"]["components"]["clinical_note_classifier"] = {"labels": labels}
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
    for label in nlp.get_pipe("clinical_note_classifier").labels:
        own = numpy.array([each[label] for each in cats])
        assert doc.cats[label] == pytest.approx(float((own * lengths).sum() / len(doc)), abs=1e-6)
    sums = [sum(each.values()) for each in [doc.cats, *cats]]
    assert (numpy.abs(numpy.array(sums) - 1) < 1e-5).all() == exclusive


@pytest.mark.parametrize("aggregate", ["mean", "attention", "scaled_max_mean"])
def test_no_probability_is_above_one_where_sums_of_weights_round(toy, aggregate):
    nlp = make_textcat(toy, exclusive_classes=False, aggregate=aggregate)
    nlp.get_pipe("clinical_note_classifier").model.get_ref("output_layer").set_param("b", numpy.full(2, 40, dtype="f"))
    found = [doc.cats.values() for doc in nlp.pipe([f"{TEXT} " * n for n in range(1, 60)])]
    assert {max(each) <= 1 for each in found} == {True}


def test_notes_without_wordpieces_have_no_window_and_zeros(toy):
    nlp = make_textcat(toy)
    docs = list(nlp.pipe(["", " \n ", TEXT]))
    assert [doc.cats for doc in docs[:2]] == [{"progress": 0.0, "radiology": 0.0}] * 2
    assert [len(doc.spans["windows"]) for doc in docs] == [0, 0, 1]
    assert nlp("").cats == nlp(" ").cats == docs[0].cats
    assert list(nlp.get_pipe("clinical_note_classifier").pipe([])) == []


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
    losses = [nlp.update(examples, sgd=sgd)["clinical_note_classifier"] for _ in range(25)]
    assert losses[-1] < losses[0] / 5
    docs = [nlp(text) for text, _ in rows]
    assert [max(doc.cats, key=doc.cats.get) for doc in docs] == ["progress", "radiology"]
    assert nlp.evaluate(with_cats(nlp, *rows))["cats_macro_f"] == 1
    nlp.to_disk(tmp_path / "nlp")
    for loaded in (spacy.load(tmp_path / "nlp"), spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())):
        assert loaded(rows[0][0]).cats == pytest.approx(docs[0].cats, abs=1e-6)
    (again,) = DocBin(docs=docs[:1]).get_docs(nlp.vocab)
    assert again.cats == docs[0].cats and again.spans["windows"].attrs == docs[0].spans["windows"].attrs


@pytest.mark.parametrize("pooling", ["first", "mean"])
@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("aggregate", ["mean", "max", "noisy_or", "scaled_max_mean", "attention"])
def test_gradient_is_that_of_the_loss(toy, exclusive, aggregate, pooling):
    """Of a bias behind the windows' scores, and of one before them; the encoder's is held by tests of its own."""
    nlp = make_textcat(toy, exclusive_classes=exclusive, aggregate=aggregate, pooling=pooling)
    pipe = nlp.get_pipe("clinical_note_classifier")
    rows = ((LONG, {"progress": 1.0, "radiology": 0.0}), ("", {"progress": 1.0}), (TEXT, {"radiology": 1.0}))
    examples = with_cats(nlp, *rows)
    for example in examples:
        nlp.get_pipe("encoder")(example.predicted)
    if aggregate == "attention":
        layer = pipe.model.get_ref("aggregate")
        layer.set_param("W", numpy.random.default_rng(0).normal(0, 0.3, layer.get_param("W").shape).astype("f"))
    for layer in (pipe.model.get_ref("output_layer"), pipe.model.get_ref("dense")):
        bias = layer.get_param("b")

        def loss(step, bias=bias):
            bias[0] += step
            value = pipe.update(examples)["clinical_note_classifier"]
            bias[0] -= step
            return value

        slope = (loss(0.01) - loss(-0.01)) / 0.02
        layer.set_grad("b", layer.get_grad("b") * 0)
        pipe.update(examples)
        assert slope == pytest.approx(float(layer.get_grad("b")[0]), rel=3e-2, abs=2e-3)


def test_mean_vectors_of_windows_are_those_of_the_tokens_they_keep(toy):
    nlp = make_textcat(toy, pooling="mean")
    docs = [nlp.get_pipe("encoder")(nlp.make_doc(text)) for text in (LONG, "", TEXT)]
    listener = nlp.get_pipe("clinical_note_classifier").model.get_ref("tok2vec")
    vectors, windows = listener.predict(docs)
    assert [len(each) for each in vectors] == [len(each) for each in windows] and len(vectors[1]) == 0
    for doc, rows, places in zip(docs, vectors, windows):
        for row, (start, end) in zip(rows, places):
            tokens = doc._.trf_data.model_output.last_hidden_state[0, start:end]
            assert numpy.allclose(row, tokens.mean(axis=0), atol=1e-5)


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_the_encoder_learns_through_the_windows(toy, pooling):
    nlp = make_textcat(toy, pooling=pooling)
    before = encoder_weights(nlp).embeddings.LayerNorm.weight.detach().clone()
    nlp.update(with_cats(nlp, (LONG, {"progress": 1.0}), (TEXT, {"radiology": 1.0})), sgd=Adam(0.01))
    assert not before.equal(encoder_weights(nlp).embeddings.LayerNorm.weight)


def test_unknown_pooling_is_an_error(toy):
    with pytest.raises(ValueError, match="'first' or 'mean', not 'last'"):
        make_textcat(toy, pooling="last")


def test_scores_say_how_well_it_ranks_and_leave_out_what_is_missing(toy):
    nlp = make_textcat(toy, exclusive_classes=False)
    rows = [(TEXT * (i + 1), {"progress": float(i % 2)} if i < 4 else {"radiology": 1.0}) for i in range(6)]
    scores = nlp.evaluate(with_cats(nlp, *rows))
    ranked = scores["cats_rank_per_type"]
    assert (ranked["progress"]["n"], ranked["progress"]["n_positive"]) == (4, 2)
    assert (ranked["radiology"]["n"], ranked["radiology"]["auroc"]) == (2, None)
    assert scores["cats_macro_auprc"] == ranked["progress"]["auprc"] and 0 <= scores["cats_macro_ece"] <= 1


@pytest.mark.parametrize("known", [{}, {"radiology": 0.0}])
def test_a_label_that_no_note_has_is_in_no_mean(toy, known):
    nlp = make_textcat(toy, exclusive_classes=False)
    nlp.get_pipe("clinical_note_classifier").model.get_ref("output_layer").get_param("b")[:] = [20, -20]
    scores = nlp.evaluate(with_cats(nlp, (TEXT, {"progress": 1.0, **known}), (LONG, {"progress": 0.0, **known})))
    assert scores["cats_macro_p"] == 0.5 and scores["cats_macro_r"] == 1
    assert scores["cats_macro_f"] == scores["cats_f_per_type"]["progress"]["f"] == pytest.approx(2 / 3)
    assert scores["cats_score"] == scores["cats_macro_auc"] == scores["cats_rank_per_type"]["progress"]["auroc"]


@pytest.mark.parametrize("exclusive", [True, False])
def test_scores_leave_out_categories_that_are_not_annotated(toy, exclusive):
    nlp = make_textcat(toy, exclusive_classes=exclusive)
    nlp.get_pipe("clinical_note_classifier").model.get_ref("output_layer").get_param("b")[:] = [20, -20]
    silent = [(LONG, {"progress": 0.0, "radiology": 1.0}), (TEXT, {})]
    examples = with_cats(nlp, (TEXT, {"progress": 1.0, "radiology": 0.0}), *silent)
    examples[1].reference._.annotated = {"clinical_note_classifier": ()}
    scores = nlp.evaluate(examples)
    assert scores["cats_f_per_type"]["progress"] == {"p": 1.0, "r": 1.0, "f": 1.0} and scores["cats_micro_f"] == 1
    examples[1].reference._.annotated = {"clinical_note_classifier": ("progress", "radiology")}
    assert nlp.evaluate(examples)["cats_micro_f"] == pytest.approx(0.5)


@pytest.mark.parametrize("exclusive", [True, False])
def test_calibration_is_kept_and_does_not_change_the_order(toy, exclusive, tmp_path):
    nlp = make_textcat(toy, exclusive_classes=exclusive)
    rows = [(TEXT * (i + 1), {"progress": float(i % 2), "radiology": float(1 - i % 2)}) for i in range(8)]
    before = [nlp(text).cats for text, _ in rows]
    examples = with_cats(nlp, *rows)
    for example in examples:
        nlp.get_pipe("encoder")(example.predicted)
    pipe = nlp.get_pipe("clinical_note_classifier")
    found = pipe.calibrate(examples)
    assert set(found) == ({"categories"} if exclusive else {"progress", "radiology"})
    assert all(each.n == 8 and each.temperature != 1 for each in found.values())
    nlp.to_disk(tmp_path)
    after = [spacy.load(tmp_path)(text).cats for text, _ in rows]
    for label in pipe.labels:
        old, new = ([cats[label] for cats in each] for each in (before, after))
        assert numpy.argsort(old).tolist() == numpy.argsort(new).tolist() and old != pytest.approx(new, abs=1e-3)
    assert nlp("").cats == {"progress": 0.0, "radiology": 0.0}
    nlp.initialize(lambda: examples)
    assert pipe.cfg["temperatures"] == {}


@pytest.mark.parametrize("precision", [None, 1.0])
def test_thresholds_are_chosen_kept_and_scored_by(toy, precision, tmp_path):
    """What holds is more probable than what does not, but never above 0.5."""
    nlp = make_textcat(toy, exclusive_classes=False)
    pipe = nlp.get_pipe("clinical_note_classifier")
    pipe.model.get_ref("output_layer").get_param("b")[:] = [-3, -3]
    order = sorted((TEXT * (i + 1) for i in range(36)), key=lambda text: nlp(text).cats["progress"])
    order = order[:12] + order[-12:]
    rows = [(text, {"progress": float(text in order[12:]), "radiology": float(text == order[0])}) for text in order]
    examples = with_cats(nlp, *rows)
    assert nlp.evaluate(examples)["cats_f_per_type"]["progress"]["r"] == 0
    ranked = nlp.evaluate(examples)["cats_macro_auprc"]
    for example in examples:
        nlp.get_pipe("encoder")(example.predicted)
    found = pipe.calibrate(examples, precision)
    assert {label: set(each.thresholds) for label, each in found.items()} == {label: {label} for label in pipe.labels}
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded.get_pipe("clinical_note_classifier").thresholds == pytest.approx(pipe.thresholds, abs=1e-9)
    assert pipe.thresholds["progress"] < 0.5
    scores = loaded.evaluate(with_cats(loaded, *rows))
    figures = scores["cats_f_per_type"]["progress"]
    # The last of them stands at the threshold itself where that is for a precision, and moves by what it shares a batch with.
    assert figures["p"] == 1 and figures["r"] >= (1 if precision is None else 11 / 12)
    assert scores["cats_macro_auprc"] == pytest.approx(ranked)
    (head,) = find_heads(loaded, "cats")
    assert [bool(find_answers(loaded(text), [head], "cats")) for text in (order[0], order[-1])] == [False, True]
    nlp.initialize(lambda: examples)
    assert pipe.thresholds == {"progress": 0.5, "radiology": 0.5}


def test_calibration_by_another_corpus_leaves_the_other_labels(toy):
    nlp = make_textcat(toy, exclusive_classes=False, thresholds={"radiology": 0.7})
    pipe = nlp.get_pipe("clinical_note_classifier")
    rows = [(TEXT * (i + 1), {"progress": float(i % 2), "radiology": float(1 - i % 2)}) for i in range(24)]

    def calibrate(labels):
        examples = with_cats(nlp, *((text, {label: cats[label] for label in labels}) for text, cats in rows))
        for example in examples:
            nlp.get_pipe("encoder")(example.predicted)
        pipe.calibrate(examples)
        return dict(pipe.cfg["temperatures"]), dict(pipe.cfg["thresholds"])

    temperatures, thresholds = calibrate(["progress", "radiology"])
    assert set(temperatures) == set(thresholds) == {"progress", "radiology"} and thresholds["radiology"] != 0.7
    assert calibrate(["progress"]) == (temperatures, thresholds)
    assert calibrate([]) == (temperatures, thresholds)
    rows = rows[:4]  # too few for a threshold: that of another temperature is gone
    fewer = calibrate(["progress", "radiology"])[1]
    assert fewer == {"radiology": 0.7}


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"exclusive_classes": True, "thresholds": {"progress": 0.3}}, "the most probable one holds"),
        ({"thresholds": {"progress": 0.0}}, "threshold 0.0 for progress"),
        ({"thresholds": {"progress": 1.5}}, "at most 1"),
    ],
)
def test_thresholds_that_mean_nothing_are_errors(settings, message):
    with pytest.raises(ValueError, match=message):
        spacy.blank("en").add_pipe("clinical_note_classifier", config=settings)


def test_what_is_not_annotated_changes_nothing(toy):
    nlp = make_textcat(toy, exclusive_classes=False)
    silent = with_cats(nlp, (TEXT, {}), (LONG, {}))
    masked = with_cats(nlp, (TEXT, {"progress": 1.0, "radiology": 1.0}))
    masked[0].reference._.annotated = {"clinical_note_classifier": ()}
    before = encoder_weights(nlp).embeddings.LayerNorm.weight.detach().clone()
    for examples in (silent, masked):
        assert nlp.update(examples, sgd=Adam(0.01))["clinical_note_classifier"] == 0
    assert before.equal(encoder_weights(nlp).embeddings.LayerNorm.weight)


@pytest.mark.parametrize("exclusive, moves", [(True, True), (False, False)])
def test_one_of_exclusive_classes_says_it_of_all_others(toy, exclusive, moves):
    nlp = make_textcat(toy, exclusive_classes=exclusive)
    pipe = nlp.get_pipe("clinical_note_classifier")
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
    pipe = nlp.get_pipe("clinical_note_classifier")
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
    model = NoteClassifier(WindowListener(), mean(), activation)
    node = next(node for node in model.walk() if node.name == "activate")
    Y, backprop = activate_forward(node, X, True)
    x = torch.tensor(X, requires_grad=True)
    y = getattr(torch.nn.functional, activation)(x)
    y.sum().backward()
    assert numpy.allclose(Y, y.detach(), atol=1e-5)
    assert numpy.allclose(backprop(get_current_ops().asarray(numpy.ones_like(Y))), x.grad, atol=1e-5)


def test_unknown_activation_is_an_error():
    with pytest.raises(ValueError, match="activation is one of tanh"):
        NoteClassifier(WindowListener(), mean(), "swish")


def test_positive_weight_counts_what_holds(toy):
    nlp = make_textcat(toy, exclusive_classes=False, positive_weight=3.0)
    pipe = nlp.get_pipe("clinical_note_classifier")
    notes, truths = numpy.array([[0.2, 0.7]]), numpy.array([[1.0, 0.0]])
    known = numpy.ones((1, 2), dtype=bool)
    loss, gradient = pipe._loss(notes, truths, known)
    assert loss == pytest.approx(-3 * numpy.log(0.2) - numpy.log(0.3))
    assert gradient[0].tolist() == pytest.approx([-3 / 0.2, 1 / 0.3], rel=1e-5)
    for exclusive, weight in ((False, 0.0), (True, 3.0), (False, "even"), (True, "balanced")):
        with pytest.raises(ValueError, match="above 0 or to .*, and to 1 where classes are exclusive"):
            make_textcat(toy, exclusive_classes=exclusive, positive_weight=weight)


def test_balanced_labels_count_as_much_with_as_without(toy):
    rows = [(TEXT, {"progress": 1.0, "radiology": 0.0})] + [(TEXT, {"progress": 0.0, "radiology": 0.0})] * 2
    rows.append((TEXT, {"progress": 0.0}))  # of radiology nothing is known
    nlp = make_textcat(toy, lambda nlp: with_cats(nlp, *rows), exclusive_classes=False, positive_weight="balanced")
    pipe = nlp.get_pipe("clinical_note_classifier")
    assert pipe._weights()[:, pipe.labels.index("progress")] == pytest.approx([4 / 2, 4 / 6])
    assert pipe._weights()[:, pipe.labels.index("radiology")] == pytest.approx([3 / 2, 3 / 6])
    truths, known = pipe._targets(with_cats(nlp, *rows))
    weights = known * numpy.where(truths > 0.5, *pipe._weights()[:, None])
    assert weights[:, pipe.labels.index("progress")].sum() == pytest.approx(4)
    loaded = make_textcat(toy, exclusive_classes=False)
    other = loaded.get_pipe("clinical_note_classifier")
    other.positive_weight = "balanced"
    with pytest.raises(ValueError, match="Train it anew, or set a number"):
        loaded.update(with_cats(loaded, *rows))


def test_what_is_not_of_a_category_gets_none_of_the_second_classifier(toy):
    nlp = make_textcat(toy, exclusive_classes=False)
    config = {"only_if": "progress", "spans_key": "stages", "scorer": {"prefix": "stages"}}
    second = nlp.add_pipe("clinical_note_classifier", name="stages", config=config)
    second.initialize(lambda: with_cats(nlp, (TEXT, {"T1": 1.0, "T2": 0.0})), nlp=nlp, labels=["T1", "T2"])
    first = nlp.get_pipe("clinical_note_classifier")
    first.model.get_ref("output_layer").set_param("b", numpy.array([9.0, 0.0], dtype="f"))
    assert first.labels[0] == "progress"
    with nlp.select_pipes(disable="stages"):
        docs = [nlp(TEXT), nlp(LONG)]
    docs[1].cats["progress"] = 0.4
    is_one, is_none = second.pipe(docs)
    assert set(is_one.cats) == {"progress", "radiology", "T1", "T2"} and is_one.spans["stages"]
    assert set(is_none.cats) == {"progress", "radiology"} and "stages" not in is_none.spans
    with pytest.raises(ValueError, match="no component before it has given this category"):
        second(nlp.make_doc(TEXT))
    scores = second.score([Example(is_one, with_cats(nlp, (TEXT, {"T1": 1.0, "T2": 0.0}))[0].reference)])
    assert "stages_macro_f" in scores and not any(key.startswith("cats") for key in scores)
    with pytest.raises(ValueError, match="Set exclusive_classes = false"):
        make_textcat(toy, only_if="progress")


def test_thresholds_of_labels_that_are_none_are_told(toy, caplog):
    make_textcat(toy, exclusive_classes=False, thresholds={"Progress": 0.3})
    assert "has thresholds for Progress, and no such label. Its labels are progress, radiology." in caplog.text


@pytest.mark.parametrize("exclusive", [True, False])
def test_where_nothing_is_annotated_there_is_no_score_and_no_calibration(toy, exclusive):
    nlp = make_textcat(toy, exclusive_classes=exclusive)
    scores = nlp.evaluate(with_cats(nlp, (TEXT, {})))
    assert scores["cats_score"] is scores["cats_micro_f"] is scores["cats_macro_auprc"] is None
    assert isinstance(scores["cats_score_desc"], str)  # which `spacy evaluate` prints
    assert nlp.get_pipe("clinical_note_classifier").calibrate([]) == {}
