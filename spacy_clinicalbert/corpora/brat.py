"""brat standoff: a folder of texts, NAME.txt, with their annotation, NAME.ann.

brat counts a line end of two characters, CRLF, as two or as one (nlplab/brat issue 853), and git can have changed line ends since. So
the mentions that the annotation repeats decide: of the text as it stands and the text with LF alone, that is read at whose offsets more
of them stand.

The parser is our own: the one in the package pybrat shows a line's text in its errors.

An entity of several parts becomes the span that covers it, with the parts as its attribute "parts"; it stands in
doc.spans["gold"] and not in doc.ents, for what lies between its parts is not of it. Parts with nothing but white space between
them are one, for brat cuts entities at line ends.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .docs import MISPLACED, Reader, Record, check_span, make_reader, split_of
from .files import FilePath, at, whole_text

_ENTITY = re.compile(r"(?P<id>T\d+)\t(?P<type>\S+) (?P<parts>\d+ \d+(?:;\d+ \d+)*)(?:\t(?P<mention>.*))?")
_EVENT = re.compile(r"(?P<id>E\d+)\t\S+?:(?P<trigger>T\d+)(?P<arguments>.*)")
_ATTRIBUTE = re.compile(r"[AM]\d+\t(?P<name>\S+) (?P<target>\S+)(?: (?P<value>.+?))?\s*")
_CONCEPT = re.compile(r"N\d+\t\S+ (?P<target>\S+) (?P<concept>[^\t]+)(?:\t.*)?")
_RELATION = re.compile(r"R\d+\t(?P<kind>\S+) \w+:(?P<first>\S+) \w+:(?P<second>\S+)\s*")
_OTHER = re.compile(r"(?P<kind>[R#*])\S*\t.*", re.DOTALL)
_MANY = 3  # mentions that miss: with fewer, nothing is said of a whole file
_KINDS = {"R": "relations", "#": "annotators' notes", "*": "equivalences"}


def brat_records(
    path: FilePath, split: Optional[str] = None, labels: Optional[Dict[str, str]] = None, relations: bool = False
) -> Iterator[Record]:
    """Read the entities of a folder, with their attributes, those of an event being its trigger's. A concept that an entity is
    normalised to is its attribute "concept". An attribute that is given several times is a list.

    path (Union[str, Path]): The folder. A text without a file of annotation is one that was not annotated.
    split (Optional[str]): "train", "dev" or "test", by the files' names (see `docs.split_of`); None reads all.
    labels (Optional[Dict[str, str]]): Type in the files → label of the entity, with "*" for every other type. Types
        that have no label are left out. None keeps all types under their own names.
    relations (bool): Give an entity that is the first of a relation the attribute "relations", [[kind, start, end of the second], ...].
    YIELDS (Record): One record a text, by name. Entities whose text does not stand at their offsets are its "drops".
        A file of annotation without its text is a record with a "drop". Relations that are not wanted or not of two entities, events' arguments and notes are counted as unread.
    RAISES (ValueError): There are no texts, a line is none of the format's, by its number, or most mentions of a file miss their offsets.
    """
    texts = sorted(Path(path).glob("*.txt"))
    if not texts:
        raise ValueError(f"The folder '{path}' has no texts (NAME.txt, with NAME.ann beside it).")
    for name in sorted({file.stem for file in Path(path).glob("*.ann")} - {file.stem for file in texts}):
        if split is None or split_of(name) == split:
            yield {"id": name, "drop": "annotations without a text"}
    for file in texts:
        if split is not None and split_of(file.stem) != split:
            continue
        record: Record = {"id": file.stem, "text": whole_text(file)}
        annotation = file.with_suffix(".ann")
        if annotation.is_file():
            _read_annotation(record, annotation, labels, relations)
        yield record


def _read_annotation(record: Record, path: Path, labels: Optional[Dict[str, str]], relations: bool) -> None:
    record.update(entities=[], drops=[], unread=Counter())
    if labels is not None:
        record["labels"] = sorted(set(labels.values()))
    entities: List[Tuple[re.Match, str]] = []
    triggers: Dict[str, str] = {}
    attributes: List[Tuple[str, str, Any]] = []
    related: List[re.Match] = []
    for number, line in enumerate(whole_text(path).removeprefix("\ufeff").split("\n"), start=1):
        line = line.rstrip("\r")
        if found := _ENTITY.fullmatch(line):
            entities.append((found, at(path, number)))
        elif found := _EVENT.fullmatch(line):
            triggers[found["id"]] = found["trigger"]
            record["unread"]["arguments of events"] += len(found["arguments"].split())
        elif found := _ATTRIBUTE.fullmatch(line):
            attributes.append((found["target"], found["name"], found["value"] or True))
        elif found := _CONCEPT.fullmatch(line):
            attributes.append((found["target"], "concept", found["concept"]))
        elif relations and (found := _RELATION.fullmatch(line)):
            related.append(found)
        elif found := _OTHER.fullmatch(line):
            record["unread"][_KINDS[found["kind"]]] += 1
        elif line.strip():
            raise ValueError(
                f"{at(path, number)} is not brat: no entity, relation, event, attribute, normalisation or note."
            )
    of_entity: Dict[str, Dict[str, Any]] = {found["id"]: {} for found, _ in entities}
    for target, name, value in attributes:
        own = of_entity.get(triggers.get(target, target))
        if own is not None:
            own[name] = [*(own[name] if isinstance(own[name], list) else [own[name]]), value] if name in own else value
        else:
            record["unread"]["attributes of what is no entity"] += 1
    places = {found["id"]: _place(found) for found, _ in entities}
    for found in related:
        first, second = (triggers.get(found[name], found[name]) for name in ("first", "second"))
        if first in places and second in places:
            of_entity[first].setdefault("relations", []).append([found["kind"], *places[second]])
        else:
            record["unread"][_KINDS["R"]] += 1
    record["unread"] += Counter()  # without the zeros
    record["text"] = _annotated_text(record["text"], [found for found, _ in entities], path)
    for found, where in entities:
        _read_entity(record, found, of_entity[found["id"]], labels, where)


def _annotated_text(text: str, entities: List[re.Match], path: Path) -> str:
    """The text with the line ends that its annotation counts."""
    n_mentions = sum(found["mention"] is not None for found in entities)
    texts = [text, text.replace("\r\n", "\n")]
    n_missed = [sum(not _stands(found, each) for found in entities) for each in texts]
    if min(n_missed) >= _MANY and 2 * min(n_missed) > n_mentions:
        raise ValueError(
            f"Of the {n_mentions} mentions of '{path}', {min(n_missed)} do not stand at their offsets. Has the text other line ends than it was "
            "annotated with (git's core.autocrlf changes them), or is it another text? Put back the text that was annotated."
        )
    return texts[n_missed[1] < n_missed[0]]


def _stands(found: re.Match, text: str) -> bool:
    """Whether an entity's mention stands in a text where it says; true of one that does not say what it is."""
    pieces = [text[slice(*map(int, part.split()))] for part in found["parts"].split(";")]
    return found["mention"] is None or " ".join(pieces).split() == found["mention"].split()


def _place(found: re.Match) -> List[int]:
    """The first and the last character that any part of an entity has."""
    offsets = [int(each) for each in re.findall(r"\d+", found["parts"])]
    return [min(offsets), max(offsets)]


def _read_entity(
    record: Record, found: re.Match, attributes: Dict[str, Any], labels: Optional[Dict[str, str]], where: str
) -> None:
    text = record["text"]
    parts: List[List[int]] = []
    for part in found["parts"].split(";"):
        start, end = map(int, part.split())
        check_span(text, start, end, where)
        if parts and start >= parts[-1][1] and not text[parts[-1][1] : start].strip():
            parts[-1][1] = end
        else:
            parts.append([start, end])
    label = found["type"] if labels is None else labels.get(found["type"], labels.get("*"))
    start, end = min(start for start, _ in parts), max(end for _, end in parts)
    if not label:
        record["unread"]["entities of types without a label"] += 1
    elif not _stands(found, text):
        record["drops"].append([MISPLACED, start, end])
        record["partial"] = True
    else:
        record["entities"].append([start, end, label, {**attributes, **({"parts": parts} if len(parts) > 1 else {})}])


def read_brat(
    path: FilePath,
    split: Optional[str] = None,
    labels: Optional[Dict[str, str]] = None,
    relations: bool = False,
    strict: bool = False,
) -> Reader:
    """The registered reader `spacy-clinicalbert.brat.v1`; see `brat_records`."""
    return make_reader(lambda: brat_records(path, split, labels, relations), strict)
