"""What holds of every text, whatever it says: tokens, sections, pathology records."""

import itertools
import json

import pytest
import spacy
from hypothesis import given
from spacy.tokens import Doc

from spacy_clinicalbert.pathology.component import read_report
from spacy_clinicalbert.pathology.record import PathologyRecord
from spacy_clinicalbert.tokenizer import blank_clinical
from tests.properties.strategies import cases, texts

pytestmark = pytest.mark.usefixtures("all_special_cases")


@pytest.fixture(scope="module")
def nlp(all_special_cases):
    nlp = blank_clinical()
    nlp.add_pipe("clinical_sections")
    return nlp


def tokens_of(doc):
    return [(token.text, token.idx, token.whitespace_) for token in doc]


@given(texts)
@cases()
def test_tokens_are_the_text(nlp, text):
    doc = nlp.make_doc(text)
    assert doc.text == text and all(len(token) for token in doc)
    assert all(text[token.idx : token.idx + len(token)] == token.text for token in doc)
    # The same again: the tokenizer remembers pieces that it has seen.
    assert tokens_of(nlp.make_doc(text)) == tokens_of(doc) == tokens_of(next(nlp.tokenizer.pipe([text])))
    assert tokens_of(Doc(doc.vocab).from_bytes(doc.to_bytes())) == tokens_of(doc)


@given(texts)
@cases()
def test_sections_are_in_order_and_apart(nlp, text):
    doc = nlp(text)
    sections, heads = list(doc.spans["sections"]), list(doc.spans["section_heads"])
    assert [section.start for section in sections] == [head.start for head in heads]
    assert all(head.end <= section.end for section, head in zip(sections, heads))
    assert all(one.end <= other.start for one, other in itertools.pairwise(sections))
    again = next(nlp.pipe([text]))
    assert [(each.start, each.end, each.label_) for each in again.spans["sections"]] == [
        (each.start, each.end, each.label_) for each in sections
    ]


@given(texts)
@cases()
def test_what_a_pathology_record_says_stands_in_the_report(text):
    record = read_report(text)
    for _, value in record.values():
        assert value.source == "stated" and value.evidence
        for place in value.evidence:
            assert 0 <= place.start < place.end <= len(text) and text[place.start : place.end] == place.text
    assert read_report(text) == record
    assert PathologyRecord.model_validate_json(record.to_json()) == record
    assert [row["field"] for row in record.rows()] == [field for field, _ in record.values()]


@given(texts, texts)
@cases(0.5)
def test_a_note_does_not_depend_on_the_one_before(text, other):
    nlp = test_a_note_does_not_depend_on_the_one_before.nlp
    alone = json.dumps(nlp(text)._.pathology.model_dump())
    assert [json.dumps(doc._.pathology.model_dump()) for doc in nlp.pipe([other, text, text])][1:] == [alone, alone]


test_a_note_does_not_depend_on_the_one_before.nlp = spacy.blank("en")
test_a_note_does_not_depend_on_the_one_before.nlp.add_pipe("clinical_pathology")
