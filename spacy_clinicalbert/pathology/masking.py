"""Stated stages taken out of a report, so that what a classifier makes of it is its own."""

import re

MASK = "___"

_PREFIX = r"(?:[yramcp]{1,3}\s?)?"
_BETWEEN = r"[\s.,;:/&-]{0,3}"
# "Ta" is the sign of tantalum without a prefix or an N.
_T = rf"T(?:\s?[0-4](?:[a-e][12]?|mic?)?|is|(?:(?<=[pcyra]T)|(?<=[pc]\sT))a|a(?={_BETWEEN}{_PREFIX}N\s?[0-3xX])|[xXlIi][a-e]?)(?:\s?\(m\))?"
# "O" is a scanned 0, but "NO" a word; so only behind a T, or with a letter for how it was found.
_HOW = r"(?:\s?\((?:mic?|sn|f|(?:i|mol)\s?[+-])\)){0,3}"
_N = rf"N\s?(?:[0-3][a-c]?|[xXOo])(?:mic?)?{_HOW}"
_M = r"M\s?(?:[01][a-c]?|[xXOo])"
_TAIL = rf"(?:{_BETWEEN}{_PREFIX}{_M})?(?![A-Za-z0-9])"
_CODES = re.compile(
    rf"(?<![A-Za-z0-9])(?:{_PREFIX}{_T}(?:{_BETWEEN}{_PREFIX}{_N})?{_TAIL}|[yra]{{0,2}}[pc]\s?{_N}{_TAIL}|[yra]{{0,2}}[pc]\s?{_M}(?![A-Za-z0-9])"
    rf"|(?:N\s?[0-3][a-c]?(?:mic?)?{_HOW}|N[xX]|M\s?[01][a-c]?|M[xX])(?![A-Za-z0-9]))"
)
_FIGURE = r"(?:0|IV|III|II|I|[1-4]|one|two|three|four)(?:[-\s]?[ABC]\d?)?(?![\w/]|\.\d)"
# "T stage: 2a", "Pathological T: 3", "(pN): 1", "stage group IIA", "FIGO IB1", "Dukes B", "TNM stage two": the value alone goes.
_ITEMS = re.compile(
    rf"(?:\b[TNM][\s-](?:stage|category|classification)|\bpathologic(?:al)?\s[TNM]|\(p?[TNM]\)|\bp[TNM]\s?(?=[:=]))\s?[:.=]{{0,2}}\s?(?P<a>[0-4xX][a-d]?[12]?)\b"
    rf"|\b(?:stages?(?:\s?group(?:ing)?)?|FIGO(?:\sstage)?|AJCC|UICC)\s?(?:\([^)]{{0,20}}\)\s?)?[:=]?\s?(?P<b>{_FIGURE}(?:\s?(?:-|to|or|/)\s?{_FIGURE})?)"
    r"|\bDukes'?\s?(?:stage\s)?(?P<c>[A-D]\d?)\b",
    re.IGNORECASE,
)


def mask_stages(text: str) -> str:
    """Put `MASK` where the text states a stage: codes of T, N and M, glued together or not and with scanned letters for figures, stage groups in figures or words, those of FIGO, Dukes' stages. What defines a category
    in words stays ("Tumor more than 2 cm"), as does that a stage was stated. A word that looks like a code ("T1-weighted") goes too.

    text (str): A report.
    RETURNS (str): The report without them.
    """
    text = _ITEMS.sub(_without_value, text)
    return _CODES.sub(MASK, text)


def _without_value(match: "re.Match[str]") -> str:
    group = next(name for name in "abc" if match[name])
    start, end = (place - match.start() for place in match.span(group))
    return match[0][:start] + MASK + match[0][end:]
