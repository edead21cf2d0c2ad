"""What `clinical_qa` learns from: the windows of a question that it reads in an update, what stands in them, and the loss. Numpy only."""

from typing import List, NamedTuple, Optional, Tuple

import numpy
from numpy import ndarray

from ..pipeline.calibration import softmax
from .asked import Place
from .passages import Passages
from .ranking import WindowRanker

Range = Tuple[int, int]  # wordpieces, the first and the last


class Lesson(NamedTuple):
    """A question in an update.

    windows (List[int]): The windows that are read for it.
    answers (List[List[Range]]): For each window the answers in it, by wordpieces of the window; none says that it has none.
    label (Optional[int]): For a yes/no question, the number of its label.
    """

    windows: List[int]
    answers: List[List[Range]]
    label: Optional[int] = None


def span_lesson(
    passages: Passages, places: List[Place], ranker: Optional[WindowRanker], question: str, n_windows: int
) -> Optional[Lesson]:
    """Choose windows for a question that is answered by spans: up to half of them with an answer, drawn at random; then half of the rest those that BM25 takes for the best,
    from which there is most to learn, and others at random. A window that cuts an answer says neither that it has one nor that it has none: it is left
    out unless it has another one whole.

    places (List[Place]): The characters of its answers.
    ranker (Optional[WindowRanker]): Over the document's windows, if these are more than n_windows.
    n_windows (int): The most to choose.
    RETURNS (Optional[Lesson]): None if each answer is longer than what two windows share, and is whole in none.
    """
    ranges = [found for found in (passages.pieces_of(*place) for place in places) if found]
    holding = sorted({int(number) for each in ranges for number in passages.windows_with(*each)})
    if places and not holding:
        return None
    touched = {int(number) for each in ranges for number in passages.windows_touching(*each)}
    chosen = numpy.random.permutation(holding).astype("int64").tolist()[: max(n_windows // 2, 1)]
    others = [number for number in range(passages.n_windows) if number not in touched]
    n_others = n_windows - len(chosen)
    if ranker is not None and n_others < len(others):
        best = [number for number in ranker.rank(question).tolist() if number not in touched][: -(-n_others // 2)]
        rest = numpy.random.permutation([number for number in others if number not in best]).tolist()
        others = [*best, *rest][:n_others]
    chosen += others[:n_others]
    answers = []
    for number in chosen:
        start, end = int(passages.windows.start[number]), int(passages.windows.end[number])
        answers.append([(first - start, last - start) for first, last in ranges if first >= start and last < end])
    return Lesson(chosen, answers)


def label_lesson(
    passages: Passages, label: int, ranker: Optional[WindowRanker], question: str, n_windows: int
) -> Lesson:
    """Choose windows for a yes/no question: the best by BM25.

    label (int): The number of its label.
    """
    order = range(passages.n_windows) if ranker is None else ranker.rank(question).tolist()
    return Lesson(list(order[:n_windows]), [], label)


def loss_of_borders(logits: ndarray, answers: List[Range]) -> Tuple[float, ndarray]:
    """The cross-entropy of where answers of a window start and end, the mean of the two. Several answers share the probability; without one it belongs to the first position.

    logits (ndarray): (1 + n_pieces, 2), as `spans.best_spans` takes them.
    RETURNS (Tuple[float, ndarray]): The loss, and its gradient.
    """
    wanted = numpy.zeros(logits.shape)
    for first, last in answers:
        wanted[1 + first, 0] += 1 / len(answers)
        wanted[1 + last, 1] += 1 / len(answers)
    if not answers:
        wanted[0] = 1
    given = softmax(logits.astype("float64").T).T
    loss = -(wanted * numpy.log(numpy.maximum(given, 1e-30))).sum() / 2
    return float(loss), (given - wanted) / 2


def pool_labels(logits: ndarray) -> ndarray:
    """What windows say together of a yes/no question: for each label the logarithm of the sum of its exponentials over windows, so that the windows
    that are sure of it count (Clark and Gardner, ACL 2018, normalise paragraphs in this way).

    logits (ndarray): (n_windows, n_labels).
    RETURNS (ndarray): (n_labels,).
    """
    peak = logits.max(axis=0)
    return peak + numpy.log(numpy.exp(logits - peak).sum(axis=0))


def loss_of_label(logits: ndarray, label: int) -> Tuple[float, ndarray]:
    """The cross-entropy of the label that the windows give together.

    logits (ndarray): (n_windows, n_labels).
    RETURNS (Tuple[float, ndarray]): The loss, and its gradient.
    """
    logits = logits.astype("float64")
    pooled = pool_labels(logits)
    given = softmax(pooled)
    d_pooled = given.copy()
    d_pooled[label] -= 1
    return float(-numpy.log(max(given[label], 1e-30))), d_pooled * numpy.exp(logits - pooled)
