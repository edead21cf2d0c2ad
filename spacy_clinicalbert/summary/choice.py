"""Which sentences of a note are chosen, by maximal marginal relevance."""

from typing import Dict, List, Sequence, Tuple

import numpy
from numpy import ndarray


def choose(
    salience: ndarray,
    vectors: ndarray,
    words: ndarray,
    keys: Sequence[Tuple[str, ...]],
    *,
    max_words: int,
    balance: float,
    max_similarity: float,
) -> List[int]:
    """Choose sentences, one after the other: the next is that with the highest

        balance · salience - (1 - balance) · its greatest similarity to one that is chosen already

    (Carbonell and Goldstein, SIGIR 1998), of those that still fit. Salience is spread over 0 to 1; similarity is the cosine of the vectors less the note's mean,
    for the vectors of an encoder all point in much the same direction. Memory grows with the number of sentences, time with that and with how many are chosen.

    A sentence is never cut, for a cut could take away a "no". If not one sentence fits into the budget, the best is chosen alone, longer than it.

    salience (ndarray): How much each says of the note, in any unit, (n_sentences,).
    vectors (ndarray): (n_sentences, width).
    words (ndarray): The length of each, (n_sentences,).
    keys (Sequence[Tuple[str, ...]]): Of sentences with equal keys the first alone is chosen.
    max_words (int): The budget.
    balance (float): 0 to 1: weight of the salience.
    max_similarity (float): What is more similar than this to a chosen one is never chosen.
    RETURNS (List[int]): Numbers of sentences, in the order of the note.
    """
    if not len(salience):
        return []
    first_of: Dict[Tuple[str, ...], int] = {}
    for i, key in enumerate(keys):
        first_of.setdefault(key, i)
    free = numpy.zeros(len(salience), dtype=bool)
    free[list(first_of.values())] = True
    low, high = float(salience.min()), float(salience.max())
    relative = (salience - low) / (high - low) if high > low else numpy.zeros(len(salience))
    centred = vectors - vectors.mean(axis=0)
    centred /= numpy.maximum(numpy.linalg.norm(centred, axis=1, keepdims=True), 1e-8)
    closest = numpy.zeros(len(salience))
    chosen: List[int] = []
    left = max_words
    while True:
        fits = free & (words <= left) & (closest <= max_similarity)
        if not fits.any():
            break
        value = numpy.where(fits, balance * relative - (1 - balance) * closest, -numpy.inf)
        best = int(value.argmax())
        chosen.append(best)
        free[best] = False
        left -= int(words[best])
        numpy.maximum(closest, centred @ centred[best], out=closest)
    if not chosen:
        chosen = [int(numpy.where(free, relative, -numpy.inf).argmax())]
    return sorted(chosen)
