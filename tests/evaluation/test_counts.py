import time
from collections import Counter, defaultdict

import numpy
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from spacy_clinicalbert.evaluation.counts import (
    UNANNOTATED,
    UNDECLARED,
    count_note,
    macro_f1,
    micro_f1,
    overlap_f1,
    precision,
    recall,
)
from spacy_clinicalbert.evaluation.gold import Note


def test_count_note_tells_right_from_overlapping():
    note = Note("x" * 50, {(0, 4, "A"), (10, 14, "A"), (20, 24, "B")}, {"A", "B", "C"}, [(40, 44)])
    found = {
        (0, 4, "A"),  # right
        (9, 12, "A"),  # overlaps
        (14, 20, "A"),  # touches
        (20, 24, "A"),  # of another label
        (22, 30, "B"),  # overlaps
        (43, 50, "A"),  # where nothing is known
        (30, 31, "C"),  # annotated, but the pipeline does not say that it has it
        (30, 31, "D"),  # not annotated
    }
    left_out = defaultdict(Counter)
    counts = count_note(note, found, ["A", "B"], left_out)
    assert counts.tolist() == [[1, 4, 2, 2, 2], [0, 1, 1, 1, 1]]
    assert left_out == {UNANNOTATED: {"A": 1, "D": 1}, UNDECLARED: {"C": 1}}


@pytest.mark.parametrize("seed", range(20))
def test_count_note_counts_overlaps_as_they_are_defined(seed):
    rng = numpy.random.default_rng(seed)

    def draw(n):
        return {(int(start), int(start + rng.integers(0, 12)), "A") for start in rng.integers(0, 80, n)}

    def overlap(answers, places):
        return {one for one in answers if any(one[0] < place[1] and place[0] < one[1] for place in places)}

    theirs, found, gaps = draw(rng.integers(0, 15)), draw(rng.integers(0, 15)), draw(rng.integers(0, 3))
    ours = found - overlap(found, gaps)
    expected = len(ours & theirs), len(ours), len(theirs), len(overlap(ours, theirs)), len(overlap(theirs, ours))
    left_out = defaultdict(Counter)
    note = Note("x" * 99, theirs, {"A"}, [gap[:2] for gap in gaps])
    assert count_note(note, found, ["A"], left_out).tolist() == [list(expected)]
    assert left_out[UNANNOTATED]["A"] == len(found) - len(ours)


def test_count_note_takes_long_notes():
    """Compared two by two, these would take a minute."""
    places = [(i * 10, i * 10 + 5) for i in range(10_000)]
    note = Note("", {(*place, "A") for place in places}, {"A"}, [(start + 5, start + 7) for start, _ in places])
    began = time.process_time()
    counts = count_note(note, [(start + 1, end, "A") for start, end in places], ["A"], defaultdict(Counter))
    assert counts.tolist() == [[0, 10_000, 10_000, 10_000, 10_000]] and time.process_time() - began < 5


def test_scores_are_scikit_learns():
    rng = numpy.random.default_rng(0)
    gold, found = rng.integers(0, 2, (2, 30, 4))
    gold[:, 3] = found[:, 3] = 0  # a label that does not occur
    right = (gold & found).sum(axis=0)
    counts = numpy.stack([right, found.sum(axis=0), gold.sum(axis=0), right, right], axis=-1).astype("float64")
    for ours, theirs in ((micro_f1, f1_score), (precision, precision_score), (recall, recall_score)):
        assert ours(counts) == pytest.approx(theirs(gold, found, average="micro"))
    assert macro_f1(counts) == pytest.approx(f1_score(gold[:, :3], found[:, :3], average="macro"))
    assert overlap_f1(counts) == pytest.approx(micro_f1(counts))


@pytest.mark.parametrize("found, gold, expected", [(0, 0, None), (3, 0, 0.0), (0, 3, 0.0)])
def test_scores_of_nothing(found, gold, expected):
    counts = numpy.array([[0, found, gold, 0, 0]], dtype="float64")
    for score in (micro_f1, macro_f1, overlap_f1):
        value = score(counts)
        assert numpy.isnan(value) if expected is None else value == expected
    assert numpy.isnan(precision(counts)) == (found == 0) and numpy.isnan(recall(counts)) == (gold == 0)


def test_scores_keep_the_axes_of_samples():
    counts = numpy.random.default_rng(0).integers(1, 9, (7, 3, 5)).astype("float64")
    for score in (micro_f1, macro_f1, overlap_f1, precision, recall):
        assert score(counts).shape == (7,)
        assert score(counts)[4] == pytest.approx(float(score(counts[4])))
