"""What holds of vectors, heads, records and exports, whatever the note says."""

import csv
import io
import json

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import DocBin
from tokenizers import Tokenizer
from transformers import AutoTokenizer

import spacy_clinicalbert
from spacy_clinicalbert.corpora.docs import install_extensions
from spacy_clinicalbert.deployment.records import to_record
from spacy_clinicalbert.page.note_page import note_page
from spacy_clinicalbert.tokenizer import blank_clinical
from tests.conftest import NOTES, encoder_config, make_examples
from tests.page.html import check
from tests.properties.strategies import cases, texts

WINDOWS = {"@misc": "spacy-clinicalbert.strided_windows.v1", "size": 12, "context": 3}
HEADS = ("clinical_ner", "clinical_assertion", "clinical_note_classifier", "clinical_qa", "clinical_summary")


def make(folder, heads=HEADS, **model):
    """A pipeline of all heads, that has learned nothing: what it finds is anything."""
    nlp = blank_clinical()
    nlp.add_pipe("clinical_sections")
    nlp.add_pipe("clinicalbert", name="encoder", config=encoder_config(folder, **model))
    for head in heads:
        nlp.add_pipe(head, config={"threshold": 0.01} if head == "clinical_ner" else {})
    nlp.add_pipe("clinical_pathology")
    if "clinical_assertion" in heads:
        labels = {"certainty": ["absent", "present"], "time": ["historical", "recent"]}
        nlp.config["initialize"]["components"]["clinical_assertion"] = {"labels": labels}
    spacy.util.fix_random_seed(0)
    nlp.initialize(lambda: make_examples(nlp))
    return nlp


def vectors_of(doc):
    """RETURNS (ndarray): (n_tokens, 32)."""
    return doc._.trf_data.model_output.last_hidden_state[0] if len(doc) else numpy.zeros((0, 32))


@pytest.fixture(scope="module")
def nlp(toy):
    return make(toy)


@pytest.fixture(scope="module")
def windowed(toy):
    return make(toy, heads=(), windows=WINDOWS)


@pytest.fixture(scope="module")
def wordpieces(toy) -> Tokenizer:
    return AutoTokenizer.from_pretrained(toy)


@given(st.lists(texts, min_size=1, max_size=4))
@cases(0.5)
def test_every_token_has_a_vector_but_white_space_and_what_the_wordpieces_delete(windowed, wordpieces, notes):
    for doc in windowed.pipe(notes):
        for token, vector in zip(doc, vectors_of(doc)):
            assert numpy.isfinite(vector).all()
            # A character that is deleted can stand within a wordpiece, and has its vector.
            assert vector.any() or not wordpieces.tokenize(token.text), repr(token.text)


@given(st.lists(texts, min_size=1, max_size=4))
@cases(0.5)
def test_a_note_alone_has_the_vectors_that_it_has_in_a_batch(windowed, notes):
    for text, doc in zip(notes, windowed.pipe(notes)):
        assert numpy.allclose(vectors_of(windowed(text)), vectors_of(doc), atol=1e-4)


@given(texts, st.lists(st.sampled_from(["Which drugs?", "fever <b>?\u202e", "\U0001f600", "pT"]), max_size=3))
@cases(0.5)
def test_what_heads_find_lies_in_the_note_and_can_be_written(nlp, text, questions):
    install_extensions()
    doc = nlp.make_doc(text)
    doc._.questions = tuple(questions)
    doc._.note_id = "n"
    doc = nlp(doc)
    record = to_record(doc)
    assert json.loads(json.dumps(record)) == record
    for entity in record.get("entities", ()):
        assert (
            text[entity["start"] : entity["end"]] == entity["text"] and entity["text"].strip() == entity["text"] != ""
        )
        assert 0 <= entity["probability"] <= 1
        for axis in entity.get("assertion", {}).values():
            assert 0 <= axis["probability"] <= 1
    assert all(0 <= value <= 1 for value in record.get("cats", {}).values())
    starts = [span.start for span in doc._.summary]
    assert starts == sorted(starts) and len(set(starts)) == len(starts)
    for answer in doc._.answers or ():
        assert 0 <= answer.start < answer.end <= len(text) and 0 <= answer.score <= 1
    stored = next(DocBin(docs=[doc], store_user_data=True).get_docs(nlp.vocab))
    assert to_record(stored) == record


@given(texts)
@cases(0.5)
def test_exports_hold_what_the_note_says(nlp, text):
    doc = nlp(text)
    doc._.note_id = 7
    rows = spacy_clinicalbert.to_omop(doc)
    entities = to_record(doc).get("entities", [])
    assert len(rows) == len(entities) >= len(doc.ents)
    for row, entity in zip(rows, entities):
        said = text[entity["start"] : entity["end"]]
        one_line = " ".join(said.replace("\0", " ").split())
        assert int(row["offset"]) == entity["start"] and row["lexical_variant"] == one_line[:250]
    table = io.StringIO(newline="")
    if rows:
        writer = csv.DictWriter(table, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        table.seek(0)
        assert len(list(csv.DictReader(table))) == len(rows)
    page = check(note_page(doc))
    assert len(page.notes) == 1


@given(texts)
@cases(0.25)
def test_fhir_resources_are_valid(nlp, tmp_path_factory, text):
    pytest.importorskip("fhir.resources")
    concepts = tmp_path_factory.getbasetemp() / "concepts.csv"
    if not concepts.exists():
        concepts.write_text("label,resource\nPROBLEM,Condition\nDRUG,MedicationStatement\n", encoding="utf8")
    doc = nlp(text)
    doc._.note_id = "n"
    for version in ("R4B", "R5"):
        resources = spacy_clinicalbert.to_fhir(doc, version=version, concepts=concepts)
        ids = [each.id for each in resources]
        assert len(set(ids)) == len(ids)
        for each in resources:
            assert json.loads(each.model_dump_json())["resourceType"]


@given(st.lists(st.sampled_from([note[0] for note in NOTES]), min_size=1, max_size=4), texts)
@cases(0.1)
def test_saving_changes_nothing(nlp, toy, notes, text):
    again = spacy.util.load_model_from_config(nlp.config, vocab=nlp.vocab, auto_fill=False)
    again.from_bytes(nlp.to_bytes())
    for note in [*notes, text]:
        assert to_record(again(note)) == to_record(nlp(note))
