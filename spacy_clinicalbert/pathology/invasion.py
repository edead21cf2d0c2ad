"""Invasion of lymphatics and vessels, and of nerves."""

import re
from typing import Dict, Iterator, List, Match, Optional, Pattern, Tuple

from .found import INSIDE, JOIN, NO, NO_STOP, Found, Report, is_definition, stretches

# What stands before "vascular" in its word belongs to it, however it was scanned ("microvascular", "lymphovascular").
_WORD = r"\b(?!(?:neuro|fibro|cardio|peri|extra)-?vas|intra-?ven)"
_VESSELS = (
    r"(?:\b(?:lympho?|ha?emo?)?angio-?[\s.]{0,2}(?=invasion)|\b(?:angio\W?)?lympho?\W{0,2}(?:atic)?\W{0,2}vascular(?:\W{1,3}space)?|\b(?:angio)?lymphatic(?:\W{1,3}(?:/|and|or)?\W{0,2}(?:vascular|venous))?(?:\W{1,3}space)?|"
    rf"{_WORD}(?:(?:blood|large|small)[\s-])?(?:[a-z]{{1,12}}-?)?(?:vascular(?:\schannel)?|venous|vessel|vein)(?:\W{{1,3}}(?:/|and|or)?\W{{0,2}}lymphatic)?(?:\W{{1,3}}space)?(?!\W{{1,3}}(?:wall|margin)))"
)
_NERVES = r"\b(?:peri\W?|[a-z]{1,6}-?)?(?:neuri?al|nerve)"
_ASIDE = r"(?:\s?[(/\[][^)\]]{0,40}[)\]])?"
_INVASION = rf"{_ASIDE}[\s.]{{0,3}}(?:tumou?r\s)?(?:invasions?|permeation|involvement|emboli|infiltration)(?:\sfoc(?:us|i))?{_ASIDE}"
_STATUS = (
    rf"(?P<gap>[\s:.,\-?]{{1,8}})(?:(?:is|are|was|were|also)\s){{0,2}}(?:(?P<absent>absent|not\s(?:definit(?:e|iv)ely\s|clearly\s)?(?:identified|seen|present|detected|found|evident|noted|recogni[sz]ed|demonstrated|appreciated)|undetected|negative|none\b|no\b(?!{NO_STOP}?\s(?:signs|evidence|(?:lymph|peri|vasc|nerve|tumou?r)(?![^.;:]{{0,40}}:)))|nil\b|uninvolved)"
    r"|(?P<indeterminate>indeterminate|suspected|suspicious|(?:can\s?not|could\snot)\sbe|equivocal|possible)|(?P<present>present|positive|identified|noted|yes\b|seen|detected|evident|extensive|focal|multifocal|found))"
)
_NO = rf"\b{NO}\s(?:(?:evidence|signs|of|definite|definitive|unequivocal|obvious|identifiable|convincing|tumou?r)\s){{0,3}}"
_WITH = r"\b(?:with|shows?|presence\sof|signs\sof|invasion\sof|invades|positive\sfor|there\sis|massive|prominent|widespread|extensive)\s(?:(?:focal|extensive|the|prominent|multifocal)\s){0,2}"
_MAYBE = r"\b(?:possibility\sof|possible|suspicious\sfor|suggestive\sof|probable|suspected)\s(?:focal\s)?\W?"


def _patterns(name: str, short: str, behind: str) -> List[Tuple[Tuple[str, ...], Pattern[str]]]:
    what = rf"(?:{name}{_INVASION}|\b{short}\b{_ASIDE})"
    forms = (
        (("",), rf"{what}{_STATUS}"),
        (("",), rf"\binvasion[\s,]{{1,2}}{behind}{_STATUS}"),
        (("no", "without", "negative", "absence", "free"), rf"(?P<absent>{_NO}){what}"),
        (("possib", "suspicious", "suggestive", "probable", "suspected"), rf"(?P<indeterminate>{_MAYBE}){what}"),
        (
            ("can",),
            rf"{what}{INSIDE}{{0,40}}?(?P<indeterminate>can\s?not\sbe\s(?:entirely\s|completely\s)?(?:ruled\sout|excluded))",
        ),
        (("",), rf"(?P<present>{_WITH})(?:lymphovascular\sand\s)?{what}"),
    )
    return [(needed, re.compile(form, re.IGNORECASE)) for needed, form in forms]


# With words of which one stands in all that the expressions match: looking for them first is cheap.
_FIELDS = (
    (
        "lymphovascular_invasion",
        ("vas", "lymph", "ven", "vessel", "vein", "angio", "lvi", "lvsi", "neural"),
        _patterns(_VESSELS, "LVS?I", r"(?:vasc|perineural|lymphatic|venous)[/a-z]{0,12}"),
    ),
    ("perineural_invasion", ("neur", "nerve", "pni"), _patterns(_NERVES, "PNI", _NERVES)),
)
# A list of up to four: "no lymphatic, venous or perineural invasion", "vascular and perineural invasions undetected", "LVI/PNI: absent"
_KIND = rf"{_WORD}(?:lympho?\W|[a-z]{{1,12}}-?)?(?:vascular|lymphatic|venous|vessel|neuri?al|nerve)(?:\W?space)?"
_SHORT = r"\b(?:LVS?I|PNI)\b"
_AND = r"(?:(?:and/or|and|or|nor)[\s.]{1,3})?"
_NEXT = rf"[\s,/&]{{1,3}}{_AND}"
_SHARED = re.compile(
    rf"(?:(?P<no>{_NO})|(?P<with>{_WITH}))?(?P<list>(?:(?:{_KIND}(?:{JOIN}{{1,3}}{_AND}|\sinvasion{_NEXT})|{_SHORT}{_NEXT})){{1,3}}(?:{_KIND}\sinvasions?|{_SHORT}))(?:{_STATUS})?",
    re.IGNORECASE,
)
_EACH = re.compile(rf"(?P<nerve>\w*neur|\bnerve|\bPNI)|{_KIND}|\bLVS?I", re.IGNORECASE)
_LISTED = re.compile(r"\b(?:and|or|nor)\b|/", re.IGNORECASE)
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
_CODE = re.compile(r"(?<![A-Za-z0-9])(?:p?(?P<vessel>[LV])|p?(?P<nerve>Pn))\s?(?P<n>[012O])(?=[\s,.;)/]|$)")
_STAGE = re.compile(r"p\s?[TN]\s?\d|\bL\s?[012O][,\s]{1,2}V\s?[012O]|(?<![A-Za-z0-9])R[0O12](?![\w.])")
_NEGATION = re.compile(rf"(?s:.*)\b(?P<no>{NO})\s(?P<between>(?:[a-z/-]{{1,20}}[\s.,]{{1,2}}){{0,8}})$", re.IGNORECASE)
_STOPPED = re.compile(r"(?<!\bor)(?<!\band)(?<!\bof)(?<!\bOR)(?<!\bAND)(?<!\bOF)\.\s(?:-\s)?[A-Z]")
_BUT = re.compile(r"\b(?:but|however|with|is|are|identified|seen|present)\b", re.IGNORECASE)
_REPORTED = re.compile(r"(?:identified|seen|noted|detected|found)$", re.IGNORECASE)
_OTHER = re.compile(
    r"(?:renal|hepatic|splenic|adrenal|jugular|major|large|main) veins?|portal|caval|vena cava|vortex", re.IGNORECASE
)
_WORDS = (
    "invasi",
    "vessels",
    "permeat",
    "involvement",
    "embol",
    "infiltration",
    "lvi",
    "lvsi",
    "pni",
    "vessel)",
    "vessels)",
)


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
            yield Found(field, "absent" if match["n"] in "0O" else "present", *match.span())


def _find(text: str, low: int, high: int) -> Iterator[Found]:
    shared = bytearray(high - low)  # 1 where one expression names several kinds
    for match in _SHARED.finditer(text, low, high):
        value, start = _status(match), None
        if match["no"]:
            if value == "present" and (_is_item(match) or not _LISTED.search(match["list"])):
                continue  # "no vascular invasion, perineural invasion present"
            value, start = "absent", match.start()
        elif match["with"]:
            value, start = value or "present", match.start()
        elif value == "present" and (start := _negation(text, match)) is not None:
            value = "absent"
        if value:
            shared[match.start() - low : match.end() - low] = b"\1" * len(match.group())
            places: Dict[str, int] = {}
            for each in _EACH.finditer(match["list"]):
                field = "perineural_invasion" if each["nerve"] else "lymphovascular_invasion"
                places.setdefault(field, match.start("list") + each.start())
            for field, place in places.items():
                yield Found(field, value, place if start is None else start, match.end())
    words = text[low:high].lower()
    of_vessels = "vessel" in words or "vein" in words or "lymph" in words
    for match in _VESSEL_WORDS.finditer(text, low, high) if of_vessels else ():
        if not re.search(r"\bno\s[^.;:]{0,40}$", text[max(0, match.start() - 45) : match.start()], re.IGNORECASE):
            yield Found("lymphovascular_invasion", "present", *match.span())
    for match in _BY_SIZE.finditer(text, low, high) if "vessel" in words else ():
        if value := _status(match):
            yield Found("lymphovascular_invasion", value, *match.span())
    for field, needed, patterns in _FIELDS:
        if not any(word in words for word in needed):
            continue
        taken = bytearray(shared)
        for told, pattern in patterns:
            for match in pattern.finditer(text, low, high) if any(word in words for word in told) else ():
                start, end = match.span()
                if any(taken[start - low : end - low]) or not _is_about(text, match, field):
                    continue
                value = _status(match)
                if value == "present" and (negation := _negation(text, match)) is not None:
                    value, start = "absent", negation
                if value:
                    yield Found(field, value, start, end)
                    if value != "present" or _is_item(match):
                        taken[match.start() - low : end - low] = b"\1" * (end - match.start())


def _is_about(text: str, match: Match[str], field: str) -> bool:
    words = re.sub(r"\(exclu[^)]*\)", "", text[max(0, match.start() - 12) : match.end()])
    if _OTHER.search(words) or is_definition(text, match.start()):
        return False
    return not (field.startswith("lymph") and "perineural" in words.lower().split("invasion")[-1])


def _status(match: Match[str]) -> Optional[str]:
    groups = match.groupdict()
    return next((name for name in ("absent", "indeterminate", "present") if groups.get(name)), None)


def _is_item(match: Match[str]) -> bool:
    """Whether a status stands behind a colon, and so is the answer whatever stands in front."""
    return ":" in (match.groupdict().get("gap") or "")


def _negation(text: str, match: Match[str]) -> Optional[int]:
    """Where a negation in front of a list of invasions begins: "no vascular, lymphatic or perineural invasion is identified"."""
    if _is_item(match):
        return None
    low = max(0, match.start() - 110)
    found = _NEGATION.search(text[low : match.start()])
    if not found or _BUT.search(found["between"]) or _STOPPED.search(found["between"] + text[match.start()]):
        return None
    listed = re.search(r"\b(?:or|nor)\b", found["between"]) or _REPORTED.search(match.group())
    return low + found.start("no") if listed or "," not in found["between"] else None
