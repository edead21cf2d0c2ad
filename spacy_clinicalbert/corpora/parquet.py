"""Parquet files in the project's own form, one record a row; see `docs.py`.

A column holds a field as Parquet's own lists and structs (entities as structs of start, end, label and, where there are
any, attributes) or as JSON.
"""

import json
from typing import Any, Dict, Iterator, List, Optional

from .docs import Reader, Record, make_reader
from .files import FilePath
from .jsonl import check_record

_JSON = ("entities", "cats", "spans", "labels", "annotated", "questions", "meta")


def parquet_records(path: FilePath, split: Optional[str] = None) -> Iterator[Record]:
    """Read a file, a few thousand rows at a time.

    path (Union[str, Path]): The file.
    split (Optional[str]): Only rows whose "split" is this; None reads all.
    YIELDS (Record): One record a row; a null is a field that the record does not have.
    RAISES (ValueError): The file is damaged, or a row is no record, by its number.
    RAISES (ImportError): pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ImportError("Parquet is read with pyarrow: pip install 'spacy-clinicalbert[corpora]'.") from None
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            if "text" not in file.schema_arrow.names:
                raise ValueError(f"'{path}' has no column 'text'.")
            for batch in file.iter_batches(batch_size=2048):
                for row in batch.to_pylist():
                    number += 1
                    if split is None or row.get("split") == split:
                        yield _record(row, f"Row {number} of '{path}'")
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"'{path}' cannot be read after row {number}: it is damaged, or not Parquet.") from None


def _record(row: Dict[str, Any], where: str) -> Record:
    record = {name: value for name, value in row.items() if value is not None}
    try:
        record.update({name: json.loads(record[name]) for name in _JSON if isinstance(record.get(name), str)})
    except ValueError:
        raise ValueError(f"{where} has a column that is neither a list, nor a struct, nor JSON.") from None
    if isinstance(record.get("entities"), list):
        record["entities"] = _spans(record["entities"])
    for name in ("cats", "spans"):  # a map comes as pairs; a struct has all its fields, null where this row has none
        if isinstance(record.get(name), list):
            record[name] = dict(record[name])
    if isinstance(record.get("spans"), dict):
        record["spans"] = {name: _spans(rows) for name, rows in record["spans"].items() if rows is not None}
    check_record(record, where)
    return record


def _spans(rows: List[Any]) -> List[Any]:
    spans = []
    for row in rows:
        if isinstance(row, dict):
            given = row.get("attributes") or {}
            given = json.loads(given) if isinstance(given, str) else given  # as `annotate` writes them
            attributes = {name: value for name, value in given.items() if value is not None}
            row = [row.get("start"), row.get("end"), row.get("label"), attributes]
        spans.append(row)
    return spans


def read_parquet(path: FilePath, split: Optional[str] = None, strict: bool = False) -> Reader:
    """The registered reader `spacy-clinicalbert.parquet.v1`; see `parquet_records`."""
    return make_reader(lambda: parquet_records(path, split), strict)
