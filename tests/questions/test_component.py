import itertools
import logging
import pickle
import sys

import pytest
import spacy
import torch
from spacy.tokens import DocBin
from thinc.api import Adam
from transformers import AutoModel, AutoTokenizer, BertForQuestionAnswering

import spacy_clinicalbert
from spacy_clinicalbert.questions import reading
from spacy_clinicalbert.questions.asked import Question
from spacy_clinicalbert.questions.calibration import UNIT
from spacy_clinicalbert.questions.recall import ranking_recall
from tests.conftest import encoder_weights, head_config, listener_config
from tests.conftest import make_examples as make_head_examples
from tests.questions.conftest import NOTE, OTHER, ROWS, WINDOWS, asked, make_examples, make_nlp

YES_NO = [
    (NOTE, [("fever of the patient", "yes"), ("history of cough", "no")]),
    (OTHER, [("fever of the patient", "no")]),
]


def weights(nlp):
    return encoder_weights(nlp).embeddings.LayerNorm.weight.detach().clone()


@pytest.fixture(scope="module")
def nlp(toy):
    return make_nlp(toy, threshold=0.0, windows=WINDOWS)


@pytest.fixture(scope="module")
def trained(toy):
    nlp = make_nlp(toy, windows=WINDOWS)
    examples, sgd = make_examples(nlp), Adam(0.005)
    losses = [nlp.update(examples, sgd=sgd)["clinical_qa"] for _ in range(40)]
    assert losses[-1] < losses[0] / 4
    return nlp


def test_it_learns_what_is_asked_and_what_has_no_answer(trained):
    docs = list(trained.pipe([asked(trained, text, *(question for question, _ in rows)) for text, rows in ROWS]))
    assert [(answer.id, answer.span.text) for answer in docs[0]._.answers] == [(0, "chest pain"), (1, "Aspirin")]
    assert [answer.span.text for answer in docs[1]._.answers] == ["cough"]
    answer = docs[0]._.answers[1]
    assert (answer.question, answer.start, answer.end, answer.label) == ("given for", 31, 38, None)
    assert 0.5 <= answer.score <= 1
    scores = trained.evaluate(make_examples(trained))
    assert scores["qa_f1"] == scores["qa_em"] == scores["qa_hit1"] == scores["qa_auroc"] == 1.0


def test_saving_keeps_answers_and_has_the_encoders_weights_once(trained, tmp_path):
    trained.get_pipe("clinical_qa").cfg["shift"] = 0.25
    before = trained(asked(trained, NOTE, "given for"))._.answers
    trained.to_disk(tmp_path / "pipeline")
    again = spacy.load(tmp_path / "pipeline")
    loaded = again(asked(again, NOTE, "given for"))._.answers
    assert [(one.start, one.end) for one in loaded] == [(one.start, one.end) for one in before]
    assert [one.score for one in loaded] == pytest.approx([one.score for one in before], abs=1e-5)
    assert again.get_pipe("clinical_qa").reader.encoder is again.get_pipe("encoder")
    sizes = [path.stat().st_size for path in (tmp_path / "pipeline" / "clinical_qa").rglob("*") if path.is_file()]
    assert sum(sizes) < 5000 and len(list((tmp_path / "pipeline").rglob("*.safetensors"))) == 1
    disabled = spacy.load(tmp_path / "pipeline", disable=["encoder"])
    assert [one.start for one in disabled(asked(disabled, NOTE, "given for"))._.answers] == [
        one.start for one in before
    ]
    again.get_pipe("clinical_qa").from_bytes(trained.get_pipe("clinical_qa").to_bytes())
    assert again.get_pipe("clinical_qa").cfg["shift"] == 0.25
    trained.get_pipe("clinical_qa").cfg.update(UNIT)


def test_it_pickles_with_its_encoder(trained):
    pipe = pickle.loads(pickle.dumps(trained.get_pipe("clinical_qa")))
    (before,), (after,) = (
        each.ask(trained.make_doc(NOTE), "given for") for each in (trained.get_pipe("clinical_qa"), pipe)
    )
    assert (after.start, after.score) == (before.start, pytest.approx(before.score, abs=1e-5))
    assert pipe.encoder._bound == [pipe]


def test_answers_survive_docbin(trained):
    doc = trained(asked(trained, NOTE, {"id": "q", "question": "given for"}, "lungs"))
    (again,) = DocBin(docs=[doc], store_user_data=True).get_docs(spacy.blank("en").vocab)
    assert [one._replace(span=one.span.text) for one in again._.answers] == [
        one._replace(span=one.span.text) for one in doc._.answers
    ]


@pytest.mark.parametrize("way", ["nlp.update", "spacy train", "spacy train, two batches a step"])
def test_the_encoder_learns_in_the_same_step_from_questions_alone(toy, way):
    nlp = make_nlp(toy, windows=WINDOWS)
    examples, before, sgd = make_examples(nlp), weights(nlp), Adam(0.01)
    if way == "nlp.update":
        losses = nlp.update(examples, sgd=sgd)
    else:  # as train_while_improving does it
        losses = {}
        for batch in [examples] if way == "spacy train" else [examples[:1], examples[1:]]:
            nlp.update(batch, sgd=False, losses=losses)
        for _, pipe in nlp.pipeline:
            pipe.finish_update(sgd)
    assert losses["encoder"] > 0
    assert not before.equal(weights(nlp))
    assert not nlp.get_pipe("encoder").shim.has_gradient


@pytest.mark.parametrize("silent", ["clinical_ner", "clinical_qa"])
@pytest.mark.parametrize("first", [True, False])
def test_the_encoder_learns_beside_another_head(toy, silent, first):
    nlp = make_nlp(toy, windows=WINDOWS)
    ner = head_config("clinical_ner", listener_config())
    nlp.add_pipe("clinical_ner", config=ner, **({"before": "clinical_qa"} if first else {}))
    nlp.initialize(lambda: make_head_examples(nlp))
    examples = make_examples(nlp) if silent == "clinical_ner" else make_head_examples(nlp)
    for example in examples:
        example.reference._.annotated = {silent: ()}
    sgd, before = Adam(0.01), weights(nlp)
    for _ in range(2):  # a step that a silent head puts off is taken when the encoder is used next
        losses = nlp.update(examples, sgd=sgd)
    assert losses[silent] == 0 and losses["encoder"] > 0
    assert not before.equal(weights(nlp))


def test_the_encoder_does_not_wait_for_a_head_that_was_taken_out(toy):
    nlp = make_nlp(toy, windows=WINDOWS)
    nlp.add_pipe("clinical_ner", config=head_config("clinical_ner", listener_config()))
    nlp.initialize(lambda: make_head_examples(nlp))
    nlp.remove_pipe("clinical_qa")
    before = weights(nlp)
    nlp.update(make_head_examples(nlp), sgd=Adam(0.01))
    assert not before.equal(weights(nlp))


def test_both_heads_gradients_add_up(toy):
    def gradient(silent):
        nlp = make_nlp(toy, windows=WINDOWS, model={"attention_dropout": 0.0})
        network = encoder_weights(nlp)
        for module in network.modules():
            if isinstance(module, torch.nn.Dropout) or type(module).__name__ == "FastDropout":
                module.p = 0.0
        nlp.add_pipe("clinical_ner", config=head_config("clinical_ner", listener_config()))
        spacy.util.fix_random_seed(0)
        nlp.initialize(lambda: make_head_examples(nlp))
        examples = make_examples(nlp)
        for example in examples:
            example.reference.spans["gold"].append(example.reference[1:2])
            example.reference.spans["gold"].attrs = {
                "attributes": [*example.reference.spans["gold"].attrs["attributes"], {}]
            }
            example.reference._.annotated = {name: () for name in silent}
        nlp.update(examples, sgd=False)
        nlp.get_pipe("encoder")._finish_pending()
        return network.encoder.layer[0].output.dense.weight.grad.clone()

    both = gradient(())
    apart = gradient(("clinical_ner",)), gradient(("clinical_qa",))
    assert all(each.abs().max() > 0 for each in apart)
    assert torch.allclose(both, sum(apart), atol=1e-5)


def test_a_frozen_encoder_stays_and_the_head_learns(toy):
    nlp = make_nlp(toy, windows=WINDOWS)
    examples, before, sgd = make_examples(nlp), weights(nlp), Adam(0.01)
    layer = nlp.get_pipe("clinical_qa").model.get_ref("borders")
    head = layer.get_param("W").copy()
    losses = nlp.update(examples, sgd=sgd, exclude=["encoder"])
    nlp.get_pipe("encoder").finish_update(sgd)
    assert losses["clinical_qa"] > 0 and (layer.get_param("W") != head).any()
    assert before.equal(weights(nlp)) and not nlp.get_pipe("encoder").shim.has_gradient


@pytest.mark.parametrize("missing", ["no questions", "not annotated", "no label"])
def test_missing_annotation_gives_no_gradient(toy, missing):
    nlp = make_nlp(toy, windows=WINDOWS)
    examples = make_examples(nlp)
    for example in examples:
        if missing == "no questions":
            example.reference._.questions = None
        elif missing == "not annotated":
            example.reference._.annotated = {"clinical_qa": ()}
        else:
            example.reference._.questions = ({"id": 0, "question": "fever", "kind": "yes_no"},)
    model, before = nlp.get_pipe("clinical_qa").model, weights(nlp)
    head = model.to_bytes()
    assert nlp.update(examples, sgd=Adam(0.01))["clinical_qa"] == 0
    assert before.equal(weights(nlp)) and model.to_bytes() == head
    assert nlp.evaluate(examples)["qa_f1"] is None


def test_logits_are_those_of_hugging_faces_question_answering(nlp, toy):
    pipe = nlp.get_pipe("clinical_qa")
    peer = BertForQuestionAnswering.from_pretrained(toy).eval()
    peer.bert = AutoModel.from_pretrained(toy, add_pooling_layer=False).eval()
    borders = pipe.model.get_ref("borders")
    with torch.no_grad():
        peer.qa_outputs.weight[:] = torch.from_numpy(borders.get_param("W"))
        peer.qa_outputs.bias[:] = torch.from_numpy(borders.get_param("b"))
        inputs = AutoTokenizer.from_pretrained(toy)("given for", "Aspirin given for fever.", return_tensors="pt")
        given = peer(**inputs)
    scores = (given.start_logits[0, :, None] + given.end_logits[0, None, :]).numpy()
    ((raw,),) = pipe._read([nlp.make_doc("Aspirin given for fever.")], [[Question(0, "given for")]])
    first = inputs["token_type_ids"][0].argmax().item()  # of the note
    best = max(scores[i, j] for i in range(first, first + 5) for j in range(i, first + 5))
    assert raw.candidates[0].score == pytest.approx(best - scores[0, 0], abs=1e-4)


def test_yes_no_questions(toy):
    nlp = make_nlp(toy, windows=WINDOWS)
    examples, sgd = make_examples(nlp, YES_NO), Adam(0.005)
    losses = [nlp.update(examples, sgd=sgd)["clinical_qa"] for _ in range(25)]
    assert losses[-1] < losses[0] / 2
    scores = nlp.evaluate(make_examples(nlp, YES_NO))
    assert scores["qa_label_acc"] == scores["qa_label_macro_f"] == 1.0 and scores["qa_f1"] is None
    question = {"question": "fever of the patient", "kind": "yes_no"}
    doc = nlp(asked(nlp, NOTE, question))
    (answer,) = doc._.answers
    assert answer.label == "yes" and answer.span.text in NOTE
    (row,) = doc.spans["answers"].attrs["questions"]
    assert set(row["labels"]) == {"yes", "no", "maybe"} and sum(row["labels"].values()) == pytest.approx(1)
    assert nlp(asked(nlp, "", question))._.answers == []
    layer = nlp.get_pipe("clinical_qa").model.get_ref("borders")
    assert not layer.has_grad("W")
    examples[0].reference._.questions[0]["label"] = "perhaps"
    with pytest.raises(ValueError, match="set its labels"):
        nlp.update(examples, sgd=sgd)


def test_several_answers_where_several_are_asked_for(nlp):
    doc = nlp(asked(nlp, NOTE, {"id": 1, "question": "pain"}, {"id": 2, "question": "pain", "n_answers": 3}))
    one, *several = doc._.answers
    assert [one.id, *(answer.id for answer in several)] == [1, 2, 2, 2] and one.span == several[0].span
    spans = sorted((answer.start, answer.end) for answer in several)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
    assert [answer.score for answer in several] == sorted((answer.score for answer in several), reverse=True)


def test_ask(nlp):
    doc = nlp(NOTE)
    assert doc._.answers is None
    (answer,) = spacy_clinicalbert.ask(doc, "pain", nlp)
    assert answer.question == "pain" and doc.text[answer.start : answer.end] == answer.span.text
    assert doc._.answers is None and doc._.questions is None
    assert len(nlp.get_pipe("clinical_qa").ask(doc, ["pain", {"question": "fever", "n_answers": 2}])) == 3
    with pytest.raises(ValueError, match="clinical_qa"):
        spacy_clinicalbert.ask(doc, "pain", spacy.blank("en"))


def test_questions_of_every_document(toy):
    nlp = make_nlp(toy, questions=["pain"], threshold=0.0)
    docs = list(nlp.pipe([NOTE, asked(nlp, NOTE, "fever"), asked(nlp, NOTE)]))
    assert [[answer.question for answer in doc._.answers] for doc in docs] == [["pain"], ["fever"], []]


@pytest.mark.parametrize("text, n", [("", 0), (" \n ", 0), ("Stable", 1)])
def test_short_notes(nlp, text, n):
    docs = list(nlp.pipe([asked(nlp, text, "pain"), asked(nlp, NOTE, "pain")]))
    assert len(docs[0]._.answers) == n and len(docs[1]._.answers) == 1


@pytest.mark.parametrize(
    "question, message",
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("\x07", "0 wordpieces"),
        ("pain " * 65, "65 wordpieces.*Shorten"),
        (None, "is empty"),
        ({"text": "pain"}, "is empty"),
        ({"question": "pain", "kind": "essay"}, "'essay'"),
        ({"question": "pain", "n_answers": 0}, "n_answers"),
        ({"id": 0, "question": "pain"}, "id of another"),
        ({"id": [0], "question": "pain"}, "an id that is neither"),
        ({"id": ("a", 0), "question": "pain"}, "an id that is neither"),
    ],
)
def test_a_question_that_cannot_be_asked_is_an_error_of_its_document_alone(nlp, question, message):
    with pytest.raises(ValueError, match=message):
        nlp(asked(nlp, NOTE, "fever", question))
    failed = []
    nlp.set_error_handler(lambda name, pipe, docs, err: failed.append(str(err)))
    try:
        docs = list(
            nlp.pipe([asked(nlp, NOTE, "fever"), asked(nlp, OTHER, "fever", question), asked(nlp, NOTE, "fever")])
        )
    finally:
        nlp.set_error_handler(spacy.util.raise_error)
    assert len(docs) == 2 and len(failed) == 1 and "fever" not in failed[0]


def test_thousands_of_questions_are_read_in_bounded_pieces(nlp, monkeypatch):
    sizes = []
    predict = reading.predict_pairs

    def count(encoder, pairs, frame):
        sizes.append(sum(len(pair.question) + len(pair.window) + 3 for pair in pairs))
        return predict(encoder, pairs, frame)

    monkeypatch.setattr(reading, "predict_pairs", count)
    monkeypatch.setitem(nlp.get_pipe("encoder").cfg, "max_buffer_items", 1000)
    doc = nlp(asked(nlp, "Stable", *(f"pain {i}" for i in range(1000))))
    assert len(doc._.answers) == 1000
    assert len(sizes) > 5 and max(sizes) < 1100


def test_a_long_document_is_read_where_its_words_are_asked_for(toy):
    text = "Lungs clear, stable. " * 20 + "Aspirin given. " + "No cough. " * 20
    place = text.index("Aspirin")
    nlp = make_nlp(toy, windows=WINDOWS, max_windows=3, threshold=0.0)
    example = make_examples(nlp, [(text, [("aspirin?", [(place, place + 7)]), ("zebra?", [])])])[0]
    doc = nlp(asked(nlp, text, {"question": "aspirin?", "n_answers": 20}))
    n_answers = len(doc._.answers)
    assert min(abs(answer.start - place) for answer in doc._.answers) < 40
    assert ranking_recall(nlp.get_pipe("clinical_qa"), [example], best=(1, 3)) == {1: 1.0, 3: 1.0}
    assert ranking_recall(nlp.get_pipe("clinical_qa"), make_examples(nlp, [(text, [("zebra?", [])])])) == {}
    assert all(len(nlp(asked(nlp, text, question))._.answers) == 1 for question in ("zebra", "the of"))
    nlp.get_pipe("clinical_qa").limits = nlp.get_pipe("clinical_qa").limits._replace(max_windows=0)
    assert len(nlp(asked(nlp, text, {"question": "aspirin?", "n_answers": 20}))._.answers) > n_answers


def test_a_long_document_without_bm25_says_what_to_install(toy, monkeypatch):
    nlp = make_nlp(toy, windows=WINDOWS, max_windows=3)
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(ImportError, match="max_windows = 0"):
        nlp(asked(nlp, NOTE * 5, "pain"))


def test_an_answer_that_no_window_has_whole_is_said_and_not_learned(toy, caplog):
    nlp = make_nlp(toy, windows=WINDOWS)
    examples = make_examples(nlp, [(NOTE, [("pain", [(0, len(NOTE))])])])
    with caplog.at_level(logging.WARNING):
        losses = [nlp.update(examples, sgd=Adam(0.01))["clinical_qa"] for _ in range(2)]
    assert losses == [0, 0]
    assert [record.getMessage().count("1 questions") for record in caplog.records] == [1]


def test_the_nearest_encoder_is_bound_and_none_is_an_error(toy, other_toy):
    nlp = make_nlp(toy)
    second = nlp.add_pipe("clinicalbert", name="second", before="clinical_qa", config={"model": {"name": other_toy}})
    assert nlp.get_pipe("clinical_qa").encoder is second
    nlp.add_pipe("clinical_qa", name="other", config={"upstream": "encoder"})
    assert nlp.get_pipe("other").encoder is nlp.get_pipe("encoder")
    alone = spacy.blank("en")
    alone.add_pipe("clinical_qa")
    with pytest.raises(ValueError, match="Put one before it"):
        alone.initialize()


def test_a_disabled_encoder_still_lends_its_network(nlp):
    with nlp.select_pipes(disable=["encoder"]):
        doc = nlp(asked(nlp, NOTE, "pain"))
    assert doc._.trf_data is None and len(doc._.answers) == 1


def test_initialised_anew_it_forgets_an_older_calibration(toy):
    nlp = make_nlp(toy)
    nlp.get_pipe("clinical_qa").cfg["temperature"] = 7.0
    nlp.initialize()
    assert nlp.get_pipe("clinical_qa").cfg == UNIT


@pytest.mark.parametrize(
    "config, message",
    [
        ({"n_answers": 0}, "n_answers = 0"),
        ({"max_windows": -1}, "max_windows = -1"),
        ({"labels": ["yes"]}, "two labels"),
        ({"questions": [" "]}, "is empty"),
        ({"max_question": 600}, "no place for a window"),
        ({"windows": {**WINDOWS, "size": 500}}, "does not fit"),
    ],
)
def test_settings_that_cannot_be_are_an_error(toy, config, message):
    with pytest.raises(ValueError, match=message):
        make_nlp(toy, **config)
