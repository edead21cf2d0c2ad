"""The table of names: organs, operations, types of tumour (`assets/pathology_terms.json`)."""

import re
from functools import lru_cache
from importlib.resources import files
from typing import Any, Dict, Iterable, Iterator, List, Match, Optional, Pattern, Set, Tuple

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
        self._of_word = _Beginnings(self._forms)

    def match(self, text: str, start: int) -> Optional[Tuple[str, Match[str]]]:
        """RETURNS (Optional[Tuple[str, Match]]): The name that is written at a place, and its match."""
        beginning = self._of_word[text[start : start + _N_FIRST]]
        match = self._forms[beginning].match(text, start) if beginning else None
        return (self._names[beginning][(match.lastindex or 1) - 1], match) if beginning and match else None

    def find(self, text: str, low: int = 0, high: Optional[int] = None) -> Iterator[Tuple[str, Match[str]]]:
        """YIELDS (Tuple[str, Match]): Names and their matches, which do not overlap, in order of the text."""
        end = low
        starts = [word.start() for word in _WORD.finditer(text, low, len(text) if high is None else high)]
        for start in [each for each in starts if self._of_word[text[each : each + _N_FIRST]]]:
            if start >= end and (found := self.match(text, start)):
                end = found[1].end()
                yield found


class Starts:
    """Where expressions that begin with some words can begin: trying them there alone is much faster than at each character.

    alternatives (str): The words, between bars, as of `Vocabulary`.
    """

    def __init__(self, alternatives: str) -> None:
        forms = _alternatives(alternatives)
        self._of_word = _Beginnings(each for form in forms for each in _beginnings(form, _N_FIRST))

    def matches(self, pattern: Pattern[str], text: str, low: int, high: int) -> Iterator[Match[str]]:
        """YIELDS (Match): As `pattern.finditer(text, low, high)`, of an expression that begins with one of the words at the begin of a word."""
        end = low
        for start in [word.start() for word in _BEGIN.finditer(text, low, high)]:
            if start >= end and self._of_word[text[start : start + _N_FIRST]]:
                match = pattern.match(text, start, high)
                if match:
                    end = match.end()
                    yield match


class _Beginnings(Dict[str, Optional[str]]):
    """Of the first characters of a word, as it is written, those that names begin with; None where none does. A text is looked up much faster than it is cut and lower-cased."""

    def __init__(self, known: Iterable[str]) -> None:
        super().__init__()
        self.known = frozenset(known)

    def __missing__(self, written: str) -> Optional[str]:
        low = written.lower()
        found = next((low[:n] for n in range(len(low), 0, -1) if low[:n] in self.known), None)
        if len(self) < _MANY:
            self[written] = found
        return found


_WORD = re.compile(r"[\w-]+")
_BEGIN = re.compile(r"\b\w")
_MANY = 100_000
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
