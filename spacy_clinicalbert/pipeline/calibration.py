"""Probabilities that mean what they say: temperatures, and how far confidence is from being right.

Temperature scaling, expected calibration error and the reliability diagram are those of Guo, Pleiss, Sun and Weinberger, "On Calibration
of Modern Neural Networks", ICML 2017.
"""

import math
from typing import Callable, Dict, List, NamedTuple

import numpy

N_TRIED = 100  # thresholds
N_BINS = 15  # Guo et al.
LIMITS = (0.05, 20.0)  # of a temperature
NEVER = 2.0  # a threshold that no probability reaches


class Bin(NamedTuple):
    """A row of a reliability table.

    low (float): Confidence above this (the first bin has 0 itself too) …
    high (float): … up to this.
    n (int): Answers.
    confidence (float): Their mean confidence; nan without answers.
    accuracy (float): The share that is right; nan without answers.
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


class Calibration(NamedTuple):
    """What calibrating one classifier did. All but the temperature is measured on notes that its temperature was not fitted on: one fitted on every
    other note for the rest, and the other way round.

    temperature (float): Fitted on all notes. Logits are divided by it.
    n (int): Answers.
    ece_before (float): Expected calibration error with temperature 1.
    ece_after (float): With the temperatures.
    nll_before (float): Mean negative log-likelihood with temperature 1.
    nll_after (float): With the temperatures.
    before (List[Bin]): Reliability with temperature 1.
    after (List[Bin]): With the temperatures.
    thresholds (Dict[str, float]): Label → the threshold that was chosen for it; empty if none was wanted.
    """

    temperature: float
    n: int
    ece_before: float
    ece_after: float
    nll_before: float
    nll_after: float
    before: List[Bin]
    after: List[Bin]
    thresholds: Dict[str, float] = {}  # noqa: RUF012


def softmax(logits: numpy.ndarray) -> numpy.ndarray:
    """Over the last axis."""
    exps = numpy.exp(logits - logits.max(axis=-1, keepdims=True))
    return exps / exps.sum(axis=-1, keepdims=True)


def negative_log_likelihood(logits: numpy.ndarray, truth: numpy.ndarray) -> float:
    """The mean over answers; see `fit_temperature` for the arguments."""
    peak = logits.max(axis=1)
    norms = peak + numpy.log(numpy.exp(logits - peak[:, None]).sum(axis=1))
    return float((norms - logits[numpy.arange(len(truth)), truth]).mean())


def fit_temperature(logits: numpy.ndarray, truth: numpy.ndarray) -> float:
    """Find the temperature with the least negative log-likelihood.

    logits (ndarray): (n, n_labels).
    truth (ndarray): (n,), the numbers of the right labels.
    RETURNS (float): Within `LIMITS`; 1 without a wrong answer, for then the best temperature is 0, and every probability 1, which no finite
        sample shows.
    """
    if (logits.argmax(axis=1) == truth).all():
        return 1.0
    logits = logits.astype("float64")
    own = logits[numpy.arange(len(truth)), truth]
    return bisect_temperature(lambda factor: ((softmax(factor * logits) * logits).sum(axis=1) - own).mean())


def bisect_temperature(slope: Callable[[float], float]) -> float:
    """Find the temperature with the least negative log-likelihood of a log-linear model, which is convex in the factor 1 / temperature.

    slope (Callable[[float], float]): The derivative at a factor: what the model expects of the score less what is observed.
    RETURNS (float): Within `LIMITS`.
    """
    low, high = 1 / LIMITS[1], 1 / LIMITS[0]
    for _ in range(24):  # to a millionth of the temperature
        middle = (low * high) ** 0.5
        steepness = slope(middle)
        if steepness != steepness:
            raise ValueError(
                "The scores to calibrate have no finite likelihood. Check what the component was trained on."
            )
        low, high = (low, middle) if steepness > 0 else (middle, high)
    return float(1 / (low * high) ** 0.5)


def reliability(confidence: numpy.ndarray, right: numpy.ndarray, n_bins: int = N_BINS) -> List[Bin]:
    """Sort answers by confidence into bins of equal width.

    confidence (ndarray): (n,), the probabilities of the answers.
    right (ndarray): (n,), bool.
    n_bins (int): How many bins between 0 and 1.
    RETURNS (List[Bin]): All bins, also those without answers.
    """
    edges = numpy.linspace(0, 1, n_bins + 1)
    which = numpy.clip(numpy.searchsorted(edges, confidence, side="left") - 1, 0, n_bins - 1)
    table = []
    for i in range(n_bins):
        mine = which == i
        n = int(mine.sum())
        means = (float(confidence[mine].mean()), float(right[mine].mean())) if n else (numpy.nan, numpy.nan)
        table.append(Bin(float(edges[i]), float(edges[i + 1]), n, *means))
    return table


def expected_calibration_error(table: List[Bin]) -> float:
    """The mean over answers of how far their bin's accuracy is from its confidence.

    table (List[Bin]): As `reliability` gives it.
    RETURNS (float): Between 0 and 1; nan without answers.
    """
    n = sum(each.n for each in table)
    return sum(each.n * abs(each.accuracy - each.confidence) for each in table if each.n) / n if n else numpy.nan


def threshold_for_precision(probabilities: numpy.ndarray, right: numpy.ndarray, precision: float) -> float:
    """The lowest threshold at which what reaches it is right often enough.

    probabilities (ndarray): (n,), of one label.
    right (ndarray): (n,), bool: whether the label holds.
    precision (float): The least share of right ones.
    RETURNS (float): One of the probabilities, cut to nine digits; `NEVER` where none is high enough.
    """
    order = numpy.argsort(-probabilities, kind="stable")
    sorted_, hits = probabilities[order], right[order].cumsum()
    shares = hits / numpy.arange(1, len(order) + 1)
    # Equal probabilities pass together: only the last of them is a place to cut.
    last = numpy.append(sorted_[:-1] > sorted_[1:], True) if len(order) else numpy.zeros(0, dtype=bool)
    good = numpy.flatnonzero(last & (shares >= precision))
    # A saved pipeline has ten digits: rounded up, the threshold would leave out the very answer that it was chosen for.
    return math.floor(float(sorted_[good[-1]]) * 1e9) / 1e9 if len(good) else NEVER


def threshold_for_f1(probabilities: numpy.ndarray, right: numpy.ndarray) -> float:
    """The threshold with the best F1: halfway between the last probability that is taken and the next; of several, the highest.

    probabilities (ndarray): (n,), of one label.
    right (ndarray): (n,), bool: whether the label holds; once at least.
    """
    order = numpy.argsort(-probabilities, kind="stable")
    sorted_, hits = numpy.append(probabilities[order], 0.0), right[order].cumsum()
    f1 = 2 * hits / (numpy.arange(1, len(order) + 1) + hits[-1])
    f1[sorted_[:-1] == sorted_[1:]] = -1  # equal probabilities pass together
    best = int(f1.argmax())
    return float(sorted_[best] + sorted_[best + 1]) / 2


def threshold_for_macro_f1(probabilities: numpy.ndarray, right: numpy.ndarray, known: numpy.ndarray) -> float:
    """The one threshold for all labels with the best mean of their F1, of as many as `N_TRIED`, each halfway between a probability of what holds and the next
    below; of several, the highest.

    probabilities (ndarray): (n, n_labels).
    right (ndarray): bool, the same shape: whether a label holds; once at least. Labels that never hold do not count.
    known (ndarray): bool, the same shape: whether that is annotated.
    """
    right = right & known
    there = right.any(axis=0)
    probabilities, right, known = probabilities[:, there], right[:, there], known[:, there]
    levels = numpy.unique(numpy.append(probabilities[known], [0.0, 1.0]))
    least = numpy.quantile(probabilities[right], numpy.linspace(1, 0, N_TRIED), method="nearest")
    places = numpy.maximum(numpy.searchsorted(levels, least), 1)
    tried = (levels[places] + levels[places - 1]) / 2
    f1 = []
    for threshold in tried:
        taken = (probabilities >= threshold) & known
        f1.append((2 * (taken & right).sum(axis=0) / (taken.sum(axis=0) + right.sum(axis=0))).mean())
    return float(tried[int(numpy.argmax(f1))])


def calibrate(logits: numpy.ndarray, truth: numpy.ndarray, groups: numpy.ndarray) -> Calibration:
    """Fit a temperature, and measure what it does on notes that it was not fitted on.

    logits (ndarray): (n, n_labels).
    truth (ndarray): (n,), the numbers of the right labels.
    groups (ndarray): (n,), the number of each answer's note: those of one note are not independent.
    """
    halves = numpy.unique(groups, return_inverse=True)[1] % 2
    scaled = logits.astype("float64")
    for half in (0, 1):
        scaled[halves == half] /= fit_temperature(logits[halves != half], truth[halves != half])
    tables = []
    for each in (logits, scaled):
        probabilities = softmax(each)
        tables.append(reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == truth))
    return Calibration(
        temperature=fit_temperature(logits, truth),
        n=len(truth),
        ece_before=expected_calibration_error(tables[0]),
        ece_after=expected_calibration_error(tables[1]),
        nll_before=negative_log_likelihood(logits, truth),
        nll_after=negative_log_likelihood(scaled, truth),
        before=tables[0],
        after=tables[1],
    )
