"""What is known of a sentence beside its vector."""

from typing import List, Sequence

import numpy
from numpy import ndarray
from spacy.tokens import Doc

from .sentences import Sentences

N_PLACES = 8  # columns that are not of sections


def make_features(doc: Doc, sentences: Sentences, labels: Sequence[str]) -> ndarray:
    """Describe the sentences of a note: their place in the note and in their section, their length, the entities in them, and their section.

    doc (Doc): The note; its `doc.ents` are those that components before this one have found.
    sentences (Sentences): Its sentences.
    labels (Sequence[str]): The sections' labels that have a column; a sentence of another section, or of none, has zeros there.
    RETURNS (ndarray): float32, (n_sentences, N_PLACES + len(labels)).
    """
    n = len(sentences.sections)
    found = numpy.zeros((n, N_PLACES + len(labels)), dtype="f")
    if not n:
        return found
    numbers = numpy.arange(n)
    begins = numpy.array([i == 0 or sentences.sections[i] != sentences.sections[i - 1] for i in range(n)])
    within = numbers - numpy.maximum.accumulate(numpy.where(begins, numbers, 0))
    starts = numpy.array([ent.start for ent in doc.ents], dtype="int64")
    n_ents = numpy.diff(numpy.searchsorted(starts, sentences.places), axis=1).ravel()
    found[:, 0] = numbers / n
    found[:, 1] = numbers == 0
    found[:, 2] = 1 / (1 + numbers)
    found[:, 3] = 1 / (1 + within)
    found[:, 4] = numpy.log1p(sentences.words) / 4
    found[:, 5] = n_ents > 0
    found[:, 6] = n_ents / sentences.words
    found[:, 7] = len(starts) > 0
    columns = {label: N_PLACES + i for i, label in enumerate(labels)}
    places: List[int] = [columns.get(label, -1) for label in sentences.sections]
    for row, column in enumerate(places):
        if column >= 0:
            found[row, column] = 1
    return found
