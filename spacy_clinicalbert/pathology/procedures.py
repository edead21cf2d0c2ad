"""Operations by name."""

import re
from functools import lru_cache
from typing import Iterator, Pattern

from .found import Found
from .terms import load_terms, spaced

_NOT_BEFORE = re.compile(
    r"(?:previous|prior|history of|status post|s/p|needle track|ex:)\s?\S{0,10}\s?$", re.IGNORECASE
)
_NOT_AFTER = re.compile(r"\s(?:margins?|lines?|surface|site|plane|cavity|bed|edge)\b", re.IGNORECASE)
_BRITISH = (("oesophag", "esophag"), ("biopsies", "biopsy"), ("re-excision", "reexcision"), ("division", "diversion"))


@lru_cache
def _pattern() -> Pattern[str]:
    parts = load_terms()["procedures"]
    modifiers = sorted(parts["modifiers"].split("|"), key=len, reverse=True)
    return re.compile(
        rf"\b(?:(?:{spaced('|'.join(modifiers))})[\s.]{{1,3}}){{0,3}}(?:{spaced(parts['heads'])})\b", re.IGNORECASE
    )


def find_procedures(text: str) -> Iterator[Found]:
    """text (str): The report. YIELDS (Found): `procedure`, lower case, without side."""
    for match in _pattern().finditer(text):
        if _NOT_BEFORE.search(text[max(0, match.start() - 30) : match.start()]) or _NOT_AFTER.match(text, match.end()):
            continue
        value = re.sub(r"[\s.]+", " ", match.group().lower())
        for british, american in _BRITISH:
            value = value.replace(british, american)
        if value in ("dissection", "local") or "apicoectomy" in value:
            continue
        yield Found("procedure", value, *match.span())
