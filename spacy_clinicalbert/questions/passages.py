"""A document as the network reads it to answer questions: wordpieces, windows over them, and the tokens that wordpieces stand in."""

from typing import Iterator, List, NamedTuple, Optional, Tuple

import numpy
from numpy import ndarray
from spacy.tokens import Doc

from ..encoder.alignment import align, token_offsets
from ..encoder.checkpoints import Checkpoint
from ..encoder.plan import tokenize
from ..encoder.windows import Windower, Windows, check_windows


class Passages(NamedTuple):
    """One document.

    ids (ndarray): Its wordpieces, (n_pieces,).
    starts, ends (ndarray): The characters at which these start and end, (n_pieces,) each.
    windows (Windows): Windows over them. All that a window encodes can be an answer, its context too.
    first_tokens, last_tokens (ndarray): The first and the last token that each stands in, (n_pieces,); -1 for none.
    """

    ids: ndarray
    starts: ndarray
    ends: ndarray
    windows: Windows
    first_tokens: ndarray
    last_tokens: ndarray

    @property
    def n_windows(self) -> int:
        return len(self.windows.start)

    def window_ids(self, number: int) -> ndarray:
        """The wordpieces of a window."""
        return self.ids[self.windows.start[number] : self.windows.end[number]]

    def window_text(self, number: int, text: str) -> str:
        """The text of a window of the document with this text."""
        first, last = self.windows.start[number], self.windows.end[number] - 1
        return text[self.starts[first] : self.ends[last]]

    def pieces_of(self, start: int, end: int) -> Optional[Tuple[int, int]]:
        """The first and the last wordpiece of some characters; None if they have none."""
        touched = numpy.flatnonzero((self.starts < end) & (self.ends > start))
        return (int(touched[0]), int(touched[-1])) if len(touched) else None

    def windows_with(self, first: int, last: int) -> ndarray:
        """The windows that have all of some wordpieces."""
        return numpy.flatnonzero((self.windows.start <= first) & (self.windows.end > last))

    def windows_touching(self, first: int, last: int) -> ndarray:
        """The windows that have some of some wordpieces."""
        return numpy.flatnonzero((self.windows.start <= last) & (self.windows.end > first))


def read_passages(checkpoint: Checkpoint, windower: Windower, docs: List[Doc], max_window: int) -> Iterator[Passages]:
    """Tokenise documents and cut them into windows.

    max_window (int): The most wordpieces that fit beside a question.
    YIELDS (Passages): One for each document.
    RAISES (ValueError): A window is too long, or the windows are not windows over the document.
    """
    texts = [doc.text for doc in docs]
    for doc, text, (ids, starts, ends) in zip(docs, texts, tokenize(checkpoint, texts)):
        windows = windower(text, starts, ends)
        check_windows(windows, len(starts), max_window)
        tokens, lengths = align(starts, ends, *token_offsets(doc))
        behind = numpy.cumsum(lengths)
        first, last = numpy.full(len(ids), -1), numpy.full(len(ids), -1)
        has = lengths > 0
        first[has], last[has] = tokens[(behind - lengths)[has]], tokens[behind[has] - 1]
        yield Passages(ids, starts, ends, windows, first, last)
