"""Lymph nodes examined and positive."""

import re
from operator import or_
from typing import Any, Dict, FrozenSet, Iterator, Match, NamedTuple, Optional

from .found import INSIDE, NUMBER, STATIONS, TENS, WORDS, Found, Report, number, stretches
from .node_forms import FORMS, FRACTION, RATIO
from .predicates import KIND, NODES, judge

_NUMBERS = {"none": 0, "single": 1}  # beside those of `number`
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50}
_STARTS = frozenset([*WORDS, *TENS, *_NUMBERS, "no"])
_TOKEN = re.compile(r"[A-Za-z0-9]+")
_FORM_WORD = re.compile(r"\b(?P<nodes>lymph|node|regional|sentinel)|\b(?:number|total|no\b)|#", re.IGNORECASE)
_NEAR = re.compile(r"\bnode|\bnodal|lymph|\bLN|pN\d|\b(?:level|station|zone|chain)s?\s[\divx]", re.IGNORECASE)
_OF_FORM = re.compile(r"examined|metasta|positive|involved")  # what a form asks of nodes alone
_BLOCK = re.compile(r"\b[A-Z]\d{1,2}\s$")
# A number behind these words is a name: "Level 7 lymph nodes", "zones 2 and 3".
_ORDINAL = re.compile(
    r"(?:\b(?:level|station|zone|part|specimen|container|group|segment|area|node)s?|#)\s?(?:[\divx]{1,4}(?:\s?[,&-]\s?|\sand\s)){0,3}$",
    re.IGNORECASE,
)
_LABEL = re.compile(r"(?:^|[.:;]\s|\()([A-Za-z]|\d{1,2})\s?[.):]\s(?=\W?[A-Z])")  # of a specimen
_WORDS = ("node", "nodal", "lymph", " ln", "pn", "n0", "n1", "n2", "n3", "number", "total")
# A fraction behind these is of the whole report.
_WHOLE = re.compile(
    r"(?:(?:\b[yra]{0,2}[pc]?|T\w{1,3})N[\dOo](?:mi|[a-c])?(?:\s?\((?:i|mol|sn|mi)[+-]?\)){0,2}\W{0,3}|(?:\bnumber|#)[^.;:]{0,45}:\s?)$"
)
_MANY = 10  # nodes
_TO_NODES = (
    300  # characters from a number, at most, to the word for what it counts, in expressions that begin with the number
)
_CHAIN = 60  # characters from a fraction to the next one of the same list
_SCORE = re.compile(r"(?:score|grade|gleason|block|date|page)\S{0,3}[^.;]{0,12}$", re.IGNORECASE)
_HPF = re.compile(r"\s?(?:mitos|hpf|high)", re.IGNORECASE)
# "CK 5/6", a day: "on 5/6"
_NAME_BEFORE = re.compile(r"(?:\b(?:CK|OCT|on|dated)|keratins?)[\s-]$", re.IGNORECASE)
# "Extranodal extension in two of three positive nodes" counts among those that are positive.
_EXTENSION = re.compile(
    r"\bextra\W?(?:nodal|capsular)\s(?:tumou?r\s)?(?:extension|spread|invasion|growth)\b[^.;:]{0,40}$", re.IGNORECASE
)
_OF_POSITIVE = re.compile(rf"\s(?:positive|involved|metastatic)\s{KIND}{NODES}", re.IGNORECASE)
# What is counted, where it is no nodes: "2/12 cores", "Cores involved: 2/12".
_PIECES = r"(?:cores?|blocks?|sections?|fragments?|slides?|levels?(?!\s[\divx])|chips?|cassettes?|pieces?|quadrants?|foci|biops\w{1,4})\b"
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
_STATION = re.compile(
    rf"\b(?:{STATIONS}|(?:level|station|area|zone|part|chain)\s?[ivx\d]+\w?)\b|#\s?\d{{1,2}}", re.IGNORECASE
)
# What a list of counts calls each: "right paracardiac: 0/2. left paracardiac: 0/2"
_LISTED = re.compile(r"(?:^|[.:;,]\s)(?P<name>[A-Za-z][\w\s/-]{2,40})\s?:\s?\(?$")
_BARE = re.compile(r"\(?\d{1,2}\s?/")
_SECTION = re.compile(
    r"\b(?:(?P<gross>gross|macroscop\w{1,6})\s?(?:description|examination|diagnosis)?|diagnos[ie]s|micro\w{0,12}(?:\s(?:description|examination|findings))?|synop\w{2,4}|conclusion|comment|summary|pathologic\s\w{4,8})\s?[:.]",
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
    several = several or len({_stations(text, count) for count in counts} - {frozenset()}) > 1
    most = {field: max((count.value for count in counts if count.field == field), default=0) for field in kinds}
    totals = {
        count
        for count in counts
        if ((count.item and max(map(len, items)) == 1) or _TOTAL.search(text, max(0, count.start - 60), count.end))
        and count.value == most[count.field]
    }
    whole = {(count.field, count.value) for count in totals}
    for count in counts:
        examined = count.pair[1] if count.pair else None
        again = (count.value and (count.field, count.value) in whole) or (
            examined and ("nodes_examined", examined) in whole
        )
        part = several and count not in totals and not again
        yield Found(
            count.field,
            count.value,
            count.start,
            count.end,
            (("part", True),) if part else (),
            _apart(text, count) if part else None,
        )


def _apart(text: str, count: _Count) -> Any:
    """What tells two parts of equal value apart. Two stations have few nodes each where their counts are equal; one of many nodes is told again."""
    if not count.pair:
        return _stations(text, count) or None
    return count.pair if (count.pair[1] or 0) >= _MANY else _container(text, count)


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
    fractions = bytearray(high - low + 1)  # 1 where one ends
    words = text[low:high].lower()
    numbers, forms = list(_numbers(text, low, high)), list(_FORM_WORD.finditer(text, low, high))
    starts = {
        "#": [start for start in numbers if "node" in words[start - low : start - low + _TO_NODES]],
        "/": numbers,
        "@": [match.start() for match in forms if match["nodes"]],
        "@#": [match.start() for match in forms],
    }
    for word, pattern in FORMS:
        if word not in starts and word not in words:
            continue
        fraction = pattern.pattern in (FRACTION, RATIO)
        found = (
            (pattern.match(text, start, high) for start in starts[word])
            if word in starts
            else pattern.finditer(text, low, high)
        )
        for match in filter(None, found):
            start, end = match.span()
            if any(taken[start:end]):
                continue
            chained = fractions.find(b"\1", max(0, start - low - _CHAIN), start - low) >= 0
            if fraction and not (chained or _is_fraction_of_nodes(text, match)):
                continue
            groups = match.groupdict()
            if "absent" in groups:
                if re.search("gross", text[end : end + 20], re.IGNORECASE) or _is_gross(text, start):
                    continue
                groups = {"examined": "none"}
            if not fraction and _is_other(text, match):
                continue
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
            if (
                examined
                and _OF_POSITIVE.match(text, match.end("examined"))
                and _EXTENSION.search(text, max(0, start - 80), start)
            ):
                continue
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
            fractions[min(end, high) - low] = fraction or bool(again)
            item = bool((_WHOLE.search(text[max(0, start - 60) : start])) if fraction else _ITEM.search(match.group()))
            pair = (positive, examined) if groups.get("positive") or examined is not None else None
            if examined is not None:
                yield _Count("nodes_examined", examined, start, end, item, pair)
            if positive is not None:
                yield _Count("nodes_positive", positive, start, end, item, pair)


def _is_other(text: str, match: Match[str]) -> bool:
    """Whether a count is of something else, or no count: the name of a level, an item that names no nodes, what was seen by eye."""
    groups, start = match.groupdict(), match.start()
    before, words = text[max(0, start - 30) : start], match.group().lower()
    if groups.get("noun") and words[0].isdigit() and _ORDINAL.search(before):
        return True
    examined = groups.get("examined") or ""
    if (groups.get("noun") or "").lower() == "node" and examined.isdigit() and int(examined) != 1:
        return True
    if "result" in groups and not groups.get("none") and (_BLOCK.search(before) or _is_gross(text, start)):
        return True
    if "node" in words or _OF_FORM.search(words):
        return False
    return not _NEAR.search(text, max(0, start - 300), match.end() + 30)


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
    if word and set(word) <= set(_ROMAN):
        values = [_ROMAN[letter] for letter in word]
        return sum(-value if value < max(values[i:]) else value for i, value in enumerate(values))
    return number(word) if word else None


def _is_fraction_of_nodes(text: str, match: Match[str]) -> bool:
    before = text[max(0, match.start() - 25) : match.start()]
    near = _NEAR.search(text, max(0, match.start() - 80), match.end() + 25)
    return bool(
        (near or _WHOLE.search(text[max(0, match.start() - 60) : match.start()]))
        and not _SCORE.search(before)
        and not _NAME_BEFORE.search(before)
        and not _PIECES_BEFORE.search(before)
        and not _HPF.match(text, match.end())
    )
