"""Text as a page shows it: what a note has of characters that nobody would see, or that reorder what stands beside them, is written out."""

import re

# Control characters, marks that change the direction of text, invisible ones, and halves of surrogate pairs, which no file can hold. Not the joiners
# that scripts need.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """RETURNS (str): The text with such characters as ⟨U+202E⟩, and each line end as one line feed."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNSEEN.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text)


def one_line(text: str) -> str:
    """RETURNS (str): As `visible`, with white space as single spaces."""
    return " ".join(visible(text).split())
