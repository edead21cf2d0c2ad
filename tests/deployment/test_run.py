"""What runs write, and what stops them."""

import gzip
import json
from datetime import datetime
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Corpus

from spacy_clinicalbert.corpora.docs import Report
from spacy_clinicalbert.corpora.formats import read_corpus
from spacy_clinicalbert.deployment.run import Totals
from spacy_clinicalbert.encoder import engines
from tests.conftest import make_nlp as make_encoder_nlp
from tests.deployment.conftest import make_nlp, make_texts, read_lines, write_notes
from tests.deployment.runs import TO, contents, remove


def test_run_writes_records_as_json_lines(bulk):
    assert bulk("out.jsonl")._replace(memory=0) == Totals(10, 10, 0)
    records = read_lines(Path("out.jsonl"))
    assert [record["position"] for record in records] == list(range(10))
    assert [record["id"] for record in records] == list(range(1, 11))
    assert records[1]["patient"] == "p2" and records[1]["entities"][1]["section"] == "plan"
    assert sorted(each.name for each in Path().iterdir()) == ["notes.jsonl", "out.jsonl", "out.jsonl.manifest.jsonl"]


def test_run_writes_records_as_parquet(bulk):
    parquet = pytest.importorskip("pyarrow.parquet")
    bulk("out.jsonl")
    bulk("out.parquet")
    table = parquet.read_table("out.parquet").to_pylist()
    for row, record in zip(table, read_lines(Path("out.jsonl")), strict=True):
        assert row["id"] == str(record["id"]) and row["position"] == record["position"]
        found = [{name: value for name, value in entity.items() if value is not None} for entity in row["entities"]]
        assert found == record["entities"]
        assert (row["sections"] is None) == ("sections" not in record)
        assert [name for name, _ in row["spans"]] == list(record["spans"])


@pytest.mark.parametrize("output", ["out.jsonl", "omop.csv"])
def test_run_packs_what_ends_in_gz_to_the_same_bytes_each_time(bulk, output, monkeypatch):
    bulk(output)
    found = []
    for moment in (1.0, 9e8):
        monkeypatch.setattr("time.time", lambda moment=moment: moment)
        bulk(f"{output}.gz")
        found.append(contents(f"{output}.gz"))
        remove(f"{output}.gz")
    assert found[0] == found[1] and gzip.decompress(found[0]) == contents(output)


def test_run_writes_docs_that_spacy_and_the_readers_take(bulk):
    bulk("out.spacy")
    assert sorted(each.name for each in Path("out.spacy").iterdir()) == [f"part-0000000{i}.spacy" for i in range(4)]
    nlp = spacy.blank("en")
    docs = [example.reference for example in Corpus("out.spacy")(nlp)]
    assert [doc.text for doc in docs] == make_texts(10)
    again = list(read_corpus("out.spacy", nlp, Report()))
    assert [doc._.note_id for doc in again] == list(range(1, 11))
    assert [[ent.label_ for ent in doc.ents] for doc in again] == [[ent.label_ for ent in doc.ents] for doc in docs]
    assert docs[1].spans["sections"][1].label_ == "plan"


@pytest.mark.parametrize("first", ["omop.csv", "sqlite:///omop.db", "omop.parquet"])
def test_run_numbers_omop_rows_through(bulk, first):
    import csv

    bulk("omop.csv")
    with open("omop.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["note_nlp_id"]) for row in rows] == list(range(1, len(rows) + 1)) and len(rows) == 26
    assert rows[0]["nlp_datetime"] == "2025-01-02T03:04:05" and rows[0]["nlp_date"] == "2025-01-02"
    if first == "omop.parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        bulk(first)
        other = parquet.read_table(first).to_pylist()
        assert [str(row["note_nlp_id"]) for row in other] == [row["note_nlp_id"] for row in rows]
        assert other[0]["nlp_datetime"] == datetime(2025, 1, 2, 3, 4, 5)
    elif first != "omop.csv":
        bulk(first)
        bulk_rows = contents(first)
        assert [row[5] for row in bulk_rows] == [row["lexical_variant"] for row in rows]
        # A table that has rows of another system, or of an earlier run, gets the next ones.
        remove(first)
        bulk(first)
        Path("note_nlp.manifest.jsonl").unlink()
        bulk(first, notes=write_notes(Path("more.jsonl"), ["No fever."], first_id=99))
        assert [row[:2] for row in contents(first)][-1] == (27, 99)


def test_omop_in_csv_has_a_line_a_row_whatever_a_mention_holds(bulk, tmp_path):
    nlp = make_nlp()
    pattern = [{"TEXT": "sore"}, {"IS_SPACE": True}, {"TEXT": "throat"}]
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "PROBLEM", "pattern": pattern}])
    nlp.to_disk(tmp_path / "other")
    notes = write_notes(Path("some.jsonl"), ["No sore\r throat.", "A sore\n throat."])
    bulk("omop.csv", notes=notes, pipeline=str(tmp_path / "other"))
    assert len(Path("omop.csv").read_bytes().splitlines()) == 3


@pytest.mark.parametrize("output", ["omop.parquet", "sqlite:///omop.db"])
def test_a_number_that_a_destination_does_not_take_is_an_error_that_a_run_outlives(bulk, output):
    Path("concepts.csv").write_text(f"label,concept_id\nPROBLEM,{2**63}\n")
    with pytest.raises(ValueError, match=r"does not take what was found|did not take what it was given"):
        bulk(output, concepts="concepts.csv")


def test_run_writes_fhir_that_the_library_reads(bulk):
    from fhir.resources import get_fhir_model_class

    bulk("r5.ndjson")
    kinds = []
    for row in read_lines(Path("r5.ndjson")):
        kinds.append(row["resourceType"])
        get_fhir_model_class(row["resourceType"]).model_validate(row)
    assert kinds[:2] == ["DocumentReference", "Condition"] and kinds.count("DocumentReference") == 10


def test_fhir_ids_are_each_notes_own_whatever_ids_and_patients_the_notes_have(bulk):
    rows = [{"text": "No fever."}] * 2 + [{"id": 1, "patient": patient, "text": "No fever."} for patient in "aab"]
    Path("some.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    bulk("r5.ndjson", notes="some.jsonl")
    ids = [row["id"] for row in read_lines(Path("r5.ndjson"))]
    assert len(ids) == len(set(ids)) == 10


def test_a_run_writes_over_nothing(bulk):
    bulk("out.jsonl")
    with pytest.raises(ValueError, match=r"'out\.jsonl' is there already. --resume"):
        bulk("out.jsonl")
    Path("out.jsonl.manifest.jsonl").unlink()
    with pytest.raises(ValueError, match=r"'out\.jsonl' is there already"):
        bulk("out.jsonl", resume=True)
    bulk("sqlite:///out.db")
    for path in Path().glob("annotations.*"):
        path.unlink()
    with pytest.raises(ValueError, match="table 'annotations' of 'sqlite:///out.db' has rows already"):
        bulk("sqlite:///out.db", resume=True)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"notes": "none.jsonl"}, "'none.jsonl' is not there"),
        ({"pipeline": "none"}, "'none' is neither the folder of a saved pipeline"),
        ({"output": "r5.ndjson", "concepts": "none.csv"}, "none.csv"),
    ],
)
def test_a_run_that_could_not_begin_leaves_nothing(bulk, settings, message):
    with pytest.raises((ValueError, OSError), match=message):
        bulk(**{"output": "out.jsonl", **settings})
    assert [each.name for each in Path().iterdir()] == ["notes.jsonl"]


def test_an_engine_that_is_not_there_stops_a_run_before_the_first_note(bulk, toy, tmp_path, monkeypatch):
    make_encoder_nlp(toy, ("clinical_ner",), engine="openvino").to_disk(tmp_path / "with encoder")
    monkeypatch.setattr(engines, "has_openvino", lambda: False)
    with pytest.raises(ValueError, match="OpenVINO is not installed"):
        bulk("out.jsonl", pipeline=str(tmp_path / "with encoder"))
    assert not list(Path().glob("out.jsonl*"))


def test_labels_that_are_no_fhir_resource_are_an_error_before_the_first_note(bulk, tmp_path):
    nlp = make_nlp()
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "TREATMENT", "pattern": "surgery"}])
    nlp.to_disk(tmp_path / "other")
    with pytest.raises(ValueError, match="For this pipeline, nothing says which FHIR resource the label TREATMENT"):
        bulk("r5.ndjson", pipeline=str(tmp_path / "other"))
    Path("concepts.csv").write_text("label,resource\nTREATMENT,none\n")
    assert bulk("r5.ndjson", pipeline=str(tmp_path / "other"), concepts="concepts.csv").failed == 0


def test_failures_name_the_note_and_not_its_text(bulk):
    texts = ["chest pain " * 9, "No fever."]
    rows = [{"id": note_id, "text": text} for note_id in ("a", "a") for text in texts] + [{"id": "b"}]
    Path("some.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    bulk("out.jsonl", notes="some.jsonl", max_length=60)
    reason = "it has 99 characters, and the pipeline takes 60: see --max-length"
    assert read_lines(Path("out.jsonl.failed.jsonl")) == [
        {"position": 0, "id": "a", "reason": reason},
        {"position": 2, "id": "a", "reason": reason},
        {"position": 4, "id": "b", "reason": "it has no text"},
    ]
    # Ids may come twice: each note has its own row.
    assert [(row["position"], row["id"]) for row in read_lines(Path("out.jsonl"))] == [(1, "a"), (3, "a")]


@pytest.mark.parametrize("output", ["out.jsonl", "out.parquet", "out.spacy", "omop.csv", "r5.ndjson"])
def test_what_cannot_be_written_in_utf8_fails_its_note_alone(bulk, tmp_path, output):
    nlp = make_nlp("bulk_says_half")
    nlp.to_disk(tmp_path / "other")
    rows = [{"id": i, "text": "No fever."} for i in range(1, 4)]
    rows[0]["id"], rows[1]["text"] = "\ud800", "half fever"
    Path("some.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    fails = 1 if output in ("omop.csv", "r5.ndjson") else 2  # where nothing of the component's is written
    assert bulk(output, notes="some.jsonl", pipeline=str(tmp_path / "other")).failed == fails
    failures = read_lines(Path(f"{output}.failed.jsonl"))
    assert failures[0] == {"position": 0, "id": r"'\ud800'", "reason": "its id, or its file's name, is not UTF-8"}
    assert [each["id"] for each in failures[1:]] == [2][: fails - 1]


def test_omop_rows_want_ids_that_are_whole_numbers(bulk):
    Path("some.jsonl").write_text('{"id": "x", "text": "fever"}\n{"text": "fever"}\n{"id": "12", "text": "fever"}\n')
    assert bulk("omop.csv", notes="some.jsonl").failed == 2
    reasons = [each["reason"] for each in read_lines(Path("omop.csv.failed.jsonl"))]
    assert "whole number" in reasons[0] and "it has no id" in reasons[1]


def test_passwords_of_a_url_are_neither_in_the_manifest_nor_compared_in_vain(bulk):
    output, other = (f"sqlite:///file:out.db?uri=true&cache={cache}" for cache in ("shared", "private"))
    bulk(output)
    said = Path("annotations.manifest.jsonl").read_text()
    assert "shared" not in said and "sqlite:///file%3Aout.db" in said
    with pytest.raises(ValueError, match=r"other settings \(output\)"):
        bulk(other, resume=True)
    assert bulk(output, resume=True).annotated == 10


@pytest.mark.parametrize("output", [*TO])
def test_an_empty_input_gives_an_empty_output(bulk, output):
    Path("none.jsonl").write_text("")
    assert bulk(output, notes="none.jsonl")._replace(memory=0) == Totals(0, 0, 0)
    found = contents(output)
    found = gzip.decompress(found) if output.endswith(".gz") else found
    assert not found or output.endswith((".csv", ".csv.gz", ".parquet"))


def test_a_part_without_annotated_notes_is_empty(bulk):
    notes = write_notes(Path("some.jsonl"), ["x" * 99] * 3 + ["No fever."])
    bulk("out.spacy", notes=notes, max_length=60)
    nlp = spacy.blank("en")
    assert [doc.text for doc in read_corpus("out.spacy", nlp, Report())] == ["No fever."]
    assert len(DocBin().from_disk("out.spacy/part-00000000.spacy")) == 0
