"""A pipeline over the notes of a Spark DataFrame, by Arrow batches. The same records as `python -m spacy clinicalbert annotate`, a row each."""

import json
from functools import lru_cache, partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Optional

from spacy.language import Language
from spacy.tokens import Doc

from .annotator import Annotator
from .arrow import record_row, record_schema
from .forms import dump
from .notes import Note, arrow_rows, make_note, slices
from .records import RECORD_VERSION, to_record
from .workers import load_pipeline, n_cores

if TYPE_CHECKING:
    from pyarrow import RecordBatch, Schema
    from pyspark.sql import DataFrame

REASON = "reason"  # the column that says why a note was not annotated
CHUNK = 100  # rows of an Arrow batch that are Python's at a time


def annotate_dataframe(
    df: "DataFrame",
    pipeline: str,
    text_col: str = "text",
    id_col: str = "id",
    *,
    patient_col: Optional[str] = None,
    max_length: Optional[int] = None,
    part_size: int = 1000,
) -> "DataFrame":
    """Annotate the notes of a DataFrame: a row for each, with the columns of `output_schema`. A note that fails has a row too, with the reason
    and without results. Like all of Spark's, the result is computed anew each time that it is used: write it, and go on with what was written.

    A Python worker loads the pipeline once, and has as many threads as `spark.task.cpus` says.

    df (DataFrame): The notes.
    pipeline (str): A saved or installed pipeline, by a name that holds on every executor: a path of a file system that they share, a folder that
        came with `--archives`, or a package.
    text_col (str): The column of their text, strings.
    id_col (str): The column of their ids, strings or whole numbers.
    patient_col (Optional[str]): The column of the patients' ids, if there is one.
    max_length (Optional[int]): The most characters of a note; None leaves the pipeline's own.
    part_size (int): Notes that are annotated together, and held in memory with their results.
    RETURNS (DataFrame): The records, in the order of each partition's notes.
    RAISES (ValueError): A column is not there, or not of these types.
    RAISES (ImportError): pyspark or pyarrow is not installed.
    """
    try:
        import pyarrow  # noqa: F401
        from pyspark.sql.pandas.types import from_arrow_schema
    except ImportError:
        raise ImportError("Spark needs pyspark and pyarrow: pip install 'spacy-clinicalbert[spark]'.") from None
    columns = {"id": id_col, "text": text_col, **({"patient": patient_col} if patient_col is not None else {})}
    types = {field.name: field.dataType.simpleString() for field in df.schema.fields}
    for column in columns.values():
        if column not in types:
            raise ValueError(f"The DataFrame has no column '{column}': it has {', '.join(types)}.")
    if types[text_col] != "string":
        raise ValueError(f"The column '{text_col}' is of the type {types[text_col]}: cast it to string.")
    if types[id_col] not in ("string", "tinyint", "smallint", "int", "bigint"):
        raise ValueError(f"The column '{id_col}' is of the type {types[id_col]}: cast it to string or bigint.")
    id_type = "string" if types[id_col] == "string" else "bigint"
    wanted = {"id": id_type, "text": "string", "patient": "string"}
    notes = df.select([df[f"`{column}`"].cast(wanted[name]).alias(name) for name, column in columns.items()])
    schema = output_schema(id_type == "bigint")
    annotate = partial(annotate_batches, pipeline=pipeline, schema=schema, max_length=max_length, part_size=part_size)
    return notes.mapInArrow(annotate, from_arrow_schema(schema))


def output_schema(whole_numbers: bool = False) -> "Schema":
    """What a row has: the fields of a record without `position`, which a DataFrame has not, and `reason`.

    whole_numbers (bool): Whether ids are whole numbers, and not strings.
    RETURNS (Schema): pyarrow's.
    """
    import pyarrow as pa

    fields = [field for field in record_schema() if field.name != "position"]
    fields = [pa.field("id", pa.int64()) if field.name == "id" and whole_numbers else field for field in fields]
    return pa.schema([*fields, pa.field(REASON, pa.string())])


def annotate_batches(
    batches: Iterator["RecordBatch"], pipeline: str, schema: "Schema", max_length: Optional[int], part_size: int
) -> Iterator["RecordBatch"]:
    """Annotate a partition: what a Python worker does.

    batches (Iterator[RecordBatch]): Its notes: id, text, and patient if there is one.
    schema (Schema): As `output_schema` makes it.
    YIELDS (RecordBatch): The rows of `part_size` notes, in their order.
    """
    import pyarrow as pa

    annotator: Optional[Annotator] = None
    for notes in slices(_notes(batches), part_size):
        annotator = annotator or Annotator(
            _load(pipeline, _threads(), max_length), lambda doc, note: (note.position, _to_row(doc, schema))
        )
        found, failures = annotator(notes)
        rows = dict(found)
        by_position = {note.position: note for note in notes}
        for failure in failures:
            rows[failure.position] = _failed_row(by_position[failure.position], failure.reason, schema)
        table = pa.Table.from_batches([rows[note.position] for note in notes]).combine_chunks()
        yield from table.to_batches()


@lru_cache(maxsize=1)
def _load(pipeline: str, threads: int, max_length: Optional[int]) -> Language:
    """Spark uses a Python worker again for the next partition."""
    if not Path(pipeline).exists():
        from pyspark import SparkFiles

        sent = SparkFiles.get(pipeline)  # where some cluster managers put what came with --archives
        pipeline = sent if Path(sent).exists() else pipeline
    return load_pipeline(pipeline, threads, max_length)


def _threads() -> int:
    from pyspark import TaskContext

    task = TaskContext.get()
    return n_cores() if task is None else max(1, task.cpus())


def _notes(batches: Iterator["RecordBatch"]) -> Iterator[Note]:
    positions = count()
    for batch in batches:
        for start in range(0, batch.num_rows, CHUNK):
            for row in arrow_rows(batch.slice(start, CHUNK)):
                yield make_note(next(positions), row["id"], row["text"], row.get("patient"))


def _to_row(doc: Doc, schema: "Schema") -> "RecordBatch":
    """A batch of each note: of one that Arrow does not take the error would hold values, and would be that of all notes."""
    import pyarrow as pa

    record = json.loads(dump(to_record(doc)))  # as the command writes it, with its errors
    return pa.RecordBatch.from_pylist([{**record_row(record), "id": record["id"]}], schema)


def _failed_row(note: Note, reason: str, schema: "Schema") -> "RecordBatch":
    import pyarrow as pa

    row = {"version": RECORD_VERSION, "id": note.id, "patient": note.patient, REASON: reason}
    return pa.RecordBatch.from_pylist([row], schema)
