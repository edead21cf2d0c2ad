"""Notes without text or nearly so, and text that was decoded wrongly on its way here."""

import re
from typing import Iterator

from .findings import ERROR, WARNING, Finding, Kind, Tally, excerpt
from .notes import Note

MIN_WORDS = 3  # fewer hold no statement: "Same.", "See above."
EMPTY = Kind("empty note", ERROR, "Notes without text")
SHORT = Kind("near-empty note", WARNING, f"Notes of fewer than {MIN_WORDS} words")
MOJIBAKE = Kind("mojibake", ERROR, "Text that was decoded with the wrong encoding: read the source in its own")
REPLACED = Kind("replacement characters", ERROR, "Characters that were lost when the text was decoded")
CONTROLS = Kind("control characters", ERROR, "Control characters, as binary files and wrong encodings have them")
MARKUP = Kind("markup", WARNING, "Entities or tags of HTML, which are no text: unescape them")

_REPLACED = re.compile("\ufffd")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_MARKUP = re.compile(
    r"&(?:[a-z]{2,6}|#\d{2,5});|</?(?:b|br|div|font|i|li|p|span|table|td|tr|u|ul)\b[^<>]{0,200}>", re.I
)


class Texts:
    """See the module. The encoding is ftfy's to judge, line by line, for a text may be damaged in part."""

    def __init__(self, tally: Tally) -> None:
        from ftfy import fix_encoding

        self.tally = tally
        self._mend = fix_encoding

    def see(self, note: Note) -> None:
        text = note.text
        if note.damage:
            return
        if not text.strip():
            self.tally.add(EMPTY, note.name)
        elif len(note.words) < MIN_WORDS:
            self.tally.add(SHORT, note.name, text=text)
        for kind, pattern in ((REPLACED, _REPLACED), (CONTROLS, _CONTROLS), (MARKUP, _MARKUP)):
            found = pattern.search(text)
            if found:
                self.tally.add(kind, note.name, f"from character {found.start()}", excerpt(text, *found.span()))
        if not text.isascii():
            self._see_encoding(note)

    def _see_encoding(self, note: Note) -> None:
        start = 0
        for line in note.text.split("\n"):
            if not line.isascii() and self._mend(line) != line:
                self.tally.add(MOJIBAKE, note.name, f"characters {start}-{start + len(line)}", line)
                return
            start += len(line) + 1

    def findings(self) -> Iterator[Finding]:
        return self.tally.findings()
