"""A linear-chain conditional random field over the tags of spans, in numpy, for a batch of documents at once.

Each label has the tags begin, in, last and unit; outside has score 0, which costs nothing, for a chain's probabilities depend on
differences of scores. What is legal (Lafferty et al. 2001; tags: Ratinov and Roth 2009) leaves two states between tokens,
and each tag is a step from one to the other:

    closed ─ outside, unit ─→ closed        closed ─ begin ─→ open
    open ─ in ─→ open                       open ─ last ─→ closed

"independent" chains are one a label, so that spans of different labels may overlap. A "joint" chain has one closed state
and an open state a label, so that at most one label is open at a time.

The documents stand one behind the other, without padding: at a document's borders the chain is closed. The messages of
forward-backward (Sutton and McCallum 2012, section 4.1) are computed in windows of bounded length, which depend on each document alone, all at once, so
that time is linear in the tokens, and the interpreter takes as many steps for a thousand windows as for one.
"""

from typing import List, NamedTuple, Optional, Tuple

import numpy
from numpy import ndarray

TAGS = OUTSIDE, BEGIN, IN, LAST, UNIT = 0, 1, 2, 3, 4
UNKNOWN = -1  # every tag is possible
N_SCORED = 4  # outside has none
WINDOW = 64
# What a window begins and ends with is not known; this many tokens on both sides let it be forgotten. Where all scores are
# equal, each token takes six sevenths of a wrong beginning away.
CONTEXT = 16
# Scores beyond this are taken for it: certain in float32, and no product of two potentials leaves its range.
CERTAIN = 20.0
TINY = 1e-37


class Spans(NamedTuple):
    """Spans in order of their places.

    starts, ends (ndarray): Tokens, counted over all documents, (n_spans,).
    labels (ndarray): Columns of the labels, (n_spans,).
    probabilities (ndarray): float32, (n_spans,).
    """

    starts: ndarray
    ends: ndarray
    labels: ndarray
    probabilities: ndarray


def marginals(
    scores: ndarray,
    lengths: ndarray,
    *,
    joint: bool = False,
    active: Optional[ndarray] = None,
    tags: Optional[ndarray] = None,
    window: int = WINDOW,
    context: int = CONTEXT,
) -> Tuple[ndarray, float]:
    """The probability of each tag at each token, over all legal sequences, or over those that agree with what is known.

    scores (ndarray): Of begin, in, last, unit, each for all labels: (n_tokens, 4 * n_labels).
    lengths (ndarray): Tokens of each document.
    joint (bool): One chain for all labels, instead of one each.
    active (Optional[ndarray]): bool, (n_tokens, n_labels): the labels that the token's document may have. None: all.
    tags (Optional[ndarray]): int, (n_tokens, n_labels): only sequences with these tags count. UNKNOWN allows all. In a joint
        chain at most one label has a tag other than OUTSIDE and UNKNOWN, and then no other is UNKNOWN.
    window (int): Tokens that a window gives.
    context (int): Tokens on both sides that it reads and does not give.
    RETURNS (Tuple[ndarray, float]): Probabilities of the shape of the scores, and the logarithm of the sum over the sequences.
    """
    if not len(scores):
        return numpy.zeros_like(scores), 0.0
    outside, steps = potentials(scores, lengths, joint, active, tags)
    places, kept = lay_out(lengths, window, context)
    outside, steps = fill(outside, places, 1.0), numpy.stack([fill(step, places, 0.0) for step in steps])
    norms = forward_backward(outside, steps, joint)
    log_sum = float(numpy.log(norms[kept]).sum(dtype="float64"))
    probabilities = numpy.empty((len(scores), N_SCORED, steps.shape[3]), dtype=steps.dtype)
    probabilities[places[kept]] = steps[:, kept].transpose(1, 0, 2)
    return probabilities.reshape(len(scores), -1), log_sum


def potentials(
    scores: ndarray, lengths: ndarray, joint: bool, active: Optional[ndarray], tags: Optional[ndarray]
) -> Tuple[ndarray, ndarray]:
    """Exponentials of the scores, and 0 for what is not possible.

    RETURNS (Tuple[ndarray, ndarray]): Of outside, (n_tokens, n_labels or, if joint, 1); of the others, (4, n_tokens, n_labels).
    """
    n_tokens = len(scores)
    by_tag = scores.reshape(n_tokens, N_SCORED, -1).transpose(1, 0, 2)
    steps = numpy.exp(numpy.clip(by_tag, -CERTAIN, CERTAIN, order="C"))
    outside = numpy.ones((n_tokens, 1 if joint else steps.shape[2]), dtype=steps.dtype)
    ends = numpy.cumsum(lengths)
    lasts, firsts = ends[lengths > 0] - 1, (ends - lengths)[lengths > 0]
    steps[IN - 1, lasts] = steps[BEGIN - 1, lasts] = 0
    steps[IN - 1, firsts] = steps[LAST - 1, firsts] = 0
    if active is not None:
        steps *= active
    if tags is not None:
        unknown = tags == UNKNOWN
        possible = unknown | (tags == OUTSIDE)
        outside *= possible.all(axis=1, keepdims=True) if joint else possible
        for tag in TAGS[1:]:
            steps[tag - 1] *= unknown | (tags == tag)
    return outside, steps


def lay_out(lengths: ndarray, window: int, context: int) -> Tuple[ndarray, ndarray]:
    """Lay documents out in windows of the same length, which depend on each document alone: what is found in it is the same, whatever it shares a batch
    with. Those that fit are laid whole, several behind one another, for no sequence goes on behind a document's end; a longer one has windows of its own.

    lengths (ndarray): Tokens of each document.
    window, context (int): See `marginals`.
    RETURNS (Tuple[ndarray, ndarray]): The token at each place, counted over all documents, or -1, (length, n_windows); and whether its probabilities are taken from there.
    """
    longest = min(window + 2 * context, int(lengths.max()))  # longer columns would be more steps
    columns: List[Tuple[ndarray, ndarray]] = []  # tokens, and which of them are taken
    first, n_packed = 0, 0  # documents that are laid behind one another
    for start, n in zip((numpy.cumsum(lengths) - lengths).tolist(), lengths.tolist()):
        if n_packed and n_packed + n > longest:
            columns.append(_whole(first, n_packed))
            n_packed = 0
        if n > longest:
            for begin in range(0, n, window):
                tokens = numpy.arange(max(begin - context, 0), min(begin + window + context, n))
                columns.append((start + tokens, (tokens >= begin) & (tokens < begin + window)))
        elif n:
            first = first if n_packed else start
            n_packed += n
    if n_packed:
        columns.append(_whole(first, n_packed))
    ends = set(numpy.cumsum(lengths).tolist())
    shape = max(len(tokens) for tokens, _ in columns), len(columns)
    places, kept = numpy.full(shape, -1), numpy.zeros(shape, dtype=bool)
    for i, (tokens, taken) in enumerate(columns):
        # An empty place closes the chain. A long document's first window ends in its midst, so what is empty comes before it.
        rows = slice(None, len(tokens)) if tokens[-1] + 1 in ends else slice(shape[0] - len(tokens), None)
        places[rows, i], kept[rows, i] = tokens, taken
    return places, kept


def _whole(first: int, n: int) -> Tuple[ndarray, ndarray]:
    return numpy.arange(first, first + n), numpy.ones(n, dtype=bool)


def fill(array: ndarray, places: ndarray, empty: float) -> ndarray:
    """RETURNS (ndarray): The rows of (n_tokens, n) at the places, (length, n_windows, n), and another value where there is none."""
    return numpy.append(array, numpy.full((1, array.shape[1]), empty, dtype=array.dtype), axis=0)[places]


def forward_backward(outside: ndarray, steps: ndarray, joint: bool) -> ndarray:
    """Turn potentials into probabilities, in place.

    outside (ndarray): (length, n_windows, n_labels or 1).
    steps (ndarray): Of begin, in, last, unit: (4, length, n_windows, n_labels). Takes the probabilities.
    RETURNS (ndarray): What the backward messages were divided by at each token: (length, n_windows, n_labels or 1).
    """

    def total(each: ndarray) -> ndarray:
        return each.sum(axis=-1, keepdims=True) if joint else each

    norms, from_closed, from_open = numpy.empty_like(outside), numpy.empty_like(outside), numpy.empty_like(steps[0])
    # What follows, seen from each state; at a window's end nothing is known of it.
    closed, opened = numpy.ones_like(outside[0]), numpy.ones_like(steps[0, 0])
    # From the right: the potential of each step with all that follows.
    for t in reversed(range(len(outside))):
        begin, inner, last, unit = steps[:, t]
        begin *= opened
        unit *= closed
        last *= closed
        numpy.multiply(inner, opened, out=from_open[t])
        from_open[t] += last
        numpy.multiply(outside[t], closed, out=from_closed[t])
        from_closed[t] += total(begin + unit)
        norm = numpy.add(from_closed[t], total(from_open[t]), out=norms[t])
        closed, opened = from_closed[t] / norm, from_open[t] / norm
    # The probability of each step, given the state that it starts from. A state that no sequence passes through has 0 / TINY.
    numpy.maximum(from_closed, TINY, out=from_closed)
    numpy.maximum(from_open, TINY, out=from_open)
    for tag, state in ((BEGIN, from_closed), (UNIT, from_closed), (LAST, from_open)):
        steps[tag - 1] /= state
    # From the left: the probability of each state, and so of each step.
    for t in range(len(outside)):
        begin, inner, last, unit = steps[:, t]
        begin *= closed
        unit *= closed
        last *= opened
        numpy.subtract(opened, last, out=inner)
        closed = closed + total(last - begin)
        opened = begin + inner
    return norms


def find_spans(probabilities: ndarray, thresholds: ndarray) -> Spans:
    """All spans that are at least as probable as their label's threshold: the sum over all sequences that have the span. Two spans
    of a chain that overlap exclude each other, so that from 0.5 on they cannot both be found.

    probabilities (ndarray): Of tags, as `marginals` returns them: (n_tokens, 4 * n_labels).
    thresholds (ndarray): Above 0, (n_labels,).
    RETURNS (Spans): In order of their starts.
    """
    begin, inner, last, unit = probabilities.reshape(-1, N_SCORED, len(thresholds)).transpose(1, 0, 2)
    starts, labels = numpy.nonzero(unit >= thresholds)
    found = [(starts, starts + 1, labels, unit[starts, labels])]
    starts, labels = numpy.nonzero(begin >= thresholds)
    # The probability of the span's begin and of its being open so far: no longer span has more.
    opened, ends = begin[starts, labels], starts + 1
    while len(starts):
        stays, stops = inner[ends, labels], last[ends, labels]
        stays = stays / numpy.maximum(stays + stops, TINY)
        whole = opened * (1 - stays)
        hits = whole >= thresholds[labels]
        found.append((starts[hits], ends[hits] + 1, labels[hits], whole[hits]))
        opened = opened * stays
        # At a document's last token nothing stays open.
        goes_on = opened >= thresholds[labels]
        starts, labels, opened, ends = starts[goes_on], labels[goes_on], opened[goes_on], ends[goes_on] + 1
    starts, ends, labels, each = (numpy.concatenate(parts) for parts in zip(*found))
    order = numpy.lexsort((labels, ends, starts))
    # Rounding must not take a probability above 1.
    return Spans(starts[order], ends[order], labels[order], numpy.minimum(each[order], 1))


def trim(spans: Spans, is_space: ndarray) -> Spans:
    """Take white space off both ends of spans, as spaCy's own entities never have it there. What is nothing else goes.

    is_space (ndarray): bool, of the tokens of all documents, (n_tokens,).
    """
    words = numpy.flatnonzero(~is_space)
    first = numpy.searchsorted(words, spans.starts)
    behind = numpy.searchsorted(words, spans.ends)
    kept = first < behind
    starts, ends = words[first[kept]], 1 + words[behind[kept] - 1]
    return Spans(starts, ends, spans.labels[kept], spans.probabilities[kept])


def best_of_overlapping(spans: Spans) -> ndarray:
    """Of spans that overlap the most probable is taken, then of what does not overlap it the most probable, and so on.

    RETURNS (ndarray): bool, (n_spans,): those that are taken.
    """
    order = numpy.argsort(spans.starts, kind="stable")
    if (spans.starts[order][1:] >= numpy.maximum.accumulate(spans.ends[order])[:-1]).all():
        return numpy.ones(len(order), dtype=bool)
    taken = numpy.zeros(len(order), dtype=bool)
    free = numpy.ones(spans.ends.max(), dtype=bool)
    for i in numpy.argsort(-spans.probabilities, kind="stable"):
        place = slice(spans.starts[i], spans.ends[i])
        if free[place].all():
            taken[i] = True
            free[place] = False
    return taken
