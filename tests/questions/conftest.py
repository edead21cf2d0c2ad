"""A pipeline with `clinical_qa` over a toy encoder, and notes with questions."""

import spacy
from spacy.tokens import SpanGroup
from spacy.training import Example

from spacy_clinicalbert.corpora.docs import ATTRIBUTES, GOLD, install_extensions
from tests.conftest import encoder_config

NOTE = "The patient denies chest pain. Aspirin given for fever."
OTHER = "Lungs clear. History of cough, stable."
# Text, and its questions with their answers: characters, or a label; nothing for none.
ROWS = [
    (NOTE, [("the pain of the patient", [(19, 29)]), ("given for", [(31, 38)])]),
    (OTHER, [("the history of", [(24, 29)]), ("given for", [])]),
]
WINDOWS = {"@misc": "spacy-clinicalbert.strided_windows.v1", "size": 8, "context": 2}


def make_examples(nlp, rows=ROWS):
    install_extensions()
    examples = []
    for text, asked in rows:
        reference = nlp.make_doc(text)
        questions, spans, attributes = [], [], []
        for place, (question, answers) in enumerate(asked):
            row = {"id": f"q{place}", "question": question}
            if isinstance(answers, str):
                row.update(kind="yes_no", label=answers)
                answers = []
            questions.append(row)
            for start, end in answers:
                spans.append(reference.char_span(start, end, label="ANSWER"))
                attributes.append({"question": row["id"]})
        reference._.questions = tuple(questions)
        reference.spans[GOLD] = SpanGroup(reference, name=GOLD, spans=spans, attrs={ATTRIBUTES: attributes})
        examples.append(Example(nlp.make_doc(text), reference))
    return examples


def make_nlp(toy, model=None, **config):
    nlp = spacy.blank("en")
    nlp.add_pipe("clinicalbert", name="encoder", config=encoder_config(toy, **(model or {})))
    nlp.add_pipe("clinical_qa", config=config)
    spacy.util.fix_random_seed(0)
    nlp.initialize()
    return nlp


def asked(nlp, text, *questions):
    doc = nlp.make_doc(text)
    doc._.questions = questions
    return doc
