"""The digest of the training data."""

import pytest
import spacy
from spacy.tokens import SpanGroup
from spacy.training import Example

from spacy_clinicalbert.corpora.docs import install_extensions
from spacy_clinicalbert.training.replay import digest_of

TEXT = "No chest pain."


def make_example(change=lambda doc: None):
    install_extensions()
    nlp = spacy.blank("en")
    doc = nlp.make_doc(TEXT)
    doc.cats = {"progress": 1.0, "radiology": 0.0}
    doc.set_ents([doc.char_span(3, 13, label="PROBLEM")])
    set_gold(doc, [(3, 13, "PROBLEM"), (3, 8, "PLACE")], "Negated")
    doc._.annotated = {"clinical_ner": ("PROBLEM", "PLACE")}
    change(doc)
    return Example(nlp.make_doc(TEXT), doc)


def set_gold(doc, rows, negation):
    spans = [doc.char_span(start, end, label=label) for start, end, label in rows]
    attributes = [{"negation": negation} for _ in spans]
    doc.spans["gold"] = SpanGroup(doc, name="gold", spans=spans, attrs={"attributes": attributes})


CHANGES = {
    "categories": lambda doc: doc.cats.update(progress=0.5),
    "entities": lambda doc: doc.set_ents([]),
    "overlapping": lambda doc: set_gold(doc, [(3, 13, "PROBLEM"), (9, 13, "PLACE")], "Negated"),
    "label": lambda doc: set_gold(doc, [(3, 13, "PROBLEM"), (3, 8, "SIGN")], "Negated"),
    "attributes": lambda doc: set_gold(doc, [(3, 13, "PROBLEM"), (3, 8, "PLACE")], "Affirmed"),
    "mask": lambda doc: setattr(doc._, "annotated", {"clinical_ner": ("PROBLEM",)}),
    "questions": lambda doc: setattr(doc._, "questions", ({"id": 1, "question": "?"},)),
    "summary": lambda doc: setattr(doc._, "reference_summary", "No pain."),
}


@pytest.mark.parametrize("what", CHANGES)
def test_digest_sees_what_changed(what):
    assert digest_of(make_example(CHANGES[what])) != digest_of(make_example())


def test_digest_is_that_of_the_annotation():
    assert digest_of(make_example()) == digest_of(make_example())
    assert digest_of(make_example(), 1) != digest_of(make_example(), 2)
