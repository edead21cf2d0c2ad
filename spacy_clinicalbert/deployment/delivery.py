"""The parts of a finished run → its destination: one file, a folder of .spacy files, a table. What is there is whole, or not there."""

import csv
import gzip
import io
import json
import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, NamedTuple, Optional

from .arrow import check_arrow, write_parquet
from .database import KeyTaken, Table, shown
from .forms import FORMS, sync_folder
from .manifest import Manifest
from .omop import NOTE_NLP, typed_row
from .workers import part_path

Row = Dict[str, Any]

TARGETS = ("jsonl", "parquet", "spacy", "sql", "omop", "fhir-r4b", "fhir-r5")  # what --to takes
CONTAINERS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".spacy": "spacy", ".csv": "csv"}
# Form → what it can be written into.
FITTING = {
    "records": ("jsonl", "parquet", "sql"),
    "docs": ("spacy",),
    "omop": ("csv", "jsonl", "parquet", "sql"),
    "fhir-r4b": ("jsonl",),
    "fhir-r5": ("jsonl",),
}
# The columns of records in a table; a dict is JSON.
RECORD_COLUMNS: Dict[str, type] = {
    "position": int,
    "version": int,
    "id": str,
    "patient": str,
    "entities": dict,
    "cats": dict,
    "sections": dict,
    "questions": dict,
    "summary": dict,
    "spans": dict,
    "custom": dict,
}
PACKED = ".gz"
ROW_ID = "note_nlp_id"
# By what a row in a table is known to be this run's. A table of NOTE_NLP may be the user's, and round its numbers or cut its texts.
KNOWN_BY = {"records": list(RECORD_COLUMNS), "omop": [ROW_ID, "note_id", "nlp_system", "nlp_datetime"]}


class Target(NamedTuple):
    """Where a run's results go.

    path (str): A file, a folder of .spacy files, or a database's URL.
    form (str): What is written; see `forms.FORMS`.
    container (str): "jsonl", "csv", "parquet", "spacy" or "sql".
    table (Optional[str]): The table of a database.
    """

    path: str
    form: str
    container: str
    table: Optional[str] = None


def find_target(path: str, to: Optional[str], table: Optional[str]) -> Target:
    """Say what a destination's name and --to mean.

    RAISES (ValueError): They do not fit together, or say too little.
    """
    name = path.removesuffix(PACKED)
    container = "sql" if "://" in path else CONTAINERS.get(Path(name).suffix, "")
    if to is None and (not container or container == "csv" or name.endswith(".ndjson")):
        raise ValueError(f"What is to be written to '{shown(path)}'? Say --to {', '.join(TARGETS)}.")
    if to in FORMS:
        form = str(to)
        container = container or FITTING[form][0]
    else:
        container = to or container
        form = "docs" if container == "spacy" else "records"
    if container not in FITTING[form] or (container == "sql") != ("://" in path):
        raise ValueError(f"{to or form} cannot be written to '{shown(path)}': it wants {', '.join(FITTING[form])}.")
    if name != path and container not in ("sql", *_LINES):
        raise ValueError(f"'{path}' would be packed, which {' and '.join(_LINES)} can be: take the {PACKED} off.")
    if table is not None and container != "sql":
        raise ValueError(f"--table is the table of a database, and '{path}' is a file: leave it out.")
    if container == "sql":
        return Target(path, form, container, table or ("note_nlp" if form == "omop" else "annotations"))
    return Target(path, form, container)


def prepare(target: Target) -> None:
    """Find out before the first note whether the destination can be written.

    RAISES (ValueError), (ImportError): It cannot.
    """
    if target.container == "sql":
        table = _table(target)
        table.create()
        if target.form == "records" and table.last_key() is not None:
            raise ValueError(f"The table '{target.table}' of '{shown(target.path)}' has rows already: name another.")
    if target.container == "parquet":
        check_arrow()


def check_delivered(target: Target, manifest: Manifest, anew: str) -> None:
    """Find out whether what a finished run has written is there.

    anew (str): How to begin anew.
    RAISES (ValueError): It is not, or not whole.
    """
    if target.container == "sql":
        table, first, parts = _table(target), manifest.first_id or 0, manifest.parts.values()
        n_rows = sum(part["rows"] for part in parts)
        n_keys = n_rows if target.form == "omop" else sum(part["notes"] for part in parts)
        is_whole = table.is_there() and table.count(first, first + n_keys) == n_rows
    else:
        is_whole = Path(target.path).exists()
    if not is_whole:
        raise ValueError(
            f"The run is finished, but what it wrote to '{shown(target.path)}' is not there any more. {anew}"
        )


def deliver(target: Target, manifest: Manifest, folder: Path, anew: str) -> None:
    """Put the parts in their order into the destination.

    folder (Path): Where they are.
    anew (str): How to begin anew.
    RAISES (OSError), (ValueError): It cannot be written. What is there then is as it was before, or, of a table, whole parts.
    """
    paths = [part_path(folder, target.form, number) for number in sorted(manifest.parts)]
    if target.container == "sql":
        _fill_table(target, manifest, paths, anew)
    elif target.container == "spacy":
        _move_folder(folder, paths, Path(target.path))
    else:
        begun = folder / "output.tmp"
        try:
            _write(target, paths, begun)
            with begun.open("rb") as file:
                os.fsync(file.fileno())
            if not manifest.delivered and Path(target.path).exists():  # else it may be this run's, which was killed
                raise _made_meanwhile(Path(target.path))
        except (OSError, ValueError):
            begun.unlink(missing_ok=True)
            raise
        manifest.set_delivered(len(paths))
        os.replace(begun, target.path)
        sync_folder(Path(target.path).parent)


def _move_folder(folder: Path, paths: List[Path], destination: Path) -> None:
    # A .spacy file is one block that must be in memory whole; spaCy reads a folder of them as it reads one.
    docs = folder / "docs"
    docs.mkdir(exist_ok=True)
    for path in paths:
        if path.exists():  # else it was moved before a kill
            os.replace(path, docs / path.name)
    if not destination.exists():
        os.replace(docs, destination)
    elif any(docs.iterdir()):  # else they were moved before a kill
        raise _made_meanwhile(destination)
    sync_folder(destination.parent)


def _made_meanwhile(path: Path) -> ValueError:
    return ValueError(f"'{path}' was made meanwhile by somebody else. Take it away, and go on with --resume.")


def _rows(form: str, paths: List[Path]) -> Iterator[Row]:
    number = 1
    for path in paths:
        for row in _part_rows(form, path, number):
            yield row
            number += 1


def _part_rows(form: str, path: Path, first_id: int) -> Iterator[Row]:
    with path.open(encoding="utf8") as lines:
        for number, line in enumerate(lines, start=first_id):
            row = json.loads(line)
            yield {ROW_ID: number, **row} if form == "omop" else row


def _write(target: Target, paths: List[Path], begun: Path) -> None:
    if target.container == "parquet":
        write_parquet(begun, target.form, _rows(target.form, paths))
        return
    with ExitStack() as files:
        out: BinaryIO = files.enter_context(begun.open("wb"))
        if target.path.endswith(PACKED):  # without name and time, so that the same rows give the same bytes
            packed = gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0)
            out = files.enter_context(packed)  # type: ignore[assignment]
        _LINES[target.container](target.form, paths, out)


def _write_jsonl(form: str, paths: List[Path], out: BinaryIO) -> None:
    if form == "omop":
        for row in _rows(form, paths):
            out.write((json.dumps(row, ensure_ascii=False) + "\n").encode("utf8"))
        return
    for path in paths:
        with path.open("rb") as file:
            shutil.copyfileobj(file, out)


def _write_csv(form: str, paths: List[Path], out: BinaryIO) -> None:
    text = io.TextIOWrapper(out, encoding="utf8", newline="")
    writer = csv.DictWriter(text, list(NOTE_NLP), lineterminator="\n")
    writer.writeheader()
    writer.writerows(_rows(form, paths))
    text.detach()


# Containers that are lines, and so can be packed.
_LINES: Dict[str, Callable[[str, List[Path], BinaryIO], None]] = {"jsonl": _write_jsonl, "csv": _write_csv}


def _table(target: Target) -> Table:
    columns = NOTE_NLP if target.form == "omop" else RECORD_COLUMNS
    return Table(target.path, str(target.table), columns)


def _fill_table(target: Target, manifest: Manifest, paths: List[Path], anew: str) -> None:
    """A part is one transaction, and no row that is there is ever changed."""
    table = _table(target)
    is_omop = target.form == "omop"
    in_doubt = manifest.first_id is not None  # a kill may have come between a part's transaction and its line
    if not in_doubt:
        manifest.set_first_id((table.last_key() or 0) + 1 if is_omop else 0)
    first = manifest.first_id or 0
    for number, path in enumerate(paths):
        part = manifest.parts[number]
        behind = first + part["rows" if is_omop else "notes"]
        if number >= manifest.delivered:
            if not (in_doubt and table.holds(first, behind, _columns(target.form, path, first), KNOWN_BY[target.form])):
                try:
                    table.insert(first, behind, _columns(target.form, path, first))
                except KeyTaken as error:
                    raise ValueError(f"{error} {anew}") from None
            in_doubt = False
            manifest.set_delivered(number + 1)
        first = behind


def _columns(form: str, path: Path, first_id: int) -> Iterator[Row]:
    return map(typed_row if form == "omop" else _as_columns, _part_rows(form, path, first_id))


def _as_columns(record: Row) -> Row:
    columns = {name: record.get(name) for name in RECORD_COLUMNS}
    return {**columns, "id": None if record["id"] is None else str(record["id"])}
