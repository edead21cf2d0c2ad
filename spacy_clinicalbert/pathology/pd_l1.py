"""The scores of PD-L1, which are often given without its name: "CPS: 20", "TPS 50%"."""

import re
from typing import Iterator

from .found import Found, Report, stretches

_WORDS = ("tps", "cps", "proportion score", "positive score")
_SCORE = re.compile(
    r"(?<![A-Za-z])(?:(?P<tps>(?-i:TPS)|tumou?r\s(?:cell\s)?proportion\sscore)|(?P<cps>(?-i:CPS)|combined\spositiv(?:e|ity)\sscore))(?:\s?\((?-i:TPS|CPS)\))?"
    r"(?:\s(?:score|is|was|of|approximately|about)|\s?[:=,(]){0,3}\s?(?P<sign>[<>]=?|[≤≥~]|less\sthan\s|at\sleast\s)?\s?(?P<value>\d{1,3}(?:\s?-\s?\d{1,3})?)(?![\d-]|[.,/]\d)(?P<percent>\s?%)?",
    re.IGNORECASE,
)
_SIGNS = {"less than": "<", "at least": ">=", "≤": "<=", "≥": ">="}
# In the same clause, the name belongs to the place.
_NAME = re.compile(r"PD\W?L1(?:\s?\([^)]{0,20}\))?[^.;:]{0,25}[\s:,(]{1,2}$", re.IGNORECASE)
# Words that tell what a score means, and not what was found: "TPS >= 50%: high expression", "a CPS of 10 or more is required".
_MEANING_BEFORE = re.compile(
    r"(?:cut\W?off|threshold|defin\w+|criteri\w+|eligib\w+|\bif|\bwhen|\brequir\w+|\bwith a)\b[^.;]{0,40}$",
    re.IGNORECASE,
)
_MEANING = re.compile(
    r"\s?(?:[:=]|is\s|are\s|was\s)\s?(?:considered|regarded|required|defined|interpreted|called|(?:no|low|high|negative|positive|any)\b)|\s(?:or|and)\s(?:more|greater|higher|above|over)\b|\s(?:cut\W?off|threshold)",
    re.IGNORECASE,
)
_LEGEND = re.compile(r"\s?[-–—]\s?(?:no|low|high|negative|positive)\b", re.IGNORECASE)  # behind a sign or a range


def find_pd_l1(report: Report) -> Iterator[Found]:
    """report (Report): The report. YIELDS (Found): `marker` of the name "PD-L1": "50%" for a share of tumour cells, "CPS 20" for the combined score."""
    text, clinical = report.text, report.clinical
    for low, high in stretches(text, _WORDS, 60, 90):
        for match in _SCORE.finditer(text, low, high):
            before = text[max(0, match.start() - 60) : match.start()]
            if clinical[match.start()] or _MEANING.match(text, match.end()) or _MEANING_BEFORE.search(before):
                continue
            sign = (match["sign"] or "").strip().lower()
            if (sign or "-" in match["value"]) and _LEGEND.match(text, match.end()):
                continue
            number = _SIGNS.get(sign, sign) + re.sub(r"\s", "", match["value"])
            value = f"CPS {number}" if match["cps"] else f"{number}%" if match["percent"] else f"TPS {number}"
            name = _NAME.search(before)
            yield Found(
                "marker", value, match.start() - (len(name.group()) if name else 0), match.end(), (("name", "PD-L1"),)
            )
