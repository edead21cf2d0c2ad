"""The scores of `clinical_qa`: exact match and F1 as SQuAD's script has them, answers among the best, and whether there is an answer at all."""

import math
import re
import string
from collections import Counter
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy
from spacy.training import Example

from ..pipeline.ranking import rank
from .answers import Found
from .asked import SPAN, Known, Place

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
BEST = (1, 5)  # of hit@k


def make_qa_scorer() -> Callable[..., Dict[str, Any]]:
    """The registered scorer `spacy-clinicalbert.qa_scorer.v1`: see `score_questions`."""
    return score_questions


def normalize(answer: str) -> str:
    """An answer as SQuAD's script compares it (Rajpurkar et al. 2016 and 2018): lower-cased, without punctuation and articles, its words between single spaces."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def exact_match(given: str, wanted: Sequence[str]) -> float:
    """Whether an answer is one of those wanted, after `normalize`. The empty answer is right where none is wanted."""
    return float(normalize(given) in _normalized(wanted))


def word_f1(given: str, wanted: Sequence[str]) -> float:
    """The overlap in words of an answer with the nearest of those wanted, after `normalize`: F1, and 1 or 0 where either has no words."""
    return max(_overlap(normalize(given).split(), each.split()) for each in _normalized(wanted))


def _normalized(wanted: Sequence[str]) -> List[str]:
    """Those wanted that have words left, and the empty answer where none has, as in SQuAD 2's script."""
    return [each for each in map(normalize, wanted) if each] or [""]


def _overlap(given: List[str], wanted: List[str]) -> float:
    if not given or not wanted:
        return float(given == wanted)
    common = sum((Counter(given) & Counter(wanted)).values())
    return 2 * common / (len(given) + len(wanted))


def hit(given: Iterable[Place], wanted: Sequence[Place]) -> float:
    """Whether any of some places shares a character with a place that is wanted."""
    return float(any(start < last and end > first for start, end in given for first, last in wanted))


def score_questions(
    examples: Sequence[Example],
    *,
    known: Sequence[List[Known]],
    found: Sequence[List[Found]],
    threshold: float,
    **settings: Any,
) -> Dict[str, Any]:
    """Compare answers with what references know.

    examples (Sequence[Example]): The documents.
    known (Sequence[List[Known]]): What is known of the questions of each. What is not known does not count.
    found (Sequence[List[Found]]): What was found for these questions.
    threshold (float): The least score of an answer.
    RETURNS (Dict[str, Any]): Means over questions, None where there is none: "qa_em" and "qa_f1" of the best answer that reaches the threshold, questions without an
        answer in the document included, where none is right; "qa_answered_f1" the same over those that have one; "qa_hit1" and "qa_hit5", whether the best one or five, whatever
        their scores, touch an annotated answer, over questions that have one. "qa_auroc": how well the score of the best tells questions with an answer from those without, and
        "qa_auroc_per_rule", by the rule that took the answer away. "qa_several_f": of questions that want more than one answer, F1 of all that are given, of which those are right
        that touch an annotated one. "qa_label_acc" and "qa_label_macro_f" of yes/no questions.
    """
    columns: Dict[str, List[float]] = {name: [] for name in ("em", "f1", "answered_f1", *(f"hit{k}" for k in BEST))}
    scores: Dict[Optional[str], List[float]] = {}  # rule → scores of the best; "" for questions with an answer
    labels: List[Tuple[str, str]] = []
    several = [0, 0, 0, 0]  # right of those given, given, found of those wanted, wanted
    for example, wanted, given in zip(examples, known, found):
        for one, each in zip(wanted, given):
            if one.question.kind != SPAN:
                if one.label is not None:
                    labels.append((one.label, max(each.labels, key=lambda name: each.labels[name], default="")))
                continue
            text, doc = example.reference.text, example.predicted
            places = [(doc[start:end].start_char, doc[start:end].end_char) for start, end, _ in each.candidates]
            best = [score for *_, score in each.candidates]
            answer = text[slice(*places[0])] if best and best[0] >= threshold else ""
            answers = [text[start:end] for start, end in one.places]
            if (one.question.n_answers or 1) > 1:
                answered = [place for place, score in zip(places, best) if score >= threshold][: one.question.n_answers]
                several[0] += int(sum(hit([place], one.places) for place in answered))
                several[1] += len(answered)
                several[2] += int(sum(hit(answered, [place]) for place in one.places))
                several[3] += len(one.places)
            columns["em"].append(exact_match(answer, answers))
            columns["f1"].append(word_f1(answer, answers))
            scores.setdefault("" if answers else one.made, []).append(max(best, default=0.0))
            if answers:
                columns["answered_f1"].append(columns["f1"][-1])
                for k in BEST:
                    columns[f"hit{k}"].append(hit(places[:k], one.places))
    means: Dict[str, Any] = {
        f"qa_{name}": float(numpy.mean(column)) if column else None for name, column in columns.items()
    }
    with_answer = scores.pop("", [])
    means["qa_auroc"] = _auroc(with_answer, [score for each in scores.values() for score in each])
    per_rule = {rule or "other": _auroc(with_answer, each) for rule, each in scores.items()}
    means["qa_auroc_per_rule"] = per_rule or None
    means["qa_several_f"] = _f1(*several)
    means["qa_label_acc"] = float(numpy.mean([one == other for one, other in labels])) if labels else None
    means["qa_label_macro_f"] = _macro_f1(labels)
    return means


def _auroc(with_answer: List[float], without: List[float]) -> Optional[float]:
    truth = numpy.array([True] * len(with_answer) + [False] * len(without))
    value = rank(numpy.array([*with_answer, *without]), truth).auroc
    return None if math.isnan(value) else value


def _f1(right: int, n_given: int, found: int, n_wanted: int) -> Optional[float]:
    if not n_wanted:
        return None
    precision, recall = right / max(n_given, 1), found / n_wanted
    return 2 * precision * recall / (precision + recall) if right else 0.0


def _macro_f1(labels: List[Tuple[str, str]]) -> Optional[float]:
    """pairs (List[Tuple[str, str]]): What is wanted, and what is given. The mean of F1 over the labels that are wanted."""
    kinds = sorted({wanted for wanted, _ in labels})
    each = [
        2 * sum(pair == (kind, kind) for pair in labels) / sum((one == kind) + (other == kind) for one, other in labels)
        for kind in kinds
    ]
    return float(numpy.mean(each)) if each else None
