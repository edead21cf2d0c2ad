"""Histologic types."""

import re
from functools import lru_cache
from typing import Iterator, Match, Pattern, Tuple

from .found import JOIN, NO, STOP, Found, Report, has, stretches
from .terms import Starts, load_terms

_NOT_BEFORE = re.compile(
    r"(?:metasta\w{1,4}(?:\sof)?|\bno|free of|negative for|history of|(?<!positive )\bfor|rule out|uninvolved by|involved by|without|involving|residual|invasion by|ex:|exclude|excluding|versus|vs\.?|suggestive of|suspicious for|suspected|favou?r(?:s|ed|ing)?|impression of|previous|prior|mimic\w{0,5}|similar to|\bthan|\bpan|resembl\w{1,4}|that of|seen in|pattern of|absence of|lack of|(?:features|evidence|component|growth|focus|foci|areas?)\sof)[\s.,]{1,3}"
    r"(?:(?:a|an|the|invasive|malignant|metastatic|definite|possible|evidence|of|residual|previously diagnosed)[\s.]{1,3}){0,3}$"
    # the name of a specimen or an operation
    r"|(?:labell?ed|designated\s[\x22'“]|\boperation(?:\sperformed)?[.:])[^.;:]{0,60}$|\bspecimens?\s?(?:\(s\)\s?)?(?:received|submitted)\s?:[^.;]{0,60}$|\b(?:excision|resection) of (?:the )?$",
    re.IGNORECASE,
)
# "no dysplasia or adenocarcinoma", "negative for high grade dysplasia and invasive carcinoma"
_NEGATED = re.compile(
    rf"\b(?:{NO}|exclude)\s(?:(?!(?:but|with|however|is|are|was|were|has|have)\b)[a-z-]{{2,16}}(?:[\s,]|{STOP}\s){{1,2}}){{1,4}}(?:or|nor|and)\s(?:[a-z-]{{2,12}}\s){{0,2}}$",
    re.IGNORECASE,
)
# In a list of types what is said of one is said of those behind it: "no invasive carcinoma, ductal carcinoma in situ or lobular carcinoma in situ".
_NO = re.compile(rf"\b{NO}\s(?:[a-z]{{1,12}}(?:\s|{STOP}\s)){{0,5}}$", re.IGNORECASE)
_RULED_OUT = re.compile(r"\b(?:rule\sout|r/o|exclude|versus|vs\.?)\s(?:[a-z]{1,12}\s){0,5}$", re.IGNORECASE)
_DIFFERENTIAL = re.compile(
    r"\bdifferential(?:\sdiagnos[ie]s)?(?:\s(?:includes?|is|was|considerations?))?\s?:?\s(?:[a-z]{1,12}\s){0,5}$",
    re.IGNORECASE,
)
_IN_SITU = re.compile(r"[\s-]in[\s-]situ\b", re.IGNORECASE)  # of a head that does not have it: "melanoma in situ"
_SHORT = r"\)?(?:\s?\([^)]{0,12}\))?"
_LISTED = re.compile(rf"{_SHORT},?[\s.]{{1,2}}(?:and/or|or|nor|and)\s(?:[a-z-]{{2,12}}\s){{0,2}}|\s\(", re.IGNORECASE)
_COMMA = re.compile(rf"{_SHORT},\s", re.IGNORECASE)
_GOES_ON = re.compile(
    rf"{_SHORT}(?:,|\s(?:and|or|nor)\b|\s(?:is\s|are\s)?(?:identified|seen|noted|found))", re.IGNORECASE
)
_NOT_AFTER = re.compile(
    r"-[A-Z0-9]\b|\s(?:and|or)(?:\s[a-z]{1,20}){1,3}\s?:\s?not\sapplicable|\s(?:antigen|cocktail|markers?|patient|checklist|specimens?|protocol|staging|pathologic parameters|synoptic|template|cases)\b"
    r"|(?:\s(?:component|features))?(?:\s\([^)]{0,12}\)|\))?\s?(?::|is|are|-)?\s?(?:not\s(?:identified|observed|present|seen|applicable|found|detected|specified|evident)|absent|none|no\b|n/?a\b)"
    r"|\s(?:can\s?not|could\snot)\sbe\s(?:\w{1,12}\s)?(?:excluded|ruled\sout)\b|\s(?:is|are|was|were)\sruled\sout\b",
    re.IGNORECASE,
)
_KIND_OF_SHORT = r"(?i:papillary|clear\scell|chromophobe|conventional|invasive|infiltrating)"  # "papillary RCC"
_IN_GENERAL = re.compile(r"\s(?:have|are|may|can|often|tend|show|with)\b", re.IGNORECASE)  # "such carcinomas have"
_HEADS = (
    "carcinoma",
    "sarcoma",
    "melanoma",
    "mesothelioma",
    "seminoma",
    "ganglioma",
    "cytoma",
    "thymoma",
    "teratoma",
    "sac tum",
    "cell tum",
    "cell neo",
    "lymphoma",
    "blastoma",
    "glioma",
    "carcinoid",
    "endocrine ",
    "stromal ",
)
# "Type 2" papillary renal carcinoma
_TYPE_BEFORE = re.compile(r"\btype\s(?P<type>[12]|ii?)[\"'`)]{0,2}[\s,]{1,2}$", re.IGNORECASE)
_BARE = frozenset(
    "carcinoma|sarcoma|invasive carcinoma|malignant|infiltrating carcinoma|primary carcinoma|lymphoma|invasive".split(
        "|"
    )
)
_ROMAN = {"i": "1", "ii": "2"}
_RENAL = re.compile(
    r"^(renal cell carcinoma)[, -]{1,3}(?:conventional (?=papillary|clear))?(papillary|clear cell|chromophobe|sarcomatoid|conventional)(?: (?:cell )?(?:type|variant))?(.*)$"
)
_PLURAL = re.compile(r"(?<=oma|mor|asm)s\b")
_MAINLY = re.compile(
    r",? (?:exhibiting |showing )?predominantly (?:of |an? |the ){0,2}(?P<kind>[a-z]+(?: cell)?)(?: growth)? pattern"
)
# What is written in more than one way, and the way that the record has it.
_FORMS = (
    ("epitheloid", "epithelioid"),
    ("cell-carcinoma", "cell carcinoma"),
    ("adonocarcinoma", "adenocarcinoma"),
    ("tumour", "tumor"),
    ("b cell lymphoma", "b-cell lymphoma"),
    ("t cell lymphoma", "t-cell lymphoma"),
)


@lru_cache
def _starts() -> Starts:
    """Where a type can begin."""
    parts = load_terms()["types"]
    return Starts("|".join(["grade", "and", *(parts[name] for name in ("qualifiers", "organs", "dropped", "heads"))]))


@lru_cache
def _patterns() -> Tuple[Pattern[str], Pattern[str], Pattern[str]]:
    parts = load_terms()["types"]
    gap = f"{JOIN}{{1,3}}"

    def joined(alternatives: str) -> str:
        return alternatives.replace(" ", gap)

    qualifiers = "|".join(sorted(parts["qualifiers"].split("|"), key=len, reverse=True))
    words = joined(f"{qualifiers}|{parts['organs']}|{parts['dropped']}|and")
    number = r"(?:\s(?:II|I|[12])\b)"  # no gap: a full stop before it ends an item, and the number is the next one's
    tail = (
        f"{gap}(?:(?:exhibiting|showing){gap})?(?:predominantly{gap}(?:(?:of|an?|the){gap}){{0,2}})?(?:{joined(parts['kinds'])})"
        f"(?:{gap}(?:types?|variant){number}?|(?:{gap}growth)?{gap}pattern)?(?![a-z])"
        f"|{gap}type{number}|\\s\\(type\\s(?:II|I|[12])\\)"
        f"|{gap}of{gap}(?:the{gap})?(?:mixed|spindled?|epithelioid){gap}cell{gap}types?"
        f"|(?:{gap}(?:well|moderately|poorly){gap}differentiated)?(?:{gap}of{gap}(?:the{gap})?[a-z]{{4,10}})?{gap}with{gap}(?!the\\b|following)(?:(?:[a-z-]{{3,18}}|\\([^)]{{2,8}}\\)){gap}){{1,3}}(?:features|differentiation|cells|component)"
    )
    return (
        re.compile(
            rf"\b(?!and\b)(?P<type>(?:(?:{words}|grade\s(?:[1-4]|I{{1,3}}V?)(?:\s?\(?(?:of|/)\s?[34]\)?)?){gap}){{0,6}}(?:{joined(parts['heads'])})s?)(?![a-z])(?:{tail}){{0,2}}",
            re.IGNORECASE,
        ),
        re.compile(
            rf"\bgrade\s(?:\d|i{{1,3}}v?)(?:\s?\(?(?:of|/)\s?\d\)?)?\s|\b(?:{parts['dropped']}|{parts['organs']}|nos)\b[,\s-]*",
            re.IGNORECASE,
        ),
        re.compile(
            rf"\b((?:mixed{gap})?(?:{joined(parts['kinds'])})(?:{gap}and{gap}(?:{joined(parts['kinds'])}))?){gap}(variant|type){gap}(?:of{gap})?$",
            re.IGNORECASE,
        ),
    )


def find_types(report: Report) -> Iterator[Found]:
    """report (Report): The report. YIELDS (Found): `histologic_type`, lower case, without grade and organ; `in_situ` where it is."""
    (pattern, dropped, of_kind), starts = _patterns(), _starts()
    text, clinical = report.text, report.clinical
    found = [
        (match.group("type"), match)
        for low, high in stretches(text, _HEADS, 140, 150)
        for match in starts.matches(pattern, text, low, high)
    ]
    for short, name in load_terms()["types"]["renames"].items():
        if short in text:
            found += [
                (f"{match['kind'] or ''} {name}".strip(), match)
                for match in re.finditer(rf"\b(?:(?P<kind>{_KIND_OF_SHORT})\s)?{short}\b", text)
            ]
    negated, ruled_out = -1, False  # where the last negated type ends, and whether it is a mere question
    for name, match in sorted(found, key=lambda each: each[1].start()):
        before = text[max(0, match.start() - 70) : match.start()]
        if negated >= 0 and (
            _is_listed(text, negated, match) or (ruled_out and _COMMA.fullmatch(text, negated, match.start()))
        ):
            negated = match.end()
            continue
        one_of_several = bool(_DIFFERENTIAL.search(before))
        ruled_out = one_of_several or bool(_RULED_OUT.search(before))
        if clinical[match.start()] or one_of_several or _NOT_BEFORE.search(before) or _NEGATED.search(before):
            negated = match.end() if ruled_out or _NO.search(before) or _NEGATED.search(before) else negated
            continue
        in_situ = _IN_SITU.match(text, match.end())
        end = in_situ.end() if in_situ else match.end()
        if _NOT_AFTER.match(text, end) or (name[-1] in "sS" and _IN_GENERAL.match(text, match.end())):
            continue
        tail = match.group()[len(name) :] if match.group().startswith(name) and "situ" not in name.lower() else ""
        value = _normalised(name.replace(",", " ") + tail, dropped) + (" in situ" if in_situ else "")
        start = match.start()
        if value.startswith("papillary") and (kind := _TYPE_BEFORE.search(before)):
            value, start = f"{value}, type {_ROMAN.get(kind['type'].lower(), kind['type'])}", start - len(kind.group())
        if value not in _BARE and has(before[-14:], ("variant", "type")) and (kind := of_kind.search(before)):
            value = _usual_order(f"{value}, {' '.join(kind[1].lower().split())} {kind[2].lower()}")
            start -= len(kind.group())
            if _NOT_BEFORE.search(before[: -len(kind.group())]):
                continue
        if value and value not in _BARE and not value.startswith("metastatic"):
            attributes = (
                (("in_situ", True),)
                if "in situ" in value or value.startswith(("intratubular", "intraductal carcinoma"))
                else ()
            )
            yield Found("histologic_type", value, start, end, attributes)


def _is_listed(text: str, end: int, match: Match[str]) -> bool:
    """Whether a type stands in a list behind one that ends at a place."""
    if _LISTED.fullmatch(text, end, match.start()):
        return True
    return bool(_COMMA.fullmatch(text, end, match.start()) and _GOES_ON.match(text, match.end()))


def _normalised(name: str, dropped: Pattern[str]) -> str:
    name = re.sub(
        r"\s\((type (?:ii|i|[12]))\)",
        r", \1",
        re.sub(r"conventional \(clear cell(?: type)?\)", "clear cell", name.lower()),
    )
    value = re.sub(
        r"\sof\s(?:the\s)?[a-z]{4,10}(?=\swith\s)",
        "",
        re.sub(r"\s?\([^)]*\)|[\s.]+", lambda match: "" if "(" in match.group() else " ", name),
    )
    value = re.sub(r"^(?:and\s)+", "", dropped.sub("", value).strip(" ,-/"))
    value = _PLURAL.sub("", value)
    for written, usual in _FORMS:
        value = value.replace(written, usual)
    value = re.sub(r"\btype (ii|i)\b", lambda match: f"type {_ROMAN[match[1]]}", value)
    value = _MAINLY.sub(r", predominantly \g<kind>", value)
    return _usual_order(value.replace(", with ", " with "))


def _usual_order(value: str) -> str:
    """Of renal carcinomas: "renal cell carcinoma, papillary type" is "papillary renal cell carcinoma"."""
    renal = _RENAL.match(value)
    if not renal:
        return value
    name, kind, tail = renal.groups()
    if number := re.search(r"(?:\btype |^ )([12])$", tail):
        return f"{kind} {name}, type {number[1]}"
    return f"{kind} {name}{tail if tail.startswith(' with ') else ''}"
