from datetime import date, datetime, timezone

import pytest

from spacy_clinicalbert import to_omop
from spacy_clinicalbert.deployment.concepts import Concept, Concepts
from spacy_clinicalbert.deployment.omop import LONG, NOTE_NLP, SHORT, system_name
from tests.deployment.conftest import TEXT, make_doc, make_nlp

MOMENT = datetime(2025, 3, 4, 5, 6, 7, 8, tzinfo=timezone.utc)


def test_omop_rows_have_the_tables_columns():
    concepts = Concepts({("PROBLEM", "chest pain"): Concept(77670, 29857009)}, {"plan": 4})
    rows = to_omop(make_doc(), concepts=concepts, moment=MOMENT, first_id=11)
    assert [list(row) for row in rows] == [list(NOTE_NLP)] * 3
    for row in rows:
        for name, value in row.items():
            assert value is None or type(value) is NOTE_NLP[name], name
    assert rows[0] == {
        "note_nlp_id": 11,
        "note_id": 7,
        "section_concept_id": 0,  # a section that the table does not have
        "snippet": " ".join(TEXT.split()),
        "offset": "12",
        "lexical_variant": "chest pain",
        "note_nlp_concept_id": 77670,
        "note_nlp_source_concept_id": 29857009,
        "nlp_system": system_name(),
        "nlp_date": date(2025, 3, 4),
        "nlp_datetime": datetime(2025, 3, 4, 5, 6, 7),
        "term_exists": None,
        "term_temporal": None,
        "term_modifiers": "label=PROBLEM",
    }
    assert [row["section_concept_id"] for row in rows] == [0, 4, 4] and rows[2]["note_nlp_id"] == 13
    assert [row["note_nlp_concept_id"] for row in rows] == [77670, 0, 0]


@pytest.mark.parametrize(
    "assertion, exists, temporal",
    [
        ({"certainty": "present", "time": "recent", "experiencer": "patient"}, "Y", "present"),
        ({"certainty": "possible", "time": "historical"}, "Y", "past"),  # OMOP: what is uncertain exists
        ({"certainty": "absent", "experiencer": "patient"}, "N", None),
        ({"certainty": "conditional"}, "N", None),
        ({"certainty": "hypothetical"}, "N", None),
        ({"certainty": "present", "experiencer": "family"}, "N", None),
        ({"experiencer": "other"}, "N", None),
        ({"experiencer": "patient", "time": "recent"}, None, "present"),
        ({}, None, None),
    ],
)
def test_omop_terms_exist_as_the_model_says(assertion, exists, temporal):
    row = to_omop(make_doc(assertion=assertion))[0]
    assert (row["term_exists"], row["term_temporal"]) == (exists, temporal)
    modifiers = [f"{axis}={label},{axis}_probability=0.9" for axis, label in assertion.items()]
    assert row["term_modifiers"] == ",".join(["label=PROBLEM", *modifiers])


def test_omop_columns_are_as_short_as_the_model_wants_and_the_length_is_said():
    nlp = make_nlp()
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "X" * 3000, "pattern": [{"TEXT": "a" * 999}]}])
    (row,) = to_omop(nlp("b " * 200 + "a" * 999))
    assert len(row["lexical_variant"]) == SHORT and len(row["snippet"]) == SHORT and len(row["term_modifiers"]) == LONG
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "Y", "pattern": [{"TEXT": "c" * 300}]}])
    (row,) = to_omop(nlp("c" * 300))
    assert row["term_modifiers"] == "label=Y,length=300"


@pytest.mark.parametrize(
    "note_id, expected",
    [
        (7, 7),
        ("0012", 12),
        (None, None),
        ("-5", -5),
        (-(2**63), -(2**63)),
        (str(2**63 - 1), 2**63 - 1),
        ("0" * 5000, 0),
    ],
)
def test_omop_note_ids_are_whole_numbers(note_id, expected):
    assert to_omop(make_doc(note_id))[0]["note_id"] == expected


@pytest.mark.parametrize("note_id", ["note-7", "", "--1", "1.0", "१", True, 2**63, -(2**63) - 1, "9" * 19, "9" * 5000])
def test_omop_refuses_other_ids(note_id):
    with pytest.raises(ValueError, match="not a whole number of 64 bits"):
        to_omop(make_doc(note_id))


def test_omop_mentions_have_one_space_for_white_space_and_their_length():
    nlp = make_nlp()
    pattern = [{"TEXT": "a"}, {"IS_SPACE": True}, {"TEXT": "b"}]
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": pattern}])
    (row,) = to_omop(nlp("a \r\n b"))
    assert row["lexical_variant"] == "a b" and row["term_modifiers"] == "label=X,length=6"


def test_omop_texts_have_no_nul_which_postgresql_refuses():
    nlp = make_nlp()
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": [{"TEXT": "b\0c"}]}])
    (row,) = to_omop(nlp("a\0 b\0c d"))
    assert (row["lexical_variant"], row["snippet"]) == ("b c", "a b c d")


def test_omop_system_names_package_and_pipeline():
    assert system_name({"lang": "en", "name": "toy", "version": "1.2"}).endswith("; en_toy 1.2")
    assert len(system_name({"name": "n" * 999})) == SHORT
