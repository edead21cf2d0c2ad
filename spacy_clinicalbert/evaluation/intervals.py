"""Bootstrap confidence intervals: how far a score depends on which notes happened to be in the corpus.

Notes are drawn with replacement, not entities: those of one note are not independent. Percentile intervals as in Efron and
Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13. Two pipelines are compared on the same draws (the paired bootstrap
of Koehn, EMNLP 2004), so that what a hard note costs both cancels out.
"""

from typing import Dict, Optional

import numpy

LEVEL = 0.95


def resample(counts: numpy.ndarray, n_samples: int, seed: int) -> numpy.ndarray:
    """Draw notes with replacement, as many as there are, and sum their counts. The draws follow from the number of notes and the
    seed alone, so that those of two pipelines on one corpus are the same.

    counts (ndarray): (n_notes, ...).
    n_samples (int): How often.
    RETURNS (ndarray): (n_samples, ...), the sums.
    """
    rng = numpy.random.default_rng(seed)
    n_notes = len(counts)
    flat = counts.reshape(n_notes, -1)
    sums = numpy.empty((n_samples, flat.shape[1]))
    for i in range(n_samples):
        sums[i] = numpy.bincount(rng.integers(n_notes, size=n_notes), minlength=n_notes) @ flat
    return sums.reshape(n_samples, *counts.shape[1:])


def with_interval(value: numpy.ndarray, samples: numpy.ndarray) -> Dict[str, Optional[float]]:
    """A score with its interval.

    value (ndarray): (), the score of the corpus; nan if it has none.
    samples (ndarray): (n_samples,), those of the bootstrap samples. A sample that has no score is left out.
    RETURNS (Dict[str, Optional[float]]): "value", "low" and "high"; None for a score that is not defined.
    """
    samples = samples[~numpy.isnan(samples)]
    if numpy.isnan(value) or not len(samples):
        return {"value": None, "low": None, "high": None}
    low, high = numpy.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"value": float(value), "low": float(low), "high": float(high)}
