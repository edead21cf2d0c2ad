import pytest

from spacy_clinicalbert.deployment.delivery import Target, find_target


@pytest.mark.parametrize(
    "path, to, expected",
    [
        ("a/out.jsonl", None, Target("a/out.jsonl", "records", "jsonl")),
        ("out.parquet", None, Target("out.parquet", "records", "parquet")),
        ("out.spacy", None, Target("out.spacy", "docs", "spacy")),
        ("out", "spacy", Target("out", "docs", "spacy")),
        ("out.dat", "jsonl", Target("out.dat", "records", "jsonl")),
        ("sqlite:///a.db", None, Target("sqlite:///a.db", "records", "sql", "annotations")),
        ("sqlite:///a.db", "sql", Target("sqlite:///a.db", "records", "sql", "annotations")),
        ("sqlite:///a.db", "omop", Target("sqlite:///a.db", "omop", "sql", "note_nlp")),
        ("out.csv", "omop", Target("out.csv", "omop", "csv")),
        ("out", "omop", Target("out", "omop", "csv")),
        ("out.parquet", "omop", Target("out.parquet", "omop", "parquet")),
        ("out.ndjson", "fhir-r5", Target("out.ndjson", "fhir-r5", "jsonl")),
        ("out", "fhir-r4b", Target("out", "fhir-r4b", "jsonl")),
        ("out.jsonl.gz", None, Target("out.jsonl.gz", "records", "jsonl")),
        ("out.csv.gz", "omop", Target("out.csv.gz", "omop", "csv")),
    ],
)
def test_targets_follow_from_name_and_option(path, to, expected):
    assert find_target(path, to, None) == expected


@pytest.mark.parametrize(
    "path, to, message",
    [
        ("out.dat", None, "Say --to jsonl"),
        ("out.csv", None, "Say --to jsonl"),
        ("out.ndjson", None, "Say --to jsonl"),
        ("out.csv", "fhir-r5", "fhir-r5 cannot be written to 'out.csv': it wants jsonl"),
        ("out.spacy", "omop", "omop cannot be written"),
        ("out.jsonl", "sql", "sql cannot be written"),
        ("sqlite:///a.db", "jsonl", "jsonl cannot be written"),
        ("sqlite:///a.db", "fhir-r5", "fhir-r5 cannot be written"),
        ("out.parquet.gz", None, "jsonl and csv can be: take the .gz off"),
        ("out.gz", "spacy", "jsonl and csv can be: take the .gz off"),
        ("out.ndjson.gz", None, "Say --to jsonl"),
    ],
)
def test_targets_that_do_not_fit_are_errors(path, to, message):
    with pytest.raises(ValueError, match=message):
        find_target(path, to, None)


def test_targets_without_tables_take_none():
    with pytest.raises(ValueError, match="'out.jsonl' is a file: leave it out"):
        find_target("out.jsonl", None, "results")


def test_targets_take_a_table_of_a_schema():
    assert find_target("sqlite:///a.db", "omop", "cdm.note_nlp").table == "cdm.note_nlp"
