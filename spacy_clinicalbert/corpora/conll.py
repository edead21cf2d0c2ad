"""CoNLL files: a token and its tag a line, an empty line after each sentence, as BC5CDR and NCBI-disease are shared."""

from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .docs import Reader, Record, make_reader
from .files import FilePath, at, text_lines

_PREFIXES = {"B", "I", "O", "S", "E", "L", "U"}  # IOB, BIOES and BILUO


def conll_records(path: FilePath, labels: Optional[Dict[str, str]] = None) -> Iterator[Record]:
    """Read a file. The text is its tokens with a space between each two, for the format does not keep how they stood.

    path (Union[str, Path]): The file: columns with tabs between them, or white space; the token is the first, the tag the
        last (IOB1, IOB2, BIOES or BILUO).
    labels (Optional[Dict[str, str]]): Type in the file → label of the entity, with "*" for every other type.
        Types that have no label are left out. None keeps all types under their own names.
    YIELDS (Record): One record a document where the file has lines that begin with -DOCSTART-, else one a sentence; its id
        is the file's name and its number there, from 1.
    RAISES (ValueError): A line has other columns than the first, or a tag is none, by its number.
    """
    name, found, n_columns = Path(path).stem, 0, 0
    by_document = False
    rows: List[Tuple[str, str]] = []  # "" as a token is the end of a sentence
    for number, line in text_lines(path):
        columns = line.rstrip("\r\n").split("\t") if "\t" in line else line.split()
        start = bool(columns) and columns[0] == "-DOCSTART-"
        by_document |= start
        if start or not line.strip():
            if rows and (start or not by_document):
                found += 1
                yield _record(f"{name}-{found}", rows, labels)
                rows = []
            elif rows and rows[-1][0]:
                rows.append(("", "O"))
            continue
        n_columns = n_columns or len(columns)
        prefix, _, kind = columns[-1].partition("-")
        if len(columns) != n_columns or n_columns < 2 or not columns[0].strip():
            raise ValueError(f"{at(path, number)} has not the columns of the lines before it: token, …, tag.")
        if prefix not in _PREFIXES or (prefix == "O") != (not kind):
            raise ValueError(f"{at(path, number)} does not end in a tag: O, B-TYPE or I-TYPE.")
        rows.append((columns[0].strip(), columns[-1]))
    if rows:
        found += 1
        yield _record(f"{name}-{found}", rows, labels)


def _record(note_id: str, rows: List[Tuple[str, str]], labels: Optional[Dict[str, str]]) -> Record:
    text, last, unread = "", "O", 0
    entities: List[Any] = []
    for token, tag in rows:
        if not token:
            text, last = text + "\n", "O"
            continue
        text += " " if text and not text.endswith("\n") else ""
        prefix, _, kind = tag.partition("-")
        if prefix in "ILE" and last[2:] == kind and last[0] in "BI":
            entities[-1][1] = len(text) + len(token)
        elif prefix != "O":
            entities.append([len(text), len(text) + len(token), kind])
        text, last = text + token, tag
    if labels is not None:
        kept = [[start, end, labels.get(kind, labels.get("*"))] for start, end, kind in entities]
        kept = [entity for entity in kept if entity[2]]
        unread, entities = len(entities) - len(kept), kept
    record: Record = {"id": note_id, "text": text.rstrip("\n"), "entities": entities}
    if labels is not None:
        record["labels"] = sorted(set(labels.values()))
    if unread:
        record["unread"] = {"entities of types without a label": unread}
    return record


def read_conll(path: FilePath, labels: Optional[Dict[str, str]] = None, strict: bool = False) -> Reader:
    """The registered reader `spacy-clinicalbert.conll.v1`; see `conll_records`."""
    return make_reader(lambda: conll_records(path, labels), strict)
