import math

import numpy
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from spacy_clinicalbert.pipeline.ranking import rank


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("digits", [1, 6])  # with and without ties
def test_figures_are_those_of_scikit_learn(seed, digits):
    rng = numpy.random.default_rng(seed)
    truth = rng.random(200) < 0.3
    probabilities = (0.5 * rng.random(200) + 0.3 * truth).round(digits)
    found = rank(probabilities, truth)
    assert found.auroc == pytest.approx(roc_auc_score(truth, probabilities))
    assert found.auprc == pytest.approx(average_precision_score(truth, probabilities))
    precision, recall, _ = precision_recall_curve(truth, probabilities)
    assert found.rp80 == pytest.approx(recall[precision >= 0.8].max())
    assert (found.n, found.n_positive) == (200, truth.sum())


def test_label_of_all_or_of_none_has_no_figures():
    for truth in (numpy.zeros(3, dtype=bool), numpy.ones(3, dtype=bool), numpy.zeros(0, dtype=bool)):
        found = rank(numpy.linspace(0, 1, len(truth)), truth)
        assert all(math.isnan(each) for each in found[:3]) and found.n_positive == truth.sum()


def test_recall_is_zero_where_the_precision_is_never_reached():
    assert rank(numpy.array([0.9, 0.8, 0.7, 0.6]), numpy.array([False, True, False, False])).rp80 == 0
