"""The user's own table of what labels and mentions are called elsewhere: OMOP's concept ids, FHIR's resources and codes."""

from pathlib import Path
from typing import Dict, NamedTuple, Optional, Tuple, Union

from ..corpora.files import at, csv_rows

RESOURCES = ("Condition", "Observation", "MedicationStatement", "none")
# Labels that mean one kind of resource wherever they are used, in capitals. Of others the table has to say it: i2b2's TREATMENT, for
# instance, may be an operation.
LABEL_RESOURCES = {
    "PROBLEM": "Condition",
    "DISEASE": "Condition",
    "TEST": "Observation",
    "DRUG": "MedicationStatement",
    "MEDICATION": "MedicationStatement",
}
_NUMBERS = ("concept_id", "source_concept_id")
_STRINGS = ("resource", "system", "code", "display")


class Concept(NamedTuple):
    """What the table says of a mention; 0 and "" where it says nothing.

    concept_id (int), source_concept_id (int): OMOP's.
    resource (str): One of `RESOURCES`.
    system (str), code (str), display (str): FHIR's coding.
    """

    concept_id: int = 0
    source_concept_id: int = 0
    resource: str = ""
    system: str = ""
    code: str = ""
    display: str = ""


class Concepts:
    """The table; without rows it says nothing. A row for a mention goes before the row of its label, field by field.

    rows (Optional[Dict[Tuple[str, str], Concept]]): Label and mention (normalised, "" for all of the label) → concept.
    sections (Optional[Dict[str, int]]): Label of a section → OMOP's concept id.
    """

    def __init__(
        self, rows: Optional[Dict[Tuple[str, str], Concept]] = None, sections: Optional[Dict[str, int]] = None
    ):
        self.rows = rows or {}
        self.sections = sections or {}

    def find(self, label: str, mention: str) -> Concept:
        """RETURNS (Concept): What the table says of a mention, and of the resource what is known without it."""
        own = self.rows.get((label, normalise(mention)), Concept())
        whole = self.rows.get((label, ""), Concept())
        found = Concept._make(mine or theirs for mine, theirs in zip(own, whole))
        if own.code:  # the parts of a coding belong together
            found = found._replace(system=own.system, display=own.display)
        return found._replace(resource=found.resource or LABEL_RESOURCES.get(label.upper(), ""))


def normalise(mention: str) -> str:
    """A mention in lower case, with single spaces for white space."""
    return " ".join(mention.casefold().split())


def read_concepts(path: Union[str, Path]) -> Concepts:
    """Read a .csv with the column `label` and some of text, section, concept_id, source_concept_id, resource, system, code, display. A
    row is of a label, of a label with one text, or of a section.

    path (Union[str, Path]): The file.
    RETURNS (Concepts): The table.
    RAISES (ValueError): A row is not so, or comes twice, by its line.
    """
    rows: Dict[Tuple[str, str], Concept] = {}
    sections: Dict[str, int] = {}
    for number, row in csv_rows(path, ["label"]):
        where = at(path, number)
        row = {name: value.strip() for name, value in row.items()}
        label, section = row["label"], row.get("section", "")
        if bool(label) == bool(section):
            raise ValueError(f"{where} has neither a label nor a section, or both.")
        numbers = [row.get(name, "") for name in _NUMBERS]
        if not all(value.isdecimal() or not value for value in numbers):
            raise ValueError(f"{where} has a concept id that is not a number.")
        strings = [row.get(name, "") for name in _STRINGS]
        if strings[0] and strings[0] not in RESOURCES:
            raise ValueError(f"{where} has a resource that is none of {', '.join(RESOURCES)}.")
        key = (label, normalise(row.get("text", "")))
        if section in sections or key in rows:
            raise ValueError(f"{where} says again what stands above it.")
        concept = Concept._make([*(int(value or 0) for value in numbers), *strings])
        if section:
            sections[section] = concept.concept_id
        else:
            rows[key] = concept
    return Concepts(rows, sections)


def as_concepts(concepts: Union[str, Path, Concepts, None]) -> Concepts:
    """RETURNS (Concepts): The table, read if it is a path, and empty if it is None."""
    if isinstance(concepts, Concepts):
        return concepts
    return read_concepts(concepts) if concepts is not None else Concepts()
