"""Small files of annotated text, and what is read of them."""

import csv
import json

import spacy
from spacy.tokens import DocBin

from spacy_clinicalbert.corpora.docs import Report, to_docs
from spacy_clinicalbert.corpora.formats import FORMATS

TEXT = "Denies chest pain. Given aspirin."


def read(form, path, **settings):
    """The Docs of a file, after a .spacy file and back, and the report."""
    report, nlp = Report(), spacy.blank("en")
    docs = list(to_docs(FORMATS[form](path, **settings), nlp, report))
    stored = DocBin(docs=docs, store_user_data=True).to_bytes()
    return list(DocBin(store_user_data=True).from_bytes(stored).get_docs(nlp.vocab)), report


def spans(doc, group="gold"):
    return [(span.text, span.label_) for span in doc.spans[group]]


def write_lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    return path


def write_csv(path, names, *rows):
    with path.open("w", newline="", encoding="utf8") as file:
        csv.writer(file).writerows([names, *rows])
    return path
