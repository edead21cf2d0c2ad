"""PubTator files, as NCBI-disease and BC5CDR are published in.

The parser is our own: the one in the package bioc drops mentions without a concept id, shifts the abstract's offsets
where a title ends in white space, and prints or raises a line's text.
"""

import re
from collections import Counter
from typing import Dict, Iterator, List, Optional

from .docs import MISPLACED, Reader, Record, check_span, make_reader
from .files import FilePath, at, text_lines

_TEXT = re.compile(r"([^|\t]+)\|([ta])\|(.*)", re.DOTALL)


def pubtator_records(path: FilePath, labels: Optional[Dict[str, str]] = None) -> Iterator[Record]:
    """Read a PubTator file: title and abstract make one text, joined by a line break as its offsets want it.

    path (Union[str, Path]): The file.
    labels (Optional[Dict[str, str]]): Type in the file → label of the entity, with "*" for every other type.
        Types that have no label are left out. None keeps all types under their own names.
    YIELDS (Record): One record an article; an entity's attribute "concept" is its concept id. Mentions whose text does not
        stand at their offsets are its "drops"; relations are counted as unread.
    RAISES (ValueError): A line is none of the format's, by its number.
    """
    record: Record = {}
    for number, line in text_lines(path):
        line = line.rstrip("\r\n")
        text, columns = _TEXT.fullmatch(line), line.split("\t")
        if not line.strip():
            if record:
                yield record
            record = {}
        elif text and text[2] == "t":
            if record:
                yield record
            record = {"id": text[1], "text": text[3], "entities": [], "drops": [], "unread": Counter()}
            if labels is not None:
                record["labels"] = sorted(set(labels.values()))
        elif text and record:
            record["text"] += "\n" + text[3]
        elif record and len(columns) >= 5 and columns[1].isdecimal() and columns[2].isdecimal():
            _read_mention(record, columns, labels, at(path, number))
        elif record and len(columns) == 4:  # an article, a kind of relation, and two concepts
            record["unread"]["relations"] += 1
        else:
            raise ValueError(f"{at(path, number)} is not PubTator: no title, abstract, mention or relation.")
    if record:
        yield record


def _read_mention(record: Record, columns: List[str], labels: Optional[Dict[str, str]], where: str) -> None:
    start, end, mention, kind, *concept = int(columns[1]), int(columns[2]), *columns[3:]
    check_span(record["text"], start, end, where)
    label = kind if labels is None else labels.get(kind, labels.get("*"))
    if not label:
        record["unread"]["entities of types without a label"] += 1
    elif record["text"][start:end].strip() != mention.strip():
        record["drops"].append([MISPLACED, start, end])
        record["partial"] = True
    else:
        record["entities"].append([start, end, label, {"concept": concept[0]} if concept and concept[0] else {}])


def read_pubtator(path: FilePath, labels: Optional[Dict[str, str]] = None, strict: bool = False) -> Reader:
    """The registered reader `spacy-clinicalbert.pubtator.v1`; see `pubtator_records`."""
    return make_reader(lambda: pubtator_records(path, labels), strict)
