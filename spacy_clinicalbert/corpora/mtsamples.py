"""MTSamples transcriptions as JSON lines: one note a line, with the specialties and note types it is filed under."""

from pathlib import Path
from typing import Dict, Iterator, Optional, Union

from .docs import Reader, Record, make_reader, split_of
from .jsonl import read_lines

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
    path: Union[str, Path], split: Optional[str] = None, labels: Dict[str, str] = NOTE_TYPES
) -> Iterator[Record]:
    """Read the notes with their types as categories; a note can have several, or none.

    path (Union[str, Path]): The JSON lines, with "sample_id", "text" and "specialties".
    split (Optional[str]): "train", "dev" or "test", see `split_of`; None reads all.
    labels (Dict[str, str]): Specialty as the site names it → category. Others are left out.
    YIELDS (Record): One record a note, with every category 0 or 1.
    """
    for row in read_lines(path):
        if split is None or split_of(row["sample_id"]) == split:
            yield {
                "id": row["sample_id"],
                "text": row["text"],
                "cats": {label: float(name in row["specialties"]) for name, label in labels.items()},
            }


def read_mtsamples(path: Path, split: Optional[str] = None, strict: bool = False) -> Reader:
    """The registered reader `spacy-clinicalbert.mtsamples.v1`; see `mtsamples_records`."""
    return make_reader(lambda: mtsamples_records(path, split), strict)
