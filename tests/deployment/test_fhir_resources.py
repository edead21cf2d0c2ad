import base64
import json

import pytest
import spacy
from spacy.tokens import Span

from spacy_clinicalbert import to_fhir
from spacy_clinicalbert.deployment.concepts import Concept, Concepts
from spacy_clinicalbert.deployment.fhir_resources import DERIVATION, LEFT_OUT, MENTION, VERSIONS
from tests.deployment.conftest import TEXT, make_doc, make_nlp


def as_json(doc, version="R4B", **settings):
    return [json.loads(each.model_dump_json()) for each in to_fhir(doc, version=version, **settings)]


def extensions(resource):
    """Extension → its parts' values."""
    return {
        each["url"]: {part.pop("url"): next(iter(part.values())) for part in each["extension"]}
        for each in resource["extension"]
    }


def code_of(concept):
    return concept["coding"][0]["code"]


@pytest.mark.parametrize("version", VERSIONS)
def test_fhir_resources_say_where_they_are_from(version):
    document, *others = as_json(make_doc(assertion={"certainty": "present"}), version)
    assert [each["resourceType"] for each in (document, *others)] == [
        "DocumentReference",
        "Condition",
        "MedicationStatement",
        "Observation",
    ]
    attachment = document["content"][0]["attachment"]
    text = base64.b64decode(attachment["data"]).decode("utf8")
    assert text == TEXT and document["identifier"] == [{"value": "7"}]
    reference = {"reference": f"DocumentReference/{document['id']}"}
    native = [
        others[0]["evidence"][0]["reference"] if version == "R5" else others[0]["evidence"][0]["detail"][0],
        others[1]["derivedFrom"][0],
        others[2]["derivedFrom"][0],
    ]
    assert native == [reference] * 3
    for resource, mention in zip(others, ["chest pain", "aspirin", "CXR"]):
        assert resource["subject"] == {"reference": "Patient/p1"}
        derivation = extensions(resource)[DERIVATION]
        assert derivation["reference"] == reference
        assert text[derivation["offset"] :][: derivation["length"]] == mention
    found = extensions(as_json(make_doc(assertion={"certainty": "present"}), version)[1])[MENTION]
    assert found == {
        "label": "PROBLEM",
        "section": "history_of_present_illness",
        "certainty": "present",
        "certainty-probability": 0.9,
    }


def test_fhir_resources_are_of_the_librarys_classes():
    from fhir.resources.condition import Condition
    from fhir.resources.R4B.condition import Condition as R4BCondition

    assert isinstance(to_fhir(make_doc(), version="R5")[1], Condition)
    assert isinstance(to_fhir(make_doc())[1], R4BCondition)


@pytest.mark.parametrize(
    "assertion, verification, r4b, r5",
    [
        ({"certainty": "present", "time": "recent"}, "confirmed", "active", "active"),
        ({"certainty": "present", "time": "historical"}, "confirmed", "inactive", "inactive"),
        ({"certainty": "possible"}, "unconfirmed", None, "unknown"),
        ({"certainty": "absent", "time": "recent"}, "refuted", None, "unknown"),
        ({}, None, None, "unknown"),
    ],
)
def test_fhir_conditions_have_the_status_that_is_asserted(assertion, verification, r4b, r5):
    for version, clinical in (("R4B", r4b), ("R5", r5)):
        condition = as_json(make_doc(assertion=assertion), version)[1]
        assert ("verificationStatus" in condition) == (verification is not None)
        if verification is not None:
            assert code_of(condition["verificationStatus"]) == verification
        assert ("clinicalStatus" in condition) == (clinical is not None)
        if clinical is not None:
            assert code_of(condition["clinicalStatus"]) == clinical


@pytest.mark.parametrize(
    "assertion, status, taking, answer",
    [
        ({"certainty": "present", "time": "recent"}, "active", "taking", "Y"),
        ({"certainty": "present", "time": "historical"}, "completed", "stopped", "Y"),
        ({"certainty": "present"}, "unknown", "unknown", "Y"),
        ({"certainty": "absent"}, "not-taken", "not-taking", "N"),
        ({"certainty": "possible", "time": "recent"}, "unknown", "unknown", None),
        ({}, "unknown", "unknown", None),
    ],
)
def test_fhir_medications_and_observations_have_the_status_that_is_asserted(assertion, status, taking, answer):
    doc = make_doc(assertion=assertion)
    _, _, medication, observation = as_json(doc)
    assert medication["status"] == status and medication["medicationCodeableConcept"] == {"text": "aspirin"}
    assert observation["status"] == "preliminary" and observation["code"] == {"text": "CXR"}
    assert ("valueCodeableConcept" in observation) == (answer is not None)
    if answer is not None:
        assert code_of(observation["valueCodeableConcept"]) == answer
    _, _, medication, _ = as_json(doc, "R5")
    assert medication["status"] == "recorded" and code_of(medication["adherence"]["code"]) == taking
    assert medication["medication"] == {"concept": {"text": "aspirin"}}


@pytest.mark.parametrize(
    "assertion, reason",
    [
        ({"experiencer": "family"}, "experiencer family"),
        ({"certainty": "hypothetical"}, "certainty hypothetical"),
        ({"certainty": "conditional", "experiencer": "patient"}, "certainty conditional"),
    ],
)
def test_fhir_leaves_out_what_is_not_said_of_the_patient_and_counts_it(assertion, reason):
    (document,) = as_json(make_doc(assertion=assertion))
    assert extensions(document) == {LEFT_OUT: {"reason": reason, "count": 3}}


def test_fhir_takes_resources_and_codes_of_the_table():
    rows = {
        ("PROBLEM", ""): Concept(resource="Observation"),
        ("PROBLEM", "chest pain"): Concept(system="http://snomed.info/sct", code="29857009", display="Chest pain"),
        ("DRUG", ""): Concept(resource="none"),
    }
    document, problem, _ = as_json(make_doc(), concepts=Concepts(rows))
    assert problem["resourceType"] == "Observation"
    coding = {"system": "http://snomed.info/sct", "code": "29857009", "display": "Chest pain"}
    assert problem["code"] == {"text": "chest pain", "coding": [coding]}
    assert extensions(document) == {LEFT_OUT: {"reason": "label DRUG", "count": 1}}


def test_fhir_refuses_a_label_that_could_be_any_resource():
    doc = make_doc()
    doc.set_ents([doc.char_span(12, 22, label="TREATMENT")])
    with pytest.raises(ValueError, match="TREATMENT becomes: give a table"):
        to_fhir(doc)


def test_fhir_ids_follow_from_the_note():
    ids = [each.id for each in to_fhir(make_doc())]
    assert len(set(ids)) == 4 and ids == [each.id for each in to_fhir(make_doc(), version="R5")]
    for other in ({"note_id": 8}, {"patient": "p2"}, {"note_id": None}):
        assert not set(ids) & {each.id for each in to_fhir(make_doc(**other))}


@pytest.mark.parametrize(
    "patient, subject",
    [
        ("p-1.x", {"reference": "Patient/p-1.x"}),
        ("p 1", {"identifier": {"value": "p 1"}}),
        (None, {"display": "unknown"}),
    ],
)
def test_fhir_subject_is_the_patient_as_far_as_known(patient, subject):
    assert {json.dumps(each["subject"]) for each in as_json(make_doc(patient=patient))} == {json.dumps(subject)}


def test_fhir_takes_empty_notes_and_white_space_in_mentions():
    nlp = make_nlp()
    assert len(as_json(nlp(""))) == 1
    nlp.get_pipe("entity_ruler").add_patterns(
        [{"label": "TEST", "pattern": [{"TEXT": "a"}, {"IS_SPACE": True}, {"TEXT": "b"}]}]
    )
    for version in VERSIONS:
        assert as_json(nlp("a \x0c\n b"), version)[1]["code"] == {"text": "a b"}


def test_fhir_that_is_not_valid_is_an_error_without_the_text():
    doc = make_doc()
    with pytest.raises(ValueError, match="a Condition would not be valid FHIR R4B, in code") as caught:
        to_fhir(doc, concepts=Concepts({("PROBLEM", "chest pain"): Concept(code=" chest pain ")}))
    assert "chest" not in str(caught.value)


def test_fhir_of_another_version_is_an_error():
    with pytest.raises(ValueError, match="R4B or R5, not as 'R4'"):
        to_fhir(make_doc(), version="R4")


def test_control_characters_are_no_part_of_fhirs_strings():
    doc = spacy.blank("en")("Chest\x01pain, fever.")
    doc.ents = [Span(doc, 0, 1, label="PROBLEM")]
    _, condition = as_json(doc)
    assert doc.ents[0].text == "Chest\x01pain" and condition["code"]["text"] == "Chest\ufffdpain"
