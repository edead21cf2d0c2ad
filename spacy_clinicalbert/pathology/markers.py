"""Receptors and other markers, with their results."""

import re
from typing import Dict, Iterator, List, Tuple

from .found import Found

# Canonical names, and how they are written.
NAMES: Dict[str, str] = {
    "ER": r"estrogen\W?receptors?(?:\s\(ER\))?|oestrogen\W?receptors?|ER(?![a-z])",
    "PR": r"progesterone\W?receptors?(?:\s\(PR\))?|PR(?![a-z])|PgR",
    "HER2": r"HER\W?2(?:\s?/\s?neu)?|c-?erbB-?2",
    "Ki-67": r"Ki\W?67|MIB\W?1",
    "MSI": r"microsatellite\sinstability|MSI(?![a-z])",
    "MLH1": r"h?MLH\W?1", "MSH2": r"h?MSH\W?2", "MSH6": r"h?MSH\W?6", "PMS2": r"h?PMS\W?2",
    "PD-L1": r"PD\W?L1", "p16": r"p16(?:INK4a)?", "p53": r"p53", "p63": r"p63", "p40": r"p40", "EGFR": r"EGFR", "KRAS": r"K\W?RAS", "BRAF": r"BRAF(?:\sV600E)?",
    "HPV": r"HPV(?:\W?16)?", "ALK": r"ALK(?![a-z])", "TTF1": r"TTF\W?1", "WT1": r"WT\W?1", "S100": r"S\W?100", "HMB-45": r"HMB\W?45", "Melan-A": r"melan\W?A|MART\W?1",
    "vimentin": r"vimentin", "HMWCK": r"HMW\W?(?:cyto)?keratins?|HMWCK", "pancytokeratin": r"pan\W?(?:cyto)?keratin|AE1\W{1,3}(?:AE)?3",
    "CK5/6": r"CK\W?5/6", "CK7": r"CK\W?7|cytokeratin\W?7", "CK19": r"CK\W?19|cytokeratin\W?19", "CK20": r"CK\W?20|cytokeratin\W?20",
    "chromogranin": r"chromogranin(?:\sA)?", "synaptophysin": r"synaptophysin", "CD56": r"CD\W?56", "CD10": r"CD10", "CD117": r"CD117|c-?kit", "CD34": r"CD34", "CD30": r"CD30", "CD99": r"CD99",
    "PLAP": r"PLAP", "AFP": r"alpha\W?feto\W?protein|AFP", "OCT3/4": r"OCT\W?(?:3/)?4", "HBME-1": r"HBME\W?1", "Galectin-3": r"galectin\W?3", "calretinin": r"calretinin", "D2-40": r"D2\W?40",
    "AMACR": r"AMACR|racemase|P504S", "PAX8": r"PAX\W?8", "GATA3": r"GATA\W?3", "CDX2": r"CDX\W?2", "desmin": r"desmin", "SMA": r"smooth\smuscle\sactin|SMA(?![a-z])", "inhibin": r"inhibin", "EMA": r"EMA(?![a-z])", "CEA": r"CEA(?![a-z])", "PSA": r"PSA", "beta-catenin": r"beta\W?catenin", "E-cadherin": r"e\W?cadherin",
}  # fmt: skip
_CANONICAL: List[Tuple[str, "re.Pattern[str]"]] = [
    (name, re.compile(form, re.IGNORECASE)) for name, form in NAMES.items()
]
_NAME = rf"(?<![\w-])(?:{'|'.join(f'(?:{form})' for form in NAMES.values())})"
_RESULT = r"(?P<result>positiv\w{1,3}|negativ\w{1,3}|indeterminate|equivocal|retained|lost|overexpressed|amplified|not\samplified|unamplified|[+](?![\w])|(?<=[\w)])-(?=[\s,;.)]))"
_DIRECT = re.compile(
    rf"(?P<name>{_NAME})(?:\s?\((?:[^)]{{0,20}})\))?(?:\s(?:is|are|status|expression|stain(?:ing)?|protein|gene|score|immunostain)){{0,3}}[\s:.,\-]{{0,4}}(?:(?:diffusely|strongly|weakly|focally|focal|strong|weak)\s){{0,2}}{_RESULT}",
    re.IGNORECASE,
)
_PERCENT = re.compile(
    rf"(?P<name>{_NAME})(?:\s(?:index|labell?ing|proliferati\w{{2,4}}|rate|positive|is|in|of|approximately|about|up|to)|[+:\s(]){{0,6}}\s?(?P<value>[<>~]?\s?\d{{1,3}}\s?(?:-\s?\d{{1,3}}\s?)?%)",
    re.IGNORECASE,
)
_SCORE = re.compile(rf"(?P<name>{_NAME})[^.;\d]{{0,30}}\bscore\s?(?:of|[:=])?\s?(?P<value>[0-3]\+?)", re.IGNORECASE)
_LIST = rf"(?P<names>{_NAME}(?:(?:\s?,\s?(?:and\s|or\s)?|\s(?:and|or)\s|/){_NAME}){{0,12}})"
_FOR = re.compile(
    rf"\b(?P<result>positiv\w{{1,3}}|negativ\w{{1,3}}|immunoreactiv\w{{1,3}}|stains|stained)\s(?:positively\s)?(?:for|with)\s(?:antibodies to\s)?{_LIST}",
    re.IGNORECASE,
)
_ARE = re.compile(
    rf"{_LIST}[\s.]{{1,2}}(?:stains?\s)?(?:are|were|is)(?:\sall)?[\s.]{{1,2}}(?P<result>positive|negative|retained|lost)",
    re.IGNORECASE,
)
_PERFORMED = re.compile(r"not\s(?:performed|done|available)|pending|lymph node", re.IGNORECASE)


def find_markers(text: str) -> Iterator[Found]:
    """text (str): The report. YIELDS (Found): `marker` with `name`: "positive", "negative", "indeterminate", "20%", "1+"."""
    for pattern in (_FOR, _ARE):
        for match in pattern.finditer(text):
            value = _value(match["result"])
            for each in re.finditer(_NAME, match["names"], re.IGNORECASE):
                start = match.start("names") + each.start()
                end = match.end() if pattern is _ARE else start + len(each.group())
                yield _found(each.group(), value, start if pattern is _ARE else match.start(), end)
    for match in _DIRECT.finditer(text):
        if not _PERFORMED.search(match.group()):
            yield _found(match["name"], _value(match["result"]), match.start(), match.end())
    for match in _PERCENT.finditer(text):
        yield _found(match["name"], re.sub(r"\s", "", match["value"]), match.start(), match.end())
    for match in _SCORE.finditer(text):
        value = match["value"] if match["value"].endswith("+") else f"score {match['value']}"
        yield _found(match["name"], value, match.start(), match.end())


def _value(result: str) -> str:
    result = result.lower()
    if result.startswith(("neg", "lost", "not ", "unamp")) or result == "-":
        return "negative"
    return "indeterminate" if result in ("indeterminate", "equivocal") else "positive"


def _found(name: str, value: str, start: int, end: int) -> Found:
    canonical = next(canonical for canonical, form in _CANONICAL if form.fullmatch(name))
    return Found("marker", value, start, end, (("name", canonical),))
