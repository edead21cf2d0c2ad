"""Offsets of programs that run in a browser, which counts a character beyond U+FFFF, an emoji for instance, as two."""

from itertools import accumulate
from typing import List, Optional


def is_wide(text: str) -> bool:
    """Whether a text has characters that UTF-16 writes as two units."""
    return any(character > "\uffff" for character in text)


class Utf16:
    """A text by offsets in UTF-16 units.

    text (str): The text.
    """

    def __init__(self, text: str) -> None:
        units = accumulate((2 if character > "\uffff" else 1 for character in text), initial=0)
        self._places = {unit: place for place, unit in enumerate(units)}

    def place(self, unit: object) -> Optional[int]:
        """unit (object): An offset in units. RETURNS (Optional[int]): The one in characters; None where it is within a character, or beyond the text."""
        return self._places.get(unit) if isinstance(unit, int) else None

    def span(self, start: object, end: object) -> List[Optional[int]]:
        return [self.place(start), self.place(end)]
