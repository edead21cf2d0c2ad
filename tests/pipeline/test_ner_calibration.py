import numpy
import pytest
import spacy
from spacy.tokens import Span
from spacy.training import Example

from spacy_clinicalbert.corpora.docs import install_extensions
from spacy_clinicalbert.pipeline.calibration import NEVER
from spacy_clinicalbert.pipeline.crf import BEGIN, IN, LAST, OUTSIDE, UNIT, UNKNOWN, Spans
from spacy_clinicalbert.pipeline.gold import Targets
from spacy_clinicalbert.pipeline.modes import MODES
from spacy_clinicalbert.pipeline.ner_calibration import Known, calibrate_ner, fit_ner_temperature, judge
from spacy_clinicalbert.pipeline.token_tags import NEVER as LACKING
from tests.conftest import NOTES
from tests.pipeline.ner import gold_examples, make_ner, train

LABELS = ("A", "B")
MODE = MODES["independent"]
NO = -20.0  # the score of what is impossible


def overconfident(n_docs=200, length=20, factor=3.0, seed=0):
    """Single tokens are entities with probability sigmoid(z); the model's score for that is `factor` times z."""
    rng = numpy.random.default_rng(seed)
    z = rng.normal(size=(n_docs * length, len(LABELS)))
    tags = numpy.where(rng.random(z.shape) < 1 / (1 + numpy.exp(-z)), UNIT, OUTSIDE).astype("int8")
    scores = numpy.full((len(z), 4, len(LABELS)), NO, dtype="f")
    scores[:, UNIT - 1] = factor * z
    lengths = numpy.full(n_docs, length)
    return Known(scores.reshape(len(z), -1), lengths, Targets(tags, numpy.ones(tags.shape, dtype=bool)))


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_temperature_undoes_a_factor(factor):
    assert fit_ner_temperature(overconfident(factor=factor), MODE) == pytest.approx(factor, rel=0.1)


def test_temperature_passes_over_what_is_not_known():
    known = overconfident(factor=3.0)
    # Label B never holds; but it is not annotated, or not known.
    for tags, active in ((OUTSIDE, False), (UNKNOWN, True)):
        known.targets.tags[:, 1] = tags
        known.targets.active[:, 1] = active
        assert fit_ner_temperature(known, MODE) == pytest.approx(3.0, rel=0.15)


def test_temperature_of_what_is_all_right_is_one():
    known = overconfident()
    known.targets.tags[:] = numpy.where(known.scores.reshape(-1, 4, 2)[:, UNIT - 1] > 0, UNIT, OUTSIDE)
    assert fit_ner_temperature(known, MODE) == 1.0


def test_temperature_bears_neighbours_that_a_scheme_cannot_tell_apart():
    """Labels without prefixes, each token in by probability sigmoid(z): two spans of one label side by side say nothing of the temperature."""
    rng = numpy.random.default_rng(0)
    z = rng.normal(size=4000)
    inside = rng.random(len(z)) < 1 / (1 + numpy.exp(-z))
    scores = numpy.full((len(z), 4, 1), LACKING, dtype="f")
    scores[:, IN - 1, 0] = 3 * z
    mode = MODES["tokens"]

    def fit(pair):
        before, after = numpy.append(False, inside[:-1]), numpy.append(inside[1:], False)
        tags = numpy.select([~inside, before & after, before, after], [OUTSIDE, IN, LAST, BEGIN], UNIT)
        start = numpy.flatnonzero(tags == BEGIN)[0]
        if pair:  # its first token as a span of its own
            tags[start], tags[start + 1] = UNIT, UNIT if tags[start + 1] == LAST else BEGIN
        targets = Targets(tags.astype("int8")[:, None], numpy.ones((len(z), 1), dtype=bool))
        return fit_ner_temperature(Known(scores.reshape(len(z), 4), numpy.array([len(z)]), targets), mode)

    assert fit(False) == pytest.approx(3, rel=0.1) and fit(True) == pytest.approx(fit(False), rel=0.02)


def test_calibration_lowers_the_errors_on_notes_it_was_not_fitted_on():
    found = calibrate_ner(overconfident(factor=4.0), LABELS, MODE, 0.5, 0.8)
    assert found.ece_before > 0.1 and found.ece_after < 0.03
    assert found.nll_after < found.nll_before
    assert found.n == sum(each.n for each in found.before) > 1000
    for label, threshold in found.thresholds.items():
        own = overconfident(factor=4.0)
        spans = MODE.find(own.scores / found.temperature, own.lengths, numpy.full(2, threshold, dtype="f"))
        right, judged = judge(spans, own.targets)
        mine = spans.labels == LABELS.index(label)
        assert judged.all() and right[mine].mean() >= 0.8


def test_label_without_gold_gets_no_threshold_and_one_never_right_is_never_found():
    known = overconfident()
    known.targets.tags[:, 1] = OUTSIDE
    assert set(calibrate_ner(known, LABELS, MODE, 0.5, 0.5).thresholds) == {"A"}
    known.targets.tags[0, 1] = UNIT
    assert calibrate_ner(known, LABELS, MODE, 0.5, 0.99).thresholds["B"] == NEVER


def test_judge_wants_the_very_span():
    tags = numpy.array([[1], [2], [3], [0], [4], [UNKNOWN]], dtype="int8")
    starts, ends = numpy.array([0, 0, 1, 4, 3, 5]), numpy.array([3, 2, 3, 5, 4, 6])
    spans = Spans(starts, ends, numpy.zeros(6, dtype=int), numpy.ones(6, dtype="f"))
    right, judged = judge(spans, Targets(tags, numpy.ones((6, 1), dtype=bool)))
    assert right.tolist() == [True, False, False, True, False, False]
    assert judged.tolist() == [True, True, True, True, True, False]


@pytest.mark.parametrize("mode", ["independent", "joint", "tokens"])
def test_component_is_calibrated_and_keeps_it(toy, mode, tmp_path):
    nlp = make_ner(toy, mode=mode)
    train(nlp, gold_examples(nlp, NOTES), n=3)
    examples = [Example(nlp(example.x.text), example.y) for example in gold_examples(nlp, NOTES)]
    ner = nlp.get_pipe("clinical_ner")
    found = ner.calibrate(examples, precision=1.0)
    assert set(found) == {"entities"} and ner.cfg["temperature"] == found["entities"].temperature
    assert set(ner.cfg["thresholds"]) == set(ner.labels)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path).get_pipe("clinical_ner").cfg
    assert loaded["temperature"] == pytest.approx(ner.cfg["temperature"])
    assert loaded["thresholds"] == pytest.approx(ner.cfg["thresholds"])
    ner.calibrate(examples)
    assert ner.cfg["thresholds"] == {}  # those before were chosen by another temperature


def test_nothing_annotated_calibrates_nothing(toy):
    nlp = make_ner(toy)
    install_extensions()
    before = dict(nlp.get_pipe("clinical_ner").cfg)
    assert nlp.get_pipe("clinical_ner").calibrate([Example(nlp("No fever."), nlp.make_doc("No fever."))]) == {}
    assert nlp.get_pipe("clinical_ner").cfg == before


def test_notes_of_other_labels_calibrate_nothing(toy):
    """They were annotated for another component, and their entities are no sign that there is none of this one's."""
    nlp = make_ner(toy)
    before = dict(nlp.get_pipe("clinical_ner").cfg)
    reference = nlp.make_doc("No fever.")
    reference.set_ents([Span(reference, 1, 2, "OTHER")])
    assert nlp.get_pipe("clinical_ner").calibrate([Example(nlp("No fever."), reference)]) == {}
    assert nlp.get_pipe("clinical_ner").cfg == before
