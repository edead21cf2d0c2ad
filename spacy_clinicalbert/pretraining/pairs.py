"""Next-sentence prediction (Devlin et al. 2019), as the ClinicalBERT papers train with: does the block's second part follow its
first, or stand elsewhere?"""

from typing import Tuple

import numpy

from .tokens import SPECIAL, WORD


def make_pairs(
    ids: numpy.ndarray, flags: numpy.ndarray, separator: int, random: numpy.random.Generator
) -> Tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Cut each block in two, give half of the blocks another's second part, and put a separator between the parts. The cut is at a word
    within a note of both blocks, in their middle half where there is one: where a second part begins does not tell whose it is.

    ids, flags (numpy.ndarray): Blocks with their ends, of shape (n_blocks, length), two at least.
    separator (int): The id of [SEP].
    random (numpy.random.Generator): Makes the choices.
    RETURNS (Tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray, numpy.ndarray]): Ids, flags and token types, of shape
        (n_blocks, length + 1), and the answers, of shape (n_blocks,): 0 follows, 1 is another block's.
    """
    n_blocks, length = ids.shape
    special = flags & SPECIAL > 0
    could = (flags & WORD > 0) & ~special
    could[:, 1:] &= ~special[:, :-1]
    could[:, 0] = False
    others = (numpy.arange(n_blocks) + random.integers(1, n_blocks, size=n_blocks)) % n_blocks
    could &= could[others]
    place = numpy.arange(length)
    middle = could & (place >= length // 4) & (place < length - length // 4)
    could = numpy.where(middle.any(1, keepdims=True), middle, could)
    could[~could.any(1), length // 2] = True
    cuts = numpy.argmax(could * random.random(ids.shape), axis=1)[:, None]
    swapped = numpy.less(random.random(n_blocks), 0.5)
    second = (place >= cuts) & swapped[:, None]
    ids, flags = numpy.where(second, ids[others], ids), numpy.where(second, flags[others], flags)
    source = numpy.arange(length + 1) - (numpy.arange(length + 1) > cuts)  # where each position comes from
    is_new = numpy.arange(length + 1) == cuts
    source = numpy.where(is_new, 0, source)
    ids = numpy.where(is_new, separator, numpy.take_along_axis(ids, source, axis=1))
    flags = numpy.where(is_new, SPECIAL | WORD, numpy.take_along_axis(flags, source, axis=1)).astype("uint8")
    types = (numpy.arange(length + 1) > cuts).astype("int64")
    return ids, flags, types, swapped.astype("int64")
