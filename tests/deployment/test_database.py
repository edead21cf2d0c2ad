from datetime import date, datetime

import pytest

pytest.importorskip("sqlalchemy")
import sqlalchemy

from spacy_clinicalbert.deployment.database import Table, check_query, query_rows, shown

COLUMNS = {"position": int, "id": str, "day": date, "moment": datetime, "entities": dict}


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'a.db'}"


def make_rows(first, n):
    day = date(2025, 1, 2)
    moment = datetime(2025, 1, 2, 3, 4, 5)
    return [
        {"position": i, "id": None, "day": day, "moment": moment, "entities": [{"start": i}] if i % 2 else None}
        for i in range(first, first + n)
    ]


def read(url):
    return list(query_rows(url, "SELECT * FROM results ORDER BY position"))


def test_table_takes_rows_in_place_of_those_with_their_keys(url):
    table = Table(url, "results", COLUMNS)
    table.create()
    table.create()  # which is there
    assert table.last_key() is None
    table.replace(0, 2500, iter(make_rows(0, 2500)))
    table.replace(2500, 2510, iter(make_rows(2500, 10)))
    before = read(url)
    table.replace(2000, 2500, iter(make_rows(2000, 500)))
    assert read(url) == before and len(before) == 2510 and table.last_key() == 2509
    assert before[1]["entities"] == '[{"start": 1}]' and before[2]["entities"] is None


def test_a_transaction_that_fails_changes_nothing(url):
    table = Table(url, "results", COLUMNS)
    table.create()
    table.replace(0, 5, iter(make_rows(0, 5)))
    before = read(url)
    rows = [*make_rows(0, 3), *make_rows(0, 1)]  # the last one's key comes twice
    rows[-1]["id"] = "a note's text"
    with pytest.raises(ValueError, match=r"a\.db': the table 'results' did not take .* \(IntegrityError\)") as caught:
        table.replace(0, 5, iter(rows))
    assert read(url) == before and "text" not in str(caught.value)


@pytest.mark.parametrize("query", ["SELECT id FROM results", None, ""])
def test_queries_want_an_order(query):
    with pytest.raises(ValueError, match="--query"):
        check_query(query)
    check_query("select * from notes\norder  by id")


def test_failing_queries_show_neither_password_nor_text(url):
    with pytest.raises(ValueError, match="the query failed: try it .* \\(OperationalError\\)") as caught:
        list(query_rows(url, "SELECT secret FROM nowhere ORDER BY 1"))
    assert ("secret" not in str(caught.value) and caught.value.__suppress_context__) or caught.value.__cause__ is None


def test_urls_are_shown_without_password():
    assert shown("postgresql://me:secret@host/db") == "postgresql://me:***@host/db"
    assert shown("notes.jsonl") == "notes.jsonl"
    with pytest.raises(ValueError, match="this is none"):
        shown("not a url://")


def test_databases_that_cannot_be_opened_are_errors(tmp_path):
    with pytest.raises(ValueError, match="cannot be reached"):
        list(query_rows(f"sqlite:///{tmp_path}/nowhere/a.db", "SELECT 1 ORDER BY 1"))
    with pytest.raises(ValueError, match=r"'nodb://me:\*\*\*@host/x' cannot be opened"):
        list(query_rows("nodb://me:secret@host/x", "SELECT 1 ORDER BY 1"))


def test_queries_take_colons_and_percent_signs(url):
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (id INTEGER, text TEXT)")
        connection.exec_driver_sql("INSERT INTO notes VALUES (1, 'at 12:30')")
    engine.dispose()
    query = "SELECT id, text FROM notes WHERE text LIKE '%12:30%' ORDER BY id"
    assert list(query_rows(url, query)) == [{"id": 1, "text": "at 12:30"}]
