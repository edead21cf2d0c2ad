"""Invasion of lymphatics and vessels, and of nerves."""

import re
from typing import Iterator

from .found import Found, is_definition

_VESSELS = (
    r"(?:(?:angio\W?)?lympho?\W{0,2}(?:atic)?\W{0,2}vascular(?:\W{1,3}space)?|(?:angio)?lymphatic(?:\W{1,3}(?:/|and|or)?\W{0,2}(?:vascular|venous))?(?:\W{1,3}space)?|"
    r"(?:blood\s)?(?:vascular|venous|vessel|vein)(?:\W{1,3}(?:/|and|or)?\W{0,2}lymphatic)?(?:\W{1,3}space)?(?!\W{1,3}(?:wall|margin)))"
)
_NERVES = r"(?:peri\W?neural|neural)"
_INVASION = r"(?:\s?[(/][^)]{0,30}[)])?[\s.]{1,3}(?:tumou?r\s)?(?:invasion|permeation|involvement|emboli|infiltration)(?:\s?\((?:LVI|PNI)\))?"
_STATUS = (
    r"[\s:.,\-]{1,4}(?:(?:is|are|was)\s)?(?:(?P<absent>absent|not\s(?:identified|seen|present|detected|found)|negative|none\b|no\b(?!t)|uninvolved)"
    r"|(?P<indeterminate>indeterminate|suspected|suspicious|cannot\sbe|equivocal|possible)|(?P<present>present|positive|identified|noted|yes\b|seen|extensive|focal|multifocal|found))"
)
_NO = r"\b(?:no|without|negative\sfor|absence\sof)\s(?:(?:evidence|of|definite|unequivocal|obvious|identifiable|tumou?r)\s){0,3}"
_WITH = r"\b(?:with|shows?|invasion\sof|invades)\s(?:(?:focal|extensive|the|prominent)\s){0,2}"


def _patterns(name: str, short: str) -> "list[re.Pattern[str]]":
    forms = (
        rf"(?:{name}{_INVASION}|\b{short}\b){_STATUS}",
        rf"\binvasion[\s,]{{1,2}}(?:vasc|perineural|lymphatic|venous)[/a-z]{{0,12}}{_STATUS}"
        if short == "LVI"
        else rf"\binvasion[\s,]{{1,2}}{name}{_STATUS}",
        rf"(?P<absent>{_NO}){name}{_INVASION}",
        rf"(?P<present>{_WITH})(?:lymphovascular\sand\s)?{name}{_INVASION}",
    )
    return [re.compile(form, re.IGNORECASE) for form in forms]


_FIELDS = (
    ("lymphovascular_invasion", _patterns(_VESSELS, "LVI")),
    ("perineural_invasion", _patterns(_NERVES, "PNI")),
)
_SHARED = re.compile(
    r"(?P<how>\b(?:with|no|without)\s(?:(?:evidence|of)\s){0,2})(?P<first>(?:lympho\W?vascular|angiolymphatic|vascular|lymphatic|perineural))\s(?:and|or)\s(?P<second>perineural|lymphovascular|vascular|angiolymphatic)\sinvasion",
    re.IGNORECASE,
)
_VESSEL_WORDS = re.compile(
    r"\b(?:inva\w{2,5}\sof\s(?:the\s)?(?:lymphatic\s(?:vessels|spaces)|blood\svessels|veins|vessels))\b", re.IGNORECASE
)
_NEGATED = re.compile(r"\b(?:no|without|not|negative for)\s(?:[a-z-]{1,14}\s){0,2}$", re.IGNORECASE)
_OTHER = re.compile(r"renal vein|portal|caval|vena cava|vortex", re.IGNORECASE)


def find_invasion(text: str) -> Iterator[Found]:
    """text (str): The report. YIELDS (Found): `lymphovascular_invasion`, `perineural_invasion`: "present", "absent", "indeterminate"."""
    for match in _SHARED.finditer(text):
        value = "present" if match["how"].lower().startswith("with ") else "absent"
        for part in ("first", "second"):
            field = "perineural_invasion" if match[part].lower() == "perineural" else "lymphovascular_invasion"
            yield Found(field, value, match.start(part), match.end())
    for match in _VESSEL_WORDS.finditer(text):
        if not re.search(r"\bno\s[^.;:]{0,40}$", text[max(0, match.start() - 45) : match.start()], re.IGNORECASE):
            yield Found("lymphovascular_invasion", "present", *match.span())
    for field, patterns in _FIELDS:
        for pattern in patterns:
            for match in pattern.finditer(text):
                if _OTHER.search(text, max(0, match.start() - 12), match.end()):
                    continue
                groups = match.groupdict()
                if field.startswith("lymph") and "perineural" in match.group().lower().split("invasion")[-1]:
                    continue
                if groups.get("present") and _NEGATED.search(text[max(0, match.start() - 30) : match.start()]):
                    continue
                if is_definition(text, match.start()):
                    continue
                value = next(name for name in ("absent", "indeterminate", "present") if groups.get(name))
                yield Found(field, value, *match.span())
