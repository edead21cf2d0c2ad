"""Which wordpieces each spaCy token is made of, by character offsets. Numpy only."""

from typing import Tuple

import numpy
from numpy import ndarray
from spacy.attrs import LENGTH, SPACY
from spacy.tokens import Doc


def token_offsets(doc: Doc) -> Tuple[ndarray, ndarray]:
    """The characters of `doc.text` at which each token starts and ends, (n_tokens,) each."""
    lengths, spaces = doc.to_array([LENGTH, SPACY]).astype("int64").reshape(len(doc), 2).T
    ends = numpy.cumsum(lengths + spaces) - spaces
    return ends - lengths, ends


def align(
    token_starts: ndarray, token_ends: ndarray, piece_starts: ndarray, piece_ends: ndarray
) -> Tuple[ndarray, ndarray]:
    """Find the wordpieces that share at least a character with each token. One that straddles two tokens counts
    for both; a token of white space, or of characters that the tokenizer deletes, has none.

        tokens       |no| |fever|.|
        wordpieces   |no| |fe|ver.|      → [0] [1, 2] [2]

    token_starts, token_ends (ndarray): Characters, (n_tokens,).
    piece_starts, piece_ends (ndarray): Characters, (n_pieces,).
    RETURNS (Tuple[ndarray, ndarray]): The wordpieces of all tokens, one token's behind the other's, and how many
        each token has, (n_tokens,).
    """
    # Normalisers can swap combining marks, so that offsets step back by one: keep what is searched sorted.
    piece_ends = numpy.maximum.accumulate(piece_ends)
    piece_starts = numpy.minimum.accumulate(piece_starts[::-1])[::-1]
    first = numpy.searchsorted(piece_ends, token_starts, side="right")
    last = numpy.searchsorted(piece_starts, token_ends, side="left")
    lengths = numpy.maximum(last - first, 0)
    shift = first - (numpy.cumsum(lengths) - lengths)
    return numpy.arange(int(lengths.sum())) + numpy.repeat(shift, lengths), lengths


def first_pieces(token_pieces: ndarray, token_lengths: ndarray) -> Tuple[ndarray, ndarray]:
    """Keep the first wordpiece of each token of what `align` found."""
    firsts = numpy.cumsum(token_lengths) - token_lengths
    return token_pieces[firsts[token_lengths > 0]], numpy.minimum(token_lengths, 1)
