import tracemalloc

import numpy
import pytest

from spacy_clinicalbert.summary.choice import choose
from spacy_clinicalbert.summary.oracle import find_oracle

SETTINGS = {"max_words": 10, "balance": 0.6, "max_similarity": 0.95}


def test_redundant_sentences_are_not_chosen():
    vectors = numpy.array([[1, 0], [1, 0.01], [0, 1], [-1, -1]], dtype="f")
    salience = numpy.array([1.0, 0.99, 0.6, 0.0])
    words = numpy.array([5, 5, 5, 5])
    assert choose(salience, vectors, words, [("a",), ("b",), ("c",), ("d",)], **SETTINGS) == [0, 2]
    assert choose(salience, vectors, words, [("a",)] * 4, **SETTINGS) == [0]


@pytest.mark.parametrize("words, wanted", [([11, 12], [0]), ([11, 9], [1]), ([10], [0]), ([4, 4], [0, 1]), ([], [])])
def test_budget(words, wanted):
    n = len(words)
    keys = [(str(i),) for i in range(n)]
    vectors = numpy.random.default_rng(0).normal(size=(n, 4)).astype("f")
    assert choose(numpy.linspace(1, 0, n), vectors, numpy.array(words), keys, **SETTINGS) == wanted


def test_many_sentences_take_no_square_of_memory():
    n = 20_000
    vectors = numpy.random.default_rng(0).normal(size=(n, 8)).astype("f")
    tracemalloc.start()
    chosen = choose(vectors[:, 0], vectors, numpy.full(n, 5), [(str(i),) for i in range(n)], **SETTINGS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(chosen) == 2 and peak < 40 * 2**20  # a square would take 1.6 GB


@pytest.mark.parametrize("sentences, wanted", [
    (["chest pain", "cough", "lungs clear"], [0, 1]),
    (["lungs clear", "stable"], []),
    ([], []),
    (["chest pain " * 20, "stable"], [0]),
])  # fmt: skip
def test_oracle_is_what_raises_the_overlap(sentences, wanted):
    assert find_oracle(sentences, "Chest pain, cough.", [len(each.split()) for each in sentences], 6) == wanted
