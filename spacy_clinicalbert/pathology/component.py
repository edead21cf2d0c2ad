"""The component `clinical_pathology`."""

from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from spacy.pipeline import Pipe
from spacy.tokens import Doc

from .found import Found, Report, make_report
from .grade import find_grades
from .inferred import add_inferred
from .invasion import find_invasion
from .margins import find_margins
from .markers import find_markers
from .nodes import find_nodes
from .pd_l1 import find_pd_l1
from .procedures import find_procedures
from .record import Evidence, PathologyRecord, Value
from .sites import find_sites
from .sizes import find_sizes
from .stage import find_stage
from .types import find_types

FINDERS: Tuple[Callable[[Report], Iterator[Found]], ...] = (
    find_sites, find_procedures, find_types, find_grades, find_sizes, find_margins, find_invasion, find_nodes, find_stage, find_markers, find_pd_l1,
)  # fmt: skip


STORED: Any = ("._.", "pathology", None, None)  # in doc.user_data, where spaCy has the values of extensions
STATED = "spacy_clinicalbert_stated"  # there too, until `clinical_pathology` takes it


def install_getter() -> None:
    """Declare `doc._.pathology`."""
    if not Doc.has_extension("pathology"):
        Doc.set_extension("pathology", getter=find_pathology)


def find_pathology(doc: Doc) -> Optional[PathologyRecord]:
    """RETURNS (Optional[PathologyRecord]): What stands behind `doc._.pathology`; None where no component has read the report."""
    stored = doc.user_data.get(STORED)
    return None if stored is None else PathologyRecord.model_validate(stored)


class ClinicalPathology(Pipe):
    """Writes `doc._.pathology`, the structured record of a pathology report. It lies in `doc.user_data` in plain values, which DocBin and other processes
    take, and each access makes it anew.

    name (str): Its name in the pipeline.
    inferred (Dict[str, List[str]]): Fields, and the labels of `doc.cats` that are their classes.
    threshold (float): The least probability of an inferred value.
    RAISES (ValueError): A field is not one of the record, or the threshold is no probability.
    """

    def __init__(
        self, name: str = "clinical_pathology", *, inferred: Dict[str, List[str]], threshold: float = 0.5
    ) -> None:
        unknown = sorted(set(inferred) - set(PathologyRecord.model_fields))
        if unknown:
            raise ValueError(
                f"'inferred' names {', '.join(unknown)}; the fields are {', '.join(PathologyRecord.model_fields)}."
            )
        if not 0 <= threshold <= 1:
            raise ValueError(f"'threshold' is {threshold}; set a probability, from 0 to 1.")
        self.name = name
        self.inferred = inferred
        self.threshold = threshold
        install_getter()

    def __call__(self, doc: Doc) -> Doc:
        """doc (Doc): The report. RETURNS (Doc): The same, with its record."""
        stated = doc.user_data.pop(STATED, None)
        record = read_report(doc.text) if stated is None else PathologyRecord.model_validate(stated)
        add_inferred(record, doc.cats, self.inferred, self.threshold)
        doc.user_data[STORED] = record.model_dump(mode="json", exclude_defaults=True)
        return doc


def stated_record(doc: Doc) -> PathologyRecord:
    """What a report states. A classifier that reads facts asks before `clinical_pathology` does, and so what was found is kept with the Doc; of a Doc that has its record it is taken from there.

    doc (Doc): The report.
    RETURNS (PathologyRecord): What it states, and what was inferred if that is known.
    """
    if STORED not in doc.user_data and STATED not in doc.user_data:
        doc.user_data[STATED] = read_report(doc.text).model_dump(mode="json", exclude_defaults=True)
    return PathologyRecord.model_validate(doc.user_data.get(STATED) or doc.user_data.get(STORED) or {})


def read_report(text: str) -> PathologyRecord:
    """text (str): A pathology report. RETURNS (PathologyRecord): What it states."""
    report = make_report(text)
    entries: Dict[Any, Tuple[Found, List[Tuple[int, int]]]] = {}
    for finder in FINDERS:
        for found in finder(report):
            key = (found.field, str(found.value), found.extra.get("name"), found.apart)
            first, places = entries.setdefault(key, (found, []))
            places.append(_place(text, report, found))
            # What one place says of a category holds of it.
            more = [
                (name, of) for name, of in found.attributes if name in ("prefix", "suffix") and name not in first.extra
            ]
            if more:
                entries[key] = (first._replace(attributes=(*first.attributes, *more)), places)
    record = PathologyRecord()
    for found, places in sorted(entries.values(), key=lambda each: min(each[1])):
        # Not validated: the rules give no other types, as the tests of the schema hold.
        evidence = [
            Evidence.model_construct(start=start, end=end, text=text[start:end]) for start, end in sorted(set(places))
        ]
        value = Value.model_construct(value=found.value, evidence=evidence, **found.extra)
        getattr(record, found.field).append(value)
    return record


def _place(text: str, report: Report, found: Found) -> Tuple[int, int]:
    """Where a value stands in the report as it was given, without a line break at either end."""
    start, end = report.lines.place(found.start), report.lines.place(found.end)
    words = text[start:end]
    return end - len(words.lstrip()), start + len(words.rstrip())
