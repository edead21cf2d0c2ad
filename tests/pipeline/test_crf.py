"""Every probability against the enumeration of all sequences."""

from itertools import product

import numpy
import pytest

from spacy_clinicalbert.pipeline.crf import (
    BEGIN,
    IN,
    LAST,
    N_SCORED,
    OUTSIDE,
    UNIT,
    UNKNOWN,
    Spans,
    best_of_overlapping,
    find_spans,
    marginals,
)

BEHIND_CLOSED, BEHIND_OPEN = (OUTSIDE, BEGIN, UNIT), (IN, LAST)


def legal(tags):
    """Whether a sequence of one label's tags is legal from a document's first token to its last."""
    is_open = False
    for tag in tags:
        if tag not in (BEHIND_OPEN if is_open else BEHIND_CLOSED):
            return False
        is_open = tag in (BEGIN, IN)
    return not is_open


def sequences(n_tokens, n_labels, joint):
    """All legal sequences, each an array of tags, (n_tokens, n_labels)."""
    columns = [tags for tags in product(range(5), repeat=n_tokens) if legal(tags)]
    for combination in product(columns, repeat=n_labels):
        tags = numpy.array(combination, dtype="int8").reshape(n_labels, n_tokens).T
        if not joint or ((tags > OUTSIDE).sum(axis=1) <= 1).all():
            yield tags


def enumerated(scores, joint, active=None, known=None):
    """Marginals and log sum of one document, by definition."""
    n_tokens, n_labels = len(scores), scores.shape[1] // N_SCORED
    by_tag = scores.reshape(n_tokens, N_SCORED, n_labels)
    total, sums, by_span = 0.0, numpy.zeros_like(by_tag), {}
    for tags in sequences(n_tokens, n_labels, joint):
        if active is not None and (tags[~active] > OUTSIDE).any():
            continue
        if known is not None and not ((tags == known) | (known == UNKNOWN)).all():
            continue
        rows, columns = numpy.nonzero(tags)
        weight = numpy.exp(by_tag[rows, tags[rows, columns] - 1, columns].sum())
        total += weight
        sums[rows, tags[rows, columns] - 1, columns] += weight
        for span in spans_of(tags):
            by_span[span] = by_span.get(span, 0) + weight
    return sums.reshape(scores.shape) / total, numpy.log(total), {k: v / total for k, v in by_span.items()}


def spans_of(tags):
    for column in range(tags.shape[1]):
        for row, tag in enumerate(tags[:, column]):
            if tag in (BEGIN, UNIT):
                start = row
            if tag in (LAST, UNIT):
                yield start, row + 1, column


def random_scores(n_tokens, n_labels, seed=0, size=1.5):
    return numpy.random.default_rng(seed).normal(size=(n_tokens, N_SCORED * n_labels)) * size


CASES = [(1, 1, False), (5, 1, False), (4, 2, False), (1, 3, True), (5, 1, True), (4, 2, True)]


@pytest.mark.parametrize("n_tokens, n_labels, joint", CASES)
def test_marginals_equal_enumeration(n_tokens, n_labels, joint):
    scores = random_scores(n_tokens, n_labels)
    expected, log_sum, _ = enumerated(scores, joint)
    found, found_sum = marginals(scores, numpy.array([n_tokens]), joint=joint)
    assert numpy.allclose(found, expected, atol=1e-12)
    assert found_sum == pytest.approx(log_sum, abs=1e-10)


@pytest.mark.parametrize("joint", [False, True])
def test_windows_of_long_documents_do_not_depend_on_the_batch(joint):
    """With scores for which what is far off matters."""
    lengths = numpy.array([200, 3, 150, 0, 90, 300, 7])
    scores = numpy.random.default_rng(0).normal(size=(lengths.sum(), 8), scale=0.1).astype("f")
    scores[:, [0, 1, 4, 5, 6, 7]] -= 5  # entities hardly begin, and hardly end
    found, log_sum = marginals(scores, lengths, joint=joint)
    assert numpy.abs(found - marginals(scores, lengths, joint=joint, window=1000)[0]).max() > 1e-3
    parts = [scores[end - n : end] for end, n in zip(lengths.cumsum(), lengths) if n]
    alone = [marginals(part, numpy.array([len(part)]), joint=joint) for part in parts]
    assert numpy.allclose(found, numpy.concatenate([each for each, _ in alone]), atol=1e-6)
    assert log_sum == pytest.approx(sum(each for _, each in alone), rel=1e-6)


def test_known_span_over_the_end_of_a_window():
    """Of a document whose first window is shorter than others."""
    lengths = numpy.array([300, 130])
    scores = numpy.random.default_rng(0).normal(size=(430, 4)).astype("f")
    tags = numpy.full((430, 1), OUTSIDE)
    for start, end in ((60, 100), (330, 420)):
        tags[start:end] = IN
        tags[start], tags[end - 1] = BEGIN, LAST
    found, log_sum = marginals(scores, lengths, tags=tags)
    assert numpy.isfinite(log_sum)
    for tag in (BEGIN, IN, LAST, UNIT):
        assert numpy.allclose(found[:, tag - 1], tags[:, 0] == tag, atol=1e-6)


@pytest.mark.parametrize("joint", [False, True])
def test_marginals_of_documents_do_not_depend_on_each_other(joint):
    lengths = numpy.array([3, 0, 1, 4, 0])
    scores = random_scores(lengths.sum(), 2)
    found, log_sum = marginals(scores, lengths, joint=joint)
    parts = [enumerated(scores[end - n : end], joint) for end, n in zip(lengths.cumsum(), lengths) if n]
    assert numpy.allclose(found, numpy.concatenate([each for each, *_ in parts]), atol=1e-12)
    assert log_sum == pytest.approx(sum(each for _, each, _ in parts), abs=1e-10)


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize(
    "known",
    [
        [[0, 0], [0, 0], [0, 0], [0, 0]],
        [[BEGIN, 0], [LAST, 0], [0, UNIT], [0, 0]],
        [[-1, -1], [-1, -1], [-1, -1], [-1, -1]],
        [[BEGIN, 0], [-1, -1], [-1, -1], [0, 0]],
        [[-1, 0], [0, BEGIN], [0, IN], [0, LAST]],
        [[0, -1], [0, -1], [UNIT, 0], [-1, -1]],
        [[0, 0], [-1, 0], [-1, 0], [0, -1]],
    ],
)
def test_known_tags_leave_the_sequences_that_agree(known, joint):
    scores, known = random_scores(4, 2), numpy.array(known, dtype="int8")
    expected, log_sum, _ = enumerated(scores, joint, known=known)
    found, found_sum = marginals(scores, numpy.array([4]), joint=joint, tags=known)
    assert numpy.allclose(found, expected, atol=1e-12)
    assert found_sum == pytest.approx(log_sum, abs=1e-10)
    unconstrained, all_sum = marginals(scores, numpy.array([4]), joint=joint)
    assert found_sum <= all_sum + 1e-10
    if (known == UNKNOWN).all():
        assert (found == unconstrained).all() and found_sum == all_sum


@pytest.mark.parametrize("joint", [False, True])
def test_labels_that_are_not_active_have_no_probability(joint):
    scores = random_scores(4, 2)
    active = numpy.array([[True, False]] * 4)
    found, log_sum = marginals(scores, numpy.array([4]), joint=joint, active=active)
    expected, expected_sum, _ = enumerated(scores, joint, active=active)
    assert numpy.allclose(found, expected, atol=1e-12) and log_sum == pytest.approx(expected_sum)
    assert (found.reshape(4, N_SCORED, 2)[:, :, 1] == 0).all()
    alone = scores.reshape(4, N_SCORED, 2)[:, :, 0]
    assert numpy.allclose(found.reshape(4, N_SCORED, 2)[:, :, 0], marginals(alone, numpy.array([4]))[0])


@pytest.mark.parametrize("joint", [False, True])
def test_gradient_of_the_log_sum_is_the_marginals(joint):
    """By finite differences; with known tags too, so that the gradient of their likelihood is the difference of the two."""
    scores, lengths = random_scores(6, 2), numpy.array([4, 2])
    known = numpy.array([[BEGIN, 0], [-1, -1], [-1, 0], [0, UNIT], [-1, -1], [0, -1]], dtype="int8")
    for tags in (None, known):
        exact, _ = marginals(scores, lengths, joint=joint, tags=tags)
        for place in numpy.ndindex(*scores.shape):
            sums = []
            for step in (1e-5, -1e-5):
                moved = scores.copy()
                moved[place] += step
                sums.append(marginals(moved, lengths, joint=joint, tags=tags)[1])
            assert (sums[0] - sums[1]) / 2e-5 == pytest.approx(exact[place], abs=1e-7)


@pytest.mark.parametrize("n_tokens, n_labels, joint", CASES)
@pytest.mark.parametrize("threshold", [1e-9, 0.05, 0.5])
def test_found_spans_are_all_with_their_exact_probabilities(n_tokens, n_labels, joint, threshold):
    scores = random_scores(n_tokens, n_labels, seed=1)
    _, _, expected = enumerated(scores, joint)
    probabilities, _ = marginals(scores, numpy.array([n_tokens]), joint=joint)
    spans = find_spans(probabilities, numpy.full(n_labels, threshold))
    found = dict(zip(zip(*(each.tolist() for each in spans[:3])), spans.probabilities))
    assert set(found) == {span for span, probability in expected.items() if probability >= threshold}
    assert all(probability == pytest.approx(expected[span]) for span, probability in found.items())
    assert (numpy.diff(spans.starts) >= 0).all()


def test_thresholds_are_those_of_the_labels():
    probabilities, _ = marginals(numpy.zeros((1, 8)), numpy.array([1]))  # unit and outside are even
    assert find_spans(probabilities, numpy.array([0.49, 0.51])).labels.tolist() == [0]


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("n_tokens", [127, 158, 1000])
def test_windows_give_what_the_whole_gives(n_tokens, joint):
    scores = random_scores(n_tokens, 3, size=3).astype("f") - 1
    lengths = numpy.array([n_tokens - 30, 0, 30])
    found, log_sum = marginals(scores, lengths, joint=joint)
    whole, whole_sum = marginals(scores, lengths, joint=joint, window=n_tokens)
    assert numpy.abs(found - whole).max() < 1e-4
    assert log_sum == pytest.approx(whole_sum, rel=1e-5)
    assert not numpy.array_equal(found, whole), "there were no windows to compare"


def test_spans_cross_the_borders_of_windows():
    scores = numpy.full((400, N_SCORED), -8.0, dtype="f")
    scores[20, BEGIN - 1] = scores[21:380, IN - 1] = scores[380, LAST - 1] = 8
    spans = find_spans(marginals(scores, numpy.array([400]))[0], numpy.array([0.5]))
    assert (spans.starts.tolist(), spans.ends.tolist()) == ([20], [381])


def test_interpreter_takes_as_many_steps_for_a_long_note(monkeypatch):
    """What grows with the note is only what numpy does at each step: time is linear."""
    import spacy_clinicalbert.pipeline.crf as crf

    shapes = []
    run = crf.forward_backward
    monkeypatch.setattr(crf, "forward_backward", lambda *args: shapes.append(args[1].shape) or run(*args))
    for n_tokens in (1000, 100_000):
        marginals(numpy.zeros((n_tokens, N_SCORED), dtype="f"), numpy.array([n_tokens]))
    (_, few, n_few, _), (_, many, n_many, _) = shapes
    assert few == many and few * n_few < 2000 and many * n_many < 200_000


@pytest.mark.parametrize("size", [50, 1e4])
@pytest.mark.parametrize("joint", [False, True])
def test_extreme_scores_give_probabilities(size, joint):
    scores = random_scores(300, 2, size=size).astype("f")
    known = numpy.zeros((300, 2), dtype="int8")
    known[10:15, 0] = BEGIN, IN, IN, IN, LAST
    known[15:60] = UNKNOWN
    for tags in (None, known):
        found, log_sum = marginals(scores, numpy.array([300]), joint=joint, tags=tags)
        assert numpy.isfinite(found).all() and numpy.isfinite(log_sum)
        assert found.min() > -1e-5 and found.max() < 1 + 1e-5
    assert found.reshape(300, N_SCORED, 2)[10:15, :, 0].argmax(axis=1).tolist() == [0, 1, 1, 1, 2]


def test_no_tokens_give_nothing():
    found, log_sum = marginals(numpy.zeros((0, 8), dtype="f"), numpy.array([0, 0]))
    assert found.shape == (0, 8) and log_sum == 0
    assert len(find_spans(found, numpy.array([0.5, 0.5])).starts) == 0


def test_most_probable_of_overlapping_spans_is_taken():
    starts, ends, probabilities = zip((0, 3, 0.6), (2, 5, 0.9), (4, 6, 0.8), (5, 7, 0.5), (7, 8, 0.1))
    spans = Spans(numpy.array(starts), numpy.array(ends), numpy.zeros(5, dtype="int64"), numpy.array(probabilities))
    assert best_of_overlapping(spans).tolist() == [False, True, False, True, True]
    assert best_of_overlapping(Spans(*(each[:0] for each in spans))).tolist() == []
