"""Sizes of the tumour, in millimetres."""

import re
from typing import Iterator, List, Match, Optional

from .found import STOP, Found, Report, has, is_definition

_NUM = r"\d{1,3}(?:[.,]\d{1,2}(?:\d{8,14})?)?(?![.,]?\d)"  # with the digits that a spreadsheet adds
_UNIT = r"(?:cm|mm|centimet(?:er|re)s?|millimet(?:er|re)s?)(?![a-z])"
# "4.0 cm SI x 2.4 cm ML", "2.8 cm (medial to lateral) x 1.8 cm", "16 mm main line by 12 mm"
_AXIS = r"(?:\.?\s?(?:SI|ML|AP|transverse)\b|\s?\([a-z][a-z\s.-]{4,35}\)|\s(?:in\s)?(?:length|width|height|base|diameter|main line)\b)?"
_MORE = rf"(?:\s?:)?(?:\.?\s?{_UNIT})?{_AXIS}\.?\s?(?:[x×]|by|for|and(?=\s\d{{1,2}}(?:\.\d)?\s?[cm]m\s(?:in\s)?(?:height|width|length))|,?\sheight)\.?\s{{0,2}}{_NUM}(?:(?<=\d)\.\s\d(?=\s?(?:x|cm|mm)\b))?"
_SIZE = re.compile(rf"{_NUM}(?:{_MORE}){{0,2}}(?:\.?[\s-]?{_UNIT}|(?={_AXIS}[\s.;)]|$)){_AXIS}", re.IGNORECASE)
_ADDITIONAL = re.compile(
    rf"(?:\s?[(\[]?(?:in )?greatest dimension[)\]]?)?[.\s(]{{1,3}}(?:Additional|Other|Minor) dimensions?\s?:\s?({_NUM}(?:{_MORE}){{0,2}}\.?\s?{_UNIT})",
    re.IGNORECASE,
)
_TUMOUR = r"(?:tumou?r|mass|nodule|lesion|neoplasm|neoplasia|\w{0,12}carcinoma|melanoma|sarcoma|seminoma|lymphoma|mesothelioma|invasive component)"
_LABEL = re.compile(
    r"(?:(?:tumou?r|mass|lesion)(?:\W{1,3}(?:greatest|maximum|maximal|aggregate))? (?:sized?|dimensions?|diameter)|size of (?:the )?(?:largest )?(?:tumou?r|mass|lesion|invasive (?:component|carcinoma))|(?:invasive component|main mass|length of tumou?r|[.:;,-]\s(?:size|(?:largest|greatest|maximal|maximum)?\s?diameter)|(?:gross|microscopic) measurement|pT[1-4][a-d]?\s?\(|largest focus of invasion(?: over [\d.]{1,4} cm)?|LBD))"
    r"(?:\(s\))?(?:\s?[(\[][^)\]]{0,40}[)\]])?\W{0,4}(?:(?:greatest|maximum|maximal|largest|tumou?r|size|LBD|dimensions?|diameter|measures|maximally|invasive|component|approximately|about|is|cm|at\sleast|up\sto)\W{1,3}){0,6}$",
    re.IGNORECASE,
)
# An item without the tumour's name, "Greatest dimension: 28 mm", whose subject stands in front.
_DIMENSION = re.compile(
    r"(?:^|[.;\n]\s?)(?P<item>(?:greatest|largest|maximal|maximum)\s(?:dimension|diameter))\W{1,3}(?:(?:is|approximately|about|at\sleast|up\sto)\s){0,2}$",
    re.IGNORECASE,
)
_NAMED = re.compile(rf"{_TUMOUR}\b", re.IGNORECASE)
_RECEIVED = re.compile(
    r"specimen|received|fragment|segment|piece|tissue|lymph|node[^u]|polyp|cyst\b|margin|deposit|adenoma|in situ|DCIS|weigh|\w{3}ectomy|gland\b|portion",
    re.IGNORECASE,
)
# Figures that are no size: "grade 2", "G3", "p16", "60%", "3+4=7", "2-3", "2 of 3".
_FIGURE = r"(?:(?<=[A-Za-z])\d{1,3}(?!\d|\.\d|,\d|\s?[cm]m\b)|(?:(?<=[a-z]-)|(?<=grade\s)|(?<=grade:\s)|(?<=type\s)|(?<=group\s)|(?<=pattern\s)|(?<=score\s)|(?<=level\s))\d{1,2}(?![\d.,]\d|\s?(?:[x×]|[cm]m\b))|\d{1,3}(?=\s?%)|\d(?=\s?\+\s?\d)|(?:(?<=\d\+)|(?<=\+\s)|(?<==)|(?<==\s))\d{1,2}|(?:(?<=\d/)|(?<=\d-)|(?<=\dof\s)|(?<=\d\sof\s))[1-5](?![\d.]))"
_CHARACTER = rf"(?:[^.;\d\x22]|{STOP}|{_FIGURE})"
_MEASURING = re.compile(
    rf"{_TUMOUR}s?\b(?:{_CHARACTER}{{0,50}}?(?:measur\w{{1,4}}|\.?\ssized|of|is)(?:(?:up to|maximally|approximately|about|it|a|max|maximum|of)\b|\W){{0,6}}|(?:[^.;:\d\x22]|{STOP}|{_FIGURE}){{0,60}}[,(]?\s?\(?(?:(?:max|approx|ca)\.\s)?|\s?:\s?)$",
    re.IGNORECASE,
)
# "a carcinoma, extending 4 cm to the margin and measuring 3 cm", "a tumour is found. It measures 3 cm": the subject stands before.
_SAME_SUBJECT = re.compile(
    rf"{_TUMOUR}\b(?:[^.;]|{STOP}|\.(?=\sIt\smeasures)){{0,180}}?(?:\band measuring|\bIt measures)(?:\s(?:a|max\.?|maximum|maximally|up|to|of|approximately|about)\b\.?){{0,3}}\s$",
    re.IGNORECASE,
)
_THING = re.compile(
    rf"(?:(?!\bspecimen|fragment|portion|piece|tissue|node|polyp|cyst\b|margin|from |and\s(?:an?|the|one|two|it)\s|area|with |by |contain|reveal|show|present|which|has |have |had |is |are )(?:[^.;:\d\x22]|{STOP})){{0,80}}\b{_TUMOUR}\b",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"isolated|tumou?r\sbed|clearance|breslow|inva(?:sive|d\w{1,3})\sto\b|specimen|fragment|piece|tissue|lymph|node[^u]|polyp|margin|from|thick|depth|within(?!\sthe|\san?\s)|weigh|metasta|deposit|extend|adenoma|cassette|distance|in situ|free|uninvolved|consist|focus|foci|(?:colloid(?:al)?|adenomat(?:ous|oid)|hyperplastic|fibr(?:ous|otic)|calcified|satellite|benign|(?<!and\s)cystic)\s(?:\w{1,12}\s)?nodul",
    re.IGNORECASE,
)
# "carcinoma, grade 2 (3+2+1); 4 cm in greatest dimension"
_GREATEST = re.compile(r"\s?in\s(?:greatest|maximum|maximal)\s(?:linear\s)?(?:dimension|diameter)\b", re.IGNORECASE)
_NAMED_IN_ITEM = re.compile(rf"{_TUMOUR}\b[^.:;]{{0,60}};\s$", re.IGNORECASE)
# "A specimen with a tumour": what stands before has it, and is not measured.
_HOLDS = re.compile(
    r"\b(?:with|contain\w{0,3}|reveal\w{0,3}|show\w{0,3}|demonstrat\w{0,3}|has)[\s.]{1,3}(?:an?|one|the)\s(?:[a-z-]{1,14}\s){0,2}$",
    re.IGNORECASE,
)
_NOT_HOLDER = re.compile(r"lymph|node[^u]|polyp|metasta|margin|thick|depth|in situ", re.IGNORECASE)
_NOT_SUBJECT = re.compile(r"specimen|fragment|piece|lymph|node[^u]|polyp|metasta", re.IGNORECASE)
_BEHIND = re.compile(
    rf"{STOP}?\s?(?:(?:at|in)\s(?:its\s)?(?:greatest|maximum|maximal|deepest)[\s.]{{1,2}}(?:thickness|depth)|lymph node|,?\s?(?:possible|probable|consistent with a)\s(?:lymph|node|polyp)|from|away|apart|(?:ab)?oral|in[\s.]{{1,2}}(?:depth|thick)|to[\s.]{{1,2}}the|of the (?:closest|nearest)|(?:in |maximum )?(?:depth|thick)|deep|long|margin|or (?:less|more)|but\b|and (?:not|less)|(?:superior|inferior|medial|lateral|anterior|posterior|distal|proximal)(?:ly)?\sto|above|below"
    rf"|(?:(?!tumou?r|mass|nodule|lesion|in\s|of\s|invol|with\s|from\s|and\s)[a-z-]{{2,14}},?[\s.]{{1,2}}){{0,3}}(?:portion|segment|fragment|piece|specimen|lobe|adrenal|kidney|lung|wedge|ellipse|aggregate|tissue|node|gland|spleen|structure|polyp|cyst|duct|vein|artery|resection|\w{{3,20}}ectomy)\b)",
    re.IGNORECASE,
)
# The size that follows another one of the same item: "1.6 cm, left lobe and 0.4 cm right".
_SECOND = re.compile(r"[^.;:\d]{0,25}(?:\band|&|,)\s(?=\d)", re.IGNORECASE)
_START = re.compile(r"\d+")
_COMPARED = re.compile(r"(?:(?:more|less|greater|larger|smaller) than(?: or equal to)?|[<>]=?|[≤≥])\s?$", re.IGNORECASE)


_GLUED = re.compile(r"[\w.,/-]$|\d:$|\d\s?[x×]\s?$", re.IGNORECASE)  # no number begins here, and no list in its middle
# What an item about size is of, where it is not the invasive tumour.
_NOT_TUMOUR = re.compile(
    r"(?:in situ|intraductal|DCIS)\b[^:]{0,45}(?:gross|microscopic)\b[^:]{0,25}measurement\W{0,3}$|(?:length|nerve|cornea|ureter|vein|artery|pupil)[^:;]{0,30}diameter\W{0,3}$|(?:weight\s?:[^:]{0,20}|(?:specimen|prostate|gland|biopsy|metasta\w{1,3}|deposit)\W{1,3})size\W{0,3}$",
    re.IGNORECASE,
)


# One of these stands in what the expressions of the same name match; looking for them first is cheap.
_LABEL_WORDS = ("size", "dimension", "diameter", "measurement", "invasive comp", "main mass", "length of", "pt")
_TUMOUR_WORDS = (
    "tumo",
    "mass",
    "nodule",
    "lesion",
    "neoplas",
    "carcinoma",
    "melanoma",
    "sarcoma",
    "seminoma",
    "lymphoma",
    "mesothelioma",
    "invasive comp",
)


def find_sizes(report: Report) -> Iterator[Found]:
    """report (Report): The report. YIELDS (Found): `tumour_size`, a list in mm, the greatest first."""
    text, clinical = report.text, report.clinical
    last = second = -1  # the end of the last size, and of the last one that an item's name stands before
    for place in _START.finditer(text):
        match = (
            None
            if place.start() < last or _GLUED.search(text[max(0, place.start() - 4) : place.start()])
            else _SIZE.match(text, place.start())
        )
        if not match or clinical[place.start()]:
            continue
        start, end = match.span()
        last = end
        before = text[max(0, start - 90) : start]
        label = (_LABEL.search(before) or _dimension(text, start)) if has(before, _LABEL_WORDS) else None
        units = re.findall(_UNIT, match.group(), re.IGNORECASE)
        if not units and label:
            units = re.findall(r"\bcm\b|\bmm\b", label.group())
        if label and _NOT_TUMOUR.search(before):
            continue
        if not units or _BEHIND.match(text, end) or (_COMPARED.search(before) and not label):
            continue
        if second >= 0 and (more := _SECOND.match(text, second)) and more.end() == start:
            label = more
        if not (label or _is_measured(text, start, end)) or is_definition(text, start):
            continue
        numbers = _millimetres(match.group(), units[-1])
        while more := _ADDITIONAL.match(text, end):
            end = more.end()
            numbers += _millimetres(more.group(1), more.group(1))
        if 0 not in numbers:
            second = end if label else second
            last = max(last, end)
            yield Found("tumour_size", sorted(numbers, reverse=True), start, end)


def _dimension(text: str, start: int) -> Optional[Match[str]]:
    """The item's name that stands before a size and does not say what is measured, where a tumour is the last thing named before."""
    label = _DIMENSION.search(text, max(0, start - 60), start)
    if not label:
        return None
    before = text[max(0, label.start() - 200) : label.start()]
    tumours = [*_NAMED.finditer(before)]
    if not tumours or "metasta" in before[max(0, tumours[-1].start() - 20) :].lower():
        return None
    return None if _RECEIVED.search(before, tumours[-1].end()) else label


def _is_measured(text: str, start: int, end: int) -> bool:
    """Whether it is a tumour that the words around a size speak of."""
    before = text[max(0, start - 90) : start]
    measuring = _MEASURING.search(before) if has(before, _TUMOUR_WORDS) else None
    if measuring:
        holds = _HOLDS.search(before[: measuring.start()])
        low = max(0, measuring.start() - 22)
        if not _OTHER.search(before[(holds.start() if holds else low) :]) and not (
            holds and _NOT_HOLDER.search(before[min(low, max(0, holds.start() - 22)) :])
        ):
            return True
    same = _SAME_SUBJECT.search(text[max(0, start - 240) : start]) if has(before[-40:], ("measur",)) else None
    if same and not _NOT_SUBJECT.search(same.group()):
        return True
    if _GREATEST.match(text, end) and (named := _NAMED_IN_ITEM.search(before)) and not _OTHER.search(named.group()):
        return True
    thing = _THING.match(text, end) if has(text[end : end + 110], _TUMOUR_WORDS) else None
    return bool(thing and not _OTHER.search(thing.group() + before[-17:]))


def _millimetres(text: str, unit: str) -> List[float]:
    factor = 1 if re.search("mm|milli", unit, re.IGNORECASE) else 10
    text = re.sub(r"(?<=\d)\.\s(?=\d)", ".", text)  # "4. 1", torn by the scanner
    values = [round(float(each.replace(",", ".")) * factor, 2) for each in re.findall(_NUM, text)]
    return [int(value) if value == int(value) else value for value in values]
