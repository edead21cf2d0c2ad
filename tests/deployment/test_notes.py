import csv
import gzip
import json
import os

import pytest

from spacy_clinicalbert.deployment.notes import (
    Note,
    Source,
    count_notes,
    find_format,
    make_note,
    passed_over,
    read_notes,
    slices,
)

ROWS = [
    {"id": "a", "text": 'First,\n"note".', "patient": "p1", "more": 1},
    {"id": "b", "text": "", "patient": None, "more": 2},
    {"id": "a", "text": "Dritte: naïve.", "patient": "p2", "more": 3},
]
NOTES = [Note(0, "a", ROWS[0]["text"], "p1"), Note(1, "b", ""), Note(2, "a", ROWS[2]["text"], "p2")]


def write_jsonl(path, rows=ROWS):
    path.write_text("".join(f"{json.dumps(row)}\n\n" for row in rows), encoding="utf8")
    return Source(str(path), "jsonl")


def write_csv(path, rows=ROWS):
    with path.open("w", newline="", encoding="utf8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return Source(str(path), "csv")


def write_parquet(path, rows=ROWS):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return Source(str(path), "parquet")


def write_sqlite(path, rows=ROWS):
    sqlalchemy = pytest.importorskip("sqlalchemy")
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (id TEXT, text TEXT, patient TEXT, more INTEGER)")
        connection.exec_driver_sql("INSERT INTO notes VALUES (?, ?, ?, ?)", [tuple(row.values()) for row in rows])
    engine.dispose()
    return Source(f"sqlite:///{path}", "sql", query="SELECT * FROM notes ORDER BY more;")


WRITERS = {"jsonl": write_jsonl, "csv": write_csv, "parquet": write_parquet, "sql": write_sqlite}


@pytest.mark.parametrize("form", WRITERS)
def test_notes_are_the_same_whatever_they_stand_in(form, tmp_path):
    source = WRITERS[form](tmp_path / f"notes.{form}")
    assert list(read_notes(source)) == NOTES and next(read_notes(source)) == NOTES[0]
    assert count_notes(source) == 3


@pytest.mark.parametrize("form", WRITERS)
def test_notes_have_the_fields_that_are_named(form, tmp_path):
    rows = [{"ID": "x", "TEXT": "A note.", "patient": "p", "more": 1}]
    if form == "sql":
        source = write_sqlite(tmp_path / "notes", [{"id": "x", "text": "A note.", "patient": "p", "more": 1}])
        source = source._replace(query='SELECT id AS "ID", text AS "TEXT" FROM notes ORDER BY id')
    else:
        source = WRITERS[form](tmp_path / f"notes.{form}", rows)
    named = source._replace(id_field="ID", text_field="TEXT")
    assert [(note.id, note.text) for note in read_notes(named)] == [("x", "A note.")]
    for wrong, option in [({"text_field": "body"}, "--text-field"), ({"id_field": "key"}, "--id-field")]:
        with pytest.raises(ValueError, match=f"has no '{next(iter(wrong.values()))}': set {option}"):
            list(read_notes(named._replace(**wrong)))


def test_notes_may_be_without_id_if_none_is_named(tmp_path):
    source = write_jsonl(tmp_path / "a.jsonl", [{"text": "A note."}, {"text": "Another.", "id": 5}])
    assert [(note.position, note.id, note.patient) for note in read_notes(source)] == [(0, None, None), (1, 5, None)]


@pytest.mark.parametrize(
    "row, reason",
    [({"id": 1}, "it has no text"), ({"text": None}, "it has no text"), ({"text": 5}, "its text is of the type int")],
)
def test_notes_that_are_none_say_why(row, reason, tmp_path):
    source = write_jsonl(tmp_path / "a.jsonl", [{"text": "A note."}, row])
    assert list(read_notes(source))[1] == Note(1, row.get("id"), "", None, reason)


@pytest.mark.parametrize(
    "row, expected",
    [
        ({"id": "a\ud800"}, Note(0, r"'a\ud800'", "", None, "its id, or its file's name, is not UTF-8")),
        ({"id": 1, "patient": "\udfff"}, Note(0, 1, "", r"'\udfff'", "its patient's id is not UTF-8")),
        ({"id": "\ud800", "text": None}, Note(0, r"'\ud800'", "", None, "it has no text")),
    ],
)
def test_notes_whose_ids_cannot_be_written_say_so_in_ascii(row, expected, tmp_path):
    assert list(read_notes(write_jsonl(tmp_path / "a.jsonl", [{"text": "A note.", **row}]))) == [expected]


def test_notes_whose_files_names_are_not_utf8_say_so(tmp_path):
    with open(os.fsencode(tmp_path / "caf") + b"\xe9.txt", "w") as file:
        file.write("A note.")
    (note,) = read_notes(Source(str(tmp_path), "text"))
    assert note == Note(0, r"'caf\udce9'", "", None, "its id, or its file's name, is not UTF-8")


def test_notes_of_a_folder_are_its_text_files_in_a_fixed_order(tmp_path):
    for name, text in [("b.txt", "B\r\n"), ("a/2.txt", "A2"), ("a/1.txt", "A1"), ("c.TXT", "C"), ("a/skip.md", "no")]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe caf\xe9")
    (tmp_path / "wide.txt").write_bytes("No mark at its head.".encode("utf-16-le"))
    source = Source(str(tmp_path), find_format(str(tmp_path)))
    assert list(read_notes(source)) == [
        Note(0, "b", "B\r\n"),
        Note(1, "bad", "", None, "its file is not UTF-8"),
        Note(2, "c", "C"),
        Note(3, "wide", "", None, "its file is not UTF-8"),
        Note(4, "a/1", "A1"),
        Note(5, "a/2", "A2"),
    ]
    assert count_notes(source) == 6
    assert "1 files that do not end in .txt and 0 folders that are links" in passed_over(source)
    (tmp_path / "a/linked").symlink_to(tmp_path)
    assert "1 files that do not end in .txt and 1 folders that are links" in passed_over(source)
    assert len(list(read_notes(source))) == 6
    for whole in (Source(str(tmp_path / "b.txt"), "text"), write_jsonl(tmp_path / "a.jsonl")):
        assert passed_over(whole) == ""
    one = str(tmp_path / "b.txt")
    assert list(read_notes(Source(one, find_format(one)))) == [Note(0, "b", "B\r\n")]


def test_notes_of_an_empty_source_are_none(tmp_path):
    assert list(read_notes(write_jsonl(tmp_path / "a.jsonl", []))) == []
    (tmp_path / "folder").mkdir()
    assert list(read_notes(Source(str(tmp_path / "folder"), "text"))) == []


@pytest.mark.parametrize(
    "path, form",
    [
        ("a/notes.jsonl", "jsonl"),
        ("notes.jsonl.gz", "jsonl"),
        ("notes.csv.gz", "csv"),
        ("notes.parquet", "parquet"),
        ("note.txt", "text"),
        ("NOTE.TXT", "text"),
        ("postgresql+psycopg://u:p@host/db", "sql"),
    ],
)
def test_formats_are_known_by_the_name(path, form):
    assert find_format(path) == form


def test_unknown_formats_ask_for_one(tmp_path):
    with pytest.raises(ValueError, match="say --from jsonl, csv"):
        find_format(str(tmp_path / "notes.dat"))
    with pytest.raises(ValueError, match="is not there"):
        list(read_notes(Source(str(tmp_path / "notes.jsonl"), "jsonl")))


def break_jsonl(path):
    write_jsonl(path)
    path.write_text(path.read_text() + '{"id": "c", "text": "cut o')


def break_gzip(path):
    write_jsonl(path)
    packed = gzip.compress(path.read_bytes() * 1000)
    path.with_suffix(".jsonl.gz").write_bytes(packed[: len(packed) // 2])
    return path.with_suffix(".jsonl.gz")


def break_csv(path):
    write_csv(path)
    path.write_text(path.read_text() + 'c,"cut o')


def name_twice(path):
    path.write_text("text,id,ID\nFirst,1,2\n")


def break_parquet(path):
    write_parquet(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def break_pages(path):
    """Its head and foot are whole, so that it opens."""
    write_parquet(path, [{"id": i, "text": f"note {i} cut o"} for i in range(5000)])
    data = path.read_bytes()
    path.write_bytes(data[:200] + bytes(len(data) // 2) + data[200 + len(data) // 2 :])


@pytest.mark.parametrize(
    "form, damage, message",
    [
        ("jsonl", break_jsonl, "Line 7 of .* is not a JSON object"),
        ("jsonl", break_gzip, "cut off or damaged"),
        ("csv", break_csv, "Line 6 of .* cut off"),
        ("csv", name_twice, "Line 1 of .* gives the columns 2 and 3 the same name, but for its case"),
        ("parquet", break_parquet, "damaged, or not Parquet"),
        ("parquet", break_pages, "cannot be read behind row"),
    ],
)
def test_damaged_sources_are_errors_without_text(form, damage, message, tmp_path):
    path = tmp_path / f"notes.{form}"
    path = damage(path) or path
    with pytest.raises(ValueError, match=message) as caught:
        list(read_notes(Source(str(path), form)))
    assert "cut o," not in str(caught.value) and "First" not in str(caught.value)


@pytest.mark.parametrize("given, expected", [(5.0, 5), (float("nan"), None), ("", None), ("  ", None), (1.5, "1.5")])
def test_ids_are_as_they_were_meant(given, expected):
    note = make_note(0, given, "A note.", given)
    assert (note.id, note.patient) == (expected, None if expected is None else str(expected))


def test_text_files_are_read_without_the_mark_of_windows_editors(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffHPI: x".encode())
    assert [note.text for note in read_notes(Source(str(tmp_path), "text"))] == ["HPI: x"]


@pytest.mark.parametrize("categories", [False, True])
def test_a_folder_of_parquet_is_read_and_a_string_that_is_not_utf8_is_its_notes_alone(categories, tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    starts, raw = pyarrow.py_buffer(bytes([0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0])), pyarrow.py_buffer(b"a\xe9")
    texts = pyarrow.StringArray.from_buffers(2, starts, raw)
    if categories:
        texts = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0, 1], pyarrow.int32()), texts)
    folder = tmp_path / "notes.parquet"
    (folder / "_temporary").mkdir(parents=True)
    for name in ("part-1.parquet", "part-0.parquet", "_temporary/part-2.parquet"):
        parquet.write_table(pyarrow.table({"id": [1, 2], "text": texts}), folder / name)
    source = Source(str(folder), find_format(str(folder)))
    assert [note.text for note in read_notes(source)] == ["a", "\udce9"] * 2 and count_notes(source) == 4


def test_a_delta_table_is_no_folder_of_notes(tmp_path):
    write_parquet(tmp_path / "part-0.parquet")
    (tmp_path / "_delta_log").mkdir()
    with pytest.raises(ValueError, match="Delta table"):
        list(read_notes(Source(str(tmp_path), "parquet")))


@pytest.mark.parametrize("field", ["id", "text", "person"])
def test_two_columns_of_one_name_are_an_error_where_notes_are_read_from_them(field, tmp_path):
    """As those of a join: the id would be the person's."""
    sqlalchemy = pytest.importorskip("sqlalchemy")
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = [pyarrow.array([each]) for each in (1, "A note.", 7, 2)]
    table = pyarrow.Table.from_arrays(columns, ["id", "text", "person", field])
    parquet.write_table(table, tmp_path / "a.parquet")
    url = f"sqlite:///{tmp_path / 'a.db'}"
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE note (id INTEGER, text TEXT, person INTEGER)")
        connection.exec_driver_sql(f"CREATE TABLE other ({field} INTEGER)")
        connection.exec_driver_sql("INSERT INTO note VALUES (1, 'A note.', 7)")
        connection.exec_driver_sql("INSERT INTO other VALUES (2)")
    engine.dispose()
    query = "SELECT * FROM note, other ORDER BY 1"
    for source in (Source(str(tmp_path / "a.parquet"), "parquet"), Source(url, "sql", query=query)):
        if field == "person":  # which is not read
            assert list(read_notes(source)) == [Note(0, 1, "A note.")]
        else:
            with pytest.raises(ValueError, match=f"several columns the name '{field}'"):
                list(read_notes(source))


def test_slices_are_of_one_size():
    assert [len(part) for part in slices(iter(NOTES * 3), 4)] == [4, 4, 1]
    assert list(slices(iter([]), 4)) == []
