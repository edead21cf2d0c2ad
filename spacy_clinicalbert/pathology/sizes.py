"""Sizes of the tumour, in millimetres."""

import re
from typing import Iterator, List

from .found import Found

_NUM = r"\d{1,3}(?:[.,]\d{1,2})?(?!\d)"
_UNIT = r"(?:cm|mm|centimet(?:er|re)s?|millimet(?:er|re)s?)(?![a-z])"
_AXIS = r"(?:\s?(?:SI|ML|AP)\b)?"
_MORE = rf"(?:\s?:)?(?:\s?{_UNIT})?{_AXIS}\s?(?:[x×]|by)\s{{0,2}}{_NUM}"
_SIZE = re.compile(rf"(?<![\d.,/]){_NUM}(?:{_MORE}){{0,2}}(?:\s?{_UNIT}|(?={_AXIS}[\s.;)]|$)){_AXIS}", re.IGNORECASE)
_ADDITIONAL = re.compile(
    rf"(?:\s?[(\[]?(?:in )?greatest dimension[)\]]?)?[.\s]{{1,3}}Additional dimensions?\s?:\s?({_NUM}(?:{_MORE}){{0,2}}\s?{_UNIT})",
    re.IGNORECASE,
)
_TUMOUR = r"(?:tumou?r|mass|nodule|lesion|neoplasm|carcinoma|melanoma|sarcoma|seminoma|lymphoma|invasive component)"
_LABEL = re.compile(
    r"(?:(?:tumou?r|mass|lesion)(?:\W{1,3}greatest)? (?:size|dimensions?)|size of (?:the )?(?:tumou?r|mass|lesion)|main mass|length of tumou?r)"
    r"(?:\(s\))?(?:\s?[(\[][^)\]]{0,40}[)\]])?\W{1,4}(?:(?:greatest|maximum|maximal|largest|tumou?r|dimensions?|measures|maximally|invasive|component|cm)\W{1,3}){0,6}$",
    re.IGNORECASE,
)
_MEASURING = re.compile(
    rf"{_TUMOUR}s?\b(?:(?:[^.;\d]|\.(?=\s[a-z])){{0,50}}?(?:measur\w{{1,4}}|of|is)(?:(?:up to|maximally|approximately|about|it)|\W){{0,4}}|[^.;:\d]{{0,25}}[,(]?\s?\(?)$",
    re.IGNORECASE,
)
_THING = re.compile(
    rf"(?:(?!\bspecimen|fragment|portion|piece|tissue|node|polyp|cyst\b|margin|from |and |area)[^.;:\d]){{0,60}}\b{_TUMOUR}\b",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"specimen|fragment|piece|tissue|lymph|node[^u]|polyp|margin|from|thick|depth|within|weigh|metasta|extend|adenoma|cassette|distance|in situ|free|uninvolved|consist|focus",
    re.IGNORECASE,
)
_BEHIND = re.compile(
    r"\s?(?:from|away|to the|of the (?:closest|nearest)|(?:in )?(?:depth|thick)|margin)", re.IGNORECASE
)


def find_sizes(text: str) -> Iterator[Found]:
    """text (str): The report. YIELDS (Found): `tumour_size`, a list in mm, the greatest first."""
    for match in _SIZE.finditer(text):
        start, end = match.span()
        before = text[max(0, start - 90) : start]
        label = _LABEL.search(before)
        units = re.findall(_UNIT, match.group(), re.IGNORECASE)
        unit = units[-1] if units else re.findall(r"\bcm\b|\bmm\b", before[label.start() :])[-1:] if label else None
        if not unit or _BEHIND.match(text, end):
            continue
        if not label:
            measuring, thing = _MEASURING.search(before), _THING.match(text, end)
            measured = measuring and not _OTHER.search(measuring.group())
            if not measured and not (thing and not _OTHER.search(thing.group() + before[-15:])):
                continue
        numbers = _millimetres(match.group(), unit if isinstance(unit, str) else unit[0])
        while more := _ADDITIONAL.match(text, end):
            end = more.end()
            numbers += _millimetres(more.group(1), more.group(1))
        if 0 not in numbers:
            yield Found("tumour_size", sorted(numbers, reverse=True), start, end)


def _millimetres(text: str, unit: str) -> List[float]:
    factor = 1 if re.search("mm|milli", unit, re.IGNORECASE) else 10
    values = [round(float(each.replace(",", ".")) * factor, 2) for each in re.findall(_NUM, text)]
    return [int(value) if value == int(value) else value for value in values]
