import numpy
import pytest

from spacy_clinicalbert.questions.spans import Candidate, best_spans, merge


@pytest.mark.parametrize("seed", range(5))
def test_best_spans_are_those_of_all_pairs(seed):
    rng = numpy.random.default_rng(seed)
    n, max_length = int(rng.integers(1, 12)), int(rng.integers(1, 6))
    logits, may_start, may_end = rng.normal(size=(n + 1, 2)), rng.random(n) < 0.8, rng.random(n) < 0.8
    spans = [
        Candidate(logits[1 + i, 0] + logits[1 + j, 1] - logits[0].sum(), i, j)
        for i in range(n)
        for j in range(i, min(i + max_length, n))
        if may_start[i] and may_end[j]
    ]
    given = best_spans(logits, may_start, may_end, max_length, 3)
    wanted = merge(spans, 3)
    assert [one[1:] for one in given] == [one[1:] for one in wanted]
    assert [one.score for one in given] == pytest.approx([one.score for one in wanted])


def test_a_window_without_pieces_has_no_spans():
    assert best_spans(numpy.zeros((1, 2)), numpy.zeros(0, bool), numpy.zeros(0, bool), 5, 3) == []


def test_merge_keeps_the_better_of_what_overlaps():
    spans = [
        Candidate(1.0, 0, 4),
        Candidate(3.0, 3, 5),
        Candidate(2.0, 6, 6),
        Candidate(3.0, 3, 5),
        Candidate(0.0, 8, 9),
    ]
    assert merge(spans, 5) == [spans[1], spans[2], spans[4]]
    assert merge(spans, 1) == [spans[1]]
