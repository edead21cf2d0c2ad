import itertools
from collections import defaultdict

import numpy
import pytest
import spacy

from spacy_clinicalbert.pipeline.crf import BEGIN, IN, LAST, OUTSIDE, UNIT, UNKNOWN
from spacy_clinicalbert.pipeline.token_tags import NEVER, find_words, read_tags, tag_marginals

N_LABELS = 2


def read(sequence):
    """The spans of tags [(tag, label), ...], token by token."""
    spans, opened = [], None
    for i, (tag, label) in enumerate(sequence):
        if tag == OUTSIDE:
            opened = None
            continue
        if opened == label and tag in (IN, LAST):
            spans[-1] = (spans[-1][0], i + 1, label)
        else:
            spans.append((i, i + 1, label))
        opened = label if tag in (BEGIN, IN) else None
    return spans


def all_sequences(scores, lengths):
    """Every sequence of one document after the other, with its probability."""
    ends = numpy.cumsum(lengths)
    choices = [(OUTSIDE, None), *itertools.product((BEGIN, IN, LAST, UNIT), range(N_LABELS))]
    z = numpy.concatenate([numpy.zeros((len(scores), 1)), scores], axis=1).astype("float64")
    p = numpy.exp(z) / numpy.exp(z).sum(1, keepdims=True)
    for picked in itertools.product(range(len(choices)), repeat=len(scores)):
        spans = []
        for start, end in zip(ends - lengths, ends):
            spans += [(a + start, b + start, label) for a, b, label in read([choices[i] for i in picked[start:end]])]
        yield spans, float(numpy.prod([p[t, i] for t, i in enumerate(picked)]))


def random_scores(seed, n_tokens, scheme):
    scores = numpy.random.default_rng(seed).normal(0, 2, size=(n_tokens, 4, N_LABELS)).astype("f")
    if scheme in ("IOB", "IO"):
        scores[:, [LAST - 1, UNIT - 1]] = NEVER
    if scheme == "IO":
        scores[:, BEGIN - 1] = NEVER
    return scores.reshape(n_tokens, -1)


@pytest.mark.parametrize("scheme", ["BILOU", "IOB", "IO"])
@pytest.mark.parametrize("lengths", [[1], [4], [2, 0, 2], [1, 3]])
@pytest.mark.parametrize("seed", [0, 1])
def test_probabilities_of_spans_are_the_sums_over_all_sequences(scheme, lengths, seed):
    scores = random_scores(seed, sum(lengths), scheme)
    expected = defaultdict(float)
    for spans, probability in all_sequences(scores, numpy.array(lengths)):
        for span in spans:
            expected[span] += probability
    found = read_tags(scores, numpy.array(lengths), numpy.zeros(N_LABELS))
    for start, end, label, probability in zip(*(each.tolist() for each in found)):
        assert probability == pytest.approx(expected[start, end, label], abs=1e-6)


def sure(*tags):
    """Scores at which each token is sure of its tag, such as "B0" or "O"."""
    scores = numpy.full((len(tags), 4, N_LABELS), -9.0, dtype="f")
    for row, tag in zip(scores, tags):
        if tag != "O":
            row["BILU".index(tag[0]), int(tag[1])] = 9.0
    return scores.reshape(len(tags), -1)


@pytest.mark.parametrize(
    "tags, spans",
    [
        ("O B0 I0 I0 O B0", [(1, 4, 0), (5, 6, 0)]),  # IOB2
        ("O B0 B0 I0 O O", [(1, 2, 0), (2, 4, 0)]),
        ("O I0 I0 B0 O I1", [(1, 3, 0), (3, 4, 0), (5, 6, 1)]),  # IOB1
        ("B0 I0 L0 U0 U1 O", [(0, 3, 0), (3, 4, 0), (4, 5, 1)]),  # BILOU
        ("B0 L0 I0 O L1 L1", [(0, 2, 0), (2, 3, 0), (4, 5, 1), (5, 6, 1)]),  # what no scheme has
        ("B0 I1 I1 U0 L0 B1", [(0, 1, 0), (1, 3, 1), (3, 4, 0), (4, 5, 0), (5, 6, 1)]),
        ("O O O O O O", []),
    ],
)
def test_tags_are_read_as_conlleval_reads_them(tags, spans):
    found = read_tags(sure(*tags.split()), numpy.array([6]), numpy.full(2, 0.5))
    assert list(zip(*(each.tolist() for each in found[:3]))) == spans
    assert found.probabilities.min(initial=1) > 0.99


def test_spans_end_where_documents_do():
    lengths = numpy.array([2, 0, 1, 3])
    found = read_tags(sure(*["I0"] * 6), lengths, numpy.full(2, 0.5))
    assert list(zip(found.starts.tolist(), found.ends.tolist())) == [(0, 2), (2, 3), (3, 6)]
    assert found.probabilities.min() > 0.99


def test_documents_of_nothing_have_no_spans():
    assert all(len(each) == 0 for each in read_tags(sure("O")[:0], numpy.array([0, 0]), numpy.full(2, 0.5)))


def test_threshold_leaves_out_what_is_less_probable():
    scores = numpy.zeros((1, 8), dtype="f")
    scores[0, 0] = 1.0
    probability = (numpy.e + 3) / (numpy.e + 8)  # each of the label's four tags is read as the span
    for threshold, n in ((0.0, 1), (probability - 0.01, 1), (probability + 0.01, 0)):
        found = read_tags(scores, numpy.array([1]), numpy.array([threshold, 0.0]))
        assert len(found.starts) == n


def test_long_spans_keep_their_probability():
    scores = sure("B0", *["I0"] * 2000, "O")
    found = read_tags(scores, numpy.array([2002]), numpy.zeros(2))
    p, _ = tag_marginals(scores, numpy.array([2002]))
    assert found.ends.tolist() == [2001]
    assert found.probabilities[0] == pytest.approx(float(p.max(1)[:2001].astype("float64").prod()), rel=1e-3)


@pytest.mark.parametrize(
    "tags",
    [
        [[OUTSIDE, OUTSIDE], [BEGIN, OUTSIDE], [LAST, OUTSIDE], [OUTSIDE, UNIT]],
        [[UNIT, OUTSIDE], [OUTSIDE, BEGIN], [OUTSIDE, IN], [OUTSIDE, LAST]],
    ],
)
def test_marginals_given_spans_count_all_sequences_that_are_read_so(tags):
    tags, lengths = numpy.array(tags, dtype="int8"), numpy.array([4])
    scores = random_scores(5, 4, "BILOU")
    wanted = set()
    for label in range(N_LABELS):
        starts = numpy.flatnonzero(numpy.isin(tags[:, label], (BEGIN, UNIT))).tolist()
        ends = numpy.flatnonzero(numpy.isin(tags[:, label], (LAST, UNIT))).tolist()
        wanted |= {(start, end + 1, label) for start, end in zip(starts, ends)}
    total = sum(probability for spans, probability in all_sequences(scores, lengths) if set(spans) == wanted)
    _, log_all = tag_marginals(scores, lengths)
    _, log_known = tag_marginals(scores, lengths, tags=tags)
    assert numpy.exp(log_known - log_all) == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("tags", [[IN, UNIT], [UNIT, UNIT], [UNIT, BEGIN, LAST]])
def test_neighbours_that_a_scheme_cannot_tell_apart_are_learned_as_one(tags):
    """Without begin, last and unit the second span goes on with the first."""
    scores = random_scores(0, 5, "IO")
    given = numpy.full((5, N_LABELS), OUTSIDE, dtype="int8")
    given[1 : 1 + len(tags), 0] = [UNIT if tag == IN else tag for tag in tags]
    marginals, log_sum = tag_marginals(scores, numpy.array([5]), tags=given)
    assert numpy.isfinite(marginals).all() and abs(log_sum) < 100
    places = marginals.reshape(5, 4, N_LABELS)[1 : 1 + len(tags), IN - 1, 0]
    assert numpy.allclose(places, 1)


def test_nothing_is_learned_of_unknown_tokens():
    tags = numpy.array([[UNKNOWN, UNKNOWN], [OUTSIDE, OUTSIDE], [UNKNOWN, UNKNOWN]], dtype="int8")
    scores, lengths = random_scores(5, 3, "BILOU"), numpy.array([3])
    given, wished = tag_marginals(scores, lengths)[0], tag_marginals(scores, lengths, tags=tags)[0]
    assert numpy.array_equal(given[[0, 2]], wished[[0, 2]]) and (wished[1] == 0).all()


def test_behind_a_span_of_its_label_a_span_begins():
    """Were it in, the two would be read as one."""
    tags = numpy.array([[UNIT, OUTSIDE], [UNIT, OUTSIDE]], dtype="int8")
    wished, _ = tag_marginals(random_scores(0, 2, "IOB"), numpy.array([2]), tags=tags)
    first, second = wished.reshape(2, 4, N_LABELS)[:, :, 0]
    assert first[IN - 1] > 0 and second[IN - 1] == 0 and second.sum() == pytest.approx(1)


def test_labels_that_a_document_is_not_annotated_for_have_no_part():
    scores = random_scores(0, 3, "BILOU")
    active = numpy.array([[True, False]] * 3)
    given, _ = tag_marginals(scores, numpy.array([3]), active=active)
    assert (given.reshape(3, 4, 2)[:, :, 1] == 0).all() and (given.reshape(3, 4, 2)[:, :, 0] > 0).all()


def test_words_are_tokens_with_wordpieces():
    nlp = spacy.blank("en")
    bias = numpy.array([1.0, 2.0], dtype="f")
    doc = nlp("pain \n \x07 fever")
    scores = numpy.array([[0, 0], [5, 5], bias, [1, 3]], dtype="f")
    assert find_words([nlp(""), doc], scores, bias).tolist() == [0, 3]
    assert find_words([], scores[:0], bias).tolist() == []
