"""How `clinical_ner` takes the scores of tags: what is probable, and which spans are found. Numpy only."""

from functools import partial
from typing import Callable, Dict, NamedTuple, Tuple

from numpy import ndarray

from .crf import Spans, best_of_overlapping, find_spans, marginals
from .token_tags import read_tags, tag_marginals

Marginals = Callable[..., Tuple[ndarray, float]]  # see `crf.marginals`, without joint
Finder = Callable[[ndarray, ndarray, ndarray], Spans]  # scores, lengths and thresholds → what is found


class Mode(NamedTuple):
    """A way to take scores.

    is_joint (bool): Labels exclude each other.
    marginals (Marginals): The probabilities of tags.
    find (Finder): Spans, in tokens of all documents one behind the other, of which no two of the same chain overlap.
    """

    is_joint: bool
    marginals: Marginals
    find: Finder


def _find_in_chains(is_joint: bool, scores: ndarray, lengths: ndarray, thresholds: ndarray) -> Spans:
    probabilities, _ = marginals(scores, lengths, joint=is_joint)
    spans = find_spans(probabilities, thresholds)
    # Independent chains are taken as if they stood one behind the other.
    apart = 0 if is_joint else spans.labels * len(scores)
    taken = best_of_overlapping(spans._replace(starts=spans.starts + apart, ends=spans.ends + apart))
    return Spans(*(each[taken] for each in spans))


MODES: Dict[str, Mode] = {
    "independent": Mode(False, marginals, partial(_find_in_chains, False)),
    "joint": Mode(True, partial(marginals, joint=True), partial(_find_in_chains, True)),
    "tokens": Mode(True, tag_marginals, read_tags),
}
