"""Records and NOTE_NLP rows as Parquet, each with one schema whatever a run finds."""

import json
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterator, List

from .omop import NOTE_NLP, typed_row

Row = Dict[str, Any]

GROUP = 10_000  # rows of a row group, which is held in memory as Arrow has it
CHUNK = 500  # rows that are Python objects at a time, which take many times the memory


def check_arrow() -> None:
    """Raise ImportError, with what to install, if pyarrow is not there."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise ImportError("Parquet is written with pyarrow: pip install 'spacy-clinicalbert[deployment]'.") from None


def record_schema() -> Any:
    """RETURNS (pyarrow.Schema): A column for each field of `records.Record`. Ids are strings; what has no schema of its own is JSON."""
    import pyarrow as pa

    place = [("start", pa.int64()), ("end", pa.int64()), ("text", pa.string())]
    answer = pa.struct([*place, ("score", pa.float64()), ("label", pa.string())])
    question = [(name, pa.string()) for name in ("id", "question", "kind")]
    axis = pa.struct([("label", pa.string()), ("probability", pa.float64())])
    span = pa.struct(
        [
            ("start", pa.int64()),
            ("end", pa.int64()),
            ("label", pa.string()),
            ("text", pa.string()),
            ("probability", pa.float64()),
            ("section", pa.string()),
            ("overlaps", pa.bool_()),
            ("assertion", pa.map_(pa.string(), axis)),
            ("kb_id", pa.string()),
            ("id", pa.string()),
            ("attributes", pa.string()),
        ]
    )
    return pa.schema(
        [
            ("position", pa.int64()),
            ("version", pa.int32()),
            ("id", pa.string()),
            ("patient", pa.string()),
            ("entities", pa.list_(span)),
            ("cats", pa.map_(pa.string(), pa.float64())),
            ("sections", pa.list_(span)),
            ("questions", pa.list_(pa.struct([*question, ("answers", pa.list_(answer))]))),
            ("summary", pa.list_(pa.struct([*place, ("section", pa.string()), ("salience", pa.float64())]))),
            ("spans", pa.map_(pa.string(), pa.list_(span))),
            ("custom", pa.string()),
        ]
    )


def omop_schema() -> Any:
    """RETURNS (pyarrow.Schema): The columns of NOTE_NLP."""
    import pyarrow as pa

    types = {int: pa.int64(), str: pa.string(), date: pa.date32(), datetime: pa.timestamp("s")}
    return pa.schema([(name, types[type_]) for name, type_ in NOTE_NLP.items()])


def write_parquet(path: Path, form: str, rows: Iterator[Row]) -> None:
    """Write a file, some thousand rows at a time.

    form (str): "records" or "omop".
    rows (Iterator[Dict[str, Any]]): The rows, as they are in JSON.
    RAISES (ValueError): They do not fit into its schema.
    """
    import pyarrow
    from pyarrow import parquet

    schema = omop_schema() if form == "omop" else record_schema()
    with parquet.ParquetWriter(path, schema) as writer:
        tables = _tables(form, rows, schema)
        while group := list(islice(tables, GROUP // CHUNK)):
            writer.write_table(pyarrow.concat_tables(group), row_group_size=GROUP)


def _tables(form: str, rows: Iterator[Row], schema: Any) -> Iterator[Any]:
    import pyarrow

    as_row = typed_row if form == "omop" else record_row
    while chunk := list(islice(rows, CHUNK)):
        try:
            yield pyarrow.Table.from_pylist([as_row(row) for row in chunk], schema)
        except (pyarrow.ArrowException, OverflowError) as error:  # whose message could hold a note's text
            raise ValueError(f"Parquet does not take what was found ({type(error).__name__}): write .jsonl.") from None


def record_row(record: Row) -> Row:
    """RETURNS (Dict[str, Any]): A record, as it is in JSON, in the form of `record_schema`."""
    row = dict(record)
    row["id"] = None if record["id"] is None else str(record["id"])
    for name in ("entities", "sections"):
        if name in record:
            row[name] = _spans(record[name])
    if "questions" in record:
        row["questions"] = [{**each, "id": str(each["id"])} for each in record["questions"]]
    row["cats"] = list(record["cats"].items())
    row["spans"] = [(name, _spans(spans)) for name, spans in record["spans"].items()]
    row["custom"] = json.dumps(record["custom"], ensure_ascii=False) if "custom" in record else None
    return row


def _spans(spans: List[Row]) -> List[Row]:
    rows = []
    for span in spans:
        row = dict(span)
        if "assertion" in span:
            row["assertion"] = list(span["assertion"].items())
        if "attributes" in span:
            row["attributes"] = json.dumps(span["attributes"], ensure_ascii=False)
        rows.append(row)
    return rows
