"""What a pipeline found right, note by note and label by label, and the scores that follow from the counts.

Scores are computed from sums of counts, so that the same functions score a corpus, a bootstrap sample of its notes, or
a thousand of them at once.
"""

from collections import Counter
from typing import Any, Dict, Iterable, List, Set, Tuple

import numpy

from .gold import Answer, Note

# The last axis of an array of counts: answers that are right, all answers found, all gold answers, answers found that overlap
# a gold one of the same label, gold answers that overlap one found.
N_COUNTS = 5
# Why an answer does not count.
OUTSIDE_MAP = "found, outside the label map"
UNANNOTATED = "found, not annotated in the corpus"
UNDECLARED = "found, not among the labels that the pipeline names"
GOLD_OUTSIDE_MAP = "gold, outside the label map"
GOLD_FOREIGN = "gold, not a label of the pipeline"
GOLD_HALF = "gold, in a note with other labels of the common one not annotated"


def count_note(note: Note, found: Iterable[Answer], labels: List[str], left_out: Dict[str, Counter]) -> numpy.ndarray:
    """Compare what was found in a note with its gold annotation.

    note (Note): Has the gold.
    found (Iterable[Answer]): Under common labels.
    labels (List[str]): The common labels that count: those that pipeline and corpus share.
    left_out (Dict[str, Counter]): Takes what does not count: reason → label → number.
    RETURNS (ndarray): (n_labels, 5), float64.
    """
    counts = numpy.zeros((len(labels), N_COUNTS))
    by_label: Dict[str, Set[Answer]] = {label: set() for label in labels}
    found = list(found)
    for answer, is_unknown in zip(found, overlap(found, note.gaps)):
        label = answer[2]
        if label not in note.labels or is_unknown:
            left_out[UNANNOTATED][label] += 1
        elif label in by_label:
            by_label[label].add(answer)
        else:
            left_out[UNDECLARED][label] += 1
    gold: Dict[str, Set[Answer]] = {label: set() for label in labels}
    for answer in note.answers:
        if answer[2] in gold:
            gold[answer[2]].add(answer)
        else:
            left_out[GOLD_FOREIGN][answer[2]] += 1
    for row, label in enumerate(labels):
        ours, theirs = by_label[label], gold[label]
        if ours or theirs:
            overlapping = overlap(ours, theirs).sum(), overlap(theirs, ours).sum()
            counts[row] = len(ours & theirs), len(ours), len(theirs), *overlapping
    return counts


def overlap(answers: Iterable[Answer], places: Iterable[Tuple[Any, ...]]) -> numpy.ndarray:
    """Which answers share a character with any of some places, in n log n. bool, (n_answers,)."""
    starts, ends = _borders(answers)
    begins, stops = _borders(places)
    order = begins.argsort()
    # The furthest that the first n places reach, of those that begin before an answer ends.
    reach = numpy.maximum.accumulate(numpy.concatenate([[-1], stops[order]]))
    return reach[numpy.searchsorted(begins[order], ends)] > starts


def _borders(places: Iterable[Tuple[Any, ...]]) -> numpy.ndarray:
    """Starts and ends, (2, n_places)."""
    return numpy.array([place[:2] for place in places], dtype="int64").reshape(-1, 2).T


def micro_f1(counts: numpy.ndarray) -> numpy.ndarray:
    """F1 over all labels together; by this, precision and recall are those of `spacy.scorer.PRFScore`.

    counts (ndarray): (..., n_labels, 5).
    RETURNS (ndarray): (...), nan where there is nothing to find and nothing was found.
    """
    right, found, gold, *_ = _sums(counts)
    return _divide(2 * right, found + gold)


def precision(counts: numpy.ndarray) -> numpy.ndarray:
    """The share of what was found that is right; nan where nothing was found. See `micro_f1`."""
    right, found, *_ = _sums(counts)
    return _divide(right, found)


def recall(counts: numpy.ndarray) -> numpy.ndarray:
    """The share of the gold that was found; nan where there is none. See `micro_f1`."""
    right, _, gold, *_ = _sums(counts)
    return _divide(right, gold)


def macro_f1(counts: numpy.ndarray) -> numpy.ndarray:
    """The mean of the labels' F1. A label that is not in the gold and was not found has none, and is left out (as in
    scikit-learn's `f1_score`, which takes the labels that occur).

    counts (ndarray): (..., n_labels, 5).
    RETURNS (ndarray): (...), nan where no label occurs.
    """
    right, found, gold = counts[..., 0], counts[..., 1], counts[..., 2]
    f1 = _divide(2 * right, found + gold)
    return _divide(numpy.nansum(f1, axis=-1), (~numpy.isnan(f1)).sum(axis=-1))


def overlap_f1(counts: numpy.ndarray) -> numpy.ndarray:
    """F1 that takes a span for right if it overlaps one of the same label by a character: the harmonic mean of the share of
    found spans that overlap a gold one and the share of gold spans that overlap a found one. See `micro_f1`.
    """
    _, found, gold, found_overlapping, gold_overlapping = _sums(counts)
    both = numpy.nan_to_num(_divide(found_overlapping, found)), numpy.nan_to_num(_divide(gold_overlapping, gold))
    f1 = numpy.nan_to_num(_divide(2 * both[0] * both[1], both[0] + both[1]))
    return numpy.where(found + gold > 0, f1, numpy.nan)


# Task → its scores by name; the first is the main one.
SCORES = {
    "ents": {"f1": micro_f1, "precision": precision, "recall": recall, "overlap_f1": overlap_f1, "macro_f1": macro_f1},
    "cats": {"macro_f1": macro_f1, "f1": micro_f1, "precision": precision, "recall": recall},
}


def _sums(counts: numpy.ndarray) -> numpy.ndarray:
    return numpy.moveaxis(counts.sum(axis=-2), -1, 0)


def _divide(part: numpy.ndarray, whole: numpy.ndarray) -> numpy.ndarray:
    part, whole = numpy.asarray(part, dtype="float64"), numpy.asarray(whole, dtype="float64")
    return numpy.divide(part, whole, out=numpy.full_like(part, numpy.nan), where=whole > 0)
