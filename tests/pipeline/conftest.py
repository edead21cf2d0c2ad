"""A toy set of asserted spans, and a pipeline with `clinical_assertion` over a toy encoder."""

import pytest
import spacy
from spacy.tokens import SpanGroup
from spacy.training import Example

from spacy_clinicalbert.corpora.docs import ATTRIBUTES, install_extensions
from tests.conftest import encoder_config

# Text → (start, end, attributes) of its spans, whose label is PROBLEM.
ASSERTED = [
    ("The patient denies chest pain.", [(19, 29, {"negation": "Negated", "temporality": "Recent"})]),
    ("No cough.", [(3, 8, {"negation": "Negated", "temporality": "Recent"})]),
    ("Chest pain and fever.", [(0, 10, {"negation": "Affirmed"}), (15, 20, {"negation": "Affirmed"})]),
    ("History of fever, no cough.", [(11, 16, {"temporality": "Historical"}), (21, 26, {"negation": "Negated"})]),
    ("History of chest pain.", [(11, 21, {"negation": "Affirmed", "temporality": "Historical"})]),
    ("Stable, pain given.", [(8, 12, {"negation": "Affirmed", "temporality": "Recent"})]),
]


def make_reference(nlp, text, spans):
    install_extensions()
    doc = nlp.make_doc(text)
    group = [doc.char_span(start, end, label="PROBLEM") for start, end, _ in spans]
    attrs = {ATTRIBUTES: [attributes for *_, attributes in spans]}
    doc.spans["gold"] = SpanGroup(doc, name="gold", spans=group, attrs=attrs)
    doc.set_ents(spacy.util.filter_spans(group))
    return doc


def make_asserted(nlp, rows=ASSERTED):
    return [Example(nlp.make_doc(text), make_reference(nlp, text, spans)) for text, spans in rows]


def make_assertion_nlp(toy, rows=ASSERTED, heads=(), initialize=None, **config):
    nlp = spacy.blank("en")
    nlp.add_pipe("clinicalbert", name="encoder", config=encoder_config(toy))
    for name, settings in heads:
        nlp.add_pipe(name, config=settings)
    nlp.add_pipe("clinical_assertion", config=config)
    nlp.config["initialize"]["components"]["clinical_assertion"] = initialize or {}
    spacy.util.fix_random_seed(0)
    nlp.initialize(lambda: make_asserted(nlp, rows))
    return nlp


def with_ents(nlp, rows=ASSERTED):
    """Docs of the toy set that have the gold spans as entities."""
    docs = []
    for text, spans in rows:
        doc = nlp.make_doc(text)
        doc.set_ents([doc.char_span(start, end, label="PROBLEM") for start, end, _ in spans])
        docs.append(doc)
    return docs


@pytest.fixture(scope="session")
def trained(toy):
    """A pipeline that has learned the toy set."""
    nlp = make_assertion_nlp(toy)
    sgd = nlp.resume_training()
    sgd.learn_rate = 0.003
    examples = make_asserted(nlp)
    losses = []
    for _ in range(30):
        losses.append(nlp.update(examples, sgd=sgd)["clinical_assertion"])
    assert losses[-1] < losses[0] / 5
    return nlp
