"""MTSamples transcriptions, with the headings they are filed under: as JSON lines, one note a line, or Kaggle's mtsamples.csv, which
repeats a note for each of its headings."""

from typing import Any, Dict, Iterator, List, Optional, Sequence

from .docs import Reader, Record, make_reader, split_of
from .files import FilePath, at, csv_rows, json_lines
from .specialties import HEADINGS, categories_of
from .splits import fingerprint, mtsamples_ids

# What the site files notes under, where it names the kind of document and not a specialty.
NOTE_TYPES: Dict[str, str] = {
    "Consult - History and Phy.": "consult",
    "Discharge Summary": "discharge_summary",
    "Emergency Room Reports": "emergency_report",
    "Radiology": "radiology_report",
    "SOAP / Chart / Progress Notes": "progress_note",
    "Surgery": "operative_report",
}


def mtsamples_records(
    path: FilePath,
    split: Optional[str] = None,
    labels: Dict[str, str] = NOTE_TYPES,
    kinds: Optional[Sequence[str]] = None,
    summary: bool = False,
) -> Iterator[Record]:
    """Read the notes with their types as categories; a note can have several, or none.

    path (Union[str, Path]): The JSON lines, with "sample_id", "text" and "specialties", or a .csv with
        medical_specialty, sample_name and transcription.
    split (Optional[str]): "train", "dev" or "test", by sample_id (see `split_of`); None reads all. The CSV has no such ids: its notes
        are known by their text, and those that are not have an id made of it.
    labels (Dict[str, str]): Specialty as the site names it → category. Others are left out.
    kinds (Optional[Sequence[str]]): "type", "specialty" or both: the categories are then those of
        `specialties.HEADINGS`, and where a note has none of a kind they are missing instead of 0.
    summary (bool): Give the site's description of each note as its "summary", and what it lists as keywords among "meta". A note without
        description has no summary.
    YIELDS (Record): One record a note, with every category 0 or 1.
    RAISES (ValueError): A row is damaged or not of the corpus, by the line.
    """
    notes = _from_csv(path) if str(path).lower().endswith((".csv", ".csv.gz")) else _from_jsonl(path)
    for note in notes:
        if split is None or split_of(note["id"]) == split:
            names = note["specialties"]
            if kinds is None:
                cats = {label: float(name in names) for name, label in labels.items()}
            else:
                cats = categories_of(tuple(names), tuple(kinds))
            record: Record = {"id": note["id"], "text": note["text"], "cats": cats, "meta": {"specialties": names}}
            if summary and note["description"].strip():
                record["summary"] = note["description"].strip()
                record["meta"]["keywords"] = note["keywords"]
            if note.get("repeats"):
                record["unread"] = {"rows that repeat a note": note["repeats"]}
            yield record


def _from_jsonl(path: FilePath) -> Iterator[Dict[str, Any]]:
    for number, row in json_lines(path):
        names = row.get("specialties")
        if not isinstance(row.get("text"), str) or "sample_id" not in row or not isinstance(names, list):
            raise ValueError(f"{at(path, number)} has no 'sample_id', 'text' or 'specialties'.")
        _check(names, at(path, number))
        note_id = row["sample_id"]
        more = {"description": row.get("description") or "", "keywords": row.get("keywords") or []}
        yield {"id": note_id, "text": row["text"], "specialties": names, **more}


def _from_csv(path: FilePath) -> Iterator[Dict[str, Any]]:
    """Notes that are the same word for word are one, with the headings of all."""
    notes: Dict[str, Dict[str, Any]] = {}
    for number, row in csv_rows(path, ["medical_specialty", "transcription"]):
        text, name = row["transcription"], row["medical_specialty"].strip()
        _check([name], at(path, number))
        key = fingerprint(text) if text.strip() else f"row-{number}"
        note_id = mtsamples_ids().get(key, f"kaggle-{key}")
        keywords = [each.strip() for each in (row.get("keywords") or "").split(",") if each.strip()]
        more = {"description": row.get("description") or "", "keywords": keywords}
        note = notes.setdefault(key, {"id": note_id, "text": text, "specialties": [], "repeats": -1, **more})
        note["repeats"] += 1
        if name not in note["specialties"]:
            note["specialties"].append(name)
    yield from notes.values()


def _check(names: List[str], where: str) -> None:
    if not all(isinstance(name, str) and name in HEADINGS for name in names):
        raise ValueError(f"{where} has a specialty that MTSamples does not have.")


def read_mtsamples(
    path: FilePath,
    split: Optional[str] = None,
    kinds: Optional[List[str]] = None,
    summary: bool = False,
    strict: bool = False,
) -> Reader:
    """The registered reader `spacy-clinicalbert.mtsamples.v1`; see `mtsamples_records`."""
    return make_reader(lambda: mtsamples_records(path, split, kinds=kinds, summary=summary), strict)
