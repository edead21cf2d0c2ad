"""JSON lines in the project's own form; see `docs.py`."""

from pathlib import Path
from typing import Iterator, Optional, Union

import srsly

from .docs import Reader, Record, make_reader


def jsonl_records(path: Union[str, Path], split: Optional[str] = None) -> Iterator[Record]:
    """Read a file of records.

    path (Union[str, Path]): The file.
    split (Optional[str]): Only records whose "split" is this; None reads all.
    YIELDS (Record): One record a line.
    """
    for record in srsly.read_jsonl(path):
        if split is None or record.get("split") == split:
            yield record


def read_jsonl(path: Path, split: Optional[str] = None, strict: bool = False) -> Reader:
    """The registered reader `spacy-clinicalbert.jsonl.v1`; see `jsonl_records`."""
    return make_reader(lambda: jsonl_records(path, split), strict)
