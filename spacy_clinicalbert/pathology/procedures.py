"""Operations by name."""

import re
from functools import lru_cache
from typing import Iterator, Pattern

from .found import Found, Report, stretches
from .terms import load_terms, spaced

_NOT_BEFORE = re.compile(
    r"(?:previous|prior|history of|status post|s/p|needle track|ex:|possible|submitted for|(?:staging )?(?:system|protocol|checklist) for|on[\s.]{1,2}the|\bno(?=\s(?:[a-z]{2,10}\s)?$)|recommend\w*|suggest\w*|advis\w+|consider|refus\w+|declin\w+|planned|\b(?:margins?|lines?|edges?|planes?|surface) of)[\s.]{0,3}\S{0,10}\s?$",
    re.IGNORECASE,
)
_NOT_AFTER = re.compile(
    r"[\s.]{1,3}(?:margins?|lines?|surface|site|plane|cavity|bed|edge|border|tracks?|pathologic parameters|checklist|protocol)\b|,?\s(?:partial or (?:radical|total)|radical or partial)\b"
    r"|\s(?:(?:is|are|was|were|may be|should be|can be)\s)?(?:recommended|suggested|advised|planned|refused|declined)\b",
    re.IGNORECASE,
)
# What is written in more than one way, and the way that the record has it.
_FORMS = (
    ("oesophag", "esophag"),
    ("biopsies", "biopsy"),
    ("ectomies", "ectomy"),
    ("whipple's", "whipple"),
    ("histerectomy", "hysterectomy"),
    ("salpingooophorectomy", "salpingo-oophorectomy"),
    ("salpingo oophorectomy", "salpingo-oophorectomy"),
    ("re-excision", "reexcision"),
    ("division", "diversion"),
    ("orchidectomy", "orchiectomy"),
)
_RESECTED = re.compile(
    r"\bresected(?=\s(?:(?:section|portion|part|piece|segment|of|the)\s){0,3}(?P<what>\w))", re.IGNORECASE
)  # "resected colon" names the operation


_APPROACH = "abdominal|laparoscopic|robotic|robot-assisted|vaginal|open"  # not in the value
_WORDS = (
    "ectom",
    "biops",
    "bx",
    "excision",
    "resect",
    "dissection",
    "enucleation",
    "amputation",
    "exenteration",
    "curettage",
    "urinary div",
    "whipple",
    "conization",
    "conisation",
    "turb",
    "turp",
    "extraction",
)
_PLURAL = re.compile(r"(?<=ision|ction)s$")
_TEETH = re.compile(r"tooth|teeth", re.IGNORECASE)
# A bare "dissection" names the operation of a head ("Lymph nodes, celiac, dissection:"), and is otherwise how the specimen was cut up.
_OF_HEAD = re.compile(r"[,)]\s$")


@lru_cache
def _pattern() -> Pattern[str]:
    parts = load_terms()["procedures"]
    modifiers = sorted(parts["modifiers"].split("|"), key=len, reverse=True)
    return re.compile(
        rf"\b(?:(?:{spaced('|'.join(modifiers))})[\s.]{{1,3}}(?:(?:{_APPROACH})[\s.]{{1,3}})?){{0,3}}(?:{spaced(parts['heads'])})\b",
        re.IGNORECASE,
    )


def find_procedures(report: Report) -> Iterator[Found]:
    """report (Report): The report. YIELDS (Found): `procedure`, lower case, without side."""
    text = report.text
    for low, high in stretches(text, _WORDS, 90, 40):
        for match in _pattern().finditer(text, low, high):
            before = text[max(0, match.start() - 30) : match.start()]
            if _NOT_BEFORE.search(before) or _NOT_AFTER.match(text, match.end()):
                continue
            value = _normalised(match.group())
            if value == "dissection" and not (
                _OF_HEAD.search(before) and text[match.end() : match.end() + 2].strip(" )")[:1] in (":", ".", "-", "")
            ):
                continue
            if value == "extraction" and not _TEETH.search(text, max(0, match.start() - 60), match.start()):
                continue
            if "apicoectomy" not in value:
                yield Found("procedure", value, *match.span())
        for match in _RESECTED.finditer(text, low, high):
            if load_terms()["site"].match(text, match.start("what")):
                yield Found("procedure", "resection", *match.span())


def _normalised(name: str) -> str:
    value = re.sub(r"[\s.]+", " ", name.lower())
    value = re.sub(rf"\b(?:{_APPROACH}) (?=\w)", "", value)
    for written, usual in _FORMS:
        value = value.replace(written, usual)
    return "biopsy" if value == "bx" else _PLURAL.sub("", value)
