"""Surgical margins."""

import re
from typing import Iterator, List, Match, Pattern, Sequence, Tuple

from .found import INSIDE, NO, STOP, Found, Report, stretches

_MARGIN = r"\b(?:margins?(?:\sof\sresection)?|resection\s(?:lines?|surfaces?|borders?|edges?|planes?)|lines?\sof\sresection|surgical\sedges?|cut\send)\b"
_WORDS = ("margin", "resection", "cut end", "surgical edge")
_TUMOUR = r"(?:tumou?r|malignan\w{1,3}|carcinoma|neoplas\w{1,3}|invasive|melanoma|sarcoma|dysplasia|cancer|disease|adenocarcinoma)"
# With words of which one stands in all that the expression matches: looking for them first is cheap.
_STATUSES = (
    (
        "not assessable",
        ("can", "assessable", "indeterminate"),
        r"(?:cannot|can not)\sbe\s(?:assessed|evaluated)|not\sassessable|indeterminate",
    ),
    (
        "uninvolved",
        ("involved", "affected", "negative", "free", "clear", "no", "unremarkable", "without", "absence"),
        rf"uninvolved|not\s(?:\w{{1,10}}\s)?involved|un-?affected|negative|(?:are\s|is\s)?free\b|clear\b|no\s(?:evidence\sof\s)?(?:residual\s|invasive\s|malignant\s){{0,2}}{_TUMOUR}|{_TUMOUR}\W?free|(?:of\sthe\s)?normal(?:\sstructure)?|unremarkable|without\s{_TUMOUR}|absence\sof\s(?:\w{{1,12}}\s){{0,2}}(?:involvement|{_TUMOUR})",
    ),
    ("close", ("close", "near", "abut"), r"close\b|near\b|abut\w{0,4}"),
    (
        "involved",
        ("involve", "positive", "compromised", "infiltrated", "show", "contain", "with"),
        r"(?<!not\s)(?<!un)(?:involved|positive|compromised|infiltrated)|(?:are|is)\sinvolved|involvement|(?:shows?|contains?|with)\s(?!no\b|negative)(?:[a-z-]{2,12}\s){0,3}?(?:carcinoma|tumou?r|adenocarcinoma|neoplasm|malignan)",
    ),
)
_FORWARD = [
    (
        value,
        needed,
        re.compile(
            rf"(?:(?<=[.;:]\ssurgical\s)margin\.\s[A-Z][\w\s]{{2,25}}:|{_MARGIN}(?:\.(?:(?<=margins\.)\s[A-Z][\w\s]{{2,25}}:)?|(?:(?!margins?\b){INSIDE}|:(?!\s?[A-Z][a-z]{{1,20}}\s[a-z]{{1,20}}:)){{0,60}}?))\W(?P<status>{status})",
            re.IGNORECASE,
        ),
    )
    for value, needed, status in _STATUSES
]
# The same right behind the word, and so the margin's own.
_OWN = [
    (
        value,
        needed,
        re.compile(
            rf"{_MARGIN}(?:\sstatus)?\s?(?::|is|are|was|were)?\s?(?:(?:all|both|also|widely|grossly|focally|microscopically|clearly)\s){{0,2}}(?<![a-z])(?:{status})",
            re.IGNORECASE,
        ),
    )
    for value, needed, status in _STATUSES
]
# What a "positive" cannot cross to a margin: the end of its clause, or a distance.
_LEFT = rf"(?:(?!{_MARGIN}){INSIDE}){{0,55}}?(?:,|\d|\b(?:with|without|is|are|was|were|has|have)\b)"
_BACKWARD = (
    (
        "uninvolved",
        ("negative", "free", "clear", "involve", "not"),
        re.compile(
            rf"(?:negative|free|clear|uninvolved|tumou?r-free)\s(?:(?:surgical|resection|oral|aboral|proximal|distal|deep|lateral|and|all)\s){{0,4}}{_MARGIN}|{_MARGIN}\s(?:involved|involvement|positive)\s?[:?]\s?(?:no\b|none|absent)|(?:{_TUMOUR}(?:\scells)?\s(?:(?:is|are|was|were)\s)?not\s(?:seen|present|identified|found)\s(?:at|in|on)|(?:does|do)\snot\s(?:\w{{1,12}}\s)?(?:extend\sto|involve|reach|invade)){INSIDE}{{0,30}}?{_MARGIN}",
            re.IGNORECASE,
        ),
    ),
    (
        "close",
        ("close", "abut", "within"),
        re.compile(
            rf"(?:close(?:\sproximity)?\sto|abut\w{{0,4}}|close\s(?:surgical\s)?(?=margin)|within\.?\s(?:less\.?\s?than\s|<\s?)?(?:0\.[01]\d?\s?(?:cm|C\.?T)|[01](?:\.\d)?\s?mm)\.?)(?:(?!capsul|surface|pleura){INSIDE}){{0,50}}?{_MARGIN}",
            re.IGNORECASE,
        ),
    ),
    (
        "involved",
        ("involve", "extend", "positive", " at"),
        re.compile(
            rf"{_MARGIN}\s(?:involved|involvement)\s?[:?]\s?(?:yes|present|positive)|(?:involvement\sof|involves|extend(?:s|ing)\s(?:focally\s)?(?:up\s)?(?:to(?![\s.]{{1,2}}(?:within|<?\s?\d)|\swithin|\sa\smaximum)|as\sfar\sas)|{_TUMOUR}(?:(?!\bbut\s)[^.;:]){{0,40}}(?<!\bnot)\s(?:(?:present|found|identified)\s(?:focally\s)?at(?!\sleast)|at(?=\s(?:the|(?:[a-z]{{3,14}}\s){{0,2}}margins?)\b))|positive(?!{_LEFT})){INSIDE}{{0,55}}?{_MARGIN}",
            re.IGNORECASE,
        ),
    ),
)
_TO_STATUS = (
    250  # characters, more than an expression's words for a margin, what may stand between, and its status have
)
_NEGATION = re.compile(
    rf"\b(?:{NO}(?:\s|{STOP}\s)(?:(?!(?:and|but|with|which|that|is|are|was|were|has|have|if|whether)\b)[\w-]{{1,16}}(?:\s|{STOP}\s)){{0,4}}|(?P<not>not)\s(?:\w{{1,12}}\s)?)$",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r",(?![^.;:]{0,80}?\bn?or\b)", re.IGNORECASE)  # behind it a negation holds of a list alone
# What is said of the margin is a distance alone: "Margins: tumor is 2 mm from the parenchymal margin".
_DISTANCE = re.compile(
    rf"{_MARGIN}\s\((?P<bracket>[cm]m)\)\s?[:.]\s?(?P<m>\d{{1,3}}(?:\.\d{{1,2}})?)(?!\w)|{_MARGIN}(?:\sstatus)?\s?(?::\s?(?:tumou?r\s)?(?:distance|located|is\s|(?=\d))(?:[^.;\d]|\.(?=\s[a-z])){{0,60}}|\sis\s(?:less\sthan\s|<\s?)|{INSIDE}{{0,30}}(?:by|is|of)\s(?:less\sthan|<)\s?)(?P<n>\d{{1,3}}(?:\.\s?\d{{1,2}})?)\s?(?P<unit>[cm]m)\b",
    re.IGNORECASE,
)
# "carcinoma is present less than 1 mm from the inked margin": the unit stands in few places, and what stands around it is looked at there.
_AWAY = re.compile(r"[cmCM][mM]\s(?:from|of|to|FROM|OF|TO)\s")
_FROM = re.compile(
    rf"(?:{_TUMOUR}|mass){INSIDE}{{0,70}}?(?<![\d.])(?P<n>\d{{1,3}}(?:\.\s?\d{{1,2}})?)\s?(?P<unit>[cm]m)\s$",
    re.IGNORECASE,
)
_TO_MARGIN = re.compile(
    rf"(?:from|of|to)\s(?:the|a)?(?:(?!capsul|surface|pleura|serosa){INSIDE}){{0,45}}?{_MARGIN}", re.IGNORECASE
)
_AT = re.compile(_MARGIN, re.IGNORECASE)
_R0 = re.compile(r"(?<![\w.])R(?P<n>[012O])(?=[\s,.;)]|$)(?!\s?\d)")
# Of the whole excision, without the word for margins.
_EXCISION = re.compile(
    r"(?<!with\s)\b(?P<not>ir(?=radical)|in(?=complete)|not\s)?(?:radical\sresection|complete(?:ly)?\s(?:excised|resected|excision)|(?:excision|resection)\s(?:is|was|appears)\s(?P<late>in|not\s)?complete)\b",
    re.IGNORECASE,
)
_UNTICKED = re.compile(r"_{2,}\s|\[\s{0,2}\]")  # a box of a form that was left empty
_OTHER = re.compile(r"lymph|\bnerve", re.IGNORECASE)
# "Margins are not free of tumor", "not entirely clear".
_NOT_FREE = re.compile(r"\bnot\s(?:\w{1,12}\s)?(?:free|clear|negative)\b", re.IGNORECASE)
# An item's name, with or without what was filled in: "MARGINS INVOLVED BY INVASIVE COMPONENT:", "Involvement (<1mm) :"; a question; or what is not known.
_BLANK = re.compile(
    r"(?:\sby\s[^.;:?]{0,45})?\s?(?:\([^)]{0,15}\)\s?)?[:?]|\s(?:is\s)?(?:unknown|not\s(?:known|stated|specified|applicable|determined))\b|\s(?:cannot|can\snot|could\snot)\sbe\s",
    re.IGNORECASE,
)


def find_margins(report: Report) -> Iterator[Found]:
    """report (Report): The report. YIELDS (Found): `margins`: "uninvolved", "involved", "close", "not assessable"."""
    text, clinical = report.text, report.clinical
    for low, high in stretches(text, _WORDS, 170, 170):
        yield from (found for found in _find(text, low, high) if not clinical[found.start])
    for low, high in stretches(text, ("complete", "irradical"), 30, 40):
        for match in _EXCISION.finditer(text, low, high):
            if not clinical[match.start()] and match.group().lower() != "radical resection":
                yield Found("margins", "involved" if match["not"] or match["late"] else "uninvolved", *match.span())
    for match in _R0.finditer(text):
        if re.search(
            r"[Rr]esection|RESECTION|[Mm]argin|MARGIN|stag|pT|pN|pM|L\d|V\d",
            text[max(0, match.start() - 40) : match.start()],
        ):
            yield Found("margins", "uninvolved" if match["n"] in "0O" else "involved", *match.span())


def _find(text: str, low: int, high: int) -> Iterator[Found]:
    taken = bytearray(high - low)
    margins = [match.start() for match in _AT.finditer(text, low, high)]
    matches = _behind(_OWN, text, margins, high)
    words = text[low:high].lower().replace("\xa0", " ")
    for value, needed, pattern in _BACKWARD:
        if any(word in words for word in needed):
            matches += [(value, *match.span()) for match in pattern.finditer(text, low, high)]
    matches += [("close", *place) for place in _near(text, low, high)]
    matches += _behind(_FORWARD, text, margins, high)
    for match in filter(None, (_DISTANCE.match(text, start, high) for start in margins)):
        matches.append(("close" if _millimetres(match) <= 1 else "uninvolved", *match.span()))
    for value, start, end in matches:
        if any(taken[start - low : end - low]) or _OTHER.search(text, start, end):
            continue
        if _UNTICKED.search(text, max(low, start - 5), end):
            continue
        negation = _NEGATION.search(text, max(low, start - 70), start)
        if negation and value in ("involved", "close") and not _CLAUSE.search(text, start, end):
            if value == "close" or negation["not"]:
                continue
            value, start = "uninvolved", negation.start()
        if value == "involved" and _BLANK.match(text, end):
            continue
        if value == "uninvolved" and _NOT_FREE.search(text, start, end):
            value = "involved"
        taken[start - low : end - low] = b"\1" * (end - start)
        yield Found("margins", value, start, end)


def _behind(
    patterns: Sequence[Tuple[str, Tuple[str, ...], Pattern[str]]], text: str, margins: List[int], high: int
) -> List[Tuple[str, int, int]]:
    """What is said behind the words for margins. The status that stands first there is the margin's."""
    found = []
    for start in margins:
        words = text[start : start + _TO_STATUS].lower()
        for value, needed, pattern in patterns:
            if any(word in words for word in needed) and (match := pattern.match(text, start, high)):
                found.append((start, match.end(), value))
    return [(value, start, end) for start, end, value in sorted(found, key=lambda each: each[:2])]


def _near(text: str, low: int, high: int) -> Iterator[Tuple[int, int]]:
    """Where a tumour is said to be within 1 mm of a margin."""
    for away in _AWAY.finditer(text, low, high):
        tumour = _FROM.search(text[max(low, away.start() - 110) : away.start() + 3])
        margin = _TO_MARGIN.match(text, away.start() + 3, high)
        if tumour and margin and _millimetres(tumour) <= 1:
            yield away.start() + 3 - len(tumour.group()), margin.end()


def _millimetres(match: Match[str]) -> float:
    groups = match.groupdict()
    number, unit = groups["n"] or groups["m"] or "", groups["unit"] or groups["bracket"] or ""
    return float(number.replace(" ", "")) * (10 if unit.lower() == "cm" else 1)
