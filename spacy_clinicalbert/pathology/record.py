"""The structured record of a report: pydantic models, as JSON and as a table."""

import csv
import json
from typing import Any, Dict, Iterable, List, Literal, Optional, TextIO, Union

from pydantic import BaseModel, ConfigDict, Field, model_validator

STATED = (
    "site procedure laterality histologic_type grade tumour_size margins lymphovascular_invasion perineural_invasion "
    "nodes_examined nodes_positive pT pN pM edition stage_group marker"
).split()
COLUMNS = "report field value name prefix suffix system part in_situ source probability conflict evidence".split()


class Evidence(BaseModel):
    """Where the report says it, in characters of its text."""

    model_config = ConfigDict(extra="forbid")
    start: int = Field(ge=0, description="first character")
    end: int = Field(gt=0, description="behind the last character")
    text: str = Field(description="the words themselves")


class Value(BaseModel):
    """A normalised value with the places that state it, or with the probability that a classifier gives it."""

    model_config = ConfigDict(extra="forbid")
    value: Union[int, str, List[Union[int, float]]]
    source: Literal["stated", "inferred"] = "stated"
    probability: float = Field(default=1.0, ge=0.0, le=1.0, description="of an inferred value; what is stated has 1")
    evidence: List[Evidence] = Field(
        default_factory=list, description="in the order of the text; none for an inferred value"
    )
    name: Optional[str] = Field(default=None, description="the marker")
    prefix: Optional[str] = Field(default=None, description="of a TNM category: p, c, y, r, a and their combinations")
    suffix: Optional[str] = Field(
        default=None,
        description="of a T category m: several tumours; of an N category how it was found: i+, mol-, sn, f, or several with commas",
    )
    system: Optional[str] = Field(default=None, description="FIGO, where the stage group is FIGO's")
    part: bool = Field(default=False, description="a count of one container or station, not of the whole report")
    in_situ: bool = False
    conflict: bool = Field(default=False, description="what is stated and what is inferred differ")

    @model_validator(mode="after")
    def _stated_has_evidence(self) -> "Value":
        if self.source == "stated" and not self.evidence:
            raise ValueError("A stated value needs evidence; mark it inferred, or give the place that states it.")
        return self


class PathologyRecord(BaseModel):
    """All that is known of a report. A field without values is missing: the report does not state it."""

    model_config = ConfigDict(extra="forbid")
    site: List[Value] = []
    procedure: List[Value] = []
    laterality: List[Value] = []
    histologic_type: List[Value] = []
    grade: List[Value] = []
    tumour_size: List[Value] = Field(default=[], description="dimensions in mm, the greatest first")
    margins: List[Value] = []
    lymphovascular_invasion: List[Value] = []
    perineural_invasion: List[Value] = []
    nodes_examined: List[Value] = []
    nodes_positive: List[Value] = []
    pT: List[Value] = []
    pN: List[Value] = []
    pM: List[Value] = []
    edition: List[Value] = []
    stage_group: List[Value] = []
    marker: List[Value] = []
    cancer_type: List[Value] = Field(default=[], description="inferred only")

    def values(self) -> Iterable[Any]:
        """YIELDS (Tuple[str, Value]): Each value with its field, in the order of the fields."""
        for field in type(self).model_fields:
            for value in getattr(self, field):
                yield field, value

    def conflicts(self) -> List[str]:
        """RETURNS (List[str]): Fields in which stated and inferred values differ."""
        return list(dict.fromkeys(field for field, value in self.values() if value.conflict))

    def to_json(self, **options: Any) -> str:
        """RETURNS (str): JSON without what is not set."""
        return self.model_dump_json(exclude_defaults=True, **options)

    def rows(self, report: str = "") -> Iterable[Dict[str, str]]:
        """report (str): The report's name. YIELDS (Dict[str, str]): A line a value, with the keys `COLUMNS`."""
        for field, value in self.values():
            number = (
                " x ".join(f"{each:g}" for each in value.value) if isinstance(value.value, list) else str(value.value)
            )
            row: Dict[str, str] = {"report": report, "field": field, "value": number}
            for column in COLUMNS[3:-1]:
                each = getattr(value, column)
                row[column] = "" if each in (None, False) else "1" if each is True else str(each)
            row["evidence"] = " ".join(f"{each.start}-{each.end}" for each in value.evidence)
            yield row


def write_csv(records: Iterable[Any], file: TextIO) -> None:
    """Write a table with a line for each value.

    records (Iterable[Tuple[str, PathologyRecord]]): Names of reports, and their records.
    file (TextIO): Opened with newline="".
    """
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    for name, record in records:
        writer.writerows(record.rows(name))


def json_schema() -> str:
    """RETURNS (str): The schema of the records, which assets/pathology_schema.json publishes."""
    return json.dumps(PathologyRecord.model_json_schema(), indent=1, sort_keys=True) + "\n"
