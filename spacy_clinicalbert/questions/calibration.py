"""Whether a document answers a question at all: probabilities from log-odds, fitted on questions that nobody trained on."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy
from numpy import ndarray

from ..pipeline.calibration import (
    Calibration,
    calibrate,
    expected_calibration_error,
    reliability,
    softmax,
    threshold_for_precision,
)
from .answers import Found
from .asked import SPAN, Known
from .reading import Raw

ANSWERABLE, LABELS = "answerable", "labels"  # what is calibrated
UNIT: Dict[str, Any] = {"temperature": 1.0, "shift": 0.0, "label_temperature": 1.0, "threshold": None}
LEAST = 1e-12


def probability(log_odds: ndarray, temperature: float, shift: float) -> ndarray:
    """The logistic function of (log_odds - shift) / temperature."""
    return (1 + numpy.tanh((log_odds - shift) / temperature / 2)) / 2


def fit_sigmoid(log_odds: ndarray, truth: ndarray) -> Tuple[float, float]:
    """Find temperature and shift with the least negative log-likelihood (Platt, Advances in Large Margin Classifiers, 1999, whose targets keep
    them finite where the two kinds do not overlap).

    log_odds (ndarray): (n,).
    truth (ndarray): (n,), bool, of both kinds.
    RETURNS (Tuple[float, float]): Temperature and shift; (1, 0) if more log-odds would mean less probable, which a temperature cannot say, or if all are the same.
    """
    x, n_true = log_odds.astype("float64"), int(truth.sum())
    target = numpy.where(truth, (n_true + 1) / (n_true + 2), 1 / (len(truth) - n_true + 2))
    spread = float(x.std())
    if spread <= 1e-6 * max(1.0, abs(float(x.mean()))):  # all the same, but for how the mean is rounded
        return 1.0, 0.0
    inputs = numpy.stack([(x - x.mean()) / spread, numpy.ones(len(x))], axis=1)
    weights = numpy.zeros(2)
    for _ in range(50):  # Newton's method
        given = probability(inputs @ weights, 1.0, 0.0)
        curvature = (inputs * (given * (1 - given))[:, None]).T @ inputs + 1e-9 * numpy.eye(2)
        step = numpy.linalg.solve(curvature, inputs.T @ (given - target))
        weights -= step
        if numpy.abs(step).max() < 1e-9:
            break
    if weights[0] <= 0:
        return 1.0, 0.0
    temperature = spread / weights[0]
    return float(temperature), float(x.mean() - weights[1] * temperature)


def calibrate_answerable(log_odds: ndarray, truth: ndarray, groups: ndarray) -> Tuple[Calibration, float]:
    """Fit temperature and shift, and measure what they do on documents that they were not fitted on.

    log_odds (ndarray): (n,), of the best answer to each question.
    truth (ndarray): (n,), bool: whether the document answers it.
    groups (ndarray): (n,), the number of each question's document.
    RETURNS (Tuple[Calibration, float]): What was done; and the shift.
    """
    halves = numpy.unique(groups, return_inverse=True)[1] % 2
    after = probability(log_odds, 1.0, 0.0)
    for half in (0, 1):
        other = halves != half
        if 0 < truth[other].sum() < other.sum():
            after[~other] = probability(log_odds[~other], *fit_sigmoid(log_odds[other], truth[other]))
    temperature, shift = fit_sigmoid(log_odds, truth)
    figures: List[Tuple] = []
    for given in (probability(log_odds, 1.0, 0.0), after):
        table = reliability(numpy.maximum(given, 1 - given), (given >= 0.5) == truth)
        right = numpy.where(truth, given, 1 - given)
        figures.append((table, expected_calibration_error(table), -numpy.log(numpy.maximum(right, LEAST)).mean()))
    (before_table, before_ece, before_nll), (after_table, after_ece, after_nll) = figures
    done = Calibration(
        temperature=temperature,
        n=len(truth),
        ece_before=before_ece,
        ece_after=after_ece,
        nll_before=float(before_nll),
        nll_after=float(after_nll),
        before=before_table,
        after=after_table,
    )
    return done, shift


def calibrate_questions(
    raw: Sequence[List[Raw]],
    known: Sequence[List[Known]],
    labels: Sequence[str],
    precision: Optional[float],
    settings: Dict[str, Any] = UNIT,
) -> Tuple[Dict[str, Calibration], Dict[str, Any]]:
    """Calibrate all that was asked.

    raw (Sequence[List[Raw]]): For each document what the network gave for its questions.
    known (Sequence[List[Known]]): For each what is known of them.
    labels (Sequence[str]): The answers to yes/no questions.
    precision (Optional[float]): For the threshold, how often a question that is answered is to have an answer in the document; None sets none.
    settings (Dict[str, Any]): Those so far. What these questions say nothing of stays as it is there.
    RETURNS (Tuple[Dict[str, Calibration], Dict[str, Any]]): What was done, by what it concerns; and the settings that follow. Questions that all have an answer say nothing
        of whether there is one.
    """
    found: Dict[str, Calibration] = {}
    settings = dict(settings)
    rows = [(i, one, each) for i, pair in enumerate(zip(raw, known)) for one, each in zip(*pair)]
    spans = [(i, one.candidates[0].score, bool(each.places)) for i, one, each in rows if _is_span(one)]
    if 0 < sum(truth for *_, truth in spans) < len(spans):
        groups, log_odds, truth = (numpy.array(column) for column in zip(*spans))
        done, settings["shift"] = calibrate_answerable(log_odds, truth, groups)
        settings["temperature"] = done.temperature
        settings["threshold"] = None  # one that was chosen by another temperature says nothing any more
        if precision is not None:
            given = probability(log_odds, settings["temperature"], settings["shift"])
            settings["threshold"] = threshold_for_precision(given, truth, precision)
            done = done._replace(thresholds={ANSWERABLE: settings["threshold"]})
        found[ANSWERABLE] = done
    answered = [
        (i, one.labels, labels.index(each.label))
        for i, one, each in rows
        if one.labels is not None and each.label in labels
    ]
    if answered:
        places, logits, truths = zip(*answered)
        found[LABELS] = calibrate(numpy.stack(logits), numpy.array(truths), numpy.array(places))
        settings["label_temperature"] = found[LABELS].temperature
    return found, settings


def _is_span(raw: Raw) -> bool:
    return raw.question.kind == SPAN and bool(raw.candidates)


def calibrated(raw: Raw, settings: Dict[str, Any], labels: Sequence[str]) -> Found:
    """What the network gives, as probabilities.

    settings (Dict[str, Any]): As `calibrate_questions` gives them.
    labels (Sequence[str]): The answers to yes/no questions.
    """
    if raw.question.kind == SPAN:
        log_odds = numpy.array([each.score for each in raw.candidates])
        scores = probability(log_odds, settings["temperature"], settings["shift"]).tolist()
        return Found(
            raw.question, [(each.first, each.last + 1, score) for each, score in zip(raw.candidates, scores)], {}
        )
    if raw.labels is None:
        return Found(raw.question, [], {})
    given = softmax(raw.labels / settings["label_temperature"]).tolist()
    rows = [(each.first, each.last + 1, max(given)) for each in raw.candidates]
    return Found(raw.question, rows, dict(zip(labels, given)))
