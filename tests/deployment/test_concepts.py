import pytest

from spacy_clinicalbert.deployment.concepts import Concept, as_concepts, read_concepts

TABLE = """label,text,section,concept_id,source_concept_id,resource,system,code,display
PROBLEM,,,1,,Observation,,,
PROBLEM,Chest  Pain,,77670,5,,http://snomed.info/sct,29857009,Chest pain
TREATMENT,,,,,none,,,
,,plan,4,,,,,
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "concepts.csv"
    path.write_text(TABLE)
    return path


def test_concepts_of_a_mention_go_before_those_of_its_label(table):
    concepts = read_concepts(table)
    snomed = ("http://snomed.info/sct", "29857009", "Chest pain")
    assert concepts.find("PROBLEM", "chest\npain") == Concept(77670, 5, "Observation", *snomed)
    assert concepts.find("PROBLEM", "fever") == Concept(1, 0, "Observation")
    assert concepts.find("TREATMENT", "surgery").resource == "none"
    assert concepts.sections == {"plan": 4}
    assert as_concepts(concepts) is concepts and as_concepts(table).sections == concepts.sections


@pytest.mark.parametrize(
    "label, resource",
    [
        ("PROBLEM", "Condition"),
        ("Disease", "Condition"),
        ("TEST", "Observation"),
        ("Drug", "MedicationStatement"),
        ("TREATMENT", ""),
    ],
)
def test_concepts_know_labels_of_one_meaning_without_a_table(label, resource):
    assert as_concepts(None).find(label, "x") == Concept(resource=resource)


@pytest.mark.parametrize(
    "row, message",
    [
        (",,,1,,,,,", "Line 6 .* neither a label nor a section"),
        ("A,,plan,1,,,,,", "Line 6 .* or both"),
        ("A,,,x,,,,,", "Line 6 .* not a number"),
        ("A,,,1,,Procedure,,,", "Line 6 .* none of Condition"),
        ("PROBLEM,chest pain,,1,,,,,", "Line 6 .* says again"),
        (",,plan,1,,,,,", "Line 6 .* says again"),
        ("A,b", "Line 6 .* has 2 columns"),
    ],
)
def test_concepts_name_the_line_of_a_bad_row(table, row, message):
    table.write_text(TABLE + row + "\n")
    with pytest.raises(ValueError, match=message):
        read_concepts(table)
