import base64
import json

import pytest
import spacy

from spacy_clinicalbert import pathology_to_fhir, to_fhir
from spacy_clinicalbert.corpora.docs import install_extensions
from spacy_clinicalbert.deployment.fhir_pathology import FACT
from spacy_clinicalbert.deployment.fhir_resources import DERIVATION, VERSIONS

TEXT = "Left breast, mastectomy: tumor size: 2.3 x 1.8 cm. Stage: pT2 cN0 (AJCC, 7th edition). ER positive. Ki-67 30%. Tumor size: 2.3 x 1.8 cm."


def observations(text=TEXT, version="R4B", cats=None):
    nlp = spacy.blank("en")
    nlp.add_pipe("clinical_pathology")
    doc = nlp.make_doc(text)
    doc.cats = cats or {}
    document, *others = [json.loads(each.model_dump_json()) for each in pathology_to_fhir(nlp(doc), version=version)]
    assert document["resourceType"] == "DocumentReference"
    assert {each["resourceType"] for each in others} <= {"Observation"}
    return document, others


def field_of(observation):
    parts = next(each for each in observation["extension"] if each["url"] == FACT)["extension"]
    return {part.pop("url"): next(iter(part.values())) for part in parts}


def by_field(others, field):
    return [each for each in others if field_of(json.loads(json.dumps(each)))["field"] == field]


def code_of(concept):
    return concept["coding"][0]["code"]


@pytest.mark.parametrize("version", VERSIONS)
def test_fhir_pathology_sizes_are_components_in_mm(version):
    (size,) = by_field(observations(version=version)[1], "tumour_size")
    assert code_of(size["code"]) == "21889-1" and "valueCodeableConcept" not in size
    found = [(code_of(each["code"]), each["valueQuantity"]) for each in size["component"]]
    assert [code for code, _ in found] == ["33728-7", "33729-5"]
    assert [(float(each["value"]), each["code"]) for _, each in found] == [(23.0, "mm"), (18.0, "mm")]


@pytest.mark.parametrize("field, code, text", [("pT", "21899-0", "pT2"), ("pN", "21906-3", "cN0")])
def test_fhir_pathology_categories_have_code_value_and_edition(field, code, text):
    (found,) = by_field(observations()[1], field)
    assert (code_of(found["code"]), found["valueCodeableConcept"]["text"]) == (code, text)
    assert found["method"]["text"].endswith("7")


def test_fhir_pathology_keeps_micrometastases_apart():
    others = observations("Breast, excision: pT1mi pN1mi(sn).")[1]
    assert [each["valueCodeableConcept"]["text"] for each in others] == ["pT1mi", "pN1mi(sn)"]


def test_fhir_pathology_keeps_how_nodes_were_found():
    others = observations("Breast, excision: pT2(m) pN0(i+)(sn).")[1]
    assert [each["valueCodeableConcept"]["text"] for each in others] == ["pT2(m)", "pN0(i+)(sn)"]


@pytest.mark.parametrize("text, edition", [("TNM 6 T3 N1. TNM 7 T3 N3.", False), ("TNM 7 T3 N3.", True)])
def test_fhir_pathology_of_two_editions_none_is_named(text, edition):
    assert all(("method" in each) == edition for each in by_field(observations(text)[1], "pN"))


@pytest.mark.parametrize("site, coded", [("Left breast, mastectomy", True), ("Uterus, hysterectomy", False)])
def test_fhir_pathology_codes_of_the_breast_are_for_the_breast(site, coded):
    (marker,) = by_field(observations(f"{site}: ER positive.")[1], "marker")
    assert marker["code"]["text"] == "ER" and ("coding" in marker["code"]) == coded


def test_fhir_pathology_every_place_is_in_the_text():
    document, others = observations()
    text = base64.b64decode(document["content"][0]["attachment"]["data"]).decode("utf8")
    (size,) = by_field(others, "tumour_size")
    places = [
        {part["url"]: next(value for name, value in part.items() if name != "url") for part in each["extension"]}
        for each in size["extension"]
        if each["url"] == DERIVATION
    ]
    assert [text[place["offset"] :][: place["length"]] for place in places] == ["2.3 x 1.8 cm"] * 2
    assert len({each["id"] for each in others}) == len(others) >= 5


def test_fhir_pathology_inferred_values_say_so_and_have_no_place():
    stated, inferred = by_field(observations(cats={"T3": 0.8, "T1": 0.2})[1], "pT")
    assert field_of(stated) == {"field": "pT", "source": "stated", "conflict": True}
    assert [each["url"] for each in inferred["extension"]] == [FACT]
    assert field_of(inferred) == {"field": "pT", "source": "inferred", "probability": 0.8, "conflict": True}


def test_fhir_pathology_ids_are_of_the_patients_report():
    nlp = spacy.blank("en")
    nlp.add_pipe("clinical_pathology")
    install_extensions()
    doc = nlp(TEXT)
    found = []
    for doc._.patient in ("p1", "p2"):
        found.append({each.id for each in pathology_to_fhir(doc)})
    assert len(found[0]) == len(found[1]) >= 5 and not found[0] & found[1]


def test_fhir_pathology_patients_may_be_numbers_and_have_the_document_of_to_fhir():
    nlp = spacy.blank("en")
    nlp.add_pipe("clinical_pathology")
    install_extensions()
    doc = nlp(TEXT)
    doc._.note_id, doc._.patient = 3, 17
    document = pathology_to_fhir(doc)[0]
    assert document.subject.reference == "Patient/17" and document.id == to_fhir(doc)[0].id


def test_fhir_pathology_empty_report_is_a_document_alone():
    assert observations("")[1] == []


def test_fhir_pathology_without_record_is_an_error():
    with pytest.raises(ValueError, match="clinical_pathology"):
        pathology_to_fhir(spacy.blank("en")("pT2"))
