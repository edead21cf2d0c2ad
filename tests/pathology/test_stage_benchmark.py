import numpy
import pytest

pytest.importorskip("sklearn")
from sklearn.metrics import roc_auc_score

from benchmarks.pathology_stage import aurocs, combine, draw


def test_stage_benchmark_aurocs_are_those_of_sklearn_with_ties_and_repeated_rows():
    rng = numpy.random.default_rng(0)
    scores, truths = rng.integers(0, 5, (40, 3)) / 5, numpy.eye(4)[rng.integers(0, 3, 40)][:, :3]
    truths[:, 2] = 0  # a class that nobody has
    rows = rng.integers(0, 40, 40)
    found = aurocs(scores, truths, rows)
    expected = [roc_auc_score(truths[rows, i], scores[rows, i]) for i in range(2)]
    assert found[:2] == pytest.approx(expected)
    assert numpy.isnan(found[2]) and found[3] == pytest.approx(numpy.mean(expected))


def test_stage_benchmark_what_is_stated_decides_and_nothing_stated_changes_nothing():
    inferred = numpy.array([[0.9, 0.1], [0.9, 0.1]])
    found = combine(inferred, numpy.array([[0.0, 1.0], [0.0, 0.0]]))
    assert found[0, 1] > found[0, 0] and (found[1] == inferred[1]).all()


def test_stage_benchmark_draws_all_reports_of_a_case():
    for rows in draw(["a", "b", "a"], 20):
        assert (rows == 0).sum() == (rows == 2).sum()
