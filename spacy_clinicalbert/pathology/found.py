"""What a module of rules hands back, and the pieces that their expressions share.

All quantifiers are bounded: a rule looks at a fixed stretch of text around a word, so that a report's time grows with its length alone. Scanned lines end in ". ",
which is why a gap between the words of one phrase may hold a full stop.
"""

import re
from typing import Any, Dict, NamedTuple, Tuple

GAP = r"[\s.\-]{1,3}"  # between two words of one phrase
# A stop that ends a scanned line and no sentence, by what stands before or behind it. The case counts, also where the rest of an expression ignores it.
_UNFINISHED = "|".join(
    rf"(?<=\s{word})"
    for word in "the of to in and or with is are by for from a an at THE OF TO IN AND OR WITH IS ARE BY FOR FROM A AN AT".split()
)
STOP = rf"(?-i:\.(?=\s[a-z(\d]|\d)|(?:{_UNFINISHED})\.)"
INSIDE = rf"(?:[^.;:]|{STOP})"  # a character of the same sentence
# Between the words of a name: as INSIDE, or a line's end between words in capitals.
JOIN = rf"(?:[\s,/-]|{STOP}|(?-i:(?<=[A-Z])\.(?=\s[A-Z]{{2}})))"
WORDS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty".split()
TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50}
NUMBER = (
    r"(?:\d{1,3}|(?:twenty|thirty|forty|fifty)(?:[\s-](?:one|two|three|four|five|six|seven|eight|nine))?|"
    + "|".join(sorted(WORDS, key=len, reverse=True))
    + ")"
)

# Lists of what was put into which block name organs and nodes of which they state nothing.
_BLOCKS = re.compile(
    r"(?:(?:submitted|taken|blocked|sampled|processed)(?: as)? follow(?:s|ing)|blocks? (?:key|summary|legend|taken)|summary of (?:sections|cassettes|blocks)|(?:cassette|section) (?:summary|key|code)|key to (?:cassettes|sections|blocks))\s?[.:;]",
    re.IGNORECASE,
)
_BLOCKS_END = re.compile(
    r"micro(?:scop|\s)|\breport\b|diagnosis|conclusion|comment|received|labell?ed|the specimen|the sections show|frozen section|clinical|intraoperative|addendum",
    re.IGNORECASE,
)
_BLOCKS_LENGTH = 1500  # characters

_CLINICAL = re.compile(
    r"(?:clinical (?:history|diagnosis|information|data|notes?|info|impression)[^.:]{0,15}|pre-?\s?op(?:erative)? (?:diagnosis|dx)|\bhistory|\bindications?|\bclinical)\s?[:.]\s?[^.:]{0,90}$",
    re.IGNORECASE,
)

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


def block_keys(text: str) -> bytearray:
    """text (str): A report. RETURNS (bytearray): For each character 1 where it belongs to a list of blocks, and one 0 more."""
    inside = bytearray(len(text) + 1)
    for match in _BLOCKS.finditer(text):
        limit = min(len(text), match.end() + _BLOCKS_LENGTH)
        end = _BLOCKS_END.search(text, match.end(), limit)
        stop = end.start() if end else limit
        inside[match.end() : stop] = b"\1" * (stop - match.end())
    return inside


def is_clinical(text: str, start: int) -> bool:
    """Whether a place belongs to the clinical history or the preoperative diagnosis, which is not what the pathologist found."""
    return bool(_CLINICAL.search(text[max(0, start - 120) : start]))


def is_definition(text: str, start: int) -> bool:
    """Whether a place belongs to the words that define a category ("pT1a: Tumor 4 cm or less"), which say nothing of this tumour."""
    return bool(_DEFINITION.search(text[max(0, start - 120) : start]))
