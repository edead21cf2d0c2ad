"""Notes in, one at a time, whatever they stand in: JSON lines, a table, Parquet, a folder of text files, a query."""

import os
from itertools import chain
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Union

from ..corpora.files import csv_rows, json_lines, text_lines, whole_text
from .database import check_columns, count_query, query_rows, shown

FORMATS = ("jsonl", "csv", "parquet", "text", "sql")
TEXT = ".txt"
DELTA = "_delta_log"  # its folder says which of the .parquet files beside it count
Row = Dict[Any, Any]


class Note(NamedTuple):
    """A note of a source.

    position (int): Its place there, from 0: the only thing that no other note of the source has.
    id (Union[str, int, None]): As the source has it.
    text (str): The note; "" where there is a reason.
    patient (Optional[str]): Whose it is, where the source says.
    reason (str): Why it cannot be annotated, where it cannot. Never text of the note.
    """

    position: int
    id: Union[str, int, None]
    text: str
    patient: Optional[str] = None
    reason: str = ""


class Source(NamedTuple):
    """Where notes come from.

    path (str): A file, a folder, or the URL of a database as SQLAlchemy writes it.
    form (str): One of `FORMATS`.
    id_field (Optional[str]), patient_field (Optional[str]): The fields of a note's id and patient; None takes "id" and "patient"
        where they are there.
    text_field (str): The field of its text.
    query (Optional[str]): What selects the notes of a database.
    """

    path: str
    form: str
    id_field: Optional[str] = None
    text_field: str = "text"
    patient_field: Optional[str] = None
    query: Optional[str] = None


def find_format(path: str) -> str:
    """RETURNS (str): The format of a source, by what its name looks like. RAISES (ValueError): It looks like none."""
    if "://" in path:
        return "sql"
    suffix = Path(path.removesuffix(".gz")).suffix
    for form, endings in (("jsonl", (".jsonl", ".ndjson")), ("csv", (".csv",)), ("parquet", (".parquet",))):
        if suffix in endings:
            return form
    if Path(path).is_dir() or _is_text(path):
        return "text"
    raise ValueError(f"'{path}' is neither a folder nor of an ending that is known: say --from {', '.join(FORMATS)}.")


def read_notes(source: Source) -> Iterator[Note]:
    """Read a source, one note at a time, in the same order each time.

    YIELDS (Note): The notes.
    RAISES (ValueError): The source is damaged, or the first note has not the fields that are named.
    RAISES (OSError): It cannot be read.
    """
    if source.form != "sql" and not Path(source.path).exists():
        raise ValueError(f"'{source.path}' is not there.")
    rows = _READERS[source.form](source)
    first = next(rows, None)
    if first is None:
        return
    fields = {
        "--text-field": source.text_field,
        "--id-field": source.id_field,
        "--patient-field": source.patient_field,
    }
    for option, field in fields.items():
        if field is not None and _name(source, field) not in first:
            raise ValueError(f"The first note of '{shown(source.path)}' has no '{field}': set {option}.")
    text_field = _name(source, source.text_field)
    id_field, patient_field = _name(source, source.id_field or "id"), _name(source, source.patient_field or "patient")
    for position, row in enumerate(chain([first], rows)):
        text, reason = row.get(text_field), row.get(_REASON, "")
        yield make_note(position, row.get(id_field), text, row.get(patient_field), reason)


def make_note(position: int, note_id: Any, text: Any, patient: Any, reason: str = "") -> Note:
    """RETURNS (Note): A note of what a source has, with a reason if that is no text."""
    if not reason and text is None:
        reason = "it has no text"
    elif not reason and not isinstance(text, str):
        reason = f"its text is of the type {type(text).__name__}"
    note_id, patient = _given(note_id), _given(patient)
    note_id = note_id if note_id is None or isinstance(note_id, (str, int)) else str(note_id)
    patient = None if patient is None else str(patient)
    if not is_utf8(note_id):  # as JSON can write it ("\ud800"), and as Python names a file whose name is not UTF-8
        note_id, reason = ascii(note_id), reason or "its id, or its file's name, is not UTF-8"
    if not is_utf8(patient):
        patient, reason = ascii(patient), reason or "its patient's id is not UTF-8"
    return Note(position, note_id, "" if reason else str(text), patient, reason)


def _given(value: Any) -> Any:
    """An id as it was meant: blank ones and NaN are none, and a column of whole numbers with gaps is one of floats in pandas."""
    if isinstance(value, float):
        return None if value != value else int(value) if value.is_integer() else value
    # A database's CHAR(n) is filled up with spaces. As an id they would make one patient of all whose is not known.
    return None if isinstance(value, str) and not value.strip() else value


def is_utf8(value: Any) -> bool:
    """RETURNS (bool): Whether a value can be written: half of a surrogate pair cannot."""
    try:
        str(value).encode("utf8")
    except UnicodeEncodeError:
        return False
    return True


def passed_over(source: Source) -> str:
    """RETURNS (str): How much of a folder is not read, in words; "" where all is."""
    if source.form != "text" or not Path(source.path).is_dir():
        return ""
    n_others = n_linked = 0
    for folder, folders, names in os.walk(source.path):
        n_others += sum(not _is_text(name) for name in names)
        n_linked += sum((Path(folder) / name).is_symlink() for name in folders)
    if not n_others + n_linked:
        return ""
    return f"In '{source.path}', {n_others} files that do not end in {TEXT} and {n_linked} folders that are links are passed over."


def count_notes(source: Source) -> Optional[int]:
    """Count a source's notes, much faster than they are annotated.

    RETURNS (Optional[int]): How many there are; None where a database does not say.
    """
    if source.form == "parquet":
        return sum(_n_rows(path) for path in _parquet_paths(source.path))
    if source.form == "sql":
        return count_query(source.path, source.query or "")
    if source.form == "text":
        return sum(1 for _ in _text_paths(source.path))
    if source.form == "jsonl":
        return sum(1 for _, line in text_lines(source.path) if line.strip())
    return sum(1 for _ in csv_rows(source.path, []))


_REASON = object()  # a key that no file has


def _name(source: Source, field: str) -> str:
    return field.lower() if source.form == "csv" else field  # as csv_rows names columns


def _fields(source: Source) -> List[str]:
    return [source.text_field, source.id_field or "id", source.patient_field or "patient"]


def _jsonl_rows(source: Source) -> Iterator[Row]:
    return (row for _, row in json_lines(source.path))


def _csv_rows(source: Source) -> Iterator[Row]:
    return (row for _, row in csv_rows(source.path, []))


def _parquet_rows(source: Source) -> Iterator[Row]:
    for path in _parquet_paths(source.path):
        yield from _rows_of_parquet(path, _fields(source))


def _rows_of_parquet(path: Path, fields: List[str]) -> Iterator[Row]:
    number = 0
    with _open_parquet(path) as file:
        import pyarrow

        columns = [name for name in file.schema_arrow.names if name in fields]
        check_columns(columns, columns, path)
        try:
            for batch in file.iter_batches(batch_size=1000, columns=columns):
                for row in arrow_rows(batch):
                    yield row
                    number += 1
        except (pyarrow.ArrowException, OSError):
            raise ValueError(f"'{path}' cannot be read behind row {number}: it is damaged.") from None


def arrow_rows(batch: Any) -> List[Row]:
    """RETURNS (List[Dict[str, Any]]): The rows of an Arrow batch. Nobody checks that its strings are UTF-8: of those that are not, bytes become halves of
    surrogate pairs, as in Python's names of files."""
    try:
        return batch.to_pylist()
    except UnicodeDecodeError:
        columns = [_values(column) for column in batch.columns]
        return [dict(zip(batch.schema.names, row)) for row in zip(*columns)]


def _values(column: Any) -> List[Any]:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):  # categories of pandas
        column = column.dictionary_decode()
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column.to_pylist()
    return [raw and raw.decode("utf8", "surrogateescape") for raw in column.cast(pa.large_binary()).to_pylist()]


def _parquet_paths(path: str) -> List[Path]:
    """The file, or those of a folder, as Spark writes them; what is hidden or begins with "_" is of jobs that were broken off."""
    root = Path(path)
    if not root.is_dir():
        return [root]
    if (root / DELTA).is_dir():
        raise ValueError(
            f"'{path}' is a Delta table, whose folder keeps rows that were deleted or written over: write its rows to Parquet, and read that."
        )
    inside = [each.relative_to(root) for each in root.rglob("*.parquet") if each.is_file()]
    paths = [root / each for each in sorted(inside) if not any(part.startswith(("_", ".")) for part in each.parts)]
    if not paths:
        raise ValueError(f"The folder '{path}' has no .parquet files.")
    return paths


def _n_rows(path: Path) -> int:
    with _open_parquet(path) as file:
        return file.metadata.num_rows


def _open_parquet(path: Path) -> Any:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ImportError("Parquet is read with pyarrow: pip install 'spacy-clinicalbert[deployment]'.") from None
    try:
        return parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError):
        raise ValueError(f"'{path}' cannot be read: it is damaged, or not Parquet.") from None


def _text_rows(source: Source) -> Iterator[Row]:
    root = Path(source.path)
    for path in _text_paths(source.path):
        name = path.name if path == root else path.relative_to(root).as_posix()
        row: Row = {source.id_field or "id": name[: -len(TEXT)] if _is_text(name) else name}
        try:
            row[source.text_field] = whole_text(path).removeprefix("\ufeff")  # a mark of Windows' editors
        except ValueError:
            row.update({source.text_field: None, _REASON: "its file is not UTF-8"})
        yield row


def _text_paths(path: str) -> Iterator[Path]:
    if not Path(path).is_dir():
        yield Path(path)
        return

    def stop(error: OSError) -> None:  # else a folder that cannot be opened would be passed over
        raise error

    for folder, folders, names in os.walk(path, onerror=stop):
        folders.sort()
        yield from (Path(folder) / name for name in sorted(names) if _is_text(name))


def _is_text(name: str) -> bool:
    return name.lower().endswith(TEXT)


def _sql_rows(source: Source) -> Iterator[Row]:
    return query_rows(source.path, source.query or "", _fields(source))


_READERS: Dict[str, Callable[[Source], Iterator[Row]]] = {
    "jsonl": _jsonl_rows,
    "csv": _csv_rows,
    "parquet": _parquet_rows,
    "text": _text_rows,
    "sql": _sql_rows,
}


def slices(notes: Iterator[Note], size: int) -> Iterator[List[Note]]:
    """Cut a source into parts of one size, the last one shorter."""
    part: List[Note] = []
    for note in notes:
        part.append(note)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part
