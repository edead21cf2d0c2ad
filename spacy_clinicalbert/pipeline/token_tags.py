"""Tags of tokens that know nothing of each other, as Hugging Face's token classifiers give them, and the spans they are read as. Numpy only.

Each token is outside, or begin, in, last or unit of one label, by a softmax. Any sequence is read, as conlleval and seqeval read it: a
token goes on with the span before it if that token is begin or in, and it is in or last, of the same label. So one reading serves

    IOB2    O B I I O B    IOB1    O I I I O I    IOBES, BILOU    O B I E O S    no prefixes    O X X X O X    (X is taken for in)
              └─1─┘   2              └─1─┘   2                      └─1─┘   2                     └─1─┘   2
"""

from typing import List, Optional, Tuple

import numpy
from numpy import ndarray
from spacy.attrs import IS_SPACE
from spacy.tokens import Doc

from .crf import BEGIN, IN, LAST, N_SCORED, OUTSIDE, TAGS, UNIT, UNKNOWN, Spans

# The score of a tag that a scheme does not have. It has no probability, and differences to it are still finite.
NEVER = -1e4


def find_words(docs: List[Doc], scores: ndarray, bias: ndarray) -> ndarray:
    """Which tokens have a tag. White space has none, nor has a token without wordpieces: its vector is zeros, its scores the bias.

    scores (ndarray): (n_tokens, 4 * n_labels).
    bias (ndarray): Of the layer that gave them, (4 * n_labels,).
    RETURNS (ndarray): Their numbers, (n_words,).
    """
    is_space = numpy.concatenate([doc.to_array(IS_SPACE) for doc in docs]) if docs else numpy.zeros(0)
    return numpy.flatnonzero((is_space == 0) & (scores != bias).any(axis=1))


def divide(scores: ndarray, temperature: float) -> ndarray:
    """RETURNS (ndarray): Scores divided by a temperature, but for those of tags that a scheme does not have: they stay so low as to be known."""
    return numpy.where(scores < NEVER / 2, scores, scores / numpy.float32(temperature))


def tag_marginals(
    scores: ndarray, lengths: ndarray, *, active: Optional[ndarray] = None, tags: Optional[ndarray] = None
) -> Tuple[ndarray, float]:
    """The probability of each tag at each token. The arguments, and what is returned, are those of `crf.marginals`; with tags, the
    sequences count that are read as the spans of these. (Directly behind one of its label a span must have begin or unit.)"""
    steps = scores.reshape(len(scores), N_SCORED, scores.shape[1] // N_SCORED)
    possible = numpy.ones(steps.shape, dtype=bool)
    outside = numpy.ones(len(scores), dtype=bool)
    if tags is not None:
        unknown = tags == UNKNOWN
        outside = (unknown | (tags == OUTSIDE)).all(axis=1)
        alone = ~_before(tags != OUTSIDE, lengths)  # what may begin as in, for no span of its label is before it
        same = {tag: unknown | (tags == tag) for tag in TAGS[1:]}
        possible[:, BEGIN - 1] = same[BEGIN] | same[UNIT]
        possible[:, IN - 1] = same[IN] | same[LAST] | ((same[BEGIN] | same[UNIT]) & alone)
        possible[:, LAST - 1] = same[LAST] | (same[UNIT] & alone)
        possible[:, UNIT - 1] = same[UNIT]
        # A scheme without begin tells no two spans apart: the second goes on with the first.
        stuck = ~outside & (numpy.where(possible, steps, -numpy.inf).max(axis=(1, 2), initial=-numpy.inf) < NEVER / 2)
        possible[stuck, IN - 1] |= (same[BEGIN] | same[UNIT])[stuck]
    if active is not None:
        possible &= active[:, None]
    masked = numpy.where(possible, steps, -numpy.inf).reshape(scores.shape)
    peak = numpy.maximum(masked.max(axis=1, initial=-numpy.inf), numpy.where(outside, 0, -numpy.inf))
    exps = numpy.exp(masked - peak[:, None])
    total = exps.sum(axis=1) + numpy.exp(numpy.where(outside, -peak, -numpy.inf))
    log_sum = float((numpy.log(total) + peak).sum(dtype="float64"))
    return (exps / total[:, None]).astype(scores.dtype), log_sum


def read_tags(scores: ndarray, lengths: ndarray, thresholds: ndarray) -> Spans:
    """Read the most probable tag of each token. A span's probability is exact: the sum over all sequences that are read as having it.

    scores (ndarray): Of begin, in, last, unit, each for all labels: (n_tokens, 4 * n_labels).
    lengths (ndarray): Tokens of each document.
    thresholds (ndarray): Of the labels, (n_labels,). What is less probable is left out.
    RETURNS (Spans): In order of their starts; none overlaps another.
    """
    n_labels = len(thresholds)
    begin, inner, last, unit = tag_marginals(scores, lengths)[0].reshape(-1, N_SCORED, n_labels).transpose(1, 0, 2)

    best = scores.argmax(axis=1)
    tags, labels = 1 + best // n_labels, best % n_labels
    tags[scores.max(axis=1, initial=-numpy.inf) <= 0] = OUTSIDE
    goes_on = (tags == BEGIN) | (tags == IN)
    is_linked = _before(goes_on, lengths) & ((tags == IN) | (tags == LAST))
    is_linked[1:] &= labels[1:] == labels[:-1]
    has_next = numpy.append(is_linked[1:], False)[: len(scores)]
    firsts = numpy.flatnonzero((tags != OUTSIDE) & ~is_linked)
    lasts = numpy.flatnonzero((tags != OUTSIDE) & ~has_next)

    own = labels[firsts]
    # That no span comes from before, and that none goes on.
    before = 1 - _before(begin + inner, lengths)[firsts, own]
    behind = 1 - _before((inner + last)[::-1], lengths[::-1])[::-1][lasts, own]
    first = begin[firsts, own] + inner[firsts, own] * before
    single = first * behind + unit[firsts, own] + last[firsts, own] * before
    longer = first * (last[lasts, own] + inner[lasts, own] * behind)
    sizes = numpy.maximum(lasts - firsts - 1, 0)
    offsets = numpy.cumsum(sizes) - sizes
    between = numpy.arange(sizes.sum()) + numpy.repeat(firsts + 1 - offsets, sizes)
    long = sizes > 0
    longer[long] *= numpy.multiply.reduceat(inner[between, numpy.repeat(own, sizes)], offsets[long])
    probabilities = numpy.minimum(numpy.where(firsts == lasts, single, longer), 1)  # rounding
    found = probabilities >= thresholds[own]
    return Spans(firsts[found], lasts[found] + 1, own[found], probabilities[found])


def _before(array: ndarray, lengths: ndarray) -> ndarray:
    """The rows of the tokens before, and zeros at the documents' beginnings."""
    shifted = numpy.zeros_like(array)
    shifted[1:] = array[:-1]
    starts = (numpy.cumsum(lengths) - lengths)[lengths > 0]
    shifted[starts] = 0
    return shifted
