import numpy
import pytest
import spacy
from spacy.tokens import DocBin, SpanGroup
from spacy.training import Example

from spacy_clinicalbert.corpora.docs import ATTRIBUTES
from spacy_clinicalbert.corpora.i2b2_2010 import read_i2b2_2010
from spacy_clinicalbert.factories import CLINICAL_ASSERTION_CONFIG
from spacy_clinicalbert.pipeline.assertion_axes import AXES
from tests.conftest import head_config, listener_config

from .conftest import ASSERTED, make_asserted, make_assertion_nlp, make_reference, with_ents


def assertions(doc, key="assertions"):
    return doc.spans[key].attrs["assertion"]


def annotate(nlp, docs):
    return list(nlp.pipe(docs))


def test_assertion_learns_the_toy_set(trained):
    for doc, (_, spans) in zip(annotate(trained, with_ents(trained)), ASSERTED):
        assert [(span.start_char, span.end_char) for span in doc.spans["assertions"]] == [row[:2] for row in spans]
        assert len(assertions(doc)) == len(doc.ents) == len(spans)
        for ent, found, (*_, attributes) in zip(doc.ents, assertions(doc), spans):
            assert ent._.assertion == found and set(found) == {"certainty", "time"}
            if "negation" in attributes:
                assert found["certainty"][0] == {"Negated": "absent", "Affirmed": "present"}[attributes["negation"]]
            if "temporality" in attributes:
                assert found["time"][0] == attributes["temporality"].lower()
            assert all(0.5 < probability <= 1 for _, probability in found.values())


def test_assertion_defaults_are_those_of_the_table():
    assert spacy.util.Config().from_str(CLINICAL_ASSERTION_CONFIG)["clinical_assertion"]["axes"] == AXES


def test_assertion_learns_only_axes_with_two_labels(trained):
    pipe = trained.get_pipe("clinical_assertion")
    assert pipe.labels == ("certainty:present", "certainty:absent", "time:recent", "time:historical")
    assert pipe.model.get_dim("nO") == 4


def test_assertion_without_two_labels_is_an_error(toy):
    with pytest.raises(ValueError, match="gold_key"):
        make_assertion_nlp(toy, ASSERTED[:2])
    with pytest.raises(ValueError, match="gold_key"):
        make_assertion_nlp(toy, gold_key="elsewhere")


def test_assertion_takes_labels_from_initialize(toy):
    labels = {"certainty": ["present", "absent", "possible"]}
    nlp = make_assertion_nlp(toy, initialize={"labels": labels})
    pipe = nlp.get_pipe("clinical_assertion")
    assert pipe.label_data == labels and pipe.model.get_dim("nO") == 3


def test_assertion_takes_empty_docs_and_docs_without_spans(trained):
    docs = annotate(trained, [*with_ents(trained)[:1], trained.make_doc(""), trained.make_doc("Lungs clear.")])
    assert [len(doc.spans["assertions"]) for doc in docs] == [1, 0, 0]
    assert [len(assertions(doc)) for doc in docs] == [1, 0, 0]
    assert assertions(annotate(trained, [trained.make_doc("")])[0]) == []
    assert docs[2][0:1]._.assertion is None


def test_assertion_is_the_same_alone_and_in_a_batch(trained):
    together = [row for doc in annotate(trained, with_ents(trained)) for row in assertions(doc)]
    alone = [row for doc in with_ents(trained) for row in assertions(trained(doc))]
    for one, other in zip(together, alone):
        for axis in one:
            assert one[axis][0] == other[axis][0] and one[axis][1] == pytest.approx(other[axis][1], abs=1e-4)


def test_assertion_leaves_entities_alone(trained):
    before = [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in with_ents(trained)]
    after = [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in annotate(trained, with_ents(trained))]
    assert before == after


def test_assertion_of_spans_at_equal_offsets_stay_apart_and_docbin_keeps_them(trained):
    pipe = trained.get_pipe("clinical_assertion")
    doc = trained.make_doc("No cough.")
    spans = [spacy.tokens.Span(doc, 1, 2, label=label) for label in ("PROBLEM", "SIGN", "OTHER")]
    doc.spans["sc"] = SpanGroup(doc, name="sc", spans=spans)
    logits = numpy.array([[9, 0, 9, 0], [0, 9, 9, 0], [0, 9, 0, 9]], dtype="f")
    pipe.spans_key, before = "sc", pipe.spans_key
    try:
        pipe.set_annotations([doc], [logits])
    finally:
        pipe.spans_key = before
    expected = [("present", "recent"), ("absent", "recent"), ("absent", "historical")]
    again = next(DocBin(docs=[doc], store_user_data=True).get_docs(trained.vocab))
    for each in (doc, again):
        assert [(row["certainty"][0], row["time"][0]) for row in assertions(each)] == expected
        found = [span._.assertion for span in each.spans["sc"]]
        assert [(row["certainty"][0], row["time"][0]) for row in found] == expected
    assert assertions(again) == assertions(doc)


@pytest.mark.parametrize("key", ["assertions", "sc"])
def test_assertion_classifies_a_span_group(toy, key):
    nlp = make_assertion_nlp(toy, spans_key="sc", assertions_key=key)
    doc = nlp.make_doc("Chest pain and no cough.")
    spans = [spacy.tokens.Span(doc, start, end, label="X") for start, end in ((3, 5), (0, 2), (0, 1))]
    doc.spans["sc"] = SpanGroup(doc, name="sc", spans=spans, attrs={"scores": [0.1, 0.2, 0.3]})
    other = nlp.make_doc("No cough.")
    doc, other = annotate(nlp, [doc, other])
    assert [(span.start, span.end) for span in doc.spans[key]] == [(3, 5), (0, 2), (0, 1)]
    assert len(assertions(doc, key)) == 3 and doc.spans["sc"].attrs["scores"] == [0.1, 0.2, 0.3]
    assert len(other.spans[key]) == 0


def test_assertion_missing_axis_gives_no_gradient(toy):
    rows = [(text, [(start, end, {"negation": "Negated"}) for start, end, _ in spans]) for text, spans in ASSERTED]
    nlp = make_assertion_nlp(toy)
    nlp.update(make_asserted(nlp, rows), sgd=False)
    output = nlp.get_pipe("clinical_assertion").model.get_ref("output_layer")
    gradient = output.get_grad("W")
    assert numpy.abs(gradient[:2]).max() > 0 and not gradient[2:].any()


@pytest.mark.parametrize("annotated, learned", [((), [0, 0]), (("time",), [0, 1]), (("certainty", "time"), [1, 1])])
def test_assertion_learns_what_is_annotated_for_it(toy, annotated, learned):
    nlp = make_assertion_nlp(toy)
    examples = make_asserted(nlp)
    for example in examples:
        example.reference._.annotated = {"clinical_assertion": annotated}
    losses = nlp.update(examples, sgd=False)
    output = nlp.get_pipe("clinical_assertion").model.get_ref("output_layer")
    gradient = output.get_grad("W") if output.has_grad("W") else numpy.zeros((4, 1))
    assert [bool(gradient[:2].any()), bool(gradient[2:].any())] == [bool(each) for each in learned]
    assert (losses["clinical_assertion"] > 0) == any(learned)


def test_assertion_batch_without_gold_spans_changes_nothing(trained):
    nlp = trained
    examples = [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in ("No cough.", "")]
    before = nlp.get_pipe("clinical_assertion").model.to_bytes()
    assert nlp.update(examples, sgd=False)["clinical_assertion"] == 0.0
    assert nlp.get_pipe("clinical_assertion").model.to_bytes() == before


def test_assertion_gold_spans_reach_other_tokens(toy):
    """The predicted Doc has "chest-pain" as three tokens, the reference as one."""
    nlp = make_assertion_nlp(toy)
    reference = spacy.tokens.Doc(nlp.vocab, words=["No", "chest-pain", "."], spaces=[True, False, False])
    reference.spans["gold"] = SpanGroup(
        reference, spans=[reference[1:2]], attrs={ATTRIBUTES: [{"negation": "Negated"}]}
    )
    words = ["No", "chest", "-", "pain", "."]
    predicted = spacy.tokens.Doc(nlp.vocab, words=words, spaces=[True, False, False, False, False])
    (span,) = nlp.get_pipe("clinical_assertion")._gold(Example(predicted, reference))
    assert (span.start, span.end, span.known) == (1, 4, {"certainty": "absent"})


def test_assertion_unknown_value_is_an_error_that_names_the_note(trained):
    example = make_asserted(trained, [("No cough.", [(3, 8, {"negation": "hm"})])])[0]
    example.reference._.note_id = "n7"
    with pytest.raises(ValueError, match="Note n7") as error:
        trained.update([example], sgd=False)
    assert "cough" not in str(error.value)


def test_assertion_saves_and_loads(trained, tmp_path):
    pipe = trained.get_pipe("clinical_assertion")
    pipe.cfg["temperatures"], pipe.cfg["thresholds"] = {"certainty": 2.0}, {"time": {"historical": 2.0}}
    try:
        trained.to_disk(tmp_path)
        copies = [spacy.load(tmp_path), spacy.blank("en").from_config(trained.config).from_bytes(trained.to_bytes())]
        expected = [assertions(doc) for doc in annotate(trained, with_ents(trained))]
    finally:
        pipe.cfg["temperatures"], pipe.cfg["thresholds"] = {}, {}
    assert all(row["time"][0] == "recent" for each in expected for row in each)
    for copy in copies:
        assert copy.get_pipe("clinical_assertion").cfg["temperatures"] == {"certainty": 2.0}
        assert [assertions(doc) for doc in annotate(copy, with_ents(copy))] == expected
    assert [assertions(doc) for doc in annotate(trained, with_ents(trained))] != expected


@pytest.mark.parametrize("head", ["ner", "clinical_ner"])
def test_assertion_works_beside_ner_over_one_encoder(toy, head):
    settings = head_config("ner", listener_config()) if head == "ner" else {}
    nlp = make_assertion_nlp(toy, heads=[(head, settings)])
    sgd = nlp.resume_training()
    sgd.learn_rate = 0.003
    examples = make_asserted(nlp)
    for _ in range(40):
        losses = nlp.update(examples, sgd=sgd)
    assert losses[head] < 1 and losses["clinical_assertion"] < 1
    doc = nlp("The patient denies chest pain.")
    assert [(ent.text, ent._.assertion["certainty"][0]) for ent in doc.ents] == [("chest pain", "absent")]
    scores = nlp.evaluate(make_asserted(nlp))
    assert scores["assertion_e2e_per_axis"]["certainty"]["absent"]["f"] == 1.0


def test_assertion_goes_into_the_group_of_clinical_ner(toy):
    keys = {"spans_key": "entities", "assertions_key": "entities"}
    nlp = make_assertion_nlp(toy, heads=[("clinical_ner", {"threshold": 1e-6})], **keys)
    doc = nlp("No cough.")
    group = doc.spans["entities"]
    assert len(group) and len(group.attrs["assertion"]) == len(group.attrs["scores"]) == len(group)


def test_assertion_reads_i2b2(tmp_path):
    (tmp_path / "n.txt").write_text("No cough .\nMother had fever .\nIf pain , aspirin .\n", encoding="utf8")
    (tmp_path / "n.con").write_text(
        'c="cough" 1:1 1:1||t="problem"\nc="fever" 2:2 2:2||t="problem"\nc="pain" 3:1 3:1||t="problem"\n'
        'c="aspirin" 3:3 3:3||t="treatment"\n'
    )
    (tmp_path / "n.ast").write_text(
        'c="cough" 1:1 1:1||t="problem"||a="absent"\nc="fever" 2:2 2:2||t="problem"||a="associated_with_someone_else"\n'
        'c="pain" 3:1 3:1||t="problem"||a="hypothetical"\n'
    )
    nlp = spacy.blank("en")
    pipe = nlp.create_pipe("clinical_assertion")
    (example,) = read_i2b2_2010(tmp_path)(nlp)
    assert [(span.label, span.known) for span in pipe._gold(example)] == [
        ("problem", {"certainty": "absent", "experiencer": "patient"}),
        ("problem", {"experiencer": "other"}),
        ("problem", {"certainty": "hypothetical", "experiencer": "patient"}),
        ("treatment", {}),
    ]


def evaluate(nlp, rows):
    """Evaluate with entities given by the rows' fourth value, as a pipeline with a recogniser would."""
    examples = []
    for text, spans, found in rows:
        predicted = nlp.make_doc(text)
        predicted.set_ents([predicted.char_span(*row) for row in found])
        examples.append(Example(predicted, make_reference(nlp, text, spans)))
    return nlp.evaluate(examples)


def test_assertion_scores_gold_spans_and_end_to_end(trained):
    text, spans = ASSERTED[3]  # History of fever, no cough.
    fever, cough, history = (11, 16, "PROBLEM"), (21, 26, "PROBLEM"), (0, 7, "PROBLEM")
    scores = evaluate(trained, [(text, spans, [fever, history]), (*ASSERTED[1], [cough_of := (3, 8, "SIGN")])])
    assert scores["assertion_acc"] == scores["assertion_macro_f"] == 1.0
    assert scores["assertion_per_axis"]["certainty"] == {"absent": {"p": 1.0, "r": 1.0, "f": 1.0}}
    ours = scores["assertion_e2e_per_axis"]
    # Neither cough was found as a problem: one not at all, one as a sign.
    assert ours["certainty"]["absent"]["r"] == 0.0 and ours["certainty"]["absent"]["f"] == 0.0
    assert ours["time"]["historical"]["r"] == 1.0
    assert cough != cough_of


@pytest.mark.parametrize(
    "rows, annotated, spurious",
    [
        (slice(3, 5), None, {"certainty", "time"}),
        (slice(2, 3), None, {"certainty"}),  # no gold span says anything of time
        (slice(2, 4), None, {"certainty"}),  # nor in this note
        (slice(3, 5), ("certainty",), {"certainty"}),
        (slice(3, 5), (), set()),
    ],
)
def test_assertion_end_to_end_passes_over_axes_that_are_not_annotated(trained, rows, annotated, spurious):
    """The first note has a span that is no gold one. On which axes is it wrong?"""
    examples = []
    for text, spans in ASSERTED[rows]:
        reference, predicted = make_reference(trained, text, spans), trained.make_doc(text)
        extra = [] if examples else [spacy.tokens.Span(predicted, len(predicted) - 1, len(predicted), label="PROBLEM")]
        predicted.set_ents([predicted.char_span(*span[:2], label="PROBLEM") for span in spans] + extra)
        examples.append(Example(predicted, reference))
    if annotated is not None:
        examples[0].reference._.annotated = {"clinical_assertion": annotated}
    scores = trained.evaluate(examples)["assertion_e2e_per_axis"]
    assert {axis for axis, labels in scores.items() if any(each["p"] < 1 for each in labels.values())} == spurious


@pytest.mark.parametrize(
    "annotated, missing, counts",
    [
        (None, False, True),
        ({"clinical_ner": ("PROBLEM",)}, False, True),
        ({"clinical_ner": ("DRUG",), "clinical_assertion": ("certainty",)}, False, False),
        ({"clinical_ner": None}, False, True),  # all labels
        # As readers write it for a note with all of its entities.
        ({"textcat": (), "textcat_multilabel": ("consult",), "clinical_note_classifier": ()}, False, True),
        # As mixed corpora write it for the other heads, where "*" is said of this note's entities.
        ({"chemicals": (), "clinical_qa": (), "clinical_assertion": ("certainty",)}, False, True),
        (None, True, False),
    ],
)
def test_assertion_end_to_end_passes_over_entities_that_nobody_looked_for(trained, annotated, missing, counts):
    text, spans = ASSERTED[3]
    reference, predicted = make_reference(trained, text, spans), trained.make_doc(text)
    if missing:
        reference.set_ents(reference.ents, missing=[reference[-1:]])
    reference._.annotated = annotated
    extra = spacy.tokens.Span(predicted, len(predicted) - 1, len(predicted), label="PROBLEM")
    predicted.set_ents([*(predicted.char_span(*span[:2], label="PROBLEM") for span in spans), extra])
    scores = trained.evaluate([Example(predicted, reference)])["assertion_e2e_per_axis"]["certainty"]
    assert any(each["p"] < 1 for each in scores.values()) == counts


def test_assertion_end_to_end_passes_over_notes_without_gold_spans(trained):
    reference = make_reference(trained, *ASSERTED[0])
    del reference.spans["gold"]
    example = Example(with_ents(trained)[0], reference)
    assert trained.evaluate([*make_asserted(trained)[3:4], example])["assertion_e2e_per_axis"]["certainty"] == {
        "absent": {"p": 0.0, "r": 0.0, "f": 0.0}  # missed, and nothing found beside it
    }


def test_assertion_without_vectors_says_what_took_them_off(trained):
    trained.add_pipe("doc_cleaner")
    try:
        examples = make_asserted(trained)
        with pytest.raises(ValueError, match="clinical_assertion.*doc_cleaner"):
            trained.evaluate(examples)
        with pytest.raises(ValueError, match="clinical_assertion.*doc_cleaner"):
            trained.get_pipe("clinical_assertion").calibrate(examples)
        silent = Example(trained.make_doc("No cough."), trained.make_doc("No cough."))
        assert trained.evaluate([silent])["assertion_acc"] is None  # nothing to read them for
        with trained.select_pipes(disable="doc_cleaner"):
            assert trained.evaluate(examples)["assertion_acc"] == 1.0
    finally:
        trained.remove_pipe("doc_cleaner")


def test_assertion_gold_of_another_text_is_an_error_without_text(trained):
    example = Example(trained.make_doc("Secret cough."), make_reference(trained, *ASSERTED[0]))
    with pytest.raises(ValueError, match="another text") as error:
        trained.get_pipe("clinical_assertion").read_targets([example])
    assert "cough" not in str(error.value).lower() and error.value.__context__ is None


@pytest.mark.parametrize("setting", ["window", "n_heads"])
def test_assertion_without_context_is_an_error(toy, setting):
    with pytest.raises(ValueError, match=f"{setting} is 0; set it to at least 1"):
        make_assertion_nlp(toy, model={setting: 0})


def test_assertion_scores_nothing_as_none(trained):
    doc = trained.make_doc("No cough.")
    scores = trained.evaluate([Example(doc, trained.make_doc("No cough."))])
    assert scores["assertion_macro_f"] is None and scores["assertion_acc"] is None
    assert scores["assertion_e2e_macro_f"] is None


def test_assertion_end_to_end_without_entity_annotation_counts_marked_spans_alone(trained):
    examples = []
    for text, spans in ASSERTED:
        reference = trained.make_doc(text)
        whole = make_reference(trained, text, spans)
        group = [reference[ent.start : ent.end] for ent in whole.ents]
        reference.spans["gold"] = SpanGroup(reference, spans=group, attrs=whole.spans["gold"].attrs)
        predicted = trained.make_doc(text)
        # Every word is an entity, beside the gold ones, and under another label than these.
        gold = [predicted.char_span(start, end, label="X") for start, end, _ in spans]
        words = [spacy.tokens.Span(predicted, token.i, token.i + 1, label="X") for token in predicted]
        predicted.set_ents(spacy.util.filter_spans([*gold, *words]))
        examples.append(Example(predicted, reference))
    scores = trained.evaluate(examples)
    assert scores["assertion_e2e_per_axis"] == scores["assertion_per_axis"]
    assert scores["assertion_e2e_macro_f"] == scores["assertion_macro_f"] == 1.0


def test_assertion_calibrates_by_axis(trained):
    pipe = trained.get_pipe("clinical_assertion")
    examples = make_asserted(trained)
    for example in examples:
        example.predicted = trained(example.predicted)
    try:
        found = pipe.calibrate(examples, precision=1.0)
        assert {axis: each.n for axis, each in found.items()} == {"certainty": 7, "time": 5}
        assert pipe.cfg["temperatures"] == {axis: each.temperature for axis, each in found.items()}
        for doc, (_, spans) in zip(annotate(trained, with_ents(trained)), ASSERTED):
            for row, (*_, attributes) in zip(assertions(doc), spans):
                if "negation" in attributes:
                    assert (row["certainty"][0] == "absent") == (attributes["negation"] == "Negated")
        pipe.calibrate(examples, precision=1.01)  # what no threshold reaches is never given
        rows = [row for doc in annotate(trained, with_ents(trained)) for row in assertions(doc)]
        assert {row["certainty"][0] for row in rows} == {"present"}
        thresholds, temperatures = dict(pipe.cfg["thresholds"]), dict(pipe.cfg["temperatures"])
        assert pipe.calibrate([]) == {} and set(thresholds) == {"certainty", "time"}  # of another component's notes
        assert (pipe.cfg["thresholds"], pipe.cfg["temperatures"]) == (thresholds, temperatures)
        pipe.calibrate(examples)
        assert pipe.cfg["thresholds"] == {}
    finally:
        pipe.cfg["temperatures"], pipe.cfg["thresholds"] = {}, {}


def test_assertion_keeps_its_answers_with_an_encoder_of_its_own(trained):
    nlp = spacy.blank("en").from_config(trained.config).from_bytes(trained.to_bytes())
    nlp.replace_listeners("encoder", "clinical_assertion", ["model.tok2vec"])
    nlp.remove_pipe("encoder")
    for one, other in zip(annotate(nlp, with_ents(nlp)), annotate(trained, with_ents(trained))):
        assert [row["certainty"][0] for row in assertions(one)] == [row["certainty"][0] for row in assertions(other)]
    text, spans = ASSERTED[0]
    example = Example(with_ents(nlp)[0], make_reference(nlp, text, spans))
    assert nlp.evaluate([example])["assertion_acc"] == 1.0


@pytest.mark.parametrize("n_process", [1, 2])
def test_assertion_pipes_in_processes(trained, n_process):
    docs = list(trained.pipe(with_ents(trained), batch_size=2, n_process=n_process))
    assert [len(assertions(doc)) for doc in docs] == [len(spans) for _, spans in ASSERTED]
    assert docs[1].ents[0]._.assertion["certainty"][0] == "absent"
