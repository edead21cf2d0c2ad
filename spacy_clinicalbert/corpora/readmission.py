"""Admissions of MIMIC-III or MIMIC-IV with their notes, and whether the patient was readmitted: the task of ClinicalBERT (Huang, Altosaar and
Ranganath 2019, arXiv 1904.05342). Private corpora: the tests write tables shaped like them.

An admission is labelled with whether the patient's next unplanned admission begins within `days` of its discharge. Planned readmissions are
passed over, not taken for none: what counts is the first unplanned one behind them. Admissions of newborns, those that ended in death, and those that another
of the same patient overlaps (a transfer) are left out, and counted.
"""

import sqlite3
from collections import Counter
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple
from zlib import crc32

from .docs import Reader, Record, make_reader, split_of
from .files import FilePath, at, csv_rows
from .mimic import is_error

LABEL = "readmission"
NOTES = "notes"  # the span group of a note's borders, labelled with its category
PLANNED = {"ELECTIVE", "SURGICAL SAME DAY ADMISSION"}  # ADMISSION_TYPE of MIMIC-III, and of MIMIC-IV
DISCHARGE = {"Discharge summary", "DS", "AD"}  # CATEGORY of MIMIC-III, note_type of MIMIC-IV: summaries and addenda
_GAP = "\n\n"  # between the notes of an admission


class Admission(NamedTuple):
    """A row of ADMISSIONS, and what follows from the rows around it.

    begins, ends (datetime): Of the stay.
    readmitted (bool): Whether an unplanned admission follows in time.
    left_out (Optional[str]): Why it is not in the cohort.
    """

    patient: str
    begins: datetime
    ends: datetime
    readmitted: bool
    left_out: Optional[str]


def readmission_records(
    path: FilePath,
    split: Optional[str] = None,
    hours: Optional[float] = None,
    days: float = 30,
    deaths_after: bool = False,
    balanced: bool = False,
) -> Iterator[Record]:
    """Read the cohort, one record an admission, with all its notes in the order of their time.

    path (Union[str, Path]): A folder that has, at any depth, ADMISSIONS.csv and NOTEEVENTS.csv (MIMIC-III), or admissions.csv and
        discharge.csv or radiology.csv (MIMIC-IV); PATIENTS.csv for `deaths_after`. All may be .gz.
    split (Optional[str]): "train", "dev" or "test", by patient (see `docs.split_of`); None reads all.
    hours (Optional[float]): None reads discharge summaries. A number reads the notes of the first hours of the stay but never a discharge summary, and
        leaves out stays that were over by then. A note of which only the day is known counts if all of that day is within the hours.
    days (float): The time after discharge in which a readmission counts.
    deaths_after (bool): Leave out admissions after which the patient died within `days` without having been readmitted (DOD in PATIENTS):
        nobody knows whether they would have been. The paper keeps them as not readmitted.
    balanced (bool): As many admissions that are not readmitted as are, chosen by their numbers, as in the paper. Not for a
        test set: with another prevalence precision means nothing.
    YIELDS (Record): The text of all notes, with `spans["notes"]`, their borders; its id is that of the admission. Its other notes are counted as unread.
    RAISES (ValueError): A table is not there, twice there or damaged, by the line.
    """
    folder = Path(path)
    dead = _days_of_death(_table(folder, "patients")) if deaths_after else {}
    cohort = _read_admissions(_table(folder, "admissions"), days, hours, dead)
    if split is not None:
        cohort = {name: each for name, each in cohort.items() if split_of(each.patient) == split}
    for name, admission in cohort.items():
        if admission.left_out:
            yield {"id": name, "patient": admission.patient, "drop": admission.left_out}
    cohort = {name: each for name, each in cohort.items() if not each.left_out}
    # A table of notes is sorted by their kind, not by admission, and larger than memory: a temporary database on disk sorts it.
    unread: Dict[str, Counter] = {}
    with closing(sqlite3.connect("")) as notes:
        notes.execute("CREATE TABLE notes (admission TEXT, time TEXT, number INTEGER, category TEXT, text TEXT)")
        for table in _tables_of_notes(folder, hours):
            rows = _notes(table, cohort, hours, unread)
            notes.executemany("INSERT INTO notes VALUES (?, ?, ?, ?, ?)", rows)
        with_notes = [name for (name,) in notes.execute("SELECT DISTINCT admission FROM notes ORDER BY admission")]
        for name in sorted(cohort.keys() - set(with_notes)):
            dropped = {"id": name, "patient": cohort[name].patient, "drop": "admissions without such notes"}
            yield {**dropped, "unread": unread.get(name, {})}
        chosen = _balance(with_notes, cohort) if balanced else with_notes
        notes.execute("CREATE INDEX by_admission ON notes (admission, time, number)")
        for name in chosen:
            query = "SELECT category, text FROM notes WHERE admission = ? ORDER BY time, number"
            yield {**_record(name, cohort[name], list(notes.execute(query, (name,)))), "unread": unread.get(name, {})}


def read_readmission(
    path: FilePath,
    split: Optional[str] = None,
    hours: Optional[float] = None,
    days: float = 30,
    deaths_after: bool = False,
    balanced: bool = False,
    strict: bool = False,
) -> Reader:
    """The registered reader `spacy-clinicalbert.readmission.v1`; see `readmission_records`."""
    return make_reader(lambda: readmission_records(path, split, hours, days, deaths_after, balanced), strict)


def _tables(folder: Path, name: str) -> List[Path]:
    return sorted(each for each in folder.rglob("*.csv*") if each.name.lower() in (f"{name}.csv", f"{name}.csv.gz"))


def _table(folder: Path, name: str) -> Path:
    found = _tables(folder, name)
    if len(found) != 1:
        what = "no" if not found else "more than one"
        raise ValueError(f"'{folder}' has {what} table '{name}.csv' or '{name}.csv.gz', in it or below it.")
    return found[0]


def _tables_of_notes(folder: Path, hours: Optional[float]) -> List[Path]:
    if _tables(folder, "noteevents"):
        return [_table(folder, "noteevents")]
    return [_table(folder, "discharge" if hours is None else "radiology")]


def _read_admissions(
    path: Path, days: float, hours: Optional[float], dead: Dict[str, datetime]
) -> Dict[str, Admission]:
    """RETURNS (Dict[str, Admission]): HADM_ID → admission."""
    columns = ["subject_id", "hadm_id", "admittime", "dischtime", "deathtime", "admission_type"]
    rows: Dict[str, List[Tuple[datetime, datetime, str, str, bool]]] = {}
    for number, row in csv_rows(path, columns):
        begins, ends = (_time(row[name], path, number) for name in ("admittime", "dischtime"))
        if begins is None or ends is None:
            raise ValueError(f"{at(path, number)} has no ADMITTIME or no DISCHTIME.")
        died = bool(row["deathtime"].strip()) or row.get("hospital_expire_flag", "").strip() == "1"
        kind = row["admission_type"].strip().upper()
        rows.setdefault(row["subject_id"], []).append((begins, ends, row["hadm_id"], kind, died))
    cohort: Dict[str, Admission] = {}
    window = timedelta(days=days)
    for patient, stays in rows.items():
        stays.sort()
        unplanned = [begins for begins, _, _, kind, _ in stays if kind not in PLANNED]
        latest = datetime.min  # of the ends of those before
        for i, (begins, ends, name, kind, died) in enumerate(stays):
            left_out = None
            overlaps = (i + 1 < len(stays) and stays[i + 1][0] < ends) or ends <= latest or ends < begins
            latest = max(latest, ends)
            readmitted = any(ends <= other <= ends + window for other in unplanned if other > begins)
            if kind == "NEWBORN":
                left_out = "admissions of newborns"
            elif died:
                left_out = "admissions that ended in death"
            elif overlaps:
                left_out = "admissions that another one overlaps"
            elif hours is not None and ends < begins + timedelta(hours=hours):
                left_out = "admissions that were over before the hours were"
            elif not readmitted and patient in dead and dead[patient] <= ends + window:
                left_out = "admissions with a death soon after them"
            cohort[name] = Admission(patient, begins, ends, readmitted, left_out)
    return cohort


def _days_of_death(path: Path) -> Dict[str, datetime]:
    dead = {}
    for number, row in csv_rows(path, ["subject_id", "dod"]):
        day = _time(row["dod"], path, number)
        if day is not None:
            dead[row["subject_id"]] = day
    return dead


def _time(text: str, path: Path, number: int) -> Optional[datetime]:
    if not text.strip():
        return None
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{at(path, number)} has a time that is not YYYY-MM-DD HH:MM:SS.") from None


def _notes(
    path: Path, cohort: Dict[str, Admission], hours: Optional[float], unread: Dict[str, Counter]
) -> Iterator[Tuple[str, str, int, str, str]]:
    """The notes of a table that belong to the cohort, as rows of the database. `unread` gets, for each admission, why how many others of its notes do not."""
    for number, row in csv_rows(path, ["hadm_id", "text"]):
        name = row["hadm_id"].strip().removesuffix(".0")  # as a table has it that pandas wrote
        category = row.get("category", row.get("note_type", "")).strip()
        admission = cohort.get(name)
        if admission is None:
            continue
        reason = None
        if is_error(row):
            reason = "notes marked as errors"
        elif not row["text"].strip():
            reason = "notes without text"
        elif (category in DISCHARGE) != (hours is None):
            reason = "notes that are no discharge summaries" if hours is None else "discharge summaries"
        if reason:
            unread.setdefault(name, Counter())[reason] += 1
            continue
        time = _time(row.get("charttime", ""), path, number)
        day = time or _time(row.get("chartdate", ""), path, number)
        if hours is not None:
            # Of a day alone, its end: what was written later than the hours must not be read.
            latest = time or (day + timedelta(days=1) if day else None)
            if latest is None or latest > admission.begins + timedelta(hours=hours):
                reason = "notes of an unknown time" if latest is None else "notes of later hours"
                unread.setdefault(name, Counter())[reason] += 1
                continue
        yield name, (day or admission.ends).isoformat(), number, category, row["text"].strip()


def _balance(names: List[str], cohort: Dict[str, Admission]) -> List[str]:
    """All that are readmitted and as many that are not, in their order."""
    yes = [name for name in names if cohort[name].readmitted]
    no = sorted((name for name in names if not cohort[name].readmitted), key=lambda name: (crc32(name.encode()), name))
    return sorted([*yes, *no[: len(yes)]])


def _record(name: str, admission: Admission, notes: List[Tuple[str, str]]) -> Record:
    text, borders = "", []
    for category, note in notes:
        text += _GAP if text else ""
        borders.append([len(text), len(text) + len(note), category])
        text += note
    return {
        "id": name,
        "patient": admission.patient,
        "text": text,
        "cats": {LABEL: float(admission.readmitted)},
        "spans": {NOTES: borders},
        "meta": {"n_notes": len(notes), "hours": (admission.ends - admission.begins).total_seconds() / 3600},
    }
