"""JSON lines in the project's own form; see `docs.py`."""

import json
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Union

from .docs import Reader, Record, make_reader


def read_lines(path: Union[str, Path]) -> Iterator[Dict[str, Any]]:
    """Read a file with one JSON object a line; empty lines are passed over.

    RAISES (ValueError): A line is not a JSON object, by its number. (srsly's error would hold the line, a note.)
    """
    with Path(path).open(encoding="utf8", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    row = json.loads(line)
                except ValueError:
                    row = None
                if not isinstance(row, dict):
                    raise ValueError(f"Line {number} of '{path}' is not a JSON object.")
                yield row


def jsonl_records(path: Union[str, Path], split: Optional[str] = None) -> Iterator[Record]:
    """Read a file of records.

    path (Union[str, Path]): The file.
    split (Optional[str]): Only records whose "split" is this; None reads all.
    YIELDS (Record): One record a line.
    """
    for record in read_lines(path):
        if split is None or record.get("split") == split:
            yield record


def read_jsonl(path: Path, split: Optional[str] = None, strict: bool = False) -> Reader:
    """The registered reader `spacy-clinicalbert.jsonl.v1`; see `jsonl_records`."""
    return make_reader(lambda: jsonl_records(path, split), strict)
