"""A pathology report's record as FHIR resources in the shape of mCODE's: TNM categories, stage groups, tumour sizes and tumour markers, each an Observation with the places that state it.

Codes are LOINC's, as in mCODE (hl7.org/fhir/us/mcode). Values are texts and no SNOMED codes, there is no Condition to point at, and so no resource claims a profile.
"""

from typing import Any, Dict, List, Optional

from spacy.tokens import Doc

from ..pathology.record import PathologyRecord, Value
from .fhir_resources import (
    Json,
    Resource,
    build,
    check_version,
    derivation,
    extension,
    make_id,
    note_key,
    note_values,
    subject_of,
)

FACT = "urn:spacy-clinicalbert:pathology"  # what the record says beside the value; see docs/pathology.md
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
# Field → codes of the pathological and of the clinical category.
STAGES: Dict[str, Any] = {
    "pT": (
        ("21899-0", "Primary tumor.pathology Cancer"),
        ("21905-5", "Primary tumor.clinical [Class] Cancer"),
    ),
    "pN": (
        ("21900-6", "Regional lymph nodes.pathology [Class] Cancer"),
        ("21906-3", "Regional lymph nodes.clinical [Class] Cancer"),
    ),
    "pM": (
        ("21901-4", "Distant metastases.pathology [Class] Cancer"),
        ("21907-1", "Distant metastases.clinical [Class] Cancer"),
    ),
    "stage_group": (("21902-2", "Stage group.pathology Cancer"), ("21908-9", "Stage group.clinical Cancer")),
}
SIZE = ("21889-1", "Size Tumor")
LONGEST = ("33728-7", "Size.maximum dimension in Tumor")
OTHER = ("33729-5", "Size additional dimension in Tumor")
# Codes that are those of one organ, and of positive or negative alone.
BREAST = {
    "ER": ("85337-4", "Estrogen receptor Ag [Presence] in Breast cancer specimen by Immune stain"),
    "PR": ("85339-0", "Progesterone receptor Ag [Presence] in Breast cancer specimen by Immune stain"),
    "HER2": ("85319-2", "HER2 [Presence] in Breast cancer specimen by Immune stain"),
}


def pathology_to_fhir(doc: Doc, *, version: str = "R4B") -> List[Resource]:
    """Make the FHIR resources of a pathology report. They name the report by `doc._.note_id` and the patient by `doc._.patient`, where these are set.

    doc (Doc): The report, behind `clinical_pathology`.
    version (str): "R4B" or "R5".
    RETURNS (List[Resource]): The DocumentReference, then an Observation for each T, N, M, stage group, size and marker, as objects of fhir.resources.
    RAISES (ValueError): The pipeline has no `clinical_pathology`.
    RAISES (ImportError): fhir.resources is not installed.
    """
    check_version(version)
    record: Optional[PathologyRecord] = doc._.pathology if Doc.has_extension("pathology") else None
    if record is None:
        raise ValueError("The document has no pathology record: put clinical_pathology into the pipeline.")
    named = {
        name: getattr(doc._, extension_name) if Doc.has_extension(extension_name) else None
        for name, extension_name in (("id", "note_id"), ("patient", "patient"))
    }
    if named["patient"] is not None:
        named["patient"] = str(named["patient"])  # as in the record that `to_fhir` is made of, for the same ids
    key = note_key(named, doc.text)  # type: ignore[arg-type]
    document_id = make_id(*key)
    resources = [build("DocumentReference", note_values(named, doc.text, document_id), version)]  # type: ignore[arg-type]
    for number, (field, value) in enumerate(record.values()):
        measured = _measured(field, value, record)
        if measured is None:
            continue
        places = [derivation(document_id, {"start": place.start, "end": place.end}) for place in value.evidence]
        values: Json = {
            "id": make_id(*key, "pathology", number),
            "status": "preliminary",  # FHIR's word for what was not verified
            "extension": [*places, _fact(field, value)],
            "subject": subject_of(named["patient"]),
            "derivedFrom": [{"reference": f"DocumentReference/{document_id}"}],
            **measured,
        }
        resources.append(build("Observation", values, version))
    return resources


def _measured(field: str, value: Value, record: PathologyRecord) -> Optional[Json]:
    """Code and value of an Observation; None for a field that is none."""
    if field in STAGES:
        code = STAGES[field]["c" in (value.prefix or "")]
        text = f"{value.prefix or ''}{value.value}" + "".join(
            f"({each})" for each in (value.suffix or "").split(", ") if each
        )
        found: Json = {"code": _code(*code), "valueCodeableConcept": {"text": text}}
        editions = {str(edition.value) for edition in record.edition}
        if value.system:
            found["method"] = {"text": value.system}
        elif len(editions) == 1:  # of two editions, none says which is this category's
            found["method"] = {"text": f"AJCC/UICC TNM, edition {editions.pop()}"}
        return found
    if field == "tumour_size" and isinstance(value.value, list):
        components = [
            {
                "code": _code(*(OTHER if i else LONGEST)),
                "valueQuantity": {"value": length, "unit": "mm", "system": UCUM, "code": "mm"},
            }
            for i, length in enumerate(value.value)
        ]
        return {"code": _code(*SIZE), "component": components}
    if field == "marker":
        plain = value.value in ("positive", "negative", "indeterminate")
        breast = any(site.value == "breast" for site in record.site)
        code = {"text": value.name}
        if plain and breast and value.name in BREAST:
            code = {**_code(*BREAST[value.name]), **code}
        return {"code": code, "valueCodeableConcept": {"text": str(value.value)}}
    return None


def _code(code: str, display: str) -> Json:
    return {"coding": [{"system": LOINC, "code": code, "display": display}]}


def _fact(field: str, value: Value) -> Json:
    parts: Dict[str, Json] = {"field": {"valueString": field}, "source": {"valueString": value.source}}
    if value.source == "inferred":
        parts["probability"] = {"valueDecimal": value.probability}
    if value.conflict:
        parts["conflict"] = {"valueBoolean": True}
    return extension(FACT, **parts)
