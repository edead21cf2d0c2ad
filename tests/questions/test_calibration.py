import numpy
import pytest

from spacy_clinicalbert.questions.asked import Known, Question
from spacy_clinicalbert.questions.calibration import (
    UNIT,
    calibrate_answerable,
    calibrate_questions,
    calibrated,
    fit_sigmoid,
    probability,
)
from spacy_clinicalbert.questions.reading import Raw
from spacy_clinicalbert.questions.spans import Candidate


def draw(n, temperature, shift):
    rng = numpy.random.default_rng(0)
    log_odds = rng.normal(size=n) * 6 + 4
    return log_odds, rng.random(n) < probability(log_odds, temperature, shift)


def test_fit_finds_what_made_the_answers():
    assert fit_sigmoid(*draw(20000, 3.0, 2.5)) == pytest.approx((3.0, 2.5), abs=0.2)


@pytest.mark.parametrize(
    "log_odds, truth",
    [([1.0, 2.0], [True, False]), ([1.0, 1.0], [True, False]), ([3.3] * 7, [True] * 3 + [False] * 4)],
)
def test_what_a_temperature_cannot_say_changes_nothing(log_odds, truth):
    assert fit_sigmoid(numpy.array(log_odds), numpy.array(truth)) == (1.0, 0.0)


def test_answers_that_are_easily_told_apart_stay_finite():
    temperature, shift = fit_sigmoid(numpy.array([-5.0, -4.0, 4.0, 5.0]), numpy.array([False, False, True, True]))
    assert 0 < temperature < 20 and abs(shift) < 1


def test_calibration_lessens_the_errors_on_the_other_half():
    log_odds, truth = draw(2000, 3.0, 2.5)
    done, shift = calibrate_answerable(log_odds, truth, numpy.arange(2000) // 4)
    assert done.ece_after < done.ece_before / 2 and done.nll_after < done.nll_before
    assert (done.temperature, shift) == fit_sigmoid(log_odds, truth)


def questions(n):
    log_odds, truth = draw(n, 3.0, 2.5)
    raw = [Raw(Question(i, "?"), [Candidate(float(x), 0, 1)], None) for i, x in enumerate(log_odds)]
    known = [Known(one.question, [(0, 1)] if is_true else [], None, None) for one, is_true in zip(raw, truth)]
    return raw, known, log_odds, truth


def test_threshold_is_that_of_the_wished_precision():
    raw, known, log_odds, truth = questions(400)
    found, settings = calibrate_questions([raw[:200], raw[200:]], [known[:200], known[200:]], ("yes", "no"), 0.9)
    given = probability(log_odds, settings["temperature"], settings["shift"])
    assert 0.9 <= truth[given >= settings["threshold"]].mean() < 0.95
    assert found["answerable"].thresholds == {"answerable": settings["threshold"]}
    assert calibrated(raw[0], settings, ())[1] == [(0, 2, pytest.approx(given[0]))]


def test_questions_that_all_have_an_answer_calibrate_nothing():
    raw, known, *_ = questions(40)
    known = [one._replace(places=[(0, 1)]) for one in known]
    assert calibrate_questions([raw], [known], ("yes", "no"), 0.9) == ({}, UNIT)


def test_labels_have_a_temperature_of_their_own():
    rng = numpy.random.default_rng(0)
    logits = rng.normal(size=(300, 2)) * 8
    raw = [Raw(Question(i, "?", "yes_no"), [Candidate(0.0, 0, 1)], row) for i, row in enumerate(logits)]
    truth = rng.random(300) < probability(logits[:, 0] - logits[:, 1], 4.0, 0.0)
    known = [Known(one.question, [], "yes" if is_yes else "no", None) for one, is_yes in zip(raw, truth)]
    found, settings = calibrate_questions([[one] for one in raw], [[one] for one in known], ("yes", "no"), None)
    assert settings["label_temperature"] == found["labels"].temperature == pytest.approx(4.0, abs=1.5)
    assert settings["threshold"] is None
    labels = calibrated(raw[0], settings, ("yes", "no")).labels
    assert labels["yes"] == pytest.approx(probability(logits[0, 0] - logits[0, 1], settings["label_temperature"], 0.0))


def test_what_questions_say_nothing_of_stays_calibrated():
    raw, known, *_ = questions(400)
    _, before = calibrate_questions([raw], [known], ("yes", "no"), 0.9, {**UNIT, "label_temperature": 3.0})
    assert before["label_temperature"] == 3.0 and before["threshold"] is not None
    answered = [one._replace(places=[(0, 1)]) for one in known]
    assert calibrate_questions([raw], [answered], ("yes", "no"), None, before) == ({}, before)
    _, again = calibrate_questions([raw], [known], ("yes", "no"), None, before)
    assert again == {**before, "threshold": None}  # it was chosen by another temperature
