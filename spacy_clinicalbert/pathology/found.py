"""What a module of rules hands back, and the pieces that their expressions share.

All quantifiers are bounded: a rule looks at a fixed stretch of text around a word, so that a report's time grows with its length alone. Scanned lines end in ". ",
which is why a gap between the words of one phrase may hold a full stop.
"""

import re
from typing import Any, Dict, Iterator, Match, NamedTuple, Pattern, Sequence, Tuple

from .lines import UNFINISHED, Lines, join_lines

GAP = r"[\s.\-]{1,3}"  # between two words of one phrase
# A stop that ends a scanned line and no sentence, by what stands before or behind it. The case counts, also where the rest of an expression ignores it.
_UNFINISHED = "|".join(rf"(?<=\s{word})" for word in (*UNFINISHED, *map(str.upper, UNFINISHED)))
STOP = rf"(?-i:\.(?=\s[a-z(\d]|\d)|(?:{_UNFINISHED})\.)"
INSIDE = rf"(?:[^.;:]|{STOP})"  # a character of the same sentence
# Words that negate what follows. A "no." is the answer of the item before it, where it stands behind a colon or another sentence follows.
NO_STOP = r"(?-i:\.(?:(?=\s[a-z])|(?<=NO\.)(?=\s[A-Z]{2})))"  # behind a "no" that goes on
NO = rf"(?:no|(?<!:\s)(?<!:)no{NO_STOP}|without|negative\sfor|absence\sof|free\sof)"
# Between the words of a name: as INSIDE, or a line's end between words in capitals.
JOIN = rf"(?:[\s,/-]|{STOP}|(?-i:(?<=[A-Z])\.(?=\s[A-Z]{{2}})))"
WRAP = rf"(?:\s|(?:{STOP}|(?-i:(?<=[A-Z])\.(?=\s[A-Z]{{2}})))\s)"  # between two words, a space or the end of a scanned line
# Where lymph nodes are.
STATIONS = r"left|right|sentinel|axill\w+|iliac|obturator|hypogastric|inguinal|hilar|mediastinal|bronchial|\w*tracheal|subcarinal|splenic|celiac|thymic|cloquet|supraclavicular|submandibular|\w*aortic|jugular|pre\W?sacral|presciatic|occipital|portal|\w*rectal"
WORDS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty".split()
TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50}
NUMBER = (
    r"(?:\d{1,3}|(?:twenty|thirty|forty|fifty)(?:[\s-](?:one|two|three|four|five|six|seven|eight|nine))?|"
    + "|".join(sorted(WORDS, key=len, reverse=True))
    + ")(?!-?[a-z])"  # no part of a longer word: "twenty-thre", "2nd"
)

# Lists of what was put into which block name organs and nodes of which they state nothing.
_BLOCKS = re.compile(
    r"(?:(?:submitted|taken|blocked|sampled|processed)(?: as)? follow(?:s|ing)|submitted labell?ed|blocks? (?:key|summary|legend|taken)|summary of (?:sections|cassettes|blocks)|(?:cassette|section) (?:summary|key|code)|key to (?:cassettes|sections|blocks))\s?[.:;]",
    re.IGNORECASE,
)
_BLOCKS_END = re.compile(
    r"micro(?:scop|\s)|\breport\b|diagnosis|conclusion|comment|received|labell?ed|the specimen|the sections show|frozen section|clinical|intraoperative|addendum",
    re.IGNORECASE,
)
_BLOCKS_WORDS = ("follow", "block", "summary of", "cassette", "section", "submitted label")
_BLOCKS_LENGTH = 1500  # characters

# Heads of what others than the pathologist say, and what ends it.
_CLINICAL = re.compile(
    r"(?:(?:clinical|patient|medical|relevant)\s(?:history|diagnos[ie]s|information|data|details|notes?|info|impression)"
    r"|(?:chief complaint|pre-?\s?op(?:erative)?|post-?\s?op(?:erative)?)[^:.]{0,25}?(?:diagnos[ie]s|dx))\b[^.:]{0,15}[:.]|\b(?:history|indications?|clinical)\s?[:.]",
    re.IGNORECASE,
)
_CLINICAL_WORDS = (
    "clinical",
    "history",
    "pre-op",
    "preop",
    "pre op",
    "post-op",
    "postop",
    "chief complaint",
    "indication",
)
_CLINICAL_END = re.compile(
    r"\b(?:(?:final|pathologic\w{0,2}|microscopic|frozen section|intraoperative) )?diagnos[ie]s\b|\b(?:specimen|gross|macroscop|microscop|procedure|operati|tissue|material|source|part\s[a-z1]\b|addend|synoptic|comment|conclusion)"
    r"|(?<=[.:;)]\s)\(?(?:[A-Z]|\d)\s?[.):]\s?[A-Z]",
    re.IGNORECASE,
)
_CLINICAL_LENGTH = 200  # characters

_DEFINITION = re.compile(r"\bp?[TNM][0-4Xx]?[a-d]?[12]?\s?:\s?[^.;:]{0,110}$")


class Found(NamedTuple):
    """A value that the text states.

    field (str): The record's field.
    value (Any): The normalised value.
    start (int): First character of the evidence.
    end (int): Behind its last character.
    attributes (Tuple[Tuple[str, Any], ...]): What else is known: ("prefix", "p"), ("name", "ER"), ("part", True).
    apart (Any): What tells it from equal values of the same field, which are one value with several places otherwise.
    """

    field: str
    value: Any
    start: int
    end: int
    attributes: Tuple[Tuple[str, Any], ...] = ()
    apart: Any = None

    @property
    def extra(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The attributes by name."""
        return dict(self.attributes)


def number(text: str) -> int:
    """text (str): What `NUMBER` matched. RETURNS (int): The number."""
    text = text.lower()
    if text.isdigit():
        return int(text)
    words = text.replace("-", " ").split()
    return sum(TENS[word] if word in TENS else WORDS.index(word) for word in words)


class Report(NamedTuple):
    """A report, with the parts of it that rules of several fields leave out.

    text (str): Its text, on one line.
    blocks (bytearray): `block_keys`.
    clinical (bytearray): `clinical_parts`.
    lines (Lines): The way from the text to the report as it was given.
    """

    text: str
    blocks: bytearray
    clinical: bytearray
    lines: Lines


def make_report(text: str) -> Report:
    """text (str): A report. RETURNS (Report): What the finders take."""
    lines = join_lines(text)
    return Report(lines.text, block_keys(lines.text), clinical_parts(lines.text), lines)


def block_keys(text: str) -> bytearray:
    """text (str): A report. RETURNS (bytearray): For each character 1 where it belongs to a list of blocks, and one 0 more."""
    inside = bytearray(len(text) + 1)
    for low, high in stretches(text, _BLOCKS_WORDS, 30, 40):
        _mark(inside, text, _BLOCKS.finditer(text, low, high), _BLOCKS_END, _BLOCKS_LENGTH)
    return inside


def clinical_parts(text: str) -> bytearray:
    """text (str): A report. RETURNS (bytearray): For each character 1 where it belongs to the clinical history or a surgeon's diagnosis, which is
    not what the pathologist found, and one 0 more."""
    inside = bytearray(len(text) + 1)
    for low, high in stretches(text, _CLINICAL_WORDS, 0, 60):
        _mark(inside, text, _CLINICAL.finditer(text, low, high), _CLINICAL_END, _CLINICAL_LENGTH)
    return inside


def _mark(inside: bytearray, text: str, heads: Iterator[Match[str]], last: Pattern[str], length: int) -> None:
    for match in heads:
        limit = min(len(text), match.end() + length)
        end = last.search(text, match.end(), limit)
        stop = end.start() if end else limit
        inside[match.end() : stop] = b"\1" * (stop - match.end())


def has(text: str, words: Sequence[str]) -> bool:
    """RETURNS (bool): Whether a piece of text holds one of some words, in lower case, in any case."""
    low = text.lower()
    return any(word in low for word in words)


def stretches(text: str, words: Sequence[str], before: int, after: int) -> Iterator[Tuple[int, int]]:
    """Where the expressions of a rule have to look. Each of them holds one of some words, and `str.find` is much faster than an expression that ignores case.

    text (str): A report.
    words (Sequence[str]): In lower case.
    before (int): Characters in front of a word.
    after (int): Characters behind its start.
    YIELDS (Tuple[int, int]): Start and end of stretches that do not overlap, in order of the text.
    """
    low = text.lower()
    if len(low) != len(text):
        low = "".join(each.lower() if len(each.lower()) == 1 else each for each in text)
    places = []
    for word in words:
        place = low.find(word)
        while place >= 0:
            places.append(place)
            place = low.find(word, place + 1)
    start = end = -1
    for place in sorted(places):
        if end < 0 or place - before > end:
            if end > 0:
                yield start, end
            start = max(0, place - before)
        end = min(len(text), place + after)
    if end > 0:
        yield start, end


def is_definition(text: str, start: int) -> bool:
    """Whether a place belongs to the words that define a category ("pT1a: Tumor 4 cm or less"), which say nothing of this tumour."""
    return bool(_DEFINITION.search(text[max(0, start - 120) : start]))
