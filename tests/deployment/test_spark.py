import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest
import spacy
from typer.testing import CliRunner

pytest.importorskip("pyspark", reason="pip install 'spacy-clinicalbert[spark]'")
pytest.importorskip("pyarrow.parquet")
import pyarrow
from pyspark.sql import SparkSession

from spacy_clinicalbert import annotate
from spacy_clinicalbert.deployment import spark as module
from spacy_clinicalbert.deployment.spark import annotate_batches, annotate_dataframe, output_schema
from tests.conftest import make_nlp as make_encoder_nlp
from tests.deployment.conftest import make_nlp, make_texts, write_plugin

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Spark on this machine: two workers, up to four tries for each task. They find a toy component as an entry point."""
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        pytest.skip("Spark needs Java 17 or later")
    path = write_plugin(tmp_path_factory.mktemp("spark"), bulk_dies_once="make_dying")
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",  # starts faster
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "4",
        "spark.executorEnv.PYTHONPATH": path,
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.codegen.wholeStage": "false",
    }
    builder = SparkSession.builder.master("local[2,4]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        spark = builder.getOrCreate()
        spark.sparkContext.setLogLevel("OFF")
        yield spark
        spark.stop()


def make_batches(rows, size, with_patient=True):
    for start in range(0, len(rows), size):
        part = [dict(zip(("id", "text", "patient"), row)) for row in rows[start : start + size]]
        names = ("id", "text", "patient")[: 2 + with_patient]
        yield pyarrow.RecordBatch.from_pylist(part, pyarrow.schema([(name, pyarrow.string()) for name in names]))


def without_nulls(value):
    """As records have it, where what nobody looked for is absent."""
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def assert_close(found, expected):
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert_close(found[name], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for pair in zip(found, expected):
            assert_close(*pair)
    else:
        assert found == (pytest.approx(expected, abs=1e-4) if isinstance(expected, float) else expected)


def run_worker(monkeypatch, nlp, rows, size=3, part_size=2, max_length=None):
    """What a Python worker makes of a partition. RETURNS: rows of its batches, and how often it loaded the pipeline."""
    loaded = []
    monkeypatch.setattr(module, "load_pipeline", lambda *args: loaded.append(args) or nlp)
    module._load.cache_clear()
    schema = output_schema()
    for _ in range(2):  # Spark uses a worker again
        batches = list(annotate_batches(make_batches(rows, size), "toy", schema, max_length, part_size))
    assert all(batch.schema == schema for batch in batches)
    module._load.cache_clear()
    return [batch.to_pylist() for batch in batches], loaded


@pytest.mark.parametrize("part_size, sizes", [(1, [1] * 5), (2, [2, 2, 1]), (9, [5])])
def test_a_worker_loads_once_and_keeps_notes_that_fail_as_rows(monkeypatch, part_size, sizes):
    secret = "Zyxwv"
    nlp = make_nlp("bulk_raises_with_its_batch")
    nlp.max_length = 30
    texts = ["Denies chest pain.", f"{secret} bad", None, "", f"{secret}{'x' * 30}"]
    rows = [(f"n{i}", text, "p1") for i, text in enumerate(texts)]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setattr(module.Path, "exists", lambda path: True)
    batches, loaded = run_worker(monkeypatch, nlp, rows, part_size=part_size, max_length=30)
    assert loaded == [("toy", 3, 30)] and [len(batch) for batch in batches] == sizes
    found = [row for batch in batches for row in batch]
    assert [(row["version"], row["id"], row["patient"]) for row in found] == [(1, f"n{i}", "p1") for i in range(5)]
    assert [each["text"] for each in found[0]["entities"]] == ["chest pain"] and found[3]["entities"] == []
    reasons = [row["reason"] for row in found]
    assert reasons[0] is reasons[3] is None and reasons[2] == "it has no text"
    assert "ValueError in conftest.py" in reasons[1] and "it has 35 characters" in reasons[4]
    assert secret not in str(reasons)
    for number in (1, 2, 4):
        assert {name for name, value in found[number].items() if value} == {"version", "id", "patient", "reason"}


def test_a_record_that_arrow_does_not_take_fails_its_note_alone(monkeypatch):
    nlp = make_nlp()

    def write(doc, **options):
        record = {"version": 1, "id": doc._.note_id, "cats": {}, "spans": {}}
        return {**record, "cats": {"x": "Zyxwv"}} if "fever" in doc.text else record

    monkeypatch.setattr(module, "to_record", write)
    monkeypatch.setattr(module.Path, "exists", lambda path: True)
    batches, _ = run_worker(monkeypatch, nlp, [("a", "No fever.", None), ("b", "Well.", None)])
    assert [row["reason"] is None for row in batches[0]] == [False, True]
    assert batches[0][0]["reason"].startswith("it could not be written: ArrowInvalid") and "Zyxwv" not in str(batches)


def test_a_worker_holds_one_part_at_a_time(monkeypatch):
    read = []

    def batches():
        for batch in make_batches([(str(i), f"Fever {i}.", None) for i in range(12)], 2, with_patient=False):
            read.append(batch.num_rows)
            yield batch

    monkeypatch.setattr(module, "_load", lambda *args: make_nlp())
    rows = annotate_batches(batches(), "toy", output_schema(), None, 4)
    assert next(rows).num_rows == 4 and sum(read) == 4
    assert next(rows).num_rows == 4 and sum(read) == 8


def test_an_empty_partition_loads_nothing(monkeypatch):
    monkeypatch.setattr(module, "_load", None)
    assert list(annotate_batches(iter(()), "toy", output_schema(), None, 4)) == []


@pytest.mark.parametrize(
    "columns, message",
    [
        ({"text_col": "note"}, "no column 'note': it has id, text, when"),
        ({"patient_col": "who"}, "no column 'who'"),
        ({"text_col": "id"}, "'id' is of the type bigint: cast it to string"),
        ({"id_col": "when"}, "'when' is of the type double: cast it to string or bigint"),
    ],
)
def test_columns_that_cannot_be_used_are_named(session, columns, message):
    frame = session.createDataFrame(pyarrow.table({"id": [1], "text": ["Fever."], "when": [0.5]}))
    with pytest.raises(ValueError, match=message):
        annotate_dataframe(frame, "toy", **columns)


def test_job_gives_the_records_of_one_process_though_a_worker_dies(session, toy, tmp_path):
    """In float32. The partition is tried again, and none of its notes is there twice."""
    pipeline, notes, output = tmp_path / "pipeline", tmp_path / "notes.parquet", tmp_path / "annotations.parquet"
    marker = tmp_path / "marker"
    nlp = make_encoder_nlp(toy, ("clinical_ner",))
    nlp.get_pipe("clinical_ner").cfg["threshold"] = 0.1
    nlp.add_pipe("bulk_dies_once", config={"marker": str(marker)})
    nlp.to_disk(pipeline)
    session.sparkContext.addArchive(shutil.make_archive(str(pipeline), "gztar", pipeline) + "#sent")
    texts = [*make_texts(14), "A deadly fever.", ""]
    patients = [*(f"p{i % 5}" for i in range(14)), None, None]
    rows = {"number": list(range(17)), "who": [*patients, "p1"], "note": [*texts, None]}
    pyarrow.parquet.write_table(pyarrow.table(rows), notes)

    spec = importlib.util.spec_from_file_location("spark_annotate", ROOT / "scripts" / "spark_annotate.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    options = "--id-field number --text-field note --patient-field who --partitions 3 --part-size 2".split()
    done = CliRunner().invoke(script.app, ["sent", str(notes), str(output), *options])
    assert (done.exit_code, done.output) == (3, "17 notes, 16 annotated, 1 failed.\n")
    assert marker.exists()
    found = session.read.parquet(str(output)).toArrow().to_pylist(maps_as_pydicts="strict")
    found = sorted(map(without_nulls, found), key=lambda row: row["id"])
    failed = {"version": 1, "id": 16, "patient": "p1", "reason": "it has no text"}
    assert found.pop() == failed
    expected = list(annotate(texts, spacy.load(pipeline)))
    for record, patient in zip(expected, patients):
        del record["position"]
        record.update({"patient": patient} if patient else {})
    assert_close(found, expected)
    assert sum(len(record["entities"]) for record in found) > 5

    again = CliRunner().invoke(script.app, ["sent", str(notes), str(output), *options])
    assert again.exit_code == 1 and "already exists" in again.output
