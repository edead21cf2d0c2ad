"""Operations by name."""

import re
from functools import lru_cache
from typing import Iterator, Pattern

from .found import Found
from .terms import load_terms, spaced

_NOT_BEFORE = re.compile(
    r"(?:previous|prior|history of|status post|s/p|needle track|ex:|\b(?:margins?|lines?|edges?|planes?|surface) of)[\s.]{0,3}\S{0,10}\s?$",
    re.IGNORECASE,
)
_NOT_AFTER = re.compile(
    r"[\s.]{1,3}(?:margins?|lines?|surface|site|plane|cavity|bed|edge|border|tracks?)\b", re.IGNORECASE
)
_BRITISH = (
    ("oesophag", "esophag"),
    ("biopsies", "biopsy"),
    ("re-excision", "reexcision"),
    ("division", "diversion"),
    ("orchidectomy", "orchiectomy"),
)
_RESECTED = re.compile(
    r"\bresected(?=\s(?:(?:section|portion|part|piece|segment|of|the)\s){0,3}(?P<what>\w))", re.IGNORECASE
)  # "resected colon" names the operation


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
    for match in _RESECTED.finditer(text):
        if load_terms()["site"].match(text, match.start("what")):
            yield Found("procedure", "resection", *match.span())
