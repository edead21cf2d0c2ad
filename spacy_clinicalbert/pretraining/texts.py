"""Text in: notes of JSON lines, Parquet, text and .spacy files, one after the other. What cannot be read is counted, and its
place named; it ends nothing."""

import json
import logging
import zlib
from collections import Counter
from dataclasses import asdict, dataclass, field
from glob import glob
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

from ..corpora.files import at, is_text, open_file
from ..corpora.public import held_out_records, public_corpora, training_records
from ..corpora.splits import splits_digest
from .config import Source

logger = logging.getLogger(__name__)

_ENDINGS: Dict[str, str] = {
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".parquet": "parquet",
    ".txt": "txt",
    ".spacy": "spacy",
}
_MAX_PLACES = 20


@dataclass
class Reading:
    """What was read of a source. Counts and places, never text.

    notes (int): Notes with text.
    characters (int): Of these notes.
    unreadable (Counter): Reason → how many notes or shards (files) could not be read.
    places (List[str]): Where the first of these stand.
    """

    notes: int = 0
    characters: int = 0
    unreadable: Counter = field(default_factory=Counter)
    places: List[str] = field(default_factory=list)

    def miss(self, reason: str, place: str) -> None:
        self.unreadable[reason] += 1
        if len(self.places) < _MAX_PLACES:
            self.places.append(f"{place}: {reason}")

    def as_dict(self) -> Dict[str, Any]:
        return {**asdict(self), "unreadable": dict(self.unreadable)}


def source_files(name: str, source: Source) -> List[Path]:
    """The files of a source, sorted: a file, a pattern, or all files of known formats in a folder and below.

    RAISES (ValueError): There are none.
    """
    path = Path(source.path)
    if source.format == "public":
        corpus = source.corpus or name
        if corpus not in public_corpora(path):
            raise ValueError(f"'{path}' has no public corpus '{corpus}'.")
        found: Iterable[Path] = (path / corpus).rglob("*")
    elif path.is_dir():
        kinds = _READERS if source.format is None else (source.format,)
        found = (file for file in path.rglob("*") if _kind(file) in kinds)
    else:
        found = [path] if path.is_file() else map(Path, glob(source.path, recursive=True))
    files = sorted(file for file in found if file.is_file())
    if not files:
        raise ValueError(
            f"The source '{name}' has no files: '{source.path}' is no file, pattern or folder with text in a known format "
            f"({', '.join(_ENDINGS)}). Paths count from the folder that the command runs in."
        )
    return files


def source_state(name: str, source: Source) -> Tuple[List[Tuple[str, int, int]], Optional[str]]:
    """What the text of a source follows from, beside its settings: path, size and time of each file, and a digest of what is held out of public corpora."""
    files = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in source_files(name, source)]
    return files, splits_digest() if source.format == "public" else None


def read_notes(name: str, source: Source, reading: Reading) -> Iterator[str]:
    """Read the notes of a source, streamed file by file.

    name (str): The source's name.
    source (Source): `path` is a file, a pattern or a folder. `format` follows from the files' names where it is not set; "public" is the
        corpus called `corpus` (else `name`) of the folder of public corpora, without what is held out, or of its
        held-out notes those of `split`. Of JSON lines and Parquet `split` takes the rows that say so in a column "split".
    reading (Reading): Counts what is read.
    YIELDS (str): The text of one note; notes without text are counted.
    """
    for place, text in _all_texts(name, source, reading):
        if not is_text(text):
            reading.miss("notes with half of a surrogate pair, which is no character", place)
        elif text.strip():
            reading.notes += 1
            reading.characters += len(text)
            yield text
        else:
            reading.miss("notes without text", place)
    if reading.unreadable:
        n_missed = sum(reading.unreadable.values())
        logger.warning("The source '%s': %d not read, the first: %s", name, n_missed, "; ".join(reading.places))


def _all_texts(name: str, source: Source, reading: Reading) -> Iterator[Any]:
    files = source_files(name, source)
    if source.format == "public":
        corpus = source.corpus or name
        records = (record for _, record in training_records(source.path, only=corpus))
        if source.split not in (None, "train"):
            records = (record for record in held_out_records(source.path, corpus, source.split))
        for record in records:
            yield f"{corpus} {record.get('id')}", record["text"]
        return
    for path in files:
        kind: Optional[str] = source.format or _kind(path)
        if kind is None:
            raise ValueError(
                f"The format of '{path}' does not follow from its name. Set format in the source '{name}'."
            )
        if source.split is not None and kind in ("txt", "spacy"):
            raise ValueError(f"'{path}' of the source '{name}' says nothing of splits: take out split.")
        try:
            yield from _READERS[kind](path, source.split, reading)
        except (EOFError, KeyError, NotImplementedError, OSError, TypeError, ValueError, zlib.error) as error:
            # Also gzip's BadGzipFile and Arrow's errors; the text of an error could hold a note.
            reading.miss(f"shards that cannot be read ({type(error).__name__})", f"'{path}'")


def _kind(path: Path) -> Optional[str]:
    return next((kind for end, kind in _ENDINGS.items() if path.name.lower().endswith(end)), None)


def _read_jsonl(path: Path, split: Optional[str], reading: Reading) -> Iterator[Any]:
    with open_file(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict) or not isinstance(row.get("text"), str):
                reading.miss("lines that are no JSON object with 'text'", at(path, number))
            elif split is None or row.get("split") == split:
                yield at(path, number), row["text"]


def _read_parquet(path: Path, split: Optional[str], reading: Reading) -> Iterator[Any]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise ImportError("Parquet is read with pyarrow: pip install 'spacy-clinicalbert[corpora]'.") from None
    number = 0
    with parquet.ParquetFile(path) as file:
        columns = ["text"] if split is None else ["text", "split"]
        for batch in file.iter_batches(batch_size=2048, columns=columns):
            for row in batch.to_pylist():
                number += 1
                if split is None or row.get("split") == split:
                    if isinstance(row.get("text"), str):
                        yield f"Row {number} of '{path}'", row["text"]
                    else:
                        reading.miss("rows without 'text'", f"Row {number} of '{path}'")


def _read_txt(path: Path, split: Optional[str], reading: Reading) -> Iterator[Any]:
    yield f"'{path}'", path.read_bytes().decode("utf-8-sig")


def _read_spacy(path: Path, split: Optional[str], reading: Reading) -> Iterator[Any]:
    import spacy
    from spacy.tokens import DocBin

    for number, doc in enumerate(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab), start=1):
        yield f"Doc {number} of '{path}'", doc.text


_READERS = {"jsonl": _read_jsonl, "parquet": _read_parquet, "txt": _read_txt, "spacy": _read_spacy}
