"""What a module of rules hands back, and the pieces that their expressions share.

All quantifiers are bounded: a rule looks at a fixed stretch of text around a word, so that a report's time grows with its length alone. Scanned lines end in ". ",
which is why a gap between the words of one phrase may hold a full stop.
"""

from typing import Any, Dict, NamedTuple, Tuple

GAP = r"[\s.\-]{1,3}"  # between two words of one phrase
INSIDE = r"(?:[^.;:]|\.(?=\s[a-z(\d])|\.(?=\d))"  # a character of the same sentence, over the ends of scanned lines
WORDS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty".split()
TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50}
NUMBER = (
    r"(?:\d{1,3}|(?:twenty|thirty|forty|fifty)(?:[\s-](?:one|two|three|four|five|six|seven|eight|nine))?|"
    + "|".join(sorted(WORDS, key=len, reverse=True))
    + ")"
)


class Found(NamedTuple):
    """A value that the text states.

    field (str): The record's field.
    value (Any): The normalised value.
    start (int): First character of the evidence.
    end (int): Behind its last character.
    attributes (Tuple[Tuple[str, Any], ...]): What else is known: ("prefix", "p"), ("name", "ER"), ("part", True).
    """

    field: str
    value: Any
    start: int
    end: int
    attributes: Tuple[Tuple[str, Any], ...] = ()

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
