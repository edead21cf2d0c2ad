"""PubTator files, as NCBI-disease and BC5CDR are published in.

The parser is our own: the one in the package bioc drops mentions without a concept id, shifts the abstract's offsets
where a title ends in white space, and prints or raises a line's text.
"""

import re
from pathlib import Path
from typing import Dict, Iterator, Optional, Union

from .docs import Reader, Record, make_reader

_TEXT = re.compile(r"([^|\t]+)\|([ta])\|(.*)", re.DOTALL)


def pubtator_records(path: Union[str, Path], labels: Optional[Dict[str, str]] = None) -> Iterator[Record]:
    """Read a PubTator file: title and abstract make one text, joined by a line break as its offsets want it.
    Relations are passed over.

    path (Union[str, Path]): The file.
    labels (Optional[Dict[str, str]]): Type in the file → label of the entity, with "*" for every other type.
        Types that have no label are left out. None keeps all types under their own names.
    YIELDS (Record): One record an article. Mentions whose text does not stand at their offsets are its "drops".
    RAISES (ValueError): A line is none of the format's, by its number.
    """
    record: Record = {}
    with Path(path).open(encoding="utf8", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            line = line.rstrip("\r\n")
            text, columns = _TEXT.fullmatch(line), line.split("\t")
            if not line.strip():
                if record:
                    yield record
                record = {}
            elif text and text[2] == "t":
                if record:
                    yield record
                record = {"id": text[1], "text": text[3], "entities": [], "drops": []}
            elif text and record:
                record["text"] += "\n" + text[3]
            elif record and len(columns) >= 5 and columns[1].isdecimal() and columns[2].isdecimal():
                start, end, mention, kind = int(columns[1]), int(columns[2]), columns[3], columns[4]
                label = kind if labels is None else labels.get(kind, labels.get("*"))
                if record["text"][start:end].strip() != mention.strip():
                    record["drops"].append(["entities whose text does not stand at their offsets", start, end])
                elif label:
                    record["entities"].append([start, end, label])
            elif not (record and len(columns) == 4):  # an article, a kind of relation, and two concepts
                raise ValueError(f"Line {number} of '{path}' is not PubTator: no title, abstract, mention or relation.")
    if record:
        yield record


def read_pubtator(path: Path, labels: Optional[Dict[str, str]] = None, strict: bool = False) -> Reader:
    """The registered reader `spacy-clinicalbert.pubtator.v1`; see `pubtator_records`."""
    return make_reader(lambda: pubtator_records(path, labels), strict)
