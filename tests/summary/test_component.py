import numpy
import pytest
import spacy
from spacy.tokens import DocBin
from thinc.api import Adam

from tests.conftest import encoder_weights
from tests.summary.conftest import NOTE, make_examples, make_nlp

ROWS = [
    (NOTE, "Aspirin given for chest pain"),
    (NOTE.replace("Aspirin", "Fever; aspirin"), "aspirin given for chest pain"),
]


@pytest.fixture(scope="module")
def nlp(toy):
    return make_nlp(toy, max_words=15)


def test_summary_is_whole_sentences_of_the_note_in_order_within_the_budget(nlp):
    doc = nlp(NOTE)
    spans = doc._.summary
    assert spans and [span.start for span in spans] == sorted(span.start for span in spans)
    assert sum(len(span.text.split()) for span in spans) <= 15
    assert {span.label_ for span in spans} <= {
        "chief_complaint", "history_of_present_illness", "family_history", "plan"
    }  # fmt: skip
    assert len(doc.spans["summary"].attrs["salience"]) == len(spans)


def test_summary_survives_docbin(nlp):
    doc = nlp(NOTE)
    (again,) = DocBin(docs=[doc]).get_docs(spacy.blank("en").vocab)
    assert [(s.start, s.end, s.label_) for s in again._.summary] == [(s.start, s.end, s.label_) for s in doc._.summary]
    assert again.spans["summary"].attrs == doc.spans["summary"].attrs


@pytest.mark.parametrize("text, n", [("", 0), (" \n ", 0), ("Stable", 1), ("PLAN:", 0), ("1.", 0)])
def test_short_notes(nlp, text, n):
    docs = list(nlp.pipe([text, NOTE]))
    assert len(docs[0]._.summary) == n and docs[1]._.summary


def test_no_summary_where_nothing_ran(nlp):
    assert nlp.make_doc(NOTE)._.summary is None


def test_a_sentence_longer_than_the_budget_is_kept_whole_if_none_fits(nlp):
    long = "The patient denies " + "chest pain and " * 20 + "fever."
    assert [span.text for span in nlp(long)._.summary] == [long]
    assert [span.text for span in nlp(f"{long}\nNo cough.")._.summary] == ["No cough."]


def test_untrained_salience_is_of_what_is_early_and_near_the_mean(toy):
    texts = ["Aspirin given. ", *["The patient denies chest pain and fever. "] * 20, "Lungs clear."]
    tok2vec = {"@architectures": "spacy-clinicalbert.Listener.v1", "upstream": "*"}
    salience = {}
    for lead in (0.0, 0.75, 1.0):
        model = {"@architectures": "spacy-clinicalbert.SentenceCentroid.v1", "lead": lead, "tok2vec": tok2vec}
        nlp = make_nlp(toy, model=model, max_words=1000, max_similarity=1.0, balance=1.0)
        doc = nlp("".join(text.replace("pain", f"pain {i}") for i, text in enumerate(texts)))
        spans = doc.spans["summary"]
        salience[lead] = numpy.array(spans.attrs["salience"])
        assert len(spans) == len(texts)
    starts = numpy.array([span.start for span in spans])
    assert salience[0.0].min() == 0 and salience[0.0].max() == 1 and 0 < salience[0.0].argmax() < 21
    assert numpy.allclose(salience[1.0], numpy.exp(-starts / 100))
    assert numpy.allclose(salience[0.75], 0.25 * salience[0.0] + 0.75 * salience[1.0], atol=1e-6)
    with pytest.raises(ValueError, match="lead is 2; it is a share"):
        make_nlp(toy, model={"@architectures": "spacy-clinicalbert.SentenceCentroid.v1", "lead": 2, "tok2vec": tok2vec})


def test_repeated_text_is_chosen_once(nlp):
    spans = nlp("PLAN: Aspirin given. " + "Lungs are clear. " * 50)._.summary
    texts = [span.text for span in spans]
    assert len(set(texts)) == len(texts) <= 2


def test_it_learns_what_the_references_say_and_keeps_it(toy, tmp_path):
    nlp = make_nlp(toy, ROWS, trained=True, max_words=7)
    examples = make_examples(nlp, ROWS)
    sgd = Adam(0.003)
    losses = [nlp.update(examples, sgd=sgd)["clinical_summary"] for _ in range(25)]
    assert losses[-1] < losses[0] / 2
    doc = nlp(NOTE)
    assert "Aspirin given for chest pain." in next(span.text for span in doc._.summary)
    assert nlp.evaluate(make_examples(nlp, ROWS))["summary_rougeL"] > 0.7
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)(NOTE)
    assert [s.text for s in again._.summary] == [s.text for s in doc._.summary]
    assert again.spans["summary"].attrs["salience"] == pytest.approx(doc.spans["summary"].attrs["salience"], abs=1e-4)


@pytest.mark.parametrize("mark", [None, {"clinical_summary": ()}])
def test_missing_reference_changes_nothing(toy, mark):
    nlp = make_nlp(toy, ROWS, trained=True)
    examples = make_examples(nlp, ROWS)
    for example in examples:
        example.reference._.annotated = mark
        example.reference._.reference_summary = None if mark is None else "chest pain"
    before = encoder_weights(nlp).embeddings.LayerNorm.weight.detach().clone()
    assert nlp.update(examples, sgd=Adam(0.01))["clinical_summary"] == 0
    assert before.equal(encoder_weights(nlp).embeddings.LayerNorm.weight)
    assert nlp.evaluate(examples)["summary_rougeL"] is None


def test_the_encoder_learns_through_it(toy):
    nlp = make_nlp(toy, ROWS, trained=True)
    before = encoder_weights(nlp).embeddings.LayerNorm.weight.detach().clone()
    nlp.update(make_examples(nlp, ROWS), sgd=Adam(0.01))
    assert not before.equal(encoder_weights(nlp).embeddings.LayerNorm.weight)


def test_gradient_is_that_of_the_loss(toy):
    nlp = make_nlp(toy, ROWS, trained=True)
    pipe = nlp.get_pipe("clinical_summary")
    examples = make_examples(nlp, [*ROWS, ("", "x"), (NOTE, None)])
    for example in examples:
        nlp.get_pipe("encoder")(example.predicted)
    layer = next(node for node in pipe.model.walk() if node.name == "maxout" or node.has_param("W"))
    bias = layer.get_param("b")
    pipe.update(examples)
    slopes = layer.get_grad("b").copy()
    place = numpy.unravel_index(numpy.abs(slopes).argmax(), slopes.shape)

    def loss(step):
        bias[place] += step
        value = pipe.update(examples)["clinical_summary"]
        bias[place] -= step
        return value

    assert (loss(0.005) - loss(-0.005)) / 0.01 == pytest.approx(float(slopes[place]), rel=3e-2, abs=2e-3)


@pytest.mark.parametrize("config", [{"max_words": 0}, {"balance": 1.5}])
def test_settings_out_of_range_are_an_error(toy, config):
    with pytest.raises(ValueError, match="set max_words"):
        make_nlp(toy, **config)
