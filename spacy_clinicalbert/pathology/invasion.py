"""Invasion of lymphatics and vessels, and of nerves."""

import re
from typing import Iterator, List, Match, Optional, Pattern

from .found import INSIDE, Found, Report, is_definition, stretches

_VESSELS = (
    r"(?:angio-?(?=invasion)|(?:angio\W?)?lympho?\W{0,2}(?:atic)?\W{0,2}vascular(?:\W{1,3}space)?|(?:angio)?lymphatic(?:\W{1,3}(?:/|and|or)?\W{0,2}(?:vascular|venous))?(?:\W{1,3}space)?|"
    r"(?:blood\s)?(?:vascular(?:\schannel)?|venous|vessel|vein)(?:\W{1,3}(?:/|and|or)?\W{0,2}lymphatic)?(?:\W{1,3}space)?(?!\W{1,3}(?:wall|margin)))"
)
_NERVES = r"(?:peri\W?neural|neural|nerve)"
_ASIDE = r"(?:\s?[(/\[][^)\]]{0,40}[)\]])?"
_INVASION = rf"{_ASIDE}[\s.]{{0,3}}(?:tumou?r\s)?(?:invasions?|permeation|involvement|emboli|infiltration)(?:\sfoc(?:us|i))?{_ASIDE}"
_STATUS = (
    r"[\s:.,\-]{1,8}(?:(?:is|are|was|were)\s)?(?:(?P<absent>absent|not\s(?:definit(?:e|iv)ely\s|clearly\s)?(?:identified|seen|present|detected|found|evident|noted|recogni[sz]ed|demonstrated|appreciated)|undetected|negative|none\b|no\b(?!t|\.?\s(?:signs|evidence|lymph|peri|vasc|nerve|tumou?r))|nil\b|uninvolved)"
    r"|(?P<indeterminate>indeterminate|suspected|suspicious|(?:can\s?not|could\snot)\sbe|equivocal|possible)|(?P<present>present|positive|identified|noted|yes\b|seen|detected|evident|extensive|focal|multifocal|found))"
)
_NO = r"\b(?:no\.?|without|negative\sfor|absence\sof|free\sof)\s(?:(?:evidence|signs|of|definite|definitive|unequivocal|obvious|identifiable|convincing|tumou?r)\s){0,3}"
_WITH = r"\b(?:with|shows?|presence\sof|signs\sof|invasion\sof|invades|positive\sfor|there\sis|massive|prominent|widespread|extensive)\s(?:(?:focal|extensive|the|prominent|multifocal)\s){0,2}"
_MAYBE = r"\b(?:possibility\sof|possible|suspicious\sfor|suggestive\sof|probable|suspected)\s(?:focal\s)?\W?"


def _patterns(name: str, short: str) -> List[Pattern[str]]:
    forms = (
        rf"(?:{name}{_INVASION}|\b{short}\b){_STATUS}",
        rf"\binvasion[\s,]{{1,2}}(?:vasc|perineural|lymphatic|venous)[/a-z]{{0,12}}{_STATUS}"
        if short == "LVI"
        else rf"\binvasion[\s,]{{1,2}}{name}{_STATUS}",
        rf"(?P<absent>{_NO}){name}{_INVASION}",
        rf"(?P<indeterminate>{_MAYBE}){name}{_INVASION}",
        rf"{name}{_INVASION}{INSIDE}{{0,40}}?(?P<indeterminate>can\s?not\sbe\s(?:entirely\s|completely\s)?(?:ruled\sout|excluded))",
        rf"(?P<present>{_WITH})(?:lymphovascular\sand\s)?{name}{_INVASION}",
    )
    return [re.compile(form, re.IGNORECASE) for form in forms]


_FIELDS = (
    ("lymphovascular_invasion", _patterns(_VESSELS, "LVI")),
    ("perineural_invasion", _patterns(_NERVES, "PNI")),
)
_KIND = r"(?:(?:lympho?|angio)[\W_]?(?:vascular|lymphatic)|vascular|lymphatic|venous|perineural)(?:\sspace)?"
# "no lymphovascular or perineural invasion", "vascular and perineural invasions undetected"
_SHARED = re.compile(
    rf"(?P<how>\b(?:with|no|without|absence\sof|negative\sfor)\s(?:(?:evidence|of|unequivocal|definite)\s){{0,3}})?(?P<first>{_KIND})(?:\sinvasion)?[\s,/.]{{1,3}}(?:(?:and|or|and/or|nor)[\s.]{{1,3}})?(?P<second>{_KIND})\sinvasions?(?:{_STATUS})?",
    re.IGNORECASE,
)
# "Multifocal invasion of lymph and blood vessels"
_VESSEL_WORDS = re.compile(
    r"\binva\w{2,6}\sof\s(?:the\s)?(?:lymph(?:atics?)?(?:\s(?:vessels|spaces))?(?:\s(?:and|or)[\s.]{1,2}blood\svessels)?|blood\svessels|veins|vessels)\b(?!\snodes?)"
    r"|\btumou?r\s(?:tissue|cells|emboli|thromb\w{1,3})[^.;:]{0,25}\s(?:in|within)\s[^.;:]{0,22}\bvessels\b",
    re.IGNORECASE,
)
# The items of a form that names invasion in its head: "Lymphatic (small vessel): Not identified."
_BY_SIZE = re.compile(
    rf"\b(?:lymphatic|venous)s?\s?\((?:small|large)[\s-]vessels?\)(?:\sinvasion)?\s?(?=:){_STATUS}", re.IGNORECASE
)
# L0, V1, Pn1 beside the stage
_CODE = re.compile(r"(?<![A-Za-z0-9])(?:p?(?P<vessel>[LV])|p?(?P<nerve>Pn))\s?(?P<n>[012])(?=[\s,.;)/]|$)")
_STAGE = re.compile(r"p\s?[TN]\s?\d|\bL\s?[012][,\s]{1,2}V\s?[012]|(?<![A-Za-z0-9])R[0O12](?![\w.])")
_NEGATION = re.compile(
    r"(?s:.*)\b(?P<no>no\.?|without|negative for|absence of|free of)\s(?P<between>(?:[a-z/-]{1,20}[\s.,]{1,2}){0,8})$",
    re.IGNORECASE,
)
_STOPPED = re.compile(r"(?<!\bor)(?<!\band)(?<!\bof)(?<!\bOR)(?<!\bAND)(?<!\bOF)\.\s[A-Z]")
_BUT = re.compile(r"\b(?:but|however|with|is|are|identified|seen|present)\b", re.IGNORECASE)
_REPORTED = re.compile(r"(?:identified|seen|noted|detected|found)$", re.IGNORECASE)
_OTHER = re.compile(
    r"(?:renal|hepatic|splenic|adrenal|jugular|major|large|main) veins?|portal|caval|vena cava|vortex", re.IGNORECASE
)
_WORDS = ("invasi", "vessels", "permeat", "involvement", "embol", "infiltration", "lvi", "pni", "vessel)", "vessels)")


def find_invasion(report: Report) -> Iterator[Found]:
    """report (Report): The report. YIELDS (Found): `lymphovascular_invasion`, `perineural_invasion`: "present", "absent", "indeterminate"."""
    text, clinical = report.text, report.clinical
    for low, high in stretches(text, _WORDS, 110, 110):
        for found in _find(text, low, high):
            if not clinical[found.start]:
                yield found
    for match in _CODE.finditer(text):
        if _STAGE.search(text, max(0, match.start() - 40), match.end() + 40):
            field = "perineural_invasion" if match["nerve"] else "lymphovascular_invasion"
            yield Found(field, "absent" if match["n"] == "0" else "present", *match.span())


def _find(text: str, low: int, high: int) -> Iterator[Found]:
    shared = bytearray(high - low)  # 1 where one expression names two fields
    for match in _SHARED.finditer(text, low, high):
        value = _status(match)
        if match["how"]:
            value = "present" if match["how"].lower().startswith("with ") else "absent"
        elif value == "present" and _negation(text, match) is not None:
            value = "absent"
        if value:
            shared[match.start() - low : match.end() - low] = b"\1" * len(match.group())
            for part in ("first", "second"):
                field = "perineural_invasion" if match[part].lower() == "perineural" else "lymphovascular_invasion"
                yield Found(field, value, match.start(part), match.end())
    for match in _VESSEL_WORDS.finditer(text, low, high):
        if not re.search(r"\bno\s[^.;:]{0,40}$", text[max(0, match.start() - 45) : match.start()], re.IGNORECASE):
            yield Found("lymphovascular_invasion", "present", *match.span())
    for match in _BY_SIZE.finditer(text, low, high):
        if value := _status(match):
            yield Found("lymphovascular_invasion", value, *match.span())
    for field, patterns in _FIELDS:
        taken = bytearray(shared)
        for pattern in patterns:
            for match in pattern.finditer(text, low, high):
                start, end = match.span()
                if any(taken[start - low : end - low]) or not _is_about(text, match, field):
                    continue
                value = _status(match)
                if value == "present" and (negation := _negation(text, match)) is not None:
                    value, start = "absent", negation
                if value:
                    yield Found(field, value, start, end)
                    if value != "present":
                        taken[match.start() - low : end - low] = b"\1" * (end - match.start())


def _is_about(text: str, match: Match[str], field: str) -> bool:
    words = re.sub(r"\(exclu[^)]*\)", "", text[max(0, match.start() - 12) : match.end()])
    if _OTHER.search(words) or is_definition(text, match.start()):
        return False
    return not (field.startswith("lymph") and "perineural" in words.lower().split("invasion")[-1])


def _status(match: Match[str]) -> Optional[str]:
    groups = match.groupdict()
    return next((name for name in ("absent", "indeterminate", "present") if groups.get(name)), None)


def _negation(text: str, match: Match[str]) -> Optional[int]:
    """Where a negation in front of a list of invasions begins: "no vascular, lymphatic or perineural invasion is identified"."""
    low = max(0, match.start() - 110)
    found = _NEGATION.search(text[low : match.start()])
    if not found or _BUT.search(found["between"]) or _STOPPED.search(found["between"] + text[match.start()]):
        return None
    listed = re.search(r"\b(?:or|nor)\b", found["between"]) or _REPORTED.search(match.group())
    return low + found.start("no") if listed or "," not in found["between"] else None
