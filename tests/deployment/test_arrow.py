import json
from datetime import date, datetime

import pytest

from spacy_clinicalbert.deployment import arrow
from spacy_clinicalbert.deployment.omop import NOTE_NLP

parquet = pytest.importorskip("pyarrow.parquet")
VALUES = {int: 1, str: "a", date: "2025-01-02", datetime: "2025-01-02T03:04:05"}


def test_row_groups_are_put_together_of_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(arrow, "GROUP", 6)
    monkeypatch.setattr(arrow, "CHUNK", 2)
    rows = [{**{name: VALUES[type_] for name, type_ in NOTE_NLP.items()}, "note_nlp_id": i} for i in range(15)]
    path = tmp_path / "out.parquet"
    arrow.write_parquet(path, "omop", iter(json.loads(json.dumps(rows))))
    file = parquet.ParquetFile(path)
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [6, 6, 3]
    assert file.read().column("note_nlp_id").to_pylist() == list(range(15))


def test_no_rows_are_a_file_of_columns(tmp_path):
    arrow.write_parquet(tmp_path / "out.parquet", "records", iter([]))
    assert parquet.read_table(tmp_path / "out.parquet").schema.equals(arrow.record_schema())
