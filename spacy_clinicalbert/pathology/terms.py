"""The table of names: organs, operations, types of tumour (`assets/pathology_terms.json`)."""

import re
from collections import defaultdict
from functools import lru_cache
from importlib.resources import files
from typing import Any, Dict, Iterator, List, Match, Optional, Set, Tuple

import srsly


@lru_cache
def load_terms() -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The table, with an expression for each part."""
    table = srsly.json_loads((files("spacy_clinicalbert.assets") / "pathology_terms.json").read_text(encoding="utf8"))
    table["site"] = Vocabulary(table["sites"])
    return table


class Vocabulary:
    """Names and how they are written, by first letters: a text is read word by word, and each word against few expressions.

    forms (Dict[str, str]): Name → an expression without capturing groups, which begins with letters, digits or a group of such.
    behind (str): What has to follow.
    """

    def __init__(self, forms: Dict[str, str], behind: str = "(?![A-Za-z])") -> None:
        found: Dict[str, List[Tuple[str, str]]] = defaultdict(list)
        for name, form in forms.items():
            for alternative in _alternatives(form):
                for letter in sorted(_first_letters(alternative)):
                    found[letter].append((name, alternative))
        self._names = {letter: [name for name, _ in pairs] for letter, pairs in found.items()}
        self._forms = {
            letter: re.compile(f"(?:{'|'.join(f'({form})' for _, form in pairs)}){behind}", re.IGNORECASE)
            for letter, pairs in found.items()
        }

    def match(self, text: str, start: int) -> Optional[Tuple[str, Match[str]]]:
        """RETURNS (Optional[Tuple[str, Match]]): The name that is written at a place, and its match."""
        letter = text[start : start + 1].lower()
        match = self._forms[letter].match(text, start) if letter in self._forms else None
        return (self._names[letter][(match.lastindex or 1) - 1], match) if match else None

    def find(self, text: str, low: int = 0, high: Optional[int] = None) -> Iterator[Tuple[str, Match[str]]]:
        """YIELDS (Tuple[str, Match]): Names and their matches, which do not overlap, in order of the text."""
        end = low
        for word in _WORD.finditer(text, low, len(text) if high is None else high):
            if word.start() >= end and (found := self.match(text, word.start())):
                end = found[1].end()
                yield found


_WORD = re.compile(r"[\w-]+")


def _alternatives(form: str) -> List[str]:
    """The parts of an expression between its outer bars."""
    parts, depth = [""], 0
    for character in form:
        depth += (character == "(") - (character == ")")
        if character == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _first_letters(form: str) -> Set[str]:
    """The characters that an expression can begin with, in lower case."""
    if not form.startswith("(?:"):
        letters = {form[0].lower()}
        return letters | _first_letters(form[2:]) if form[1:2] == "?" else letters
    end = next(i for i in range(1, len(form) + 1) if form[:i].count("(") == form[:i].count(")"))
    letters = {letter for each in _alternatives(form[3 : end - 1]) for letter in _first_letters(each)}
    return letters | _first_letters(form[end + 1 :]) if form[end : end + 1] == "?" else letters


def spaced(alternatives: str) -> str:
    """alternatives (str): Phrases with single spaces. RETURNS (str): The same, where a space may be the end of a scanned line."""
    return alternatives.replace(" ", r"[\s.]{1,3}")
