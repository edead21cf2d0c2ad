"""displaCy's renderer of entities, for clinical notes: spans that overlap, what is asserted of them, and the note's own lines."""

import re
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, TypedDict

from markupsafe import Markup, escape
from spacy.displacy.render import DEFAULT_LABEL_COLORS, EntityRenderer

from .characters import visible

N_COLOURS = 8  # of the style sheet
MAX_LINES = 6  # under each other; what overlaps more than that shares the lowest
_SAFE_COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}|[a-zA-Z]+")

TPL_TEXT = '<span class="{css}"{id}{style}{title}>{text}</span>'
TPL_CHIP = '<span class="chip {css}"{style} tabindex="0" role="note" aria-label="{tip}" data-tip="{tip}">{label}</span>'
TPL_POINT = '<a class="point" id="{id}"></a>'
TPL_NOTE = '<div class="note" dir="auto">{content}</div>'


class Mark(TypedDict, total=False):
    """A span as displaCy's renderers take it; `start`, `end` and `label` are always there.

    start (int), end (int): Characters, the first and behind the last.
    label (str): Its label; "" for a mark that has no colour and no line.
    more (str): What stands behind the label.
    tip (str): What is said when it is pointed at or has the keyboard.
    css (str): More classes of its text.
    id (str): Where links to it lead.
    """

    start: int
    end: int
    label: str
    more: str
    tip: str
    css: str
    id: str


class Segment(NamedTuple):
    """A piece of the text in which no mark begins or ends.

    start (int), end (int): Characters.
    marks (List[int]): The numbers of the marks that cover it.
    begins (List[int]), ends (List[int]): Those that begin with it, and that end with it.
    """

    start: int
    end: int
    marks: List[int]
    begins: List[int]
    ends: List[int]


class NoteRenderer(EntityRenderer):
    """What displaCy's renderer of entities does, with marks that overlap, as lines under each other. Labels and all else are escaped (displaCy's
    templates trust labels), and time grows with the text and its marks, not with their product, as that of displaCy's spans does.

    options (Dict[str, Any]): As displaCy's: "colors", label → colour, and "ents", the labels that are shown. Colours of the registry
        `displacy_colors` count too; labels without one get those of the style sheet, in the order of "labels".
    """

    def __init__(self, options: Optional[Dict[str, Any]] = None) -> None:
        options = options or {}
        super().__init__(options)
        theirs = {label: colour for label, colour in self.colors.items() if DEFAULT_LABEL_COLORS.get(label) != colour}
        self.colors = {label: colour for label, colour in theirs.items() if _SAFE_COLOUR.fullmatch(colour)}
        self.numbers: Dict[str, int] = {}
        for label in options.get("labels", ()):
            self.numbers.setdefault(label, len(self.numbers) % N_COLOURS)

    def render_ents(self, text: str, spans: Sequence[Any], title: Optional[str]) -> Markup:
        """Render a note.

        text (str): The note.
        spans (Sequence[Mark]): Its marks, in any order.
        title (Optional[str]): Is not used.
        RETURNS (Markup): A div of the class "note".
        """
        marks: List[Mark] = [mark for mark in spans if self.ents is None or mark["label"].upper() in self.ents]
        slots = find_slots(marks)
        parts: List[str] = []
        for segment in cut(len(text), marks):
            piece = str(escape(visible(text[segment.start : segment.end])))
            for i in segment.begins:
                if marks[i]["start"] == marks[i]["end"] and marks[i].get("id"):
                    parts.append(TPL_POINT.format(id=escape(marks[i]["id"])))
            for i in reversed(segment.marks):
                piece = self._wrap(piece, marks[i], slots[i], i in segment.begins)
            parts.append(piece)
            parts += [self._chip(marks[i]) for i in segment.ends if marks[i]["label"]]
        return Markup(TPL_NOTE.format(content="".join(parts)))

    def colour(self, label: str) -> Tuple[str, str]:
        """RETURNS (Tuple[str, str]): The class and the style that give a label its colour."""
        if label.upper() in self.colors:
            return "own", f"--c:{self.colors[label.upper()]}"
        return f"c{self.numbers.setdefault(label, len(self.numbers) % N_COLOURS)}", ""

    def _wrap(self, piece: str, mark: Mark, slot: int, is_first: bool) -> str:
        css, style = mark.get("css", ""), ""
        if mark["label"]:
            colour, style = self.colour(mark["label"])
            css, style = f"span {colour} {css}", f"--slot:{slot};{style}"
        return TPL_TEXT.format(
            css=escape(css.strip()),
            id=_attribute("id", mark.get("id", "") if is_first else ""),
            style=_attribute("style", style),
            title=_attribute("title", mark.get("tip", "")),
            text=piece,
        )

    def _chip(self, mark: Mark) -> str:
        css, style = self.colour(mark["label"])
        label = f"{mark['label']} {mark.get('more', '')}".strip()
        tip = visible(mark.get("tip") or label)
        return TPL_CHIP.format(css=css, style=_attribute("style", style), tip=escape(tip), label=escape(visible(label)))


def _attribute(name: str, value: str) -> str:
    return f' {name}="{escape(visible(value))}"' if value else ""


def cut(length: int, marks: Sequence[Mark]) -> Iterator[Segment]:
    """Cut a text wherever a mark begins or ends.

    length (int): Of the text. Marks beyond it are errors of whoever made them.
    YIELDS (Segment): The pieces, which tile the text; one without text at the end, if a mark of no width stands there.
    """
    borders = {0, length}
    begins: Dict[int, List[int]] = {}
    for i, mark in enumerate(marks):
        borders.update((mark["start"], mark["end"]))
        begins.setdefault(mark["start"], []).append(i)
    # Of those that begin together the longest is the outermost.
    active: List[int] = []
    ordered = sorted(borders)
    for start, end in zip(ordered, [*ordered[1:], length]):
        new = sorted(begins.get(start, []), key=lambda i: -marks[i]["end"])
        active = [i for i in active if marks[i]["end"] > start] + [i for i in new if marks[i]["end"] > start]
        if start < end or new:
            yield Segment(start, end, active, new, [i for i in active if marks[i]["end"] == end])


def find_slots(marks: Sequence[Mark]) -> List[int]:
    """RETURNS (List[int]): For each mark the line, from 0, on which none before it is that it overlaps; `MAX_LINES` - 1 at the most."""
    slots = [0] * len(marks)
    ends: List[int] = []  # of the last mark on each line
    for i in sorted(range(len(marks)), key=lambda i: (marks[i]["start"], -marks[i]["end"])):
        if not marks[i]["label"]:
            continue
        slot = next((slot for slot, end in enumerate(ends) if end <= marks[i]["start"]), len(ends))
        slots[i] = min(slot, MAX_LINES - 1)
        ends[slots[i] : slots[i] + 1] = [marks[i]["end"]]
    return slots


def render_heat(text: str, places: Iterable[Tuple[int, int]], values: Sequence[float], unit: str) -> Markup:
    """Render a text with a colour for each of its words.

    text (str): The text.
    places (Iterable[Tuple[int, int]]): Characters of the words, in the order of the text.
    values (Sequence[float]): A number for each word; the one that is farthest from 0 has the full colour.
    unit (str): What a number is, for the tip.
    RETURNS (Markup): A div of the class "note".
    """
    most = max((abs(value) for value in values), default=0.0) or 1.0
    parts, done = [], 0
    for (start, end), value in zip(places, values):
        parts.append(str(escape(visible(text[done:start]))))
        sign = "for" if value > 0 else "against"
        strength = f"--v:{abs(value) / most:.2f}"
        piece = str(escape(visible(text[start:end])))
        if abs(value) / most >= 0.01:
            tip = f"{value:+.3g} {unit}"
            piece = TPL_TEXT.format(
                css=f"heat {sign}",
                id="",
                style=_attribute("style", strength),
                title=_attribute("title", tip),
                text=piece,
            )
        parts.append(piece)
        done = end
    parts.append(str(escape(visible(text[done:]))))
    return Markup(TPL_NOTE.format(content="".join(parts)))
