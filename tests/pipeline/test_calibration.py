import numpy
import pytest
from sklearn.metrics import f1_score

from spacy_clinicalbert.pipeline.calibration import (
    LIMITS,
    NEVER,
    calibrate,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
    softmax,
    threshold_for_f1,
    threshold_for_macro_f1,
    threshold_for_precision,
)


def overconfident(n=4000, factor=3.0, seed=0):
    """Logits that are `factor` times those that the truth was drawn from, and the truth."""
    rng = numpy.random.default_rng(seed)
    logits = rng.normal(size=(n, 3))
    truth = numpy.array([rng.choice(3, p=row) for row in softmax(logits)])
    return (factor * logits).astype("f"), truth


def test_expected_calibration_error_of_known_numbers():
    confidence = numpy.array([0.95, 0.85, 0.95, 0.55, 0.55])
    right = numpy.array([True, True, False, True, False])
    table = reliability(confidence, right, n_bins=10)
    assert [each.n for each in table] == [0, 0, 0, 0, 0, 2, 0, 0, 1, 2]
    # (2 · |0.5 - 0.55| + 1 · |1 - 0.85| + 2 · |0.5 - 0.95|) / 5
    assert expected_calibration_error(table) == pytest.approx((0.1 + 0.15 + 0.9) / 5)


def test_reliability_bins_hold_every_answer_once():
    confidence = numpy.array([0.0, 0.1, 0.2, 1.0])
    table = reliability(confidence, numpy.ones(4, dtype=bool), n_bins=10)
    assert [each.n for each in table] == [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert numpy.isnan(expected_calibration_error(reliability(confidence[:0], confidence[:0] > 0)))


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_temperature_undoes_a_factor_and_lowers_the_likelihood(factor):
    logits, truth = overconfident(factor=factor)
    temperature = fit_temperature(logits, truth)
    assert temperature == pytest.approx(factor, rel=0.1)
    best = negative_log_likelihood(logits / temperature, truth)
    for other in (0.9, 1.1):
        assert negative_log_likelihood(logits / (temperature * other), truth) > best


def test_temperature_stays_within_limits_and_wants_a_wrong_answer():
    logits = numpy.eye(3, dtype="f")
    assert fit_temperature(logits, numpy.arange(3)) == 1.0
    nearly = numpy.array([[1, 0]] * 100 + [[0, 1e-9]])
    assert fit_temperature(nearly, numpy.zeros(101, dtype=int)) == pytest.approx(LIMITS[0])
    assert fit_temperature(logits, numpy.array([1, 2, 0])) == pytest.approx(LIMITS[1])
    assert fit_temperature(logits[:0], numpy.arange(0)) == 1.0


def test_calibrate_lowers_the_error_on_notes_it_was_not_fitted_on():
    logits, truth = overconfident()
    found = calibrate(logits, truth, numpy.arange(len(truth)) // 4)
    assert found.ece_after < found.ece_before / 3 and found.nll_after < found.nll_before
    assert found.n == sum(each.n for each in found.before) == sum(each.n for each in found.after) == 4000


def test_calibrate_measures_each_half_with_the_other_halfs_temperature():
    """The halves are of opposite kinds here: what fits one makes the other worse."""
    logits = numpy.tile(numpy.array([[2.0, 0.0]], dtype="f"), (200, 1))
    groups = numpy.arange(200)
    truth = numpy.where(
        groups % 2 == 0, 0, (groups // 2) % 2
    )  # the answer is right in all even notes, in half of the others
    found = calibrate(logits, truth, groups)
    assert found.nll_after > found.nll_before


@pytest.mark.parametrize("precision, threshold", [(0.5, 0.2), (0.75, 0.6), (0.8, 0.8), (1.0, 0.8), (1.1, NEVER)])
def test_threshold_is_the_lowest_that_reaches_the_precision(precision, threshold):
    probabilities = numpy.array([0.6, 0.9, 0.8, 0.2, 0.6, 0.4])
    right = numpy.array([True, True, True, False, False, False])
    assert threshold_for_precision(probabilities, right, precision) == threshold
    kept = right[probabilities >= threshold]
    assert not len(kept) or kept.mean() >= precision


def test_threshold_without_answers_is_never_reached():
    assert threshold_for_precision(numpy.zeros(0), numpy.zeros(0, dtype=bool), 0.5) == NEVER


@pytest.mark.parametrize(
    "probabilities, right, threshold",
    [
        ([0.9, 0.4, 0.3, 0.1], [1, 1, 0, 0], 0.35),
        ([0.9, 0.4, 0.3, 0.1], [0, 0, 0, 1], 0.05),
        ([0.2, 0.8], [0, 1], 0.5),
        ([0.5, 0.5, 0.5], [1, 0, 0], 0.25),  # equal ones pass together
        ([0.8, 0.6, 0.4, 0.2], [1, 0, 1, 0], 0.3),
    ],
)
def test_threshold_with_the_best_f1(probabilities, right, threshold):
    assert threshold_for_f1(numpy.array(probabilities), numpy.array(right, dtype=bool)) == pytest.approx(threshold)


@pytest.mark.parametrize("seed", range(5))
def test_one_threshold_for_all_labels_has_the_best_mean_f1(seed):
    rng = numpy.random.default_rng(seed)
    right, known = rng.random((80, 5)) < [0.3, 0.2, 0.1, 0.05, 0.0], rng.random((80, 5)) < 0.9
    probabilities = numpy.clip(0.2 * rng.random((80, 5)) + 0.2 * right, 0, 1)
    # The last label never holds, and what is not annotated must not matter.
    given = numpy.where(known, probabilities, 1.0)

    def mean_f1(threshold):
        return numpy.mean(
            [f1_score(right[known[:, j], j], probabilities[known[:, j], j] >= threshold) for j in range(4)]
        )

    found = threshold_for_macro_f1(given, right | ~known, known)
    assert mean_f1(found) == pytest.approx(max(map(mean_f1, numpy.linspace(0, 0.5, 2001))))
    assert mean_f1(found) > mean_f1(0.35)


def test_one_threshold_for_all_labels_where_nothing_is_probable():
    nothing = numpy.zeros((3, 2))
    assert threshold_for_macro_f1(nothing, nothing == 0, nothing == 0) == 0.5
