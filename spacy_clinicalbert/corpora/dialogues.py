"""Doctor-patient dialogues and what was written of them: MTS-Dialog (a section of a note) and ACI-bench (a note)."""

from pathlib import Path
from typing import Iterator

from .docs import Reader, Record, make_reader
from .files import FilePath, csv_rows

# MTS-Dialog counts each of its files from 0.
_MTS_FILES = {"Training": "train", "Validation": "valid", "TestSet-1": "test1", "TestSet-2": "test2"}


def dialogue_records(path: FilePath) -> Iterator[Record]:
    """Read a table of either corpus; their splits are files.

    path (Union[str, Path]): The .csv.
    YIELDS (Record): One record a dialogue, which is its text; what was written is its "summary". The section's head (MTS-Dialog) and the
        part of the corpus (ACI-bench) are its "meta". An id is encounter_id, or the file and its ID: "test1-17".
    RAISES (ValueError): A row is damaged, or the table is of neither corpus, by the line.
    """
    name = Path(path).stem
    name = next((short for part, short in _MTS_FILES.items() if part in name), name)
    for _, row in csv_rows(path, ["dialogue"]):
        if "section_text" in row and "id" in row:
            meta = {"section": row.get("section_header", "")}
            yield {"id": f"{name}-{row['id']}", "text": row["dialogue"], "summary": row["section_text"], "meta": meta}
        elif "note" in row and "encounter_id" in row:
            meta = {"dataset": row.get("dataset", "")}
            yield {"id": row["encounter_id"], "text": row["dialogue"], "summary": row["note"], "meta": meta}
        else:
            raise ValueError(f"Line 1 of '{path}' names neither ID and section_text nor encounter_id and note.")


def read_dialogues(path: FilePath, strict: bool = False) -> Reader:
    """The registered reader `spacy-clinicalbert.dialogues.v1`; see `dialogue_records`."""
    return make_reader(lambda: dialogue_records(path), strict)
