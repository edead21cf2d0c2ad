"""A pipeline with `clinical_summary` over a toy encoder, and notes with reference summaries."""

import spacy
from spacy.training import Example

from spacy_clinicalbert.corpora.docs import install_extensions
from tests.conftest import encoder_config

NOTE = """CHIEF COMPLAINT: Chest pain.

HISTORY OF PRESENT ILLNESS: The patient has chest pain and fever. He was seen by Dr. Smith for cough; no history of pain.
She denies:
fever
cough

FAMILY HISTORY: Mother had fever.

PLAN:
1. Aspirin given for chest pain.
2. Lungs clear, stable.
"""
SCORER = {"@architectures": "spacy-clinicalbert.SentenceScorer.v1", "hidden_width": 16}


def make_nlp(toy, rows=(), trained=False, **config):
    nlp = spacy.blank("en")
    nlp.add_pipe("clinicalbert", name="encoder", config=encoder_config(toy))
    if trained:
        tok2vec = {"@architectures": "spacy-clinicalbert.Listener.v1", "upstream": "*"}
        config["model"] = {**SCORER, "tok2vec": tok2vec}
    nlp.add_pipe("clinical_summary", config=config)
    spacy.util.fix_random_seed(0)
    nlp.initialize((lambda: make_examples(nlp, rows)) if rows else None)
    return nlp


def make_examples(nlp, rows):
    install_extensions()
    examples = []
    for text, summary in rows:
        reference = nlp.make_doc(text)
        reference._.reference_summary = summary
        examples.append(Example(nlp.make_doc(text), reference))
    return examples
