import math

import numpy
import pytest
import spacy

from spacy_clinicalbert.evaluation.distance import content_words, corpus_distances, proxy_a_distance, word_divergence


def random_notes(words, n_notes, seed):
    return [[*each] for each in numpy.random.default_rng(seed).choice([*words], (n_notes, 60))]


def test_content_words_leave_out_what_says_nothing():
    doc = spacy.blank("en")("The Patient's BP was 120/80, and he has a Fever.")
    assert content_words(doc) == ["patient", "bp", "fever"]
    # Words of all notes are held: each once.
    assert all(one is other for one, other in zip(content_words(doc), content_words(doc)))


def test_word_divergence_is_the_definition():
    # p = (1/2, 1/2, 0), q = (1/2, 0, 1/2), m = (1/2, 1/4, 1/4): each KL to m is 1/2 log2 2.
    assert word_divergence([["a", "b"]], [["a"], ["c"]]) == pytest.approx(0.5 * math.log2(2))
    assert word_divergence([["a", "b"]], [["b"], ["a"]]) == pytest.approx(0)
    assert word_divergence([["a"]], [["b"]]) == pytest.approx(1)


def test_proxy_a_distance_goes_from_nothing_to_two():
    one, same, other = (random_notes(words, 50, seed) for words, seed in (("abcd", 0), ("abcd", 1), ("efgh", 2)))
    assert proxy_a_distance(one, other) == 2.0
    assert 0 <= proxy_a_distance(one, same) < 0.7
    mixed = [[*a[:50], *b[:10]] for a, b in zip(same, other)]
    assert proxy_a_distance(one, same) < proxy_a_distance(one, mixed)


def test_corpora_are_compared_by_equal_amounts_both_ways():
    corpora = {
        "small": random_notes("abcdefgh", 20, 0),
        "large": random_notes("abcdefgh", 300, 1),
        "other": random_notes("ijklmnop", 40, 2),
    }
    distances = corpus_distances(corpora)
    assert (distances["pieces"], distances["words_per_piece"]) == (12, 50)  # 20 notes of 60 words: 24 pieces
    for measure, limit in (("word_divergence", 1.0), ("proxy_a_distance", 2.0)):
        table = distances[measure]
        assert all(table[one][two] == table[two][one] for one in corpora for two in corpora)
        assert table["small"]["other"] == pytest.approx(limit) and table["large"]["large"] < table["large"]["other"]
    assert distances["word_divergence"]["small"]["large"] < 0.02


def test_corpora_that_are_too_small_have_no_distance():
    distances = corpus_distances({"one": [["a"] * 499], "two": [["b"] * 5000]})
    assert distances["pieces"] == 4
    assert distances["word_divergence"] == {"one": {"one": None, "two": None}, "two": {"one": None, "two": None}}
