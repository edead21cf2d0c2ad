"""`clinical_ner` with columns of how words are written."""

import numpy
import pytest
import spacy

from tests.conftest import NOTES, listener_config, make_examples
from tests.pipeline.ner import gold_examples, make_ner, train, triples

# What an uncased encoder cannot tell apart: units in capitals from a word.
CASED = [("Gave MG and mg.", [(5, 7, "NAME")]), ("Gave mg and MG.", [(12, 14, "NAME")])]


def orthography(stock=False):
    return {
        "@architectures": "spacy-clinicalbert.SpanTagger.v1",
        "tok2vec": {
            "@architectures": "spacy-clinicalbert.Orthography.v1",
            "tok2vec": listener_config(stock),
            "width": 16,
        },
    }


@pytest.mark.parametrize("stock", [False, True])
def test_it_learns_with_the_encoder(toy, stock):
    nlp = make_ner(toy, model=orthography(stock))
    train(nlp, make_examples(nlp))
    for (_, entities, _), doc in zip(NOTES, nlp.pipe(text for text, *_ in NOTES)):
        assert triples(doc.ents) == entities


@pytest.mark.parametrize("is_seen", [False, True])
def test_case_is_seen_where_the_encoder_is_uncased(toy, is_seen):
    nlp = make_ner(toy, notes=CASED, **({"model": orthography()} if is_seen else {}))
    nlp.get_pipe("encoder").shim.checkpoint.tokenizer.backend_tokenizer.normalizer.lowercase = True
    train(nlp, gold_examples(nlp, CASED))
    right = [triples(nlp(text).ents) == entities for text, entities in CASED]
    assert all(right) == is_seen


def test_notes_of_a_batch_do_not_read_each_other(toy):
    nlp = make_ner(toy, model=orthography())
    train(nlp, make_examples(nlp), n=5)
    model = nlp.get_pipe("clinical_ner").model
    docs = [nlp.get_pipe("encoder")(nlp.make_doc(text)) for text, *_ in NOTES]
    together = model.predict(docs)
    for doc, scores in zip(docs, together):
        (alone,) = model.predict([doc])
        numpy.testing.assert_allclose(alone, scores, atol=1e-5)


def test_empty_notes_have_no_entities(toy):
    nlp = make_ner(toy, model=orthography())
    assert list(nlp.pipe([])) == []
    assert [len(doc.ents) for doc in nlp.pipe(["", ""])] == [0, 0]


def test_a_saved_pipeline_finds_the_same(toy, tmp_path):
    nlp = make_ner(toy, model=orthography())
    train(nlp, make_examples(nlp))
    text = NOTES[0][0]
    nlp.to_disk(tmp_path)
    assert triples(spacy.load(tmp_path)(text).ents) == triples(nlp(text).ents) != []


def test_an_encoder_of_its_own_keeps_the_factor_of_the_gradient(toy):
    model = orthography()
    model["tok2vec"]["tok2vec"]["grad_factor"] = 0.5
    nlp = make_ner(toy, model=model)
    nlp.replace_listeners("encoder", "clinical_ner", ["model.tok2vec.tok2vec"])
    assert nlp.get_pipe_config("clinical_ner")["model"]["tok2vec"]["tok2vec"]["grad_factor"] == 0.5
