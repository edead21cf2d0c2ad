"""The i2b2/VA 2010 challenge: notes (NAME.txt), concepts (NAME.con) and the assertions on problems (NAME.ast), in folders beside each
other. A private corpus: the tests write files shaped like it."""

import re
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

from .docs import MISPLACED, Reader, Record, make_reader, split_of
from .files import FilePath, at, text_lines, whole_text

LABELS = ("problem", "test", "treatment")
_CONCEPT = re.compile(
    r'c="(?P<mention>.*)" (?P<from>\d+:\d+) (?P<to>\d+:\d+)\|\|t="(?P<type>\w+)"(?:\|\|a="(?P<assertion>\w+)")?'
)


def i2b2_2010_records(path: FilePath, split: Optional[str] = None) -> Iterator[Record]:
    """Read a folder with the challenge's folders below it, whatever their names.

    path (Union[str, Path]): The folder. A text without a file of concepts is one that was not annotated.
    split (Optional[str]): "train", "dev" or "test", by the files' names (see `docs.split_of`); None reads all.
    YIELDS (Record): One record a text, by name, with problems, tests and treatments; a problem's assertion is its
        attribute "assertion". Concepts whose text does not stand at their place, and assertions without a problem, are drops.
    RAISES (ValueError): There are no texts, two have one name, assertions have no file of concepts, or a line is not of the challenge, by
        its number.
    """
    files: Dict[str, Dict[str, Path]] = {".txt": {}, ".con": {}, ".ast": {}}
    for file in sorted(Path(path).rglob("*")):
        of_kind = files.get(file.suffix)
        if of_kind is not None:
            if file.stem in of_kind:
                raise ValueError(f"'{of_kind[file.stem]}' and '{file}' have one name: read their folders apart.")
            of_kind[file.stem] = file
    if not files[".txt"]:
        raise ValueError(f"The folder '{path}' has no texts (NAME.txt, with NAME.con and NAME.ast in it or beside it).")
    for name, file in files[".txt"].items():
        if split is None or split_of(name) == split:
            record: Record = {"id": name, "text": whole_text(file)}
            if name in files[".con"]:
                _read_concepts(record, files[".con"][name], files[".ast"].get(name))
            elif name in files[".ast"]:
                raise ValueError(
                    f"The assertions '{files['.ast'][name]}' are without their concepts: '{name}.con' is missing. Put it beside them, or take them out."
                )
            yield record


def _read_concepts(record: Record, concepts: Path, assertions: Optional[Path]) -> None:
    record.update(entities=[], drops=[], labels=list(LABELS))
    words = _words(record["text"])
    known: Dict[Tuple[str, ...], str] = {}
    places: Dict[Tuple[str, ...], Tuple[int, int]] = {}
    for found, where in _lines(assertions) if assertions is not None else ():
        key = (found["from"], found["to"], found["type"])
        places[key] = _offsets(words, found, where)
        if known.setdefault(key, found["assertion"]) != found["assertion"]:
            record["drops"].append(["second assertions on one concept", *places[key]])
    for found, where in _lines(concepts):
        start, end = _offsets(words, found, where)
        key = (found["from"], found["to"], found["type"])
        assertion = known.get(key)
        places.pop(key, None)
        # The challenge wrote mentions in lower case.
        if record["text"][start:end].lower().split() != found["mention"].lower().split():
            record["drops"].append([MISPLACED, start, end])
            record["partial"] = True
        else:
            record["entities"].append([start, end, found["type"], {"assertion": assertion} if assertion else {}])
    for start, end in places.values():
        record["drops"].append(["assertions on what is no concept", start, end])


def _lines(path: Path) -> Iterator[Tuple[re.Match, str]]:
    for number, line in text_lines(path):
        if line.strip():
            found = _CONCEPT.fullmatch(line.strip())
            if found is None:
                raise ValueError(f'{at(path, number)} is not of the challenge: c="…" LINE:WORD LINE:WORD||t="…".')
            yield found, at(path, number)


def _words(text: str) -> List[List[Tuple[int, int]]]:
    """The offsets of each line's words, which the challenge counts: lines from 1, words from 0."""
    lines, start = [], 0
    for line in text.split("\n"):
        lines.append([(start + word.start(), start + word.end()) for word in re.finditer(r"\S+", line)])
        start += len(line) + 1
    return lines


def _offsets(words: List[List[Tuple[int, int]]], found: re.Match, where: str) -> Tuple[int, int]:
    (line, word), (last_line, last_word) = (map(int, found[name].split(":")) for name in ("from", "to"))
    try:
        if not line or not last_line:
            raise IndexError
        return words[line - 1][word][0], words[last_line - 1][last_word][1]
    except IndexError:
        raise ValueError(f"{where} names a line or a word that the text has not.") from None


def read_i2b2_2010(path: FilePath, split: Optional[str] = None, strict: bool = False) -> Reader:
    """The registered reader `spacy-clinicalbert.i2b2_2010.v1`; see `i2b2_2010_records`."""
    return make_reader(lambda: i2b2_2010_records(path, split), strict)
