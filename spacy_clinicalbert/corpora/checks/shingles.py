"""Runs of words of a text as numbers, the same in every process, for comparing texts without keeping them."""

from typing import List
from zlib import crc32

import numpy
from numpy import ndarray

# Multiplier of a polynomial over the words (Knuth's for linear congruences), and the finaliser of MurmurHash3, which spreads it.
_BASE = numpy.uint64(6364136223846793005)
_MIX = (numpy.uint64(0xFF51AFD7ED558CCD), numpy.uint64(0xC4CEB9FE1A85EC53))
_SHIFT = numpy.uint64(33)


def hash_words(words: List[str]) -> ndarray:
    """RETURNS (ndarray): A number for each word, uint64, (n_words,)."""
    return numpy.fromiter((crc32(word.encode("utf8")) for word in words), dtype="uint64", count=len(words))


def shingles(hashes: ndarray, size: int) -> ndarray:
    """The different runs of words of a text.

    hashes (ndarray): As `hash_words` gives them, (n_words,).
    size (int): Words a run.
    RETURNS (ndarray): Rising numbers, evenly spread over uint64; none for a text of fewer words.
    """
    n_runs = len(hashes) - size + 1
    if n_runs < 1:
        return numpy.empty(0, dtype="uint64")
    runs = numpy.zeros(n_runs, dtype="uint64")
    for i in range(size):
        runs = runs * _BASE + hashes[i : i + n_runs]
    for multiplier in _MIX:
        runs = (runs ^ (runs >> _SHIFT)) * multiplier
    return numpy.unique(runs ^ (runs >> _SHIFT))
