"""What `clinical_ner` is calibrated by: the likelihood of whole tag sequences, and the spans that are found."""

from typing import Dict, List, NamedTuple, Optional, Tuple

import numpy
from numpy import ndarray

from .calibration import (
    Calibration,
    bisect_temperature,
    expected_calibration_error,
    reliability,
    threshold_for_precision,
)
from .crf import BEGIN, IN, LAST, N_SCORED, OUTSIDE, UNIT, UNKNOWN, Spans
from .gold import Targets
from .modes import Finder, Mode
from .token_tags import divide

CANDIDATE = 0.05  # the least threshold that is looked at


class Known(NamedTuple):
    """Documents with what the model gives for them and what is known of them.

    scores (ndarray): Undivided, (n_tokens, 4 * n_labels).
    lengths (ndarray): Tokens of each document.
    targets (Targets): Of the tokens.
    """

    scores: ndarray
    lengths: ndarray
    targets: Targets

    def part(self, chosen: ndarray) -> "Known":
        """Some of the documents, by a bool for each."""
        rows = numpy.repeat(chosen, self.lengths)
        targets = Targets(self.targets.tags[rows], self.targets.active[rows])
        return Known(self.scores[rows], self.lengths[chosen], targets)


def calibrate_ner(
    known: Known, labels: Tuple[str, ...], mode: Mode, threshold: float, precision: Optional[float]
) -> Calibration:
    """Fit the temperature with the least negative log-likelihood of what is annotated, and measure it on the spans that are found.

    known (Known): Notes that the component was not trained on.
    labels (Tuple[str, ...]): In the order of the columns.
    mode (Mode): The component's.
    threshold (float): Of the spans whose confidence is compared with how often they are right.
    precision (Optional[float]): For thresholds: what each label's precision is to be at least, on these notes. A label that is
        not in them gets none.
    RETURNS (Calibration): Its answers are the spans that are found; the likelihood is one token's, on all labels.
    """
    halves = numpy.arange(len(known.lengths)) % 2 == 1
    parts = [known.part(halves), known.part(~halves)]
    thresholds = numpy.full(len(labels), threshold, dtype="f")
    before, after = [], []
    nll_before = nll_after = 0.0
    for own, other in (parts, parts[::-1]):
        temperature = fit_ner_temperature(other, mode)
        before.append(_answers(own, mode.find, thresholds, 1.0))
        after.append(_answers(own, mode.find, thresholds, temperature))
        nll_before += _likelihood(own, 1.0, mode)[0]
        nll_after += _likelihood(own, temperature, mode)[0]
    tables = []
    for answers in (before, after):
        probabilities, right = zip(*answers)
        tables.append(reliability(numpy.concatenate(probabilities), numpy.concatenate(right)))
    n_tokens = max(1, int(known.targets.active.any(axis=1).sum()))
    temperature = fit_ner_temperature(known, mode)
    return Calibration(
        temperature=temperature,
        n=sum(each.n for each in tables[1]),
        ece_before=expected_calibration_error(tables[0]),
        ece_after=expected_calibration_error(tables[1]),
        nll_before=nll_before / n_tokens,
        nll_after=nll_after / n_tokens,
        before=tables[0],
        after=tables[1],
        thresholds={} if precision is None else _thresholds(known, labels, mode.find, temperature, precision),
    )


def fit_ner_temperature(known: Known, mode: Mode) -> float:
    """Find the temperature with the least negative log-likelihood; see `calibration.fit_temperature`."""
    tags, active = known.targets
    given, _ = mode.marginals(known.scores, known.lengths, active=active)
    wished, _ = mode.marginals(known.scores, known.lengths, active=active, tags=tags)
    highest = _with_outside(given, tags).argmax(axis=1)
    is_right = numpy.take_along_axis(_with_outside(wished, tags), highest[:, None], axis=1)[:, 0] > 0.5
    if is_right[active & (tags != UNKNOWN)].all():
        return 1.0
    return bisect_temperature(lambda factor: _likelihood(known, 1 / factor, mode)[1])


def _with_outside(probabilities: ndarray, tags: ndarray) -> ndarray:
    """Those of all five tags, (n_tokens, 5, n_labels)."""
    by_tag = probabilities.reshape(-1, N_SCORED, tags.shape[1])
    return numpy.concatenate([1 - by_tag.sum(axis=1, keepdims=True), by_tag], axis=1)


def _likelihood(known: Known, temperature: float, mode: Mode) -> Tuple[float, float]:
    """The negative log-likelihood, and its derivative in 1 / temperature: expected less observed score."""
    scores, (tags, active) = divide(known.scores, temperature), known.targets
    given, log_all = mode.marginals(scores, known.lengths, active=active)
    wished, log_known = mode.marginals(scores, known.lengths, active=active, tags=tags)
    return log_all - log_known, float(((given - wished) * known.scores).sum(dtype="float64"))


def _answers(known: Known, find: Finder, thresholds: ndarray, temperature: float) -> Tuple[ndarray, ndarray]:
    """Probabilities of the spans that are found where it is known what is right, and whether they are."""
    spans = find(known.scores / numpy.float32(temperature), known.lengths, thresholds)
    right, judged = judge(spans, known.targets)
    return spans.probabilities[judged], right[judged]


def judge(spans: Spans, targets: Targets) -> Tuple[ndarray, ndarray]:
    """Compare spans with what is known of their tokens.

    RETURNS (Tuple[ndarray, ndarray]): bool, (n_spans,): right; and whether that can be said.
    """
    right, judged = numpy.zeros((2, len(spans.starts)), dtype=bool)
    for i, (start, end, label) in enumerate(zip(spans.starts, spans.ends, spans.labels)):
        own = targets.tags[start:end, label]
        wished = [UNIT] if len(own) == 1 else [BEGIN, *[IN] * (len(own) - 2), LAST]
        judged[i] = targets.active[start, label] and (own != UNKNOWN).all()
        right[i] = judged[i] and (own == wished).all()
    return right, judged


def _thresholds(
    known: Known, labels: Tuple[str, ...], find: Finder, temperature: float, precision: float
) -> Dict[str, float]:
    lowest = numpy.full(len(labels), CANDIDATE, dtype="f")
    spans = find(known.scores / numpy.float32(temperature), known.lengths, lowest)
    right, judged = judge(spans, known.targets)
    chosen: Dict[str, float] = {}
    for i, label in enumerate(labels):
        own = judged & (spans.labels == i)
        if (known.targets.tags[:, i][known.targets.active[:, i]] > OUTSIDE).any():
            chosen[label] = threshold_for_precision(spans.probabilities[own], right[own], precision)
    return chosen


def join(scores: List[ndarray], lengths: List[int], targets: List[Targets], n_columns: int, n_labels: int) -> Known:
    """Batches of documents as one."""
    tags = [numpy.zeros((0, n_labels), dtype="int8"), *(each.tags for each in targets)]
    active = [numpy.zeros((0, n_labels), dtype=bool), *(each.active for each in targets)]
    rows = [numpy.zeros((0, n_columns), dtype="f"), *scores]
    joined = Targets(numpy.concatenate(tags), numpy.concatenate(active))
    return Known(numpy.concatenate(rows), numpy.array(lengths, dtype="int64"), joined)
