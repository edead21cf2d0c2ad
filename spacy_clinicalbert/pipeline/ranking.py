"""How well probabilities rank: what a scorer needs in every round of training, so without scikit-learn (a test compares the two)."""

import math
from typing import NamedTuple, Tuple

import numpy
from numpy import ndarray

PRECISION = 0.8  # of RP80 (Huang et al. 2019, arXiv 1904.05342)


class Ranking(NamedTuple):
    """Figures of one label, nan where its examples are all alike.

    auroc (float): The area under the receiver operating characteristic.
    auprc (float): That under the precision-recall curve, as average precision.
    rp80 (float): The greatest recall at a precision of at least 80 %; 0 where no threshold has that.
    n (int): Examples.
    n_positive (int): Those with the label.
    """

    auroc: float
    auprc: float
    rp80: float
    n: int
    n_positive: int


def rank(probabilities: ndarray, truth: ndarray) -> Ranking:
    """Measure a label.

    probabilities (ndarray): (n,).
    truth (ndarray): (n,), bool.
    RETURNS (Ranking): The figures.
    """
    n, n_positive = len(truth), int(truth.sum())
    if not 0 < n_positive < n:
        return Ranking(math.nan, math.nan, math.nan, n, n_positive)
    hits, misses = _hits_and_misses(probabilities, truth)
    recall, precision = hits / n_positive, hits / (hits + misses)
    false_rate = misses / (n - n_positive)
    # Trapezoids: of equal probabilities, half of the pairs count as right.
    auroc = numpy.trapezoid(numpy.append(0, recall), numpy.append(0, false_rate))
    auprc = (numpy.diff(recall, prepend=0) * precision).sum()
    rp80 = recall[precision >= PRECISION].max(initial=0.0)
    return Ranking(float(auroc), float(auprc), float(rp80), n, n_positive)


def _hits_and_misses(probabilities: ndarray, truth: ndarray) -> Tuple[ndarray, ndarray]:
    """Right and wrong ones from the highest probability down to each that occurs."""
    order = numpy.argsort(-probabilities, kind="stable")
    last = numpy.append(numpy.diff(probabilities[order]) != 0, True)
    hits = truth[order].cumsum()[last]
    return hits, numpy.flatnonzero(last) + 1 - hits
