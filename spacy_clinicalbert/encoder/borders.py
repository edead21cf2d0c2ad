"""Where a note may be cut, found in its text alone: the same in training and in use, whatever components ran."""

import re
from enum import IntEnum
from typing import NamedTuple

import numpy
from numpy import ndarray


class Border(IntEnum):
    """What begins at a border, the weakest first."""

    SENTENCE = 1
    LINE = 2
    BLOCK = 3  # a line behind an empty one
    SECTION = 4


class Borders(NamedTuple):
    """The borders of one text, in its order.

    starts (ndarray): Characters at which something begins, rising, (n_borders,). 0 is not among them.
    kinds (ndarray): The strongest `Border` there, (n_borders,).
    """

    starts: ndarray
    kinds: ndarray


# Of a line that has more than white space: whether an empty line or the text's start is before it, and its words.
_LINE = re.compile(r"(?P<empty>(?:[^\S\n]*\n)*)[^\S\n]*(?P<words>\S)")
# "HISTORY OF PRESENT ILLNESS:", "2. Past Medical History:", "Allergies:": up to eight words that begin a line, each
# with a capital but for the small ones that titles have; or a line of capitals alone.
_WORD = r"[A-Z][\w'’./&()-]*"
_SMALL = r"(?:and|at|by|for|from|in|of|on|or|per|the|to|upon|with|&|/|-)"
_NUMBER = r"(?:\d{1,2}[.)]\s?|[A-Z][.)]\s|[#*•-]+\s?)?"
_HEAD = re.compile(
    rf"{_NUMBER}(?=[^\n:]{{3,80}}:){_WORD}(?:,?[ ](?:{_WORD}|{_SMALL}|\d+)){{0,7}}[ ]?:(?!\d)"
    r"|(?=[^\n]{4,60}$)(?=[^\n]*[A-Z]{3})[^a-z\n.;!?]+$",
    re.MULTILINE,
)
_SENTENCE = re.compile(r"[.!?;][\"')\]]*\s+(?=\S)")

_RETURN = re.compile(r"\r(?!\n)")


def find_borders(text: str) -> Borders:
    """Find where sections, blocks, lines and sentences of a note begin.

    A section begins with a head: words in capitals or in a title's case that begin a line and end in a colon, or a
    line of capitals. Sentence ends are guessed from punctuation, for an abbreviation does no harm here.
    """
    text = with_line_feeds(text)
    kinds = {match.end(): Border.SENTENCE for match in _SENTENCE.finditer(text)}
    position = 0
    while True:
        match = _LINE.match(text, position)
        if match is None:
            break
        start = match.start("words")
        if _HEAD.match(text, start):
            kinds[start] = Border.SECTION
        else:
            kinds[start] = Border.BLOCK if match["empty"] else Border.LINE
        position = text.find("\n", start) + 1
        if not position:
            break
    kinds.pop(0, None)
    starts = numpy.array(sorted(kinds), dtype="int64")
    return Borders(starts, numpy.array([kinds[start] for start in starts.tolist()], dtype="int64"))


def with_line_feeds(text: str) -> str:
    """RETURNS (str): The text with line feeds in place of carriage returns that stand alone, as some systems end lines, and a space in place of a byte order
    mark before it; every character keeps its place."""
    if text.startswith("\ufeff"):
        text = f" {text[1:]}"
    return _RETURN.sub("\n", text) if "\r" in text else text
