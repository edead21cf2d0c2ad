"""A report's lines as the rules read them. The rules are written for running text: a break between two items has to be a stop, one inside a sentence a space."""

import re
from bisect import bisect_right
from functools import lru_cache
from typing import List, NamedTuple, Pattern, Tuple

from .terms import load_terms

UNFINISHED = tuple("the of to in and or with is are by for from a an at".split())  # a sentence goes on behind these

_GAP = re.compile(r"\s{2,}|[^\S ]")
_BULLET = re.compile(r"(?:[-–—*•·▪●◦]{1,2}[^\S\n\r]+|[-–*•·▪●◦](?=[A-Za-z(])|o[^\S\n\r]+)(?=\S)")
_LABEL = re.compile(r"\(?(?:[A-Z]\d?|\d{1,2})[.):]\s")
_ITEM = re.compile(r"(?:[A-Z]|[yra]?[pc][TNM]|p\d\d)[^\n\r:.;]{0,60}:(?!\d)")
_GOES_ON = re.compile(
    rf"(?:\b(?:{'|'.join([*UNFINISHED, *(word.upper() for word in UNFINISHED if word != 'a')])})|[A-Za-z]-)$"
)
_WIDTH = 50  # characters; lines that wrap are longer
# The first words of an item's name, and what goes on behind them, whether a colon follows or not: "Lymphovascular" / "Invasion: Absent".
_FIRST = re.compile(
    r"\b(?:(?P<invasion>\w*vascular|\w*lymphatic|venous|\w*neural|capsular)|(?P<node>lymph)|(?P<margin>surgical|resection))$",
    re.IGNORECASE,
)
_SECOND = {
    name: re.compile(word, re.IGNORECASE)
    for name, word in (("invasion", r"(?:space\s)?invasion\b"), ("node", r"nodes?\b"), ("margin", r"margins?\b"))
}


class Lines(NamedTuple):
    """A report on one line.

    text (str): What the rules read.
    behind (List[int]): Offsets in `text` behind each break that has another length there.
    shifts (List[int]): What has to be added to an offset for its place in the report, before the first of them and behind each.
    """

    text: str
    behind: List[int]
    shifts: List[int]

    def place(self, offset: int) -> int:
        """offset (int): In `text`. RETURNS (int): In the report."""
        return offset + self.shifts[bisect_right(self.behind, offset)]


def join_lines(report: str) -> Lines:
    """Make a stop of each line break that ends an item: before a bullet, a label ("2."), an item of a form ("Margins: negative"), an empty line, and where a short
    line is followed by a capital. Others are a space, and so are indents, bullets, tabs and the gaps of columns.

    report (str): A report.
    RETURNS (Lines): The report on one line, with the way back.
    """
    pieces: List[str] = []
    behind: List[int] = []
    shifts = [0]
    last = begin = length = 0  # `begin` of the line
    for match in _GAP.finditer(report):
        start, end = match.span()
        if start < last or end == len(report):  # behind a bullet, or nothing follows
            continue
        pieces.append(report[last:start])
        stop = " "
        if "\n" in match.group() or "\r" in match.group():
            stop, end = _stop(report[begin:start], report, *match.span())
            begin = end
        pieces.append(stop)
        length += start - last + len(stop)
        last = end
        if last - length != shifts[-1]:
            behind.append(length)
            shifts.append(last - length)
    return Lines("".join(pieces) + report[last:], behind, shifts)


def _stop(line: str, report: str, start: int, end: int) -> Tuple[str, int]:
    """What stands for a break, and the end of what it stands for. A full stop before a small letter or a figure is for the rules the end of a scanned line, so
    where an item begins with one of them it is a semicolon."""
    bullet = _BULLET.match(report, end)
    begin = bullet.end() if bullet else end
    first = report[begin : begin + 1]
    if not line or line[-1] == ":" or _GOES_ON.search(line[-6:]):
        return " ", begin
    empty = report.count("\n", start, end) > 1
    if not (bullet or empty) and _is_cut(line, report, begin):
        return " ", begin
    item = bool(bullet or _LABEL.match(report, begin) or _ITEM.match(report, begin))
    if not (item or empty or (len(line) < _WIDTH and first.isupper() and line[-1] != ",")):
        return " ", begin
    mark = "." if first.isupper() or (empty and first.islower() and not item) else ";"
    return (" " if line[-1] == mark or line[-1] == ";" else mark + " "), begin


def _is_cut(line: str, report: str, begin: int) -> bool:
    """Whether a break goes through a name: "Invasive Ductal" / "Carcinoma", "Radical" / "Nephrectomy"."""
    first = _FIRST.search(line[-20:])
    if first and first.lastgroup and _SECOND[first.lastgroup].match(report, begin):
        return True
    return not _ITEM.match(report, begin) and any(
        before.search(line[-40:]) and behind.match(report, begin, begin + 90) for before, behind in _names()
    )


@lru_cache
def _names() -> List[Tuple[Pattern[str], Pattern[str]]]:
    """How a type or an operation begins at the end of a line, and how it goes on."""
    types, operations = load_terms()["types"], load_terms()["procedures"]
    qualifiers = f"(?:{types['qualifiers']}|cell)"
    return [
        (re.compile(rf"\b{before}$", re.IGNORECASE), re.compile(rf"{behind}(?![a-z])", re.IGNORECASE))
        for before, behind in (
            (qualifiers, rf"(?:{qualifiers}\s){{0,3}}(?:{types['heads']})"),
            (f"(?:{operations['modifiers']})", f"(?:{operations['heads']})"),
            ("(?:well|moderately|poorly)", "differentiated"),
        )
    ]
