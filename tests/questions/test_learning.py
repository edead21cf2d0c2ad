import numpy
import pytest

from spacy_clinicalbert.encoder.windows import Windows
from spacy_clinicalbert.questions.learning import label_lesson, loss_of_borders, loss_of_label, span_lesson
from spacy_clinicalbert.questions.passages import Passages
from spacy_clinicalbert.questions.ranking import WindowRanker

TEXT = "abcdefghijklmnopqrstuvwx"


def passages(n_windows=5, size=4, step=3):
    pieces, start = numpy.arange(24), numpy.arange(n_windows) * step
    windows = Windows(start, start + size, start, start + step)
    return Passages(pieces, pieces, pieces + 1, windows, pieces, pieces)


@pytest.mark.parametrize("n_windows", [1, 2, 4, 9])
def test_windows_with_and_without_an_answer(n_windows):
    read = passages()
    numpy.random.seed(0)
    ranker = WindowRanker(["one", "two", "three three", "four", "five"])
    lesson = span_lesson(read, [(6, 8)], ranker, "three five", n_windows)
    assert lesson.windows[0] == 2 and lesson.answers[0] == [(0, 1)]
    # Window 1 has the first half of the answer alone.
    assert 1 not in lesson.windows and len(lesson.windows) == len(set(lesson.windows)) == min(n_windows, 4)
    assert not any(lesson.answers[1:]) and (n_windows != 2 or lesson.windows[1] == 4)


def test_an_answer_in_no_window_teaches_nothing_and_no_answer_teaches_all():
    assert span_lesson(passages(), [(2, 9)], None, "?", 4) is None
    lesson = span_lesson(passages(), [], None, "?", 9)
    assert lesson.windows == [0, 1, 2, 3, 4] and not any(lesson.answers)


def test_labels_are_learned_from_the_best_windows():
    ranker = WindowRanker(["one", "two", "three", "four", "five"])
    assert label_lesson(passages(), 2, ranker, "four one", 2).windows in ([3, 0], [0, 3])


def slopes(loss, logits):
    found = numpy.zeros(logits.shape)
    for place in numpy.ndindex(logits.shape):
        step = numpy.zeros(logits.shape)
        step[place] = 1e-5
        found[place] = (loss(logits + step) - loss(logits - step)) / 2e-5
    return found


@pytest.mark.parametrize("answers", [[], [(1, 2)], [(0, 0), (3, 4), (3, 4)]])
def test_gradient_of_borders(answers):
    logits = numpy.random.default_rng(0).normal(size=(6, 2))
    given = loss_of_borders(logits, answers)[1]
    assert given == pytest.approx(slopes(lambda each: loss_of_borders(each, answers)[0], logits), abs=1e-6)


def test_gradient_of_labels():
    logits = numpy.random.default_rng(0).normal(size=(3, 4))
    given = loss_of_label(logits, 2)[1]
    assert given == pytest.approx(slopes(lambda each: loss_of_label(each, 2)[0], logits), abs=1e-6)
