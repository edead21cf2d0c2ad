import numpy
import pytest
from scipy.stats import bootstrap

from spacy_clinicalbert.evaluation.counts import micro_f1
from spacy_clinicalbert.evaluation.intervals import resample, with_interval


def toy_counts(n_notes, seed=0):
    """(n_notes, 1, 5): counts of one label."""
    rng = numpy.random.default_rng(seed)
    gold = rng.integers(1, 8, n_notes)
    right = rng.binomial(gold, 0.7)
    found = right + rng.integers(0, 3, n_notes)
    return numpy.stack([right, found, gold, right, right], axis=-1)[:, None].astype("float64")


def f1_interval(counts, n_samples=2000, seed=0):
    return with_interval(micro_f1(counts.sum(axis=0)), micro_f1(resample(counts, n_samples, seed)))


def test_interval_has_no_width_where_every_note_is_perfect():
    counts = numpy.ones((12, 2, 5))
    assert f1_interval(counts) == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_interval_is_scipys_percentile_bootstrap():
    counts = toy_counts(40)

    def statistic(right, found, gold, axis=-1):
        return 2 * right.sum(axis=axis) / (found.sum(axis=axis) + gold.sum(axis=axis))

    columns = tuple(counts[:, 0, :3].T)
    theirs = bootstrap(
        columns, statistic, paired=True, method="percentile", n_resamples=5000, rng=numpy.random.default_rng(1)
    ).confidence_interval
    ours = f1_interval(counts, n_samples=5000)
    assert (ours["low"], ours["high"]) == pytest.approx((theirs.low, theirs.high), abs=0.005)
    assert ours["low"] < ours["value"] < ours["high"]


def test_interval_narrows_with_the_root_of_the_number_of_notes():
    few, many = f1_interval(toy_counts(50)), f1_interval(toy_counts(800))
    assert (few["high"] - few["low"]) / (many["high"] - many["low"]) == pytest.approx(4, rel=0.25)


def test_samples_have_as_many_notes_and_follow_from_the_seed():
    counts = numpy.eye(6).reshape(6, 1, 6)
    draws = resample(counts, 100, seed=3)
    assert draws.shape == (100, 1, 6) and (draws.sum(axis=-1) == 6).all()
    assert numpy.array_equal(draws, resample(counts, 100, seed=3))
    assert not numpy.array_equal(draws, resample(counts, 100, seed=4))
    # The same notes for another pipeline, whatever its labels.
    assert numpy.array_equal(resample(numpy.tile(counts, (1, 3, 1)), 100, seed=3)[:, 2], draws[:, 0])


def test_undefined_scores_have_no_interval():
    nothing = {"value": None, "low": None, "high": None}
    assert with_interval(numpy.float64("nan"), numpy.ones(3)) == nothing
    assert with_interval(numpy.float64(0.5), numpy.array([numpy.nan] * 3)) == nothing
    some = with_interval(numpy.float64(0.5), numpy.array([0.5, numpy.nan, 0.5]))
    assert some == {"value": 0.5, "low": 0.5, "high": 0.5}
