"""Lymph nodes examined and positive."""

import re
from operator import or_
from typing import Any, Dict, FrozenSet, Iterator, Match, NamedTuple, Optional

from .found import (
    INSIDE,
    NUMBER,
    STATIONS,
    STOP,
    TENS,
    WORDS,
    Found,
    Report,
    number,
    stretches,
)
from .predicates import KIND, NODES, NONE, TUMOUR, VERB, judge

_FIGURE = r"(?:\s?\(\d{1,3}\))?"  # "SEVEN (7)"
_HOW_MANY = rf"(?:{NUMBER}|single|\(\d{{1,2}}\))"
_POSITIVE = rf"(?P<positive>{NUMBER}|none)\b(?!\s?/)"
_ALSO = rf"(?:\sand\s(?:(?![\d,]){INSIDE}){{1,45}}?,?)?"  # "and the associated fat,"
_FOUND = r"(?:(?:were\s|are\s|is\s)?(?:examined|identified|found|retrieved|recovered|prepared|dissected|isolated))?"
_SHOWS = rf"(?:with|contain|show|prove|are|is|was|were|has|have)\w{{0,3}}\s(?!no\b|free|negative){INSIDE}{{0,25}}?(?:metasta|positive|involve|{TUMOUR})"
_OF_EXAMINED = rf"(?:out\s)?of\s(?:the\s|a total of\s)?(?P<examined>{NUMBER})(?!\.\s?\d|\s?[cm]m\b)"
_FRACTION = r"(?<![\d/.])(?P<positive>\d{1,2})\s?/\s?(?P<examined>\d{1,3})(?![\d/]|\.\d)"
_RATIO = r"(?:\(|\btotal\)?\s?:\s?)(?P<positive>\d{1,2})\s?:\s?(?P<examined>\d{1,3})(?![\d/:]|\.\d)"  # "(positive: total): 0:14"
# Each expression has `positive`, `examined` or both; `none` marks the free ones. Before it stands a word of all that it matches, which is cheap to look for,
# "#" where it begins with a number or "no" and is tried where one stands.
_PATTERNS = [
    (word, re.compile(expression, re.IGNORECASE))
    for word, expression in (
        (
            "#",
            rf"\b(?P<positive>{NUMBER}|none){_FIGURE}(?:\s|{STOP}\s){_OF_EXAMINED}(?:\s?\(\d{{1,3}}(?:\s?/\s?\d{{1,3}})?\))?{INSIDE}{{0,45}}?\bnodes?(?P<judged>)",
        ),
        # "Lymph nodes: 0 of 15"
        ("node", rf"\b{NODES}(?:\s\([^)]{{0,25}}\))?\s?[:,]\s{_POSITIVE}\s{_OF_EXAMINED}(?P<judged>)"),
        # "Lymph nodes: 15 examined, 2 positive"
        (
            "node",
            rf"\b{NODES}(?:\s\([^)]{{0,25}}\))?\s?:\s(?P<examined>{NUMBER}){_FIGURE}\s(?:examined|identified|sampled|submitted|retrieved|recovered|total)\b(?:[,;]?\s(?:and\s|of which\s)?(?:{_POSITIVE}\s(?:(?:is|are|was|were)\s)?(?:positive|involved|metasta\w{{1,4}}|with\s(?:metasta\w{{1,4}}|tumou?r|carcinoma))\b(?!(?:\s\w{{1,12}}){{0,2}}\smargin)|(?P<none>all\s(?:(?:are|were)\s)?(?:negative|benign|free|{NONE}))))?",
        ),
        (
            "of",
            rf"(?<!consists )(?<!consist )(?<!consisting )\bof\s(?P<examined>{NUMBER})(?!\.\s?\d){INSIDE}{{0,20}}?\bnodes?\b(?:{INSIDE}{{0,15}}?,\s{_POSITIVE}{INSIDE}{{0,30}}?(?:positive|metasta|replace|involve))?",
        ),
        (
            "",
            rf"\b(?:number\s(?:of\s)?|total\s)?(?:(?:regional|sentinel)\s)?{NODES}\s(?:positive|involved(?: by metastas[ei]s)?|with metasta\w{{1,4}}(?: carcinoma)?)\s?[:.;]\s?{_POSITIVE}",
        ),
        (
            "",
            rf"\b(?:number\s(?:of\s)?|total\s)(?:positive|involved|metastatic|(?:number\s)?with\s(?:metasta\w{{1,4}}|tumou?r))(?:\s{NODES})?\s?[:.;]\s?{_POSITIVE}",
        ),
        (
            "",
            rf"\b(?:number\s(?:of\s)?|total\s)?(?:(?:regional|sentinel)\s)?{NODES}\s(?:examined|ind?entified|sampled|submitted|retrieved)(?:\s?\([^)]{{0,40}}\))?\s?[:.;]\s?(?P<examined>{NUMBER}|none)\b(?!\s?/)",
        ),
        ("number", rf"\bnumber\sof\s{NODES}\s(?:examined|identified|found)\s(?:is|was)\s(?P<examined>{NUMBER})\b"),
        (
            "number",
            rf"\bnumber\sof\s(?:positive|involved|metastatic[\w-]{{0,14}})\s{NODES}\s(?:is|was)\s(?P<positive>{NUMBER})\b",
        ),
        (
            "",
            rf"\b(?:number\sexamined|total(?:\snumber\sof)?\s{NODES})\s?[:.;]\s?(?P<examined>{NUMBER}|none)\b(?!\s?/)",
        ),
        (
            "#",
            rf"\b(?P<none>no)\s(?:evidence of\s|metastatic\s){{0,2}}{TUMOUR}\W{INSIDE}{{0,25}}?\b(?:in|of)\s(?:a total of\s)?(?P<examined>{NUMBER}){_FIGURE}\s{KIND}{NODES}",
        ),
        (
            "#",
            rf"(?<![\w/])(?P<examined>{_HOW_MANY}){_FIGURE}\s{KIND}{NODES}(?:\sexamined)?{_ALSO}{VERB}(?P<none>{NONE}|negative\b)",
        ),
        ("", rf"\b(?P<none>{NONE}),\s(?P<examined>{NUMBER}){_FIGURE}\s{KIND}{NODES}"),
        (
            "#",
            rf"(?<![\w/])(?P<examined>{_HOW_MANY}){_FIGURE}(?!\s[cm]m\b)\s{KIND}{NODES}\s?{_FOUND},?\s(?:of\s(?:which|these)[\s,]{{1,2}})?(?P<positive>{NUMBER}|none)\.?\s(?:of\s(?:which|these)\s)?(?:{NODES}\s)?{_SHOWS}",
        ),
        ("of", rf"\bof\s(?:which|these),?\s(?P<positive>{NUMBER}|none)\s(?:{NODES}\s)?{_SHOWS}"),
        (
            "metasta",
            rf"(?<!no )(?<!of )(?<!evidence )\bmetasta\w{{1,4}}{INSIDE}{{0,45}}?\b(?:in|involving)\s(?P<positive>{_HOW_MANY}){_FIGURE}(?!\s(?:of|out|to)\b)\s{KIND}{NODES}",
        ),
        (
            "#",
            rf"\b(?P<examined>{_HOW_MANY}){_FIGURE}\s(?P<none>(?:benign|negative|tumou?r-free|reactive)\s){KIND}{NODES}",
        ),
        ("#", _FRACTION),
        (":", _RATIO),
        (
            "#",
            rf"(?<![\w/])(?P<examined>{_HOW_MANY}){_FIGURE}\s{KIND}{NODES}(?:\sexamined)?,\s{INSIDE}{{0,90}}?\s(?P<none>negative|free)\b",
        ),
        ("#", rf"\b{_POSITIVE}{_FIGURE}\s{KIND}{NODES}\W{{1,3}}(?:(?:are|is)\s)?(?:positive|with metasta)"),
        ("not", rf"\b{NODES}\s(?:does|do|did)\s(?P<none>not)\s(?:have|show|contain)\s{INSIDE}{{0,25}}?{TUMOUR}"),
        ("", rf"\b{NODES}(?:\s?\([A-Z]\))?(?:\swith\s[a-z]{{4,20}})?{VERB}(?P<none>{NONE}|negative\b|free\b)"),
        (
            "",
            rf"\b(?:no\s{NODES}\s(?:(?:is|are|were)\s)?(?:identified|submitted|present|received|sampled|examined)|{NODES}\W{{1,4}}(?:none|not)\s(?:submitted|identified|sampled|present|received))(?P<absent>)",
        ),
    )
]
_NUMBERS = {"none": 0, "single": 1}  # beside those of `number`
_STARTS = frozenset([*WORDS, *TENS, *_NUMBERS, "no"])
_TOKEN = re.compile(r"[A-Za-z0-9]+")
_NEAR = re.compile(r"\bnode|\bnodal|lymph|\bLN|pN\d", re.IGNORECASE)
_LABEL = re.compile(r"(?:^|[.:;]\s|\()([A-Za-z]|\d{1,2})\s?[.):]\s(?=\W?[A-Z])")  # of a specimen
_WORDS = ("node", "nodal", "lymph", " ln", "pn", "n0", "n1", "n2", "n3", "number", "total")
# A fraction behind these is of the whole report.
_WHOLE = re.compile(
    r"(?:(?:\b[yra]{0,2}[pc]?|T\w{1,3})N\d(?:mi|[a-c])?(?:\s?\((?:i|mol|sn|mi)[+-]?\)){0,2}\W{0,3}|(?:\bnumber|#)[^.;:]{0,45}:\s?)$"
)
_CHAIN = 60  # characters from a fraction to the next one of the same list
_SCORE = re.compile(r"(?:score|grade|gleason|block|date|page)\S{0,3}[^.;]{0,12}$", re.IGNORECASE)
_HPF = re.compile(r"\s?(?:mitos|hpf|high)", re.IGNORECASE)
# What is counted, where it is no nodes: "2/12 cores", "Cores involved: 2/12".
_PIECES = (
    r"(?:cores?|blocks?|sections?|fragments?|slides?|levels?|chips?|cassettes?|pieces?|quadrants?|foci|biops\w{1,4})\b"
)
_OF_PIECES = re.compile(
    rf"\s?\)?(?:\s?\(\d{{1,3}}\s?%\))?\s(?:(?!lymph|nod)[a-z-]{{1,14}}\s){{0,2}}{_PIECES}", re.IGNORECASE
)
_PIECES_BEFORE = re.compile(rf"\b{_PIECES}(?:(?!\bnod|lymph)[^.;]){{0,25}}$", re.IGNORECASE)
_AGAIN = re.compile(
    rf"(?:(?![()]){INSIDE}){{0,45}}[.:]?\s{{0,2}}\(\s?(?:(?P<positive>\d{{1,2}})\s?/\s?)?(?P<examined>\d{{1,3}})\s?\)",
    re.IGNORECASE,
)
_ITEM = re.compile(rf"(?:[:.;]|\b(?:is|was))\s?(?:{NUMBER}|none)$", re.IGNORECASE)
_TOTAL = re.compile(r"\btotal|summary|\bin all\b|altogether", re.IGNORECASE)
_STATION = re.compile(rf"\b(?:{STATIONS}|(?:level|station|area|zone|part|chain)\s?[ivx\d]+\w?)\b", re.IGNORECASE)
# What a list of counts calls each: "right paracardiac: 0/2. left paracardiac: 0/2"
_LISTED = re.compile(r"(?:^|[.:;,]\s)(?P<name>[A-Za-z][\w\s/-]{2,40})\s?:\s?\(?$")
_BARE = re.compile(r"\(?\d{1,2}\s?/")
_SECTION = re.compile(
    r"\b(?:(?P<gross>gross|macroscop\w{1,6})\s?(?:description|examination|diagnosis)?|diagnos[ie]s|micro\w{0,12}|synop\w{2,4}|conclusion|comment|summary|pathologic\s\w{4,8})\s?[:.]",
    re.IGNORECASE,
)


class _Count(NamedTuple):
    field: str
    value: int
    start: int
    end: int
    item: bool  # of a form, "Number examined: 12"
    pair: Any  # positive and examined, None where neither has a number ("nodes: negative")


def find_nodes(report: Report) -> Iterator[Found]:
    """A count is `part` of the report where it holds several and this one is not said to be the total.

    report (Report): The report.
    YIELDS (Found): `nodes_examined` and `nodes_positive`.
    """
    text = report.text
    counts = list(_counts(report))
    kinds = ("nodes_examined", "nodes_positive")
    items = [{count.value for count in counts if count.item and count.field == field} for field in kinds]
    several = any(len({count.value for count in counts if count.field == field}) > 1 for field in kinds)
    several = several or len({_stations(text, count) for count in counts if count.pair} - {frozenset()}) > 1
    totals = {
        count
        for count in counts
        if (count.item and max(map(len, items)) == 1) or _TOTAL.search(text, max(0, count.start - 60), count.end)
    }
    whole = {(count.field, count.value) for count in totals}
    for count in counts:
        part = several and count not in totals and not (count.value and (count.field, count.value) in whole)
        apart = _container(text, count) if part and count.pair else None
        yield Found(count.field, count.value, count.start, count.end, (("part", True),) if part else (), apart)


def _container(text: str, count: _Count) -> Any:
    """What tells two counts of equal value apart: what a list calls them, the station that they name, the label of their specimen, else their place."""
    before = text[max(0, count.start - 400) : count.start]
    item = _LISTED.search(before[-60:]) if _BARE.match(text, count.start) else None
    labels = _LABEL.findall(before)
    container = (item and item["name"].lower()) or _stations(text, count) or (labels[-1] if labels else count.start)
    return container if count.field == "nodes_examined" else (container, count.pair)


def _stations(text: str, count: _Count) -> FrozenSet[str]:
    """The station that a count names, as the words for it."""
    stations = list(_STATION.finditer(text, max(0, count.start - 60), count.end))
    return frozenset(each.group().lower() for each in stations if each.start() > stations[-1].start() - 22)


def _is_gross(text: str, start: int) -> bool:
    """Whether the gross description has the place, whose counts are of what was seen by eye."""
    heads = list(_SECTION.finditer(text, max(0, start - 3000), start))
    return bool(heads and heads[-1]["gross"])


def _counts(report: Report) -> Iterator[_Count]:
    # 1 where a count stands already, or where none counts
    taken = bytearray(map(or_, report.blocks, report.clinical))
    for low, high in stretches(report.text, _WORDS, 140, 200):
        yield from _counts_of(report.text, low, high, taken)


def _counts_of(text: str, low: int, high: int, taken: bytearray) -> Iterator[_Count]:
    last = low - _CHAIN  # the end of the last fraction
    starts = list(_numbers(text, low, high))
    words = text[low:high].lower()
    for word, pattern in _PATTERNS:
        if word != "#" and word not in words:
            continue
        fraction = pattern.pattern in (_FRACTION, _RATIO)
        found = (
            (pattern.match(text, start, high) for start in starts) if word == "#" else pattern.finditer(text, low, high)
        )
        for match in filter(None, found):
            start, end = match.span()
            if any(taken[start:end]):
                continue
            if fraction and not (start - last < _CHAIN or _is_fraction_of_nodes(text, match)):
                continue
            groups = match.groupdict()
            if "absent" in groups:
                if re.search("gross", text[end : end + 20], re.IGNORECASE) or _is_gross(text, start):
                    continue
                groups = {"examined": "none"}
            positive, examined = _number(groups, "positive"), _number(groups, "examined")
            if (
                groups.get("examined")
                and "absent" not in match.groupdict()
                and _OF_PIECES.match(text, match.end("examined"))
            ):
                continue
            if groups.get("none"):
                positive = 0
            if positive is not None and examined is not None and positive > examined:
                continue
            last = end if fraction else last
            if again := _AGAIN.match(text, end):
                figures = _number(again.groupdict(), "positive"), _number(again.groupdict(), "examined")
                if any(taken[again.start("examined") : again.end()]):
                    if positive in (None, figures[0]) and examined in (None, figures[1]):
                        continue  # the figures stand for both
                elif (examined == figures[1] and figures[0] in (None, positive, 0)) or (
                    examined is None and figures[0] is not None and figures[0] == positive
                ):
                    # "five of five nodes, no tumor (0/5)": the figures say how many of them have it
                    positive, examined = positive if figures[0] is None else figures[0], figures[1]
                    end = again.end()
            if positive is not None and examined is not None and ("judged" in groups or fraction):
                positive, start, end = judge(text, start, end, positive, examined)
            taken[start:end] = b"\1" * (end - start)
            item = bool((_WHOLE.search(text[max(0, start - 60) : start])) if fraction else _ITEM.search(match.group()))
            pair = (positive, examined) if groups.get("positive") or examined is not None else None
            if examined is not None:
                yield _Count("nodes_examined", examined, start, end, item, pair)
            if positive is not None:
                yield _Count("nodes_positive", positive, start, end, item, pair)


def _numbers(text: str, low: int, high: int) -> Iterator[int]:
    """Where a number may begin, in figures, in words, or in brackets."""
    for token in _TOKEN.finditer(text, low, high):
        if token.group()[0].isdigit() or token.group().lower() in _STARTS:
            if text[token.start() - 1 : token.start()] == "(":
                yield token.start() - 1
            yield token.start()


def _number(groups: Dict[str, Optional[str]], name: str) -> Optional[int]:
    word = (groups.get(name) or "").strip("()").lower()
    if word in _NUMBERS:
        return _NUMBERS[word]
    return number(word) if word else None


def _is_fraction_of_nodes(text: str, match: Match[str]) -> bool:
    before = text[max(0, match.start() - 25) : match.start()]
    near = _NEAR.search(text, max(0, match.start() - 80), match.end() + 25)
    return bool(
        (near or _WHOLE.search(text[max(0, match.start() - 60) : match.start()]))
        and not _SCORE.search(before)
        and not _PIECES_BEFORE.search(before)
        and not _HPF.match(text, match.end())
    )
