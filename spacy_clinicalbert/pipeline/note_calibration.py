"""What `clinical_note_classifier` is calibrated by: a temperature for exclusive classes, else a temperature and a threshold for each label."""

from typing import Dict, Optional, Tuple

import numpy
from numpy import ndarray

from .calibration import (
    Calibration,
    calibrate,
    softmax,
    threshold_for_f1,
    threshold_for_macro_f1,
    threshold_for_precision,
)

CATEGORIES = "categories"  # whose temperature it is, where classes are exclusive
FEW = 10  # notes that have a label: with fewer, no threshold is chosen by them alone
LEAST = 1e-6  # a probability's distance to 0 and 1, where it is divided by or its logarithm taken


def calibrate_classes(notes: ndarray, truths: ndarray, known: ndarray) -> Dict[str, Calibration]:
    """Fit one temperature to exclusive classes.

    notes (ndarray): Probabilities that were not calibrated, (n_notes, n_labels); a row of nothing but 0 is a note without windows, and left out.
    truths (ndarray): bool, the same shape: whether a label holds.
    known (ndarray): bool, the same shape: whether that is annotated.
    RETURNS (Dict[str, Calibration]): `CATEGORIES` → what it did; empty without a note that is annotated.
    """
    rows = numpy.flatnonzero(known.any(axis=1) & notes.any(axis=1))
    if not len(rows):
        return {}
    logits = numpy.log(numpy.maximum(notes[rows], LEAST))
    return {CATEGORIES: calibrate(logits, truths[rows].argmax(axis=1), rows)}


def calibrate_labels(
    labels: Tuple[str, ...], notes: ndarray, truths: ndarray, known: ndarray, precision: Optional[float]
) -> Dict[str, Calibration]:
    """Fit a temperature to each label that is annotated, and choose its threshold. Arrays are those of `calibrate_classes`.

    labels (Tuple[str, ...]): Those of the columns.
    precision (Optional[float]): What each label's precision is to be at least, on these notes. Without it, the threshold is that of the best F1 for a label
        that at least `FEW` of the notes have, and for the others the one that has the best mean F1 over all labels, if all together are that often.
    RETURNS (Dict[str, Calibration]): Label → what it did.
    """
    found: Dict[str, Calibration] = {}
    for j, label in enumerate(labels):
        rows = numpy.flatnonzero(known[:, j] & notes.any(axis=1))
        if len(rows):
            logits = numpy.stack([numpy.zeros(len(rows)), _logit(notes[rows, j])], axis=1)
            found[label] = calibrate(logits, truths[rows, j].astype("int64"), rows)
    notes = apply_temperatures(notes, labels, {label: each.temperature for label, each in found.items()}, False)
    holds = truths & known
    for_rare = threshold_for_macro_f1(notes, holds, known) if precision is None and holds.sum() >= FEW else None
    for label, each in found.items():
        j = labels.index(label)
        own = known[:, j]
        if precision is not None:
            threshold: Optional[float] = threshold_for_precision(notes[own, j], truths[own, j], precision)
        elif holds[:, j].sum() >= FEW:
            threshold = threshold_for_f1(notes[own, j], truths[own, j])
        else:
            threshold = for_rare
        if threshold is not None:
            found[label] = each._replace(thresholds={label: threshold})
    return found


def apply_temperatures(
    notes: ndarray, labels: Tuple[str, ...], temperatures: Dict[str, float], exclusive: bool
) -> ndarray:
    """Probabilities as their temperatures have them.

    notes (ndarray): Those that were not calibrated, (n_notes, n_labels).
    labels (Tuple[str, ...]): Those of the columns.
    temperatures (Dict[str, float]): By label, or that of `CATEGORIES`; without any, nothing changes.
    exclusive (bool): One label holds.
    """
    if not temperatures:
        return notes
    if exclusive:
        return softmax(numpy.log(numpy.maximum(notes, LEAST)) / temperatures[CATEGORIES])
    each = numpy.array([temperatures.get(label, 1.0) for label in labels], dtype="f")
    return (1 + numpy.tanh(_logit(notes) / each / 2)) / 2


def _logit(p: ndarray) -> ndarray:
    p = numpy.clip(p, LEAST, 1 - LEAST)
    return numpy.log(p / (1 - p))
