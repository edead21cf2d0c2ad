"""A batch of `clinical_qa` in training: its questions with the windows that are read for them, and the loss over all."""

from typing import List, NamedTuple, Sequence, Tuple

import numpy
from numpy import ndarray
from spacy.tokens import Doc
from thinc.api import Ops

from .asked import SPAN, Known
from .learning import Lesson, label_lesson, loss_of_borders, loss_of_label, span_lesson
from .model import Logits
from .pairs import Pair
from .reading import NoteReader, rank_windows


class Lessons(NamedTuple):
    """What is learned from a batch.

    lessons (List[Lesson]): A question each.
    pairs (List[Pair]): The windows of all, with their questions, lesson by lesson.
    n_lost (int): Questions from which nothing can be learned, because no window has a whole answer.
    """

    lessons: List[Lesson]
    pairs: List[Pair]
    n_lost: int


def make_lessons(
    reader: NoteReader, docs: List[Doc], known: List[List[Known]], labels: Sequence[str], n_windows: int
) -> Lessons:
    """Choose what to read.

    reader (NoteReader): Cuts documents and questions.
    docs (List[Doc]): The documents.
    known (List[List[Known]]): What is known of the questions of each.
    labels (Sequence[str]): The answers to yes/no questions.
    n_windows (int): The most windows to read for a question.
    RAISES (ValueError): A question has a label that is not among these.
    """
    lessons: List[Lesson] = []
    pairs: List[Pair] = []
    n_lost = 0
    asked = [(doc, rows) for doc, rows in zip(docs, known) if rows]
    for (doc, rows), passages in zip(asked, reader.passages([doc for doc, _ in asked])):
        ranker = rank_windows(doc, passages) if passages.n_windows > n_windows else None
        for row, ids in zip(rows, reader.question_ids([row.question for row in rows])):
            if row.question.kind == SPAN:
                lesson = span_lesson(passages, row.places, ranker, row.question.text, n_windows)
            elif row.label is not None and row.label in labels:
                number = list(labels).index(row.label)
                lesson = label_lesson(passages, number, ranker, row.question.text, n_windows)
            else:
                raise ValueError(
                    f"A reference answers a yes/no question by a label that '{reader.name}' does not have. It has {', '.join(labels)}: set its labels."
                )
            n_lost += lesson is None
            if lesson is not None and lesson.windows:
                lessons.append(lesson)
                pairs += [Pair(ids, passages.window_ids(number)) for number in lesson.windows]
    return Lessons(lessons, pairs, n_lost)


def loss_of_lessons(logits: Logits, starts: ndarray, lessons: List[Lesson], ops: Ops) -> Tuple[float, Logits]:
    """The sum over questions: of the mean over a question's windows, or, for a yes/no question, of the loss of its label.

    logits (Logits): What the model gave for the pairs.
    starts (ndarray): As `pairs.row_starts` gives them.
    RETURNS (Tuple[float, Logits]): The loss, and its gradient.
    """
    borders, labels = ops.to_numpy(logits.borders), ops.to_numpy(logits.labels)
    d_borders, d_labels = numpy.zeros(borders.shape, dtype="f"), numpy.zeros(labels.shape, dtype="f")
    loss, pair = 0.0, 0
    for lesson in lessons:
        n = len(lesson.windows)
        if lesson.label is not None:
            each, d_labels[pair : pair + n] = loss_of_label(labels[pair : pair + n], lesson.label)
            loss += each
        else:
            for i, answers in enumerate(lesson.answers, start=pair):
                rows = slice(int(starts[i]), int(starts[i + 1]))
                each, d_each = loss_of_borders(borders[rows], answers)
                loss += each / n
                d_borders[rows] = d_each / n
        pair += n
    return loss, Logits(ops.asarray2f(d_borders), ops.asarray2f(d_labels))  # type: ignore[arg-type]
