"""brat standoff: a folder of texts, NAME.txt, with their annotation, NAME.ann.

The parser is our own: the one in the package pybrat shows a line's text in its errors.
"""

import re
from pathlib import Path
from typing import Dict, Iterator, Optional, Union

from .docs import Reader, Record, make_reader, split_of

_ENTITY = re.compile(r"T\d+\t(?P<type>\S+) (?P<parts>\d+ \d+(?:;\d+ \d+)*)(?:\t(?P<mention>.*))?")
# Relations, events, attributes, normalisations, notes and equivalences: none of them makes an entity.
_OTHER = re.compile(r"[REAMN#]\S*\t.*|\*\t.*", re.DOTALL)


def brat_records(
    path: Union[str, Path], split: Optional[str] = None, labels: Optional[Dict[str, str]] = None
) -> Iterator[Record]:
    """Read the entities of a folder.

    path (Union[str, Path]): The folder. A text without a file of annotation is one that was not annotated.
    split (Optional[str]): "train", "dev" or "test", by the files' names (see `docs.split_of`); None reads all.
    labels (Optional[Dict[str, str]]): Type in the files → label of the entity, with "*" for every other type. Types
        that have no label are left out. None keeps all types under their own names.
    YIELDS (Record): One record a text, by name. Entities of several parts, and those whose text does not stand at
        their offsets, are its "drops".
    RAISES (ValueError): There are no texts, or a line is none of the format's, by its number.
    """
    texts = sorted(Path(path).glob("*.txt"))
    if not texts:
        raise ValueError(f"The folder '{path}' has no texts (NAME.txt, with NAME.ann beside it).")
    for file in texts:
        if split is not None and split_of(file.stem) != split:
            continue
        # As it stands, for brat counts characters with the line breaks that the file has.
        with file.open(encoding="utf8", newline="") as stream:
            record: Record = {"id": file.stem, "text": stream.read()}
        annotation = file.with_suffix(".ann")
        if annotation.is_file():
            record.update(entities=[], drops=[])
            for number, line in enumerate(annotation.read_text(encoding="utf8").split("\n"), start=1):
                _read_line(record, line.rstrip("\r"), labels, f"Line {number} of '{annotation}'")
        yield record


def _read_line(record: Record, line: str, labels: Optional[Dict[str, str]], where: str) -> None:
    entity = _ENTITY.fullmatch(line)
    if entity is None:
        if line.strip() and not _OTHER.fullmatch(line):
            raise ValueError(f"{where} is not brat: no entity, relation, event, attribute, normalisation or note.")
        return
    label = entity["type"] if labels is None else labels.get(entity["type"], labels.get("*"))
    if not label:
        return
    parts = [tuple(map(int, part.split())) for part in entity["parts"].split(";")]
    start, end = parts[0][0], parts[-1][1]
    if len(parts) > 1:
        record["drops"].append(["entities of several parts", start, end])
    elif entity["mention"] is not None and record["text"][start:end].split() != entity["mention"].split():
        record["drops"].append(["entities whose text does not stand at their offsets", start, end])
    else:
        record["entities"].append([start, end, label])


def read_brat(
    path: Path, split: Optional[str] = None, labels: Optional[Dict[str, str]] = None, strict: bool = False
) -> Reader:
    """The registered reader `spacy-clinicalbert.brat.v1`; see `brat_records`."""
    return make_reader(lambda: brat_records(path, split, labels), strict)
