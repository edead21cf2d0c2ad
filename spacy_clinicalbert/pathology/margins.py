"""Surgical margins."""

import re
from typing import Iterator

from .found import INSIDE, Found

_MARGIN = r"\b(?:margins?(?:\sof\sresection)?|resection\s(?:lines?|surfaces?)|cut\send)\b"
_TUMOUR = r"(?:tumou?r|malignan\w{1,3}|carcinoma|neoplas\w{1,3}|invasive|melanoma|sarcoma|dysplasia|cancer|disease|adenocarcinoma)"
_STATUSES = (
    ("not assessable", r"(?:cannot|can not)\sbe\s(?:assessed|evaluated)|not\sassessable|indeterminate"),
    (
        "uninvolved",
        rf"uninvolved|not\sinvolved|negative|(?:are\s|is\s)?free\b|clear\b|no\s(?:evidence\sof\s)?(?:residual\s|invasive\s|malignant\s){{0,2}}{_TUMOUR}|{_TUMOUR}\W?free|(?:of\sthe\s)?normal(?:\sstructure)?|unremarkable|without\s{_TUMOUR}",
    ),
    ("close", r"close\b|near\b|abut\w{0,4}"),
    ("involved", r"(?<!not\s)(?<!un)(?:involved|positive)|(?:are|is)\sinvolved|involvement"),
)
_FORWARD = [
    (
        value,
        re.compile(
            rf"{_MARGIN}(?:\.(?:\s[A-Z][\w\s]{{2,25}}:)?|(?:(?!margins?\b){INSIDE}|:(?!\s?[A-Z][a-z]{{1,20}}\s[a-z]{{1,20}}:)){{0,60}}?)\W(?P<status>{status})",
            re.IGNORECASE,
        ),
    )
    for value, status in _STATUSES
]
_BACKWARD = (
    (
        "uninvolved",
        re.compile(
            rf"(?:negative|free|clear|uninvolved|tumou?r-free)\s(?:surgical\s|resection\s){{0,2}}{_MARGIN}|(?:does|do)\snot\s(?:\w{{1,12}}\s)?(?:extend\sto|involve|reach|invade){INSIDE}{{0,30}}?{_MARGIN}",
            re.IGNORECASE,
        ),
    ),
    (
        "close",
        re.compile(
            rf"(?:close(?:\sproximity)?\sto|abut\w{{0,4}}|close\s(?:surgical\s)?(?=margin)|within\s(?:less\.?\s?than\s)?(?:0\.[01]\d?\s?(?:cm|C\.?T)|[01](?:\.\d)?\s?mm)\.?)(?:(?!capsul|surface){INSIDE}){{0,50}}?{_MARGIN}",
            re.IGNORECASE,
        ),
    ),
    (
        "involved",
        re.compile(
            rf"(?<!no )(?:involvement\sof|involves|extends\sto(?![\s.]{{1,2}}within)|present\sat(?!\sleast)|positive){INSIDE}{{0,40}}?{_MARGIN}",
            re.IGNORECASE,
        ),
    ),
)
_R0 = re.compile(r"(?<![\w.])R(?P<n>[012])(?=[\s,.;)])(?!\s?\d)")
_OTHER = re.compile(r"lymph|nerve", re.IGNORECASE)
# An item's name, with or without what was filled in: "MARGINS INVOLVED BY INVASIVE COMPONENT:", "Involvement (<1mm) :".
_BLANK = re.compile(r"(?:\sby\s[^.;:]{0,45})?\s?(?:\([^)]{0,15}\)\s?)?:", re.IGNORECASE)


def find_margins(text: str) -> Iterator[Found]:
    """text (str): The report. YIELDS (Found): `margins`: "uninvolved", "involved", "close", "not assessable"."""
    taken = bytearray(len(text))
    matches = []
    for value, pattern in _BACKWARD:
        matches += [(value, match.start(), match.end()) for match in pattern.finditer(text)]
    forward = []
    for value, pattern in _FORWARD:
        forward += [(match.end(), value, match) for match in pattern.finditer(text)]
    # The status that stands first behind the word is the margin's.
    for _, value, match in sorted(forward, key=lambda each: (each[2].start(), each[0])):
        matches.append((value, match.start(), match.end()))
    for value, start, end in matches:
        sentence = text[start:end]
        if any(taken[start:end]) or _OTHER.search(sentence) or _negated(text, start, value):
            continue
        if value == "involved" and _BLANK.match(text, end):
            continue
        taken[start:end] = b"\1" * (end - start)
        yield Found("margins", value, start, end)
    for match in _R0.finditer(text):
        if re.search(r"resection|margin|stag|pT|pN|pM|L\d|V\d", text[max(0, match.start() - 40) : match.start()]):
            yield Found("margins", "uninvolved" if match["n"] == "0" else "involved", *match.span())


def _negated(text: str, start: int, value: str) -> bool:
    before = text[max(0, start - 25) : start]
    return value in ("involved", "close") and bool(
        re.search(r"\b(?:not?|without)\s(?:\w{1,12}\s)?$", before, re.IGNORECASE)
    )
