"""The scores of `clinical_note_classifier`: spaCy's of categories, how well the probabilities rank, and whether they mean what they say."""

import math
from functools import partial
from typing import Any, Callable, Dict, Iterable, Mapping, NamedTuple, Optional, Sequence

import numpy
from numpy import ndarray
from spacy.scorer import Scorer
from spacy.training import Example

from .calibration import expected_calibration_error, reliability
from .ranking import rank

Scores = Dict[str, Any]


class Compared(NamedTuple):
    """A note in the place of spaCy's Example.

    predicted (Dict[str, float]): What the pipeline gave.
    reference (Dict[str, float]): What is known.
    """

    predicted: Dict[str, float]
    reference: Dict[str, float]


def make_note_scorer(prefix: str = "cats") -> Callable[..., Scores]:
    """The registered scorer `spacy-clinicalbert.note_scorer.v1`.

    prefix (str): What the names of scores begin with. Of two components that give categories the later one's scores take the place of the other's where
        names are the same.
    RETURNS (Callable): See `score_notes`.
    """
    return score_notes if prefix == "cats" else partial(_with_prefix, prefix)


def score_notes(
    examples: Iterable[Example],
    *,
    labels: Sequence[str],
    truths: ndarray,
    known: ndarray,
    exclusive: bool,
    thresholds: Mapping[str, float] = {},
    **settings: Any,
) -> Scores:
    """Compare `doc.cats` with the references. What a reference does not say of a label counts neither way.

    labels (Sequence[str]): The component's.
    truths (ndarray): bool, (n_examples, n_labels): which hold.
    known (ndarray): bool, of that shape: of which that is known.
    exclusive (bool): Whether one label holds.
    thresholds (Mapping[str, float]): Label → how probable it must be to hold; 0.5 for the others.
    RETURNS (Dict[str, Any]): As `spacy.scorer.Scorer.score_cats`, but the means of a measure are over labels for which it is defined: that some note has
        (precision, recall, F1) and some has not (AUROC). Besides "cats_macro_auprc" (average
        precision), "cats_macro_rp80" (recall at 80 % precision) and "cats_macro_ece" (expected calibration error of the probability of each label, in 15
        bins); with "cats_rank_per_type", label → "auroc", "auprc", "rp80", "ece", "n", "n_positive". None where there is nothing to score.
    """
    examples = list(examples)
    # spaCy knows of no label that is in doc.cats and not known, and fails on notes without categories of which one is to hold.
    compared: Any = [
        Compared(_at_half(example.predicted.cats, thresholds), _known(example.reference.cats, labels, row))
        for example, row in zip(examples, known)
        if row.any()
    ]
    scores = Scorer.score_cats(
        compared, "cats", getter=lambda cats, _: cats, labels=labels, multi_label=not exclusive, **settings
    )
    if not compared:  # spaCy says 0, as if everything were wrong
        scores = {key: None if isinstance(value, float) else value for key, value in scores.items()}
    given = numpy.array([[example.predicted.cats.get(label, 0.0) for label in labels] for example in examples])
    given = given.reshape(len(examples), len(labels))
    per_type: Dict[str, Dict[str, Optional[float]]] = {}
    for j, label in enumerate(labels):
        own = known[:, j]
        ranking = rank(given[own, j], truths[own, j])
        ece = expected_calibration_error(reliability(given[own, j], truths[own, j]))
        figures = {**ranking._asdict(), "ece": ece}
        per_type[label] = {key: None if math.isnan(value) else value for key, value in figures.items()}
    # spaCy's own means take a label that no note has for 0.
    scores["cats_macro_auc"] = _mean(each["auroc"] for each in per_type.values())
    for key in ("auprc", "rp80", "ece"):
        scores[f"cats_macro_{key}"] = _mean(each[key] for each in per_type.values())
    for key in ("p", "r", "f"):
        occur = [label for label in labels if per_type[label]["n_positive"]]
        scores[f"cats_macro_{key}"] = _mean(scores["cats_f_per_type"][label][key] for label in occur)
    main = {"macro AUC": "cats_macro_auc", "macro F": "cats_macro_f"}.get(scores["cats_score_desc"])
    scores["cats_score"] = scores[main] if main else scores["cats_score"]
    scores["cats_rank_per_type"] = per_type
    return scores


def _mean(values: Iterable[Optional[float]]) -> Optional[float]:
    given = [value for value in values if value is not None]
    return sum(given) / len(given) if given else None


def _with_prefix(prefix: str, examples: Iterable[Example], **settings: Any) -> Scores:
    return {key.replace("cats", prefix, 1): value for key, value in score_notes(examples, **settings).items()}


def _at_half(cats: Mapping[str, float], thresholds: Mapping[str, float]) -> Dict[str, float]:
    """The probabilities, moved so that each label's threshold lies at 0.5, which is spaCy's for all of them; their order stays."""
    moved = dict(cats)
    for label, threshold in thresholds.items():
        p = cats.get(label, 0.0)
        if threshold != 0.5 and label in cats:
            moved[label] = (
                0.5 * p / threshold if p < threshold else 0.5 + 0.5 * (p - threshold) / max(1 - threshold, 1e-9)
            )
    return moved


def _known(cats: Dict[str, float], labels: Sequence[str], known: ndarray) -> Dict[str, float]:
    return {label: cats[label] for label, is_known in zip(labels, known) if is_known and label in cats}
