"""`clinical_ner` over a toy encoder, and examples for it."""

import spacy
from spacy.training import Example

from tests.conftest import NOTES, encoder_config, head_config, listener_config

KEY = "entities"


def make_ner(folder, stock=False, notes=None, **config):
    """As `make_nlp`, with settings of the component."""
    nlp = spacy.blank("en")
    nlp.add_pipe("clinicalbert", name="encoder", config=encoder_config(folder))
    nlp.add_pipe("clinical_ner", config={**head_config("clinical_ner", listener_config(stock)), **config})
    spacy.util.fix_random_seed(0)
    nlp.initialize(lambda: gold_examples(nlp, notes or NOTES))
    return nlp


def gold_examples(nlp, notes, annotated=None):
    """With every entity in the group, and nothing in `doc.ents`."""
    examples = []
    for text, entities, *_ in notes:
        reference = nlp.make_doc(text)
        reference.spans["gold"] = [reference.char_span(start, end, label=label) for start, end, label in entities]
        if annotated is not None:
            reference._.annotated = {"clinical_ner": annotated}
        examples.append(Example(nlp.make_doc(text), reference))
    return examples


def train(nlp, examples, n=50):
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate = 3e-3
    for _ in range(n):
        losses = nlp.update(examples, sgd=optimizer)
    return losses


def triples(spans):
    return [(span.start_char, span.end_char, span.label_) for span in spans]
