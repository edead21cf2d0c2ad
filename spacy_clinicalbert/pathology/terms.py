"""The table of names: organs, operations, types of tumour (`assets/pathology_terms.json`)."""

import re
from functools import lru_cache
from importlib.resources import files
from typing import Any, Dict, Iterator, List, Match, Optional, Pattern, Set, Tuple

import srsly


@lru_cache
def load_terms() -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The table, with an expression for each part."""
    table = srsly.json_loads((files("spacy_clinicalbert.assets") / "pathology_terms.json").read_text(encoding="utf8"))
    table["site"] = Vocabulary(table["sites"])
    return table


class Vocabulary:
    """Names and how they are written, by first characters: a text is read word by word, and few words begin as a name does.

    forms (Dict[str, str]): Name → an expression without capturing groups, which begins with letters, digits or a group of such.
    behind (str): What has to follow.
    """

    def __init__(self, forms: Dict[str, str], behind: str = "(?![A-Za-z])") -> None:
        pairs = [(name, alternative) for name, form in forms.items() for alternative in _alternatives(form)]
        begins = [_beginnings(alternative, _N_FIRST) for _, alternative in pairs]
        self._names: Dict[str, List[str]] = {}
        self._forms: Dict[str, Pattern[str]] = {}
        for beginning in {each for several in begins for each in several}:
            # A form of fewer characters is one of every word that begins with them.
            mine = [pair for pair, several in zip(pairs, begins) if beginning.startswith(tuple(several))]
            self._names[beginning] = [name for name, _ in mine]
            self._forms[beginning] = re.compile(
                f"(?:{'|'.join(f'({form})' for _, form in mine)}){behind}", re.IGNORECASE
            )

    def match(self, text: str, start: int) -> Optional[Tuple[str, Match[str]]]:
        """RETURNS (Optional[Tuple[str, Match]]): The name that is written at a place, and its match."""
        beginning = text[start : start + _N_FIRST].lower()
        while beginning:
            if beginning in self._forms:
                match = self._forms[beginning].match(text, start)
                return (self._names[beginning][(match.lastindex or 1) - 1], match) if match else None
            beginning = beginning[:-1]
        return None

    def find(self, text: str, low: int = 0, high: Optional[int] = None) -> Iterator[Tuple[str, Match[str]]]:
        """YIELDS (Tuple[str, Match]): Names and their matches, which do not overlap, in order of the text."""
        end = low
        for word in _WORD.finditer(text, low, len(text) if high is None else high):
            if word.start() >= end and (found := self.match(text, word.start())):
                end = found[1].end()
                yield found


_WORD = re.compile(r"[\w-]+")
_N_FIRST = 3  # characters: of two, many a word begins as a name does


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


def _beginnings(form: str, length: int) -> Set[str]:
    """The first characters that an expression can begin with, in lower case: as many as `length`, or fewer, where something else than a letter, a digit, a space
    or a group of such follows."""
    if form.startswith("(?:"):
        end = next(i for i in range(1, len(form) + 1) if form[:i].count("(") == form[:i].count(")"))
        alternatives = _alternatives(form[3 : end - 1])
    else:
        end, alternatives = 1, [form[:1]] if form[:1].isalnum() or form[:1] == " " else []
    quantifier, rest = form[end : end + 1], form[end:]
    if not (length and alternatives) or quantifier in ("*", "+", "{"):
        return {""}
    rest = rest[quantifier == "?" :]
    if form.startswith("(?:"):
        found = {each for one in alternatives for each in _beginnings(one + rest, length)}
    else:
        found = {form[0].lower() + each for each in _beginnings(rest, length - 1)}
    return found | _beginnings(rest, length) if quantifier == "?" else found


def spaced(alternatives: str) -> str:
    """alternatives (str): Phrases with single spaces. RETURNS (str): The same, where a space may be the end of a scanned line."""
    return alternatives.replace(" ", r"[\s.]{1,3}")
