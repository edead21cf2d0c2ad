"""Histologic types."""

import re
from functools import lru_cache
from typing import Iterator, Pattern, Tuple

from .found import Found
from .terms import load_terms, spaced

_NOT_BEFORE = re.compile(
    r"(?:metasta\w{1,4}(?:\sof)?|no|free of|negative for|history of|for|uninvolved by|involved by|without|involving|residual|invasion by|ex:|of|with)\s(?:a\s|invasive\s|malignant\s|metastatic\s){0,2}$",
    re.IGNORECASE,
)
_NOT_AFTER = re.compile(r"\s(?:patient|checklist|specimens?|protocol)\b", re.IGNORECASE)
_BARE = frozenset(
    "carcinoma|sarcoma|invasive carcinoma|malignant|infiltrating carcinoma|primary carcinoma|lymphoma|invasive".split(
        "|"
    )
)
_ROMAN = {"i": "1", "ii": "2"}
_RENAL = re.compile(r"^(renal cell carcinoma), (papillary|clear cell|chromophobe|sarcomatoid)(?: (?:cell )?type)?(.*)$")


@lru_cache
def _pattern() -> Tuple[Pattern[str], Pattern[str]]:
    parts = load_terms()["types"]
    qualifiers = sorted(parts["qualifiers"].split("|"), key=len, reverse=True)
    words = f"{spaced('|'.join(qualifiers))}|{parts['organs']}|{parts['dropped']}"
    kinds = "papillary|follicular|clear cell|chromophobe|intestinal|epithelial|epithelioid|sarcomatoid|biphasic|classical|conventional|diffuse|tall cell|mixed|spindle cell|mucinous|usual|keratinizing"
    tail = (
        rf"(?:,?[\s.]{{1,3}}(?:predominantly[\s.]{{1,3}})?(?:{spaced(kinds)})(?:[\s.,]{{1,3}}(?:type|variant)(?:[\s.]{{1,2}}(?:II|I|[12])\b)?)?(?![a-z])"
        r"|,?[\s.]{1,3}type[\s.]{1,2}(?:II|I|[12])\b|(?:[\s.]{1,3}of[\s.]{1,3}[a-z]{4,10})?[\s.]{1,3}with[\s.]{1,3}(?:[a-z]{4,16}[\s.]{1,3}){1,2}(?:features|differentiation|cells|component))"
    )
    main = rf"\b(?:(?:{words})[\s.,/-]{{1,3}}){{0,6}}(?:{spaced(parts['heads'])})(?![a-z])(?:{tail}){{0,2}}"
    return re.compile(main, re.IGNORECASE), re.compile(
        rf"\b(?:{parts['dropped']}|{parts['organs']}|nos)\b[,\s-]*", re.IGNORECASE
    )


def find_types(text: str) -> Iterator[Found]:
    """text (str): The report. YIELDS (Found): `histologic_type`, lower case, without grade and organ; `in_situ` where it is."""
    pattern, dropped = _pattern()
    for match in pattern.finditer(text):
        before = text[max(0, match.start() - 40) : match.start()]
        if _NOT_BEFORE.search(before) or _NOT_AFTER.match(text, match.end()):
            continue
        value = re.sub(r"\sof\s[a-z]{4,10}(?=\swith\s)", "", re.sub(r"[\s.]+", " ", match.group().lower()))
        value = dropped.sub("", value).strip(" ,-/")
        value = re.sub(r"\btype (ii|i)\b", lambda found: f"type {_ROMAN[found[1]]}", value)
        if renal := _RENAL.match(value):
            value = f"{renal[2]} {renal[1]}" + (f", type{renal[3]}" if renal[3].strip() in ("1", "2") else "")
        if value and value not in _BARE and not value.startswith("metastatic"):
            attributes = (("in_situ", True),) if "in situ" in value or value.startswith("intratubular") else ()
            yield Found("histologic_type", value, *match.span(), attributes)
    for short, name in load_terms()["types"]["renames"].items():
        for match in re.finditer(rf"\b{short}\b", text):
            yield Found("histologic_type", name, *match.span(), (("in_situ", True),) if "in situ" in name else ())
