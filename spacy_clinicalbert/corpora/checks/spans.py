"""Spans that training would lose or misread: outside the text, off the tokens' borders, over one another."""

from typing import Any, Iterator, List, Tuple

from .findings import ERROR, INFO, WARNING, Finding, Kind, Tally, excerpt
from .notes import Note

DAMAGED = Kind(
    "damaged record", ERROR, "Records that cannot be used: offsets outside the text, or fields of another type"
)
MISALIGNED = Kind(
    "misaligned span", ERROR, "Spans that do not fall on token borders, and so are lost: mend the offsets"
)
WIDENED = Kind("widened span", INFO, "Spans that take in the tokens that they cut, as their reader says")
EMPTY = Kind("span without text", ERROR, "Spans of white space or of nothing")
LOST = Kind("unreadable annotation", ERROR, "Annotation that its reader could not place in the text")
SAME_LABEL = Kind("overlap, same label", WARNING, "Spans of one label that overlap: doc.ents has the longer alone")
TWO_LABELS = Kind("two labels, same span", WARNING, "Spans with the same offsets and two labels")
NESTED = Kind("overlap, other label", WARNING, "Spans of two labels that overlap: doc.ents has the longer alone")
REPEATED = Kind("repeated span", WARNING, "Spans that are there twice, with the same offsets and label")
UNREAD = Kind("not read", INFO, "Annotation of kinds that have no place in a Doc")


class Spans:
    """See the module. Overlaps are looked for among entities, for other groups of spans may overlap as they like."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally

    def see(self, note: Note) -> None:
        if note.damage:
            self.tally.add(DAMAGED, note.name, note.damage)
            return
        if "drop" in note.record:
            self.tally.add(LOST, note.name, note.record["drop"])
        for reason, start, end in note.record.get("drops", []):
            self.tally.add(LOST, note.name, f"characters {start}-{end}: {reason}")
        for kind, count in note.record.get("unread", {}).items():
            self.tally.add(UNREAD, note.name, f"{kind}: {count}")
        for start, end, *_ in note.spans:
            self._check_borders(note, start, end)
        entities = [span for span in note.record.get("entities", []) if not _has_parts(span)]
        for kind, start, end, labels in _overlaps(entities):
            self.tally.add(kind, note.name, f"characters {start}-{end}: {labels}", excerpt(note.text, start, end))

    def _check_borders(self, note: Note, start: int, end: int) -> None:
        piece = note.text[start:end]
        left, right = len(piece) - len(piece.lstrip()), len(piece) - len(piece.rstrip())
        where = f"characters {start}-{end}"
        if not piece.strip():
            self.tally.add(EMPTY, note.name, where)
        elif note.doc.char_span(start + left, end - right) is None:
            kind = WIDENED if note.record.get("widen") else MISALIGNED
            self.tally.add(kind, note.name, where, excerpt(note.text, start, end))

    def findings(self) -> Iterator[Finding]:
        return self.tally.findings()


def _has_parts(span: List[Any]) -> bool:
    return len(span) > 3 and "parts" in span[3]


def _overlaps(entities: List[List[Any]]) -> Iterator[Tuple[Kind, int, int, str]]:
    """Each pair of entities that share characters, once."""
    before: List[Tuple[int, int, str]] = []
    for start, end, label, *_ in sorted(entities, key=lambda span: span[:3]):
        before = [span for span in before if span[1] > start]
        for other_start, other_end, other_label in before:
            if (start, end) == (other_start, other_end):
                kind = REPEATED if label == other_label else TWO_LABELS
            else:
                kind = SAME_LABEL if label == other_label else NESTED
            yield kind, other_start, max(end, other_end), " and ".join(sorted({label, other_label}))
        before.append((start, end, label))
