"""Notes of MIMIC-III (NOTEEVENTS.csv) and MIMIC-IV (discharge.csv, radiology.csv), which are not annotated. Private corpora: the
tests write files shaped like them."""

from typing import Dict, Iterator, List, Optional

from .docs import Reader, Record, make_reader, split_of
from .files import FilePath, at, csv_rows

_META = ("hadm_id", "category", "description", "note_type", "note_seq", "chartdate", "charttime")


def mimic_records(path: FilePath, split: Optional[str] = None, kinds: Optional[List[str]] = None) -> Iterator[Record]:
    """Read a table of notes, one at a time.

    path (Union[str, Path]): The .csv, or .csv.gz as it is published.
    split (Optional[str]): "train", "dev" or "test", by patient (see `docs.split_of`); None reads all.
    kinds (Optional[List[str]]): CATEGORY (MIMIC-III) or note_type (MIMIC-IV) of the notes to read; None reads all.
    YIELDS (Record): One record a note; admission, category and time are its "meta". Notes that MIMIC marks as
        errors are drops.
    RAISES (ValueError): A row is damaged, or it is not a table of MIMIC's notes, by the line.
    """
    for number, row in csv_rows(path, ["subject_id", "text"]):
        name = row.get("note_id", row.get("row_id"))
        if not name or not row["subject_id"]:
            raise ValueError(f"{at(path, number)} has no ROW_ID or note_id, or no patient.")
        wanted = kinds is None or row.get("category", row.get("note_type", "")).strip() in kinds
        if wanted and (split is None or split_of(row["subject_id"]) == split):
            meta = {key: row[key].strip() for key in _META if row.get(key, "").strip()}
            record: Record = {"id": name, "patient": row["subject_id"], "text": row["text"], "meta": meta}
            if is_error(row):
                record["drop"] = "notes that are marked as errors"
            yield record


def is_error(row: Dict[str, str]) -> bool:
    """Whether MIMIC-III marks a note as an error: ISERROR is 1, or 1.0 in a table that pandas wrote, as most notes have none."""
    return row.get("iserror", "").strip().removesuffix(".0") == "1"


def read_mimic(
    path: FilePath, split: Optional[str] = None, kinds: Optional[List[str]] = None, strict: bool = False
) -> Reader:
    """The registered reader `spacy-clinicalbert.mimic.v1`; see `mimic_records`."""
    return make_reader(lambda: mimic_records(path, split, kinds), strict)
