"""Rows of OMOP's table NOTE_NLP, as the Common Data Model 5.4 has it (ohdsi.github.io/CommonDataModel/cdm54.html#note_nlp): one an
entity."""

import re
from datetime import date, datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Union

from spacy.tokens import Doc

from .concepts import Concepts, as_concepts
from .records import Record, SpanRecord, Unwritable, axis_label, to_record

# Column → its type.
NOTE_NLP: Dict[str, type] = {
    "note_nlp_id": int,
    "note_id": int,
    "section_concept_id": int,
    "snippet": str,
    "offset": str,
    "lexical_variant": str,
    "note_nlp_concept_id": int,
    "note_nlp_source_concept_id": int,
    "nlp_system": str,
    "nlp_date": date,
    "nlp_datetime": datetime,
    "term_exists": str,
    "term_temporal": str,
    "term_modifiers": str,
}
SHORT, LONG = (
    250,
    2000,
)  # characters that the model allows: of snippet, lexical_variant and nlp_system; of term_modifiers
AROUND = 80  # characters of the note on both sides of a term, in its snippet
# By the model's own words, whatever is negated, conditional or someone else's does not exist, and what is uncertain does.
NOT_THERE = ("absent", "conditional", "hypothetical")
PATIENT = "patient"
TEMPORAL = {"recent": "present", "historical": "past"}

BIG = 2**63
_WHOLE = re.compile(r"(-?)0*([0-9]{1,19})")

Row = Dict[str, Any]


def to_omop(
    doc: Doc,
    *,
    concepts: Union[str, Path, Concepts, None] = None,
    system: Optional[str] = None,
    moment: Optional[datetime] = None,
    first_id: int = 1,
) -> List[Row]:
    """Make the NOTE_NLP rows of a note, one an entity. `note_id` is `doc._.note_id`, None where it is not set.

    doc (Doc): The note, behind the pipeline.
    concepts (Union[str, Path, Concepts, None]): The user's table of concept ids, or its path; without it they are 0, OMOP's "no matching
        concept".
    system (Optional[str]): What the column nlp_system says; None takes this package's name and version.
    moment (Optional[datetime]): When the note was processed; None takes now, in UTC.
    first_id (int): The first row's `note_nlp_id`; those of the others follow.
    RETURNS (List[Dict[str, Any]]): The rows, with the columns of `NOTE_NLP`.
    RAISES (ValueError): The note's id is not a whole number, as OMOP's note_id is.
    """
    moment = moment or datetime.now(timezone.utc)
    rows = omop_rows(to_record(doc), doc.text, as_concepts(concepts), system or system_name(), moment)
    return [{"note_nlp_id": number, **row} for number, row in enumerate(rows, start=first_id)]


def system_name(meta: Mapping[str, Any] = {}) -> str:
    """What nlp_system says: this package and its version, and those of a pipeline.

    meta (Mapping[str, Any]): The pipeline's `nlp.meta`.
    """
    name = f"spacy-clinicalbert {version('spacy-clinicalbert')}"
    if meta.get("name"):
        name += f"; {meta.get('lang', '')}_{meta['name']} {meta.get('version', '')}"
    return name[:SHORT]


def omop_rows(record: Record, text: str, concepts: Concepts, system: str, moment: datetime) -> List[Row]:
    """As `to_omop`, of a record and its note's text, without `note_nlp_id`."""
    note_id = _whole_number(record["id"])
    return [
        {
            "note_id": note_id,
            "section_concept_id": concepts.sections.get(entity["section"], 0) if "section" in entity else None,
            "snippet": _snippet(text, entity),
            "offset": str(entity["start"]),
            "lexical_variant": _lexical_variant(entity),
            "note_nlp_concept_id": concept.concept_id,
            "note_nlp_source_concept_id": concept.source_concept_id,
            "nlp_system": system,
            "nlp_date": moment.date(),
            "nlp_datetime": moment.replace(microsecond=0, tzinfo=None),
            "term_exists": _exists(entity),
            "term_temporal": TEMPORAL.get(axis_label(entity, "time") or ""),
            "term_modifiers": _modifiers(entity),
        }
        for entity in record.get("entities", [])
        for concept in [concepts.find(entity["label"], entity["text"])]
    ]


def typed_row(row: Row) -> Row:
    """RETURNS (Dict[str, Any]): A row that was written as JSON, with its dates."""
    moment = datetime.fromisoformat(row["nlp_datetime"])
    return {**row, "nlp_date": date.fromisoformat(row["nlp_date"]), "nlp_datetime": moment}


def _whole_number(note_id: Union[str, int, None]) -> Optional[int]:
    if note_id is None:
        return None
    digits = None if isinstance(note_id, bool) else _WHOLE.fullmatch(str(note_id))
    number = int(digits[1] + digits[2]) if digits else BIG
    if not -BIG <= number < BIG:
        raise Unwritable("its id is not a whole number of 64 bits, as OMOP's note_id is")
    return number


def _exists(entity: SpanRecord) -> Optional[str]:
    """Y or N; None where nobody has said whether it is there."""
    certainty, experiencer = axis_label(entity, "certainty"), axis_label(entity, "experiencer")
    if certainty in NOT_THERE or experiencer not in (None, PATIENT):
        return "N"
    return None if certainty is None else "Y"


def _lexical_variant(entity: SpanRecord) -> str:
    return _in_one_line(entity["text"])


def _snippet(text: str, entity: SpanRecord) -> str:
    before = text[max(0, entity["start"] - AROUND) : entity["start"]]
    return _in_one_line(before + text[entity["start"] : entity["end"] + AROUND])


def _in_one_line(text: str) -> str:
    """White space as one space, NUL too: PostgreSQL takes none in a text, and would refuse the part."""
    return " ".join(text.replace("\0", " ").split())[:SHORT]


def _modifiers(entity: SpanRecord) -> str:
    modifiers: Dict[str, Any] = {"label": entity["label"]}
    if "probability" in entity:
        modifiers["probability"] = entity["probability"]
    for axis, found in entity.get("assertion", {}).items():
        modifiers[axis] = found["label"]
        modifiers[f"{axis}_probability"] = found["probability"]
    if _lexical_variant(entity) != entity["text"]:
        modifiers["length"] = entity["end"] - entity["start"]
    return ",".join(f"{name}={value}" for name, value in modifiers.items())[:LONG]
