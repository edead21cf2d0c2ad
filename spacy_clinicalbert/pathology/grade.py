"""Grades: differentiation, numbers, and the systems of kidney, breast and prostate."""

import re
from typing import Iterator, Match

from .found import GAP, STOP, Found, Report, stretches

_DEGREE = {"badly": 3, "well": 1, "moderate": 2, "moderately": 2, "poor": 3, "poorly": 3, "un": 4}
_ROMAN = {"I": 1, "II": 2, "III": 3, "IV": 4}
_FIGURE = r"(?:[1-4]|IV|III|II|I)(?!\w|\.\d|\s?(?:[x×]\s?\d|[cm]m\b|%))"  # a size is none
_DIFFERENTIATED = re.compile(
    rf"\b(?P<a>well|moderate(?:ly)?|poor(?:ly)?|badly|un(?!differentiated\s(?:pleomorphic|(?:\(?[a-z-]{{3,14}}\)?\s){{0,3}}sarcoma)))(?:(?:[\s-]?differentiated)?[\s-]{{0,2}}(?:-|to|and|/)[\s.-]{{0,2}}(?P<b>moderate(?:ly)?|poor(?:ly)?|un))?(?:{GAP})?differentiated",
    re.IGNORECASE,
)
_ITEM = re.compile(
    r"\bdifferentiation(?:\s[a-z]{1,12}){0,4}\s?:\s?(?P<a>well|moderate(?:ly)?|poor(?:ly)?)\b", re.IGNORECASE
)
# "The worst differentiation: III/IV", of hepatocellular carcinoma
_WORST = re.compile(rf"\b(?:worst|major)\sdifferentiation\s?:?\s?(?P<a>{_FIGURE})(?:\s?/\s?IV)?", re.IGNORECASE)
_FUHRMAN = re.compile(
    rf"\bFu(?:hr|rh|r|h)mann?(?:[^.;\d]|{STOP}){{0,35}}?\bG?(?P<a>{_FIGURE})(?:\s?-\s?(?P<b>{_FIGURE}))?", re.IGNORECASE
)
_NUCLEAR = re.compile(
    rf"\bnuclear[\s.]{{1,3}}grade(?:\sof\sthe\stumou?r(?:\sis)?)?\W{{1,4}}(?P<a>{_FIGURE})(?:\s?-\s?(?P<b>{_FIGURE}))?",
    re.IGNORECASE,
)
_NOTTINGHAM = re.compile(
    r"\bNottingham(?:'s)?\s(?:(?:combined|histologic(?:al)?|total|overall|tumor)\s){0,3}(?:(?P<grade>grade)|score)\s?(?:of\s)?(?:\([^)]{0,20}\))?[^\d.;(a-z]{0,4}(?:(?P<overall>(?:overall\s)?grade)\W{1,3}(?:grade\s|G)?|G|\d(?:\s?\+\s?\d){2}\s?=\s?)?(?P<a>\d|III|II|I)(?:\s?-\s?(?P<b>[1-3]))?(?!\d|\.\d|\+)(?:\s?/\s?9)?",
    re.IGNORECASE,
)
_GLEASON = re.compile(
    rf"\bGleason(?:[^\d.;]|{STOP}){{0,40}}(?:(?:10|\d)\s?[\(:=]{{1,2}}\s?)?(?P<a>[1-5])\s?\+\s?(?P<b>[1-5])(?:\s?=\s?(?:10|\d))?",
    re.IGNORECASE,
)
# "Primary pattern: grade 3. Secondary pattern: grade 4"
_PATTERNS = re.compile(
    r"\bprimary\s(?:Gleason\s)?(?:pattern|grade)\W{1,3}(?:grade\s)?(?P<a>[1-5])[^\d]{1,6}secondary\s(?:Gleason\s)?(?:pattern|grade)\W{1,3}(?:grade\s)?(?P<b>[1-5])\b",
    re.IGNORECASE,
)
_GRADE = re.compile(
    rf"\bgrade(?:\s?\([^)\d]{{1,40}}\))?\W{{1,4}}(?:grade\s|G)?(?P<a>{_FIGURE})(?!\s?/\s?(?:2|II)(?!\w))(?:\s?(?:-|\bto\b)\s?G?(?P<b>{_FIGURE}))?(?:\s?(?:/|of)\s?(?:[34]|III|IV)\b)?",
    re.IGNORECASE,
)
# "Low grade, 3 of 12 nodes": the grade is said, and only a figure in brackets repeats it.
_SAID = re.compile(r"\b(?:low|intermediate|high)[\s-]{1,2}$", re.IGNORECASE)
_REPEATED = re.compile(r"grade\s?\([^()]+$", re.IGNORECASE)
_ABBREVIATED = re.compile(r"(?:(?<=\()|\bNH|(?<=[\s;,]))G\s?(?P<a>[1-4])\b(?!\s?[-:])")
# Beside which words "G2" is a grade and not the name of a block.
_GRADED = re.compile(
    r"\bG\s?[1-4][\s,;/.)]{1,4}(?:p\s?T\s?\d|p?N\d|[LVR]\s?[012])|(?:oma|differentiated|grade|grading)[\s,.(:]{1,3}G\s?[1-4]\b|\bNHG|\(G[1-4],?\s",
    re.IGNORECASE,
)
_LEVEL = re.compile(
    rf"\b(?P<a>low|high){GAP}grade(?!{GAP}\(?(?:dysplasia|atypia|PIN\b|prostatic|intraep|squamous intra|glandular|adenoma|tubular|\(?PanIN|urothelial dysp|B.?cell|lymphoma))",
    re.IGNORECASE,
)
_LEVEL_ITEM = re.compile(r"\bgrade\s?:\s?(?P<a>low|high)\b(?!\sgrade)", re.IGNORECASE)
_DYSPLASIA = re.compile(r"(?:dysplasia|in situ|DCIS|PIN|adenoma)\W{1,3}(?:\(\s?)?$", re.IGNORECASE)
_NOT = re.compile(
    r"in situ|DCIS|Fu(?:hr|rh|r|h)man|Nottingham|tumou?r regression|Gleason|(?:primary|secondary|tertiary) pattern|dysplasia|intraepithelial|fibrosis|gastritis|epithelial\W{1,3}neoplasia",
    re.IGNORECASE,
)
# Grades of what is no tumour. A tumour that stands in front in the same sentence has the grade where a comma parts it from an inflammation
# ("adenocarcinoma with chronic inflammation, grade 2").
_SCALE = r"\b(?:response|regression|Mandard|Becker|Dworak|(?:steato)?hepatitis|\w*mucositis|(?:o?esophag|gastr|col|enter|duoden|cyst|prostat)itis|inflammation|(?:necro)?inflammatory|rejection|toxicity|(?:arterio|athero)sclerosis|steatosis|siderosis|chondromalacia)\b"
_TUMOUR = r"(?:carcinoma|tumou?r\b|neoplasm|\w{2,12}oma\b)"
_SCALE_BEFORE = re.compile(
    rf"{_SCALE}(?P<parted>(?:(?!histologic|nuclear|overall|{_TUMOUR}|differentiat)[^.;]){{0,40}})$",
    re.IGNORECASE,
)
_RESPONSE = re.compile(r"response|regression|Mandard|Becker|Dworak|rejection|toxicity", re.IGNORECASE)
_TUMOUR_BEFORE = re.compile(rf"{_TUMOUR}[^.;]{{0,60}}$", re.IGNORECASE)
_SCALE_BEHIND = re.compile(rf"\W{{1,2}}(?:(?:acute|chronic|active|treatment|reflux)\s){{0,2}}{_SCALE}", re.IGNORECASE)


_WORDS = (
    "differentia",
    "fuhrman",
    "furhman",
    "furman",
    "grade",
    "nottingham",
    "gleason",
    "(g",
    "nhg",
    " g1",
    " g2",
    " g3",
    " g4",
    " g 1",
    " g 2",
    " g 3",
)


def find_grades(report: Report) -> Iterator[Found]:
    """report (Report): The report. YIELDS (Found): `grade`, as "G2", "G2-G3", "Fuhrman 3", "Nottingham 8", "Gleason 3+4=7", "low"."""
    text, clinical = report.text, report.clinical
    for low, high in stretches(text, _WORDS, 45, 110):
        yield from (found for found in _find(text, low, high) if not clinical[found.start])


def _find(text: str, low: int, high: int) -> Iterator[Found]:
    for match in _DIFFERENTIATED.finditer(text, low, high):
        degrees = sorted(_DEGREE[each.lower()] for each in (match["a"], match.groupdict().get("b")) if each)
        yield Found("grade", "-".join(f"G{degree}" for degree in degrees), *match.span())
    for match in _ITEM.finditer(text, low, high):
        yield Found("grade", f"G{_DEGREE[match['a'].lower()]}", *match.span())
    for match in _WORST.finditer(text, low, high):
        yield Found("grade", f"G{_figures(match)}", *match.span())
    for match in _FUHRMAN.finditer(text, low, high):
        yield Found("grade", f"Fuhrman {_figures(match)}", *match.span())
    for match in _NUCLEAR.finditer(text, low, high):
        if not _NOT.search(text, max(0, match.start() - 60), match.end()):
            yield Found("grade", f"nuclear {_figures(match)}", *match.span())
    for match in _NOTTINGHAM.finditer(text, low, high):
        is_grade = (match["grade"] or match["overall"]) and match["a"] in ("1", "2", "3", "I", "II", "III")
        value = f"G{_figures(match, '-G')}" if is_grade else f"Nottingham {_figures(match)}"
        yield Found("grade", value, *match.span())
    for match in (*_GLEASON.finditer(text, low, high), *_PATTERNS.finditer(text, low, high)):
        first, second = int(match["a"]), int(match["b"])
        yield Found("grade", f"Gleason {first}+{second}={first + second}", *match.span())
    for match in _GRADE.finditer(text, low, high):
        before = text[max(0, match.start() - 50) : match.start()]
        if not (
            _NOT.search(before + match.group())
            or re.search(r"nuclear[\s.]{1,3}$|WHO\s$", before, re.IGNORECASE)
            or _is_other_scale(text, match.start())
            or _SCALE_BEHIND.match(text, match.end())
            or (
                _SAID.search(before)
                and not (_REPEATED.match(match.group()) and text[match.end() : match.end() + 1] == ")")
            )
        ):
            yield Found("grade", f"G{_figures(match, '-G')}", *match.span())
    for match in _ABBREVIATED.finditer(text, low, high):
        if not _GRADED.search(text, max(0, match.start() - 18), match.end() + 12):
            continue  # the name of a block
        yield Found("grade", f"G{match['a']}", *match.span())
    for match in _LEVEL.finditer(text, low, high):
        if not (
            _NOT.search(text, match.start(), match.end() + 40)
            or _DYSPLASIA.search(text, max(0, match.start() - 30), match.start())
        ):
            yield Found("grade", match["a"].lower(), *match.span())
    for match in _LEVEL_ITEM.finditer(text, low, high):
        if not _NOT.search(text, max(0, match.start() - 40), match.start()):
            yield Found("grade", match["a"].lower(), *match.span())


def _is_other_scale(text: str, start: int) -> bool:
    """Whether the words in front of a grade say that it is of an inflammation or a response to treatment."""
    low = max(0, start - 60)
    scale = _SCALE_BEFORE.search(text, low, start)
    if not scale or "," not in scale["parted"] or _RESPONSE.match(scale.group()):
        return bool(scale)
    return not _TUMOUR_BEFORE.search(text, max(0, low - 60), scale.start())


def _figures(match: Match[str], between: str = "-") -> str:
    return between.join(
        str(_ROMAN.get(each.upper(), each)) for each in (match["a"], match.groupdict().get("b")) if each
    )
