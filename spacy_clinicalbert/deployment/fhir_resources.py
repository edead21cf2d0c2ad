"""FHIR R4B and R5 resources, built and validated by the library fhir.resources: a DocumentReference for the note, and for each entity a
Condition, an Observation or a MedicationStatement that says where in the note it stands."""

import base64
import hashlib
import importlib
import json
import re
import uuid
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

from spacy.tokens import Doc

from .concepts import Concept, Concepts, as_concepts
from .records import Record, SpanRecord, Unwritable, axis_label, to_record

VERSIONS = ("R4B", "R5")
# HL7's extension for what was taken from a text: where it stands there.
DERIVATION = "http://hl7.org/fhir/StructureDefinition/derivation-reference"
MENTION = "urn:spacy-clinicalbert:mention"  # what the pipeline says of a mention; see docs/deployment.md
LEFT_OUT = "urn:spacy-clinicalbert:left-out"  # mentions that are no resource, and why
IDS = uuid.uuid5(uuid.NAMESPACE_DNS, "spacy-clinicalbert")
# What FHIR's strings may not hold (hl7.org/fhir/R5/datatypes.html#string).
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
# Mentions of these are nothing that the patient has, takes or was tested for.
NOT_SAID = ("conditional", "hypothetical")
PATIENT = "patient"
VERIFICATION = {"present": "confirmed", "absent": "refuted", "possible": "unconfirmed"}
CLINICAL = {"recent": "active", "historical": "inactive"}
ANSWERS = {"present": ("Y", "Yes"), "absent": ("N", "No")}
TAKING = {"active": "taking", "completed": "stopped", "not-taken": "not-taking", "unknown": "unknown"}

Resource = Any  # fhir.resources' classes are imported when they are wanted
Json = Dict[str, Any]


def to_fhir(doc: Doc, *, version: str = "R4B", concepts: Union[str, Path, Concepts, None] = None) -> List[Resource]:
    """Make the FHIR resources of a note. They name the note by `doc._.note_id` and the patient by `doc._.patient`, where these are set,
    and have the same ids whenever they are made of the same note. Two notes of equal text that are told apart by neither have the same ids too.

    doc (Doc): The note, behind the pipeline.
    version (str): "R4B" or "R5".
    concepts (Union[str, Path, Concepts, None]): The user's table of resources and codes, or its path.
    RETURNS (List[Resource]): The DocumentReference, then the others in the order of the text, as objects of fhir.resources.
    RAISES (ValueError): Nothing says which resource a label becomes.
    RAISES (ImportError): fhir.resources is not installed.
    """
    return fhir_resources(to_record(doc), doc.text, as_concepts(concepts), version)


def fhir_resources(record: Record, text: str, concepts: Concepts, version: str) -> List[Resource]:
    """As `to_fhir`, of a record and its note's text."""
    check_version(version)
    key = note_key(record, text)
    document_id = make_id(*key)
    # A FHIR resource wants a subject; where no patient is known, it says so.
    subject = subject_of(record.get("patient"))
    resources: List[Resource] = []
    left_out: Counter = Counter()
    for entity in record.get("entities", []):
        concept = concepts.find(entity["label"], entity["text"])
        if not concept.resource:
            raise Unwritable(unknown_label([entity["label"]]))
        reason = _reason_against(entity, concept)
        if reason:
            left_out[reason] += 1
            continue
        place = (entity["start"], entity["end"], entity["label"])
        values = {
            "id": make_id(*key, *place),
            "extension": [derivation(document_id, entity), _mention(entity)],
            "subject": subject,
            **_MAKERS[concept.resource](entity, _code(entity, concept), document_id, version),
        }
        resources.append(build(concept.resource, values, version))
    note = note_values(record, text, document_id)
    if left_out:
        note["extension"] = [
            extension(LEFT_OUT, reason={"valueString": reason}, count={"valueInteger": count})
            for reason, count in sorted(left_out.items())
        ]
    return [build("DocumentReference", note, version), *resources]


def note_values(record: Record, text: str, document_id: str) -> Json:
    """What the DocumentReference of a note has."""
    attachment = {"contentType": "text/plain; charset=utf-8"}
    if text:  # FHIR has no empty values
        attachment["data"] = base64.b64encode(text.encode("utf8")).decode("ascii")
    note: Json = {
        "id": document_id,
        "status": "current",
        "subject": subject_of(record.get("patient")),
        "content": [{"attachment": attachment}],
    }
    if record["id"] is not None:
        note["identifier"] = [{"value": str(record["id"])}]
    return note


def check_version(version: str) -> None:
    """Raise ValueError for a version that is not written, and ImportError if the library is not there."""
    if version not in VERSIONS:
        raise ValueError(f"FHIR is written as {' or '.join(VERSIONS)}, not as '{version}'.")
    try:
        importlib.import_module("fhir.resources")
    except ImportError:
        raise ImportError(
            "FHIR is written with fhir.resources: pip install 'spacy-clinicalbert[deployment]'."
        ) from None


def unknown_label(labels: List[str]) -> str:
    """What is said of labels that could be any resource."""
    return (
        f"nothing says which FHIR resource the label {', '.join(labels)} becomes: give a table with --concepts (in Python, concepts=) "
        "that has the label and, as its resource, Condition, Observation, MedicationStatement or none"
    )


def build(name: str, values: Json, version: str) -> Resource:
    """A resource, validated by the library. RAISES (Unwritable): It would not be valid; by its fields, without their values."""
    from pydantic import ValidationError

    folder = "fhir.resources.R4B" if version == "R4B" else "fhir.resources"
    resource = getattr(importlib.import_module(f"{folder}.{name.lower()}"), name)
    try:
        return resource(**values)
    except ValidationError as error:
        fields = sorted({".".join(map(str, each["loc"])) for each in error.errors(include_input=False)})
    raise Unwritable(f"a {name} would not be valid FHIR {version}, in {', '.join(fields)}")


def note_key(record: Record, text: str) -> List[Any]:
    """What the ids of a note's resources follow from: ids of notes may be counted patient by patient, or come twice."""
    digest = hashlib.sha256(text.encode("utf8")).hexdigest()
    return [record.get("patient"), record["id"], record.get("position"), digest]


def make_id(*parts: Any) -> str:
    """The same id for the same parts."""
    return str(uuid.uuid5(IDS, json.dumps(parts)))


def subject_of(patient: Optional[str]) -> Json:
    """A reference to the patient, or the word that none is known."""
    if patient is None:
        return {"display": "unknown"}
    if FHIR_ID.fullmatch(patient):
        return {"reference": f"Patient/{patient}"}
    return {"identifier": {"value": patient}}


def _reason_against(entity: SpanRecord, concept: Concept) -> str:
    if concept.resource == "none":
        return f"label {entity['label']}"
    if axis_label(entity, "experiencer") not in (None, PATIENT):
        return f"experiencer {axis_label(entity, 'experiencer')}"
    certainty = axis_label(entity, "certainty")
    return f"certainty {certainty}" if certainty in NOT_SAID else ""


def extension(url: str, **parts: Json) -> Json:
    """An extension of named parts."""
    return {"url": url, "extension": [{"url": name, **value} for name, value in parts.items()]}


def derivation(document_id: str, entity: SpanRecord) -> Json:
    """The extension that says where in the note a resource stands, by the "start" and "end" of a span."""
    return extension(
        DERIVATION,
        reference={"valueReference": {"reference": f"DocumentReference/{document_id}"}},
        path={"valueString": "DocumentReference.content[0].attachment.data"},
        offset={"valueInteger": entity["start"]},
        length={"valueInteger": entity["end"] - entity["start"]},
    )


def _mention(entity: SpanRecord) -> Json:
    parts: Dict[str, Json] = {"label": {"valueString": entity["label"]}}
    if "probability" in entity:
        parts["probability"] = {"valueDecimal": entity["probability"]}
    if "section" in entity:
        parts["section"] = {"valueString": entity["section"]}
    for axis, found in entity.get("assertion", {}).items():
        parts[axis] = {"valueString": found["label"]}
        parts[f"{axis}-probability"] = {"valueDecimal": found["probability"]}
    return extension(MENTION, **parts)


def _code(entity: SpanRecord, concept: Concept) -> Json:
    code: Json = {"text": _CONTROL.sub("\ufffd", " ".join(entity["text"].split()))}
    if concept.code:
        parts = {"system": concept.system, "code": concept.code, "display": concept.display}
        code["coding"] = [{name: value for name, value in parts.items() if value}]
    return code


def _coded(system: str, code: str, **parts: str) -> Json:
    return {"coding": [{"system": system, "code": code, **parts}]}


def _condition(entity: SpanRecord, code: Json, document_id: str, version: str) -> Json:
    certainty, time = axis_label(entity, "certainty"), axis_label(entity, "time")
    note = {"reference": f"DocumentReference/{document_id}"}
    values: Json = {"code": code}
    if certainty in VERIFICATION:
        values["verificationStatus"] = _coded(f"{TERMINOLOGY}/condition-ver-status", VERIFICATION[certainty])
    clinical = CLINICAL.get(time or "") if certainty != "absent" else None
    if clinical is None and version == "R5":  # which wants one, and has a word for that
        clinical = "unknown"
    if clinical is not None:
        values["clinicalStatus"] = _coded(f"{TERMINOLOGY}/condition-clinical", clinical)
    values["evidence"] = [{"reference": note} if version == "R5" else {"detail": [note]}]
    return values


def _observation(entity: SpanRecord, code: Json, document_id: str, version: str) -> Json:
    values: Json = {"status": "preliminary", "code": code}  # FHIR's word for what was not verified
    values["derivedFrom"] = [{"reference": f"DocumentReference/{document_id}"}]
    answer = ANSWERS.get(axis_label(entity, "certainty") or "")
    if answer is not None:  # with the codes that FHIR recommends in place of a boolean
        values["valueCodeableConcept"] = _coded(f"{TERMINOLOGY}/v2-0136", answer[0], display=answer[1])
    return values


def _medication_statement(entity: SpanRecord, code: Json, document_id: str, version: str) -> Json:
    certainty, time = axis_label(entity, "certainty"), axis_label(entity, "time")
    status = "unknown"
    if certainty == "absent":
        status = "not-taken"
    elif certainty == "present" and time is not None:
        status = "completed" if time == "historical" else "active"
    values: Json = {"derivedFrom": [{"reference": f"DocumentReference/{document_id}"}]}
    if version == "R4B":
        return {**values, "status": status, "medicationCodeableConcept": code}
    taking = _coded("http://hl7.org/fhir/CodeSystem/medication-statement-adherence", TAKING[status])
    return {**values, "status": "recorded", "medication": {"concept": code}, "adherence": {"code": taking}}


_MAKERS = {"Condition": _condition, "Observation": _observation, "MedicationStatement": _medication_statement}
