"""brat standoff: a folder of texts, NAME.txt, with their annotation, NAME.ann.

The parser is our own: the one in the package pybrat shows a line's text in its errors.

An entity of several parts becomes the span that covers it, with the parts as its attribute "parts"; it stands in
doc.spans["gold"] and not in doc.ents, for what lies between its parts is not of it. Parts with nothing but white space between
them are one, for brat cuts entities at line ends.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .docs import Reader, Record, check_span, make_reader, split_of
from .files import FilePath, at, whole_text

_ENTITY = re.compile(r"(?P<id>T\d+)\t(?P<type>\S+) (?P<parts>\d+ \d+(?:;\d+ \d+)*)(?:\t(?P<mention>.*))?")
_EVENT = re.compile(r"(?P<id>E\d+)\t\S+?:(?P<trigger>T\d+)(?P<arguments>.*)")
_ATTRIBUTE = re.compile(r"[AM]\d+\t(?P<name>\S+) (?P<target>\S+)(?: (?P<value>.+?))?\s*")
_CONCEPT = re.compile(r"N\d+\t\S+ (?P<target>\S+) (?P<concept>[^\t]+)(?:\t.*)?")
_OTHER = re.compile(r"(?P<kind>[R#*])\S*\t.*", re.DOTALL)
_KINDS = {"R": "relations", "#": "annotators' notes", "*": "equivalences"}


def brat_records(
    path: FilePath, split: Optional[str] = None, labels: Optional[Dict[str, str]] = None
) -> Iterator[Record]:
    """Read the entities of a folder, with their attributes, those of an event being its trigger's. A concept that an entity is
    normalised to is its attribute "concept". An attribute that is given several times is a list.

    path (Union[str, Path]): The folder. A text without a file of annotation is one that was not annotated.
    split (Optional[str]): "train", "dev" or "test", by the files' names (see `docs.split_of`); None reads all.
    labels (Optional[Dict[str, str]]): Type in the files → label of the entity, with "*" for every other type. Types
        that have no label are left out. None keeps all types under their own names.
    YIELDS (Record): One record a text, by name. Entities whose text does not stand at their offsets are its "drops".
        Relations, events' arguments and notes are counted as unread.
    RAISES (ValueError): There are no texts, or a line is none of the format's, by its number.
    """
    texts = sorted(Path(path).glob("*.txt"))
    if not texts:
        raise ValueError(f"The folder '{path}' has no texts (NAME.txt, with NAME.ann beside it).")
    for file in texts:
        if split is not None and split_of(file.stem) != split:
            continue
        # As it stands, for brat counts characters with the line breaks that the file has.
        record: Record = {"id": file.stem, "text": whole_text(file)}
        annotation = file.with_suffix(".ann")
        if annotation.is_file():
            _read_annotation(record, annotation, labels)
        yield record


def _read_annotation(record: Record, path: Path, labels: Optional[Dict[str, str]]) -> None:
    record.update(entities=[], drops=[], unread=Counter())
    if labels is not None:
        record["labels"] = sorted(set(labels.values()))
    entities: List[Tuple[re.Match, str]] = []
    triggers: Dict[str, str] = {}
    attributes: List[Tuple[str, str, Any]] = []
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
    record["unread"] += Counter()  # without the zeros
    for found, where in entities:
        _read_entity(record, found, of_entity[found["id"]], labels, where)


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
    mention = " ".join(text[start:end] for start, end in parts)
    if not label:
        record["unread"]["entities of types without a label"] += 1
    elif found["mention"] is not None and mention.split() != found["mention"].split():
        record["drops"].append(["entities whose text does not stand at their offsets", start, end])
    else:
        record["entities"].append([start, end, label, {**attributes, **({"parts": parts} if len(parts) > 1 else {})}])


def read_brat(
    path: FilePath, split: Optional[str] = None, labels: Optional[Dict[str, str]] = None, strict: bool = False
) -> Reader:
    """The registered reader `spacy-clinicalbert.brat.v1`; see `brat_records`."""
    return make_reader(lambda: brat_records(path, split, labels), strict)
