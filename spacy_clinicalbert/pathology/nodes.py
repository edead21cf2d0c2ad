"""Lymph nodes examined and positive."""

import re
from typing import Iterator, Match, Optional, Tuple

from .found import GAP, INSIDE, NUMBER, Found, number

_NODES = rf"(?:lymph{GAP})?nodes?"
_NONE = r"(?:no|without|negative for|free of)\s(?:(?:evidence of|metastatic|malignant|definite)\s){0,2}(?:metasta\w{1,4}|tumou?r|malignan\w{1,3}|carcinoma|neoplas\w{1,3}|micrometastas[ei]s)"
_FRACTION = re.compile(r"(?<![\d/.])(?P<positive>\d{1,2})\s?/\s?(?P<examined>\d{1,3})(?![\d/]|\.\d)")
_NEAR = re.compile(r"\bnode|\bnodal|lymph|\bLN", re.IGNORECASE)
_OUT_OF = re.compile(
    rf"\b(?P<positive>{NUMBER})(?:\s?\(\d{{1,2}}\))?\s(?:out\s)?of\s(?:the\s|a total of\s)?(?P<examined>{NUMBER})(?:\s?\(\d{{1,3}}(?:/\d{{1,3}})?\))?{INSIDE}{{0,30}}?\bnodes?",
    re.IGNORECASE,
)
_OF = re.compile(
    rf"\bof\s(?P<examined>{NUMBER}){INSIDE}{{0,20}}?\bnodes?\b(?:{INSIDE}{{0,15}}?,\s(?P<positive>{NUMBER}|none)\b{INSIDE}{{0,30}}?(?:positive|metasta|replace|involve))?",
    re.IGNORECASE,
)
_ITEM = re.compile(
    rf"(?:number\s(?:of\s)?(?:regional\s)?(?:{_NODES}\s)?|{_NODES}\s)(?:(?P<positive>positive|involved(?: by metastas[ei]s)?|with metastas[ei]s)|(?P<examined>examined|ind?entified|sampled|submitted|retrieved))\s?[:.]\s?(?P<n>{NUMBER}|none)\b",
    re.IGNORECASE,
)
_ITEM_NUMBER = re.compile(
    rf"(?:total\s)?number\s(?P<positive>positive|involved)\s?:\s?(?P<n>{NUMBER})\b|number\s(?P<examined>examined)\s?:\s?(?P<m>{NUMBER})\b",
    re.IGNORECASE,
)
_COUNT_FREE = re.compile(
    rf"\b(?P<n>{NUMBER})(?:\s?\(\d{{1,3}}\))?\s(?:[a-z]{{1,12}}\s){{0,2}}{_NODES}(?:\sexamined)?\W{{1,4}}(?:(?:are|is|with)\s)?{_NONE}",
    re.IGNORECASE,
)
_FREE_COUNT = re.compile(
    rf"\bno\s(?:evidence of\s|metastatic\s){{0,2}}(?:tumou?r|malignancy|metastas[ei]s|carcinoma)\W{INSIDE}{{0,25}}?\b(?:in|of)\s(?:a total of\s)?(?P<n>{NUMBER})(?:\s?\(\d{{1,3}}\))?\s(?:[a-z]{{1,12}}\s){{0,2}}{_NODES}",
    re.IGNORECASE,
)
_FREE = re.compile(
    rf"\b{_NODES}(?:\s?\([A-Z]\))?\W{{1,4}}(?:(?:is|are|shows?)\s)?(?:{_NONE}|negative\b|free\b)", re.IGNORECASE
)
_ABSENT = re.compile(
    rf"\b(?:no\s{_NODES}\s(?:(?:is|are|were)\s)?(?:identified|submitted|present|received|sampled|examined)|{_NODES}\W{{1,4}}(?:none|not)\s(?:submitted|identified|sampled|present|received))",
    re.IGNORECASE,
)


def find_nodes(text: str) -> Iterator[Found]:
    """A count is `part` of the report where it holds several and this one is not said to be the total.

    text (str): The report.
    YIELDS (Found): `nodes_examined` and `nodes_positive`.
    """
    counts = list(_counts(text))
    distinct = {(positive, examined) for positive, examined, _, _ in counts if examined}
    for positive, examined, start, end in counts:
        total = re.search("total|summary|number", text[max(0, start - 60) : end], re.IGNORECASE)
        part = (("part", True),) if len(distinct) > 1 and not total else ()
        if examined is not None:
            yield Found("nodes_examined", examined, start, end, part)
        if positive is not None:
            yield Found("nodes_positive", positive, start, end, part)


def _counts(text: str) -> Iterator[Tuple[Optional[int], Optional[int], int, int]]:
    taken = bytearray(len(text))  # 1 where a count stands already

    def free(match: Match[str]) -> bool:
        if any(taken[match.start() : match.end()]):
            return False
        taken[match.start() : match.end()] = b"\1" * (match.end() - match.start())
        return True

    for match in _OUT_OF.finditer(text):
        positive, examined = number(match["positive"]), number(match["examined"])
        if positive <= examined and free(match):
            yield positive, examined, *match.span()
    for match in _FRACTION.finditer(text):
        positive, examined = int(match["positive"]), int(match["examined"])
        near = _NEAR.search(text, max(0, match.start() - 80), match.end() + 25)
        if positive <= examined and near and not _score(text, match) and free(match):
            yield positive, examined, *match.span()
    for match in _OF.finditer(text):
        if free(match):
            word = match["positive"]
            yield (
                (None if word is None else 0 if word.lower() == "none" else number(word)),
                number(match["examined"]),
                *match.span(),
            )
    for pattern in (_ITEM, _ITEM_NUMBER):
        for match in pattern.finditer(text):
            word = match["n"] or match.groupdict().get("m") or ""
            value = 0 if word.lower() == "none" else number(word)
            if free(match):
                yield (value, None, *match.span()) if match["positive"] else (None, value, *match.span())
    for pattern in (_COUNT_FREE, _FREE_COUNT):
        for match in pattern.finditer(text):
            if free(match):
                yield 0, number(match["n"]), *match.span()
    for match in _FREE.finditer(text):
        if free(match):
            yield 0, None, *match.span()
    for match in _ABSENT.finditer(text):
        if free(match) and not re.search("gross", text[match.end() : match.end() + 20], re.IGNORECASE):
            yield None, 0, *match.span()


def _score(text: str, match: Match[str]) -> bool:
    before = text[max(0, match.start() - 25) : match.start()]
    return bool(re.search(r"score|grade|gleason|block|date|page", before, re.IGNORECASE))
