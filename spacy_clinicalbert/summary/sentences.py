"""The sentences of a note that can stand in a summary, each with the section that it is from."""

import itertools
import re
from typing import FrozenSet, Iterator, List, NamedTuple, Tuple

import numpy
from numpy import ndarray
from spacy.tokens import Doc

from ..encoder.alignment import token_offsets
from ..encoder.borders import Border, find_borders
from ..pipeline.section_titles import Titles, normalise
from ..pipeline.sections import find_heads

SECTIONS, HEADS = "sections", "section_heads"  # span groups of clinical_sections
# What ends where the border function sees a sentence's end, and does not end one: an abbreviation, an initial, a list's number.
_NO_END = re.compile(
    r"(?:\b(?:drs?|mr|mrs|ms|st|vs|no|approx|e\.g|i\.e|pt|prof|jr|sr|fig|inc|etc|temp|hx|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|[a-z])\."
    r"|(?:^|\n)\W*\d{1,2}\.)\s*$|;\s*$",
    re.IGNORECASE,
)
# What is denied may go on behind a full stop: "Denies: Chest pain. Dyspnea."
_DENIAL = re.compile(r"\b(?:den(?:y|ies|ied|ying)|negative|no|not|without|absence)\b[^.;:\n]{0,60}:", re.IGNORECASE)
# A short line that cannot be a sentence yet: "Patient has no history of".
_UNFINISHED = re.compile(
    r"\b(?:of|for|with|without|the|an?|following|including|includes?|denies|denied|and|or|to)$", re.I
)
_ENDED = re.compile(r"[.!?:;]\W*$")
_ITEM = re.compile(r"(?:\d{1,2}[.)]|[-*•#])\s")
_BEHIND_HEAD = re.compile(r"(?:\s*\([^)\n]{0,40}\)(?=\s*:))?[ \t]*[:.;–—-]?\s*")
_NUMBER = re.compile(r"\W*(?:(?:\d{1,2}|[A-Za-z])\W*)?")  # "2.", "a)" or rules alone
_WRAPPED = 50  # characters of a line that may have been broken because it was full


class Sentences(NamedTuple):
    """The sentences of one note, in its order; they do not overlap.

    places (ndarray): Tokens, first and behind the last, int64, (n_sentences, 2).
    words (ndarray): How many words each has, with white space between them, (n_sentences,).
    sections (List[str]): The label of the section of each; "" before the first head.
    keys (List[Tuple[str, ...]]): What is the same for sentences of one section that say the same in the same words.
    """

    places: ndarray
    words: ndarray
    sections: List[str]
    keys: List[Tuple[str, ...]]


def find_sentences(doc: Doc, titles: Titles) -> Sentences:
    """Find the sentences of a note. They begin and end at `encoder.borders.find_borders`, but no sentence ends where what follows may depend on what is
    before: behind a semicolon, behind a line that announces a list ("She denies:", "No history of") up to the next block that is no item, in a line of what is denied
    behind a colon, where a line was only full, and behind abbreviations. Heads of sections are no part of a sentence, and neither names of documents nor numbers of lists are sentences.

    doc (Doc): The note. Where `clinical_sections` has written its sections, their heads count; else those that `titles` finds.
    titles (Titles): The table of titles.
    RETURNS (Sentences): None for a note without words.
    """
    text = doc.text
    heads = _heads(doc, titles)
    token_starts, token_ends = token_offsets(doc)
    places: List[Tuple[int, int]] = []
    words: List[int] = []
    sections: List[str] = []
    keys: List[Tuple[str, ...]] = []
    for start, end, label in _pieces(text, heads):
        while end > start and text[end - 1].isspace():
            end -= 1
        piece = text[start:end]
        if _NUMBER.fullmatch(piece) or normalise(piece) in titles.documents:
            continue
        # A token that a border cuts belongs to what is before it, and behind a head, "PLAN:2", to the sentence.
        first, last = int(numpy.searchsorted(token_ends, start, "right")), int(numpy.searchsorted(token_starts, end))
        if places and first < places[-1][1]:
            first = places[-1][1]
        if first < last:
            each = piece.split()
            places.append((first, last))
            words.append(len(each))
            sections.append(label)
            keys.append((label, *(word.lower().strip(".,;:") for word in each)))
    return Sentences(
        numpy.array(places, dtype="int64").reshape(-1, 2), numpy.array(words, dtype="int64"), sections, keys
    )


def _heads(doc: Doc, titles: Titles) -> List[Tuple[int, int, str]]:
    if HEADS in doc.spans:
        return [(span.start_char, span.end_char, span.label_) for span in doc.spans[HEADS]]
    return [(head.start, head.end, head.label) for head in find_heads(doc.text, titles)]


def _pieces(text: str, heads: List[Tuple[int, int, str]]) -> Iterator[Tuple[int, int, str]]:
    """Start, end and section of what lies between two borders, without the heads."""
    behind = {}
    for start, end, label in heads:
        match = _BEHIND_HEAD.match(text, end)
        behind[start] = (match.end() if match else end, label)
    cuts = set(behind).union(end for end, _ in behind.values())
    cuts.update(_ends_of_sentences(text, frozenset(cuts)))
    cuts.discard(len(text))
    section, within = "", 0  # up to where a head reaches
    ordered = [0, *sorted(cuts - {0}), len(text)]
    for start, end in itertools.pairwise(ordered):
        if start in behind:
            within, section = behind[start]
        if start >= within:
            yield start, end, section


def _ends_of_sentences(text: str, heads: FrozenSet[int]) -> Iterator[int]:
    """Where sentences begin, after the first.

    heads (FrozenSet[int]): Where heads of sections begin, and what is behind them.
    """
    borders = find_borders(text)
    announced = denied = False  # a list follows; this line is one of what is denied
    before = 0  # the border before
    for start, kind in zip(borders.starts.tolist(), borders.kinds.tolist()):
        piece = text[max(before, start - 200) : start].rstrip()
        before = start
        denied = kind == Border.SENTENCE and (denied or bool(_DENIAL.search(piece)))
        if start in heads or kind == Border.SECTION:
            pass
        elif kind == Border.SENTENCE:
            if announced or denied or _NO_END.search(piece) or text[start].islower():
                continue
        elif _announces(piece) or (announced and (kind == Border.LINE or _ITEM.match(text, start))):
            announced = True
            continue
        elif kind == Border.LINE and _goes_on(text, start, piece):
            continue
        announced = False
        yield start


def _announces(piece: str) -> bool:
    """Whether a list follows what ends here."""
    if piece.endswith(":"):
        return True
    line = piece.rpartition("\n")[2]
    return len(line) < _WRAPPED and _UNFINISHED.search(line) is not None


def _goes_on(text: str, start: int, piece: str) -> bool:
    """Whether a line continues the sentence of the line before."""
    if _ENDED.search(piece) or _ITEM.match(text, start):
        return False
    line = piece.rpartition("\n")[2]
    return text[start].islower() or (len(line) >= _WRAPPED and text[start].isalnum())
