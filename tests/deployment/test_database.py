from datetime import date, datetime

import pytest

pytest.importorskip("sqlalchemy")
import sqlalchemy

from spacy_clinicalbert.deployment.database import (
    KeyTaken,
    Table,
    check_query,
    count_query,
    query_digest,
    query_rows,
    shown,
)

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


def test_table_takes_rows_and_knows_them_again(url):
    table = Table(url, "results", COLUMNS)
    table.create()
    table.create()  # which is there
    assert table.last_key() is None
    assert table.is_there() and not Table(url, "others", COLUMNS).is_there()
    table.insert(0, 2500, iter(make_rows(0, 2500)))
    table.insert(2500, 2510, iter(make_rows(2500, 10)))
    before = read(url)
    assert len(before) == 2510 and table.last_key() == 2509 and table.count(2400, 9999) == 110
    for columns in (["position"], list(COLUMNS)):
        assert table.holds(2000, 2500, iter(make_rows(2000, 500)), columns)
        for rows in (make_rows(2000, 499), make_rows(2001, 499), make_rows(2000, 501), []):
            assert not table.holds(2000, 2500, iter(rows), columns)
    assert table.holds(3000, 3000, iter([]), ["position"])
    other = [{**row, "entities": []} for row in make_rows(2000, 500)]
    assert table.holds(2000, 2500, iter(other), ["position"]) and not table.holds(2000, 2500, iter(other), [*COLUMNS])
    assert before[1]["entities"] == '[{"start": 1}]' and before[2]["entities"] is None


def test_a_string_that_is_not_utf8_ends_no_query(url):
    with sqlalchemy.create_engine(url).begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE notes (id, text)"))
        connection.execute(sqlalchemy.text("INSERT INTO notes VALUES (1, CAST(x'636166e9' AS TEXT)), (2, 'café')"))
    rows = query_rows(url, "SELECT * FROM notes ORDER BY id")
    assert list(rows) == [{"id": 1, "text": "caf\udce9"}, {"id": 2, "text": "café"}]


def test_a_transaction_that_fails_changes_nothing(url):
    table = Table(url, "results", COLUMNS)
    table.create()
    table.insert(0, 5, iter(make_rows(0, 5)))
    before = read(url)
    rows = [*make_rows(5, 3), *make_rows(5, 1)]  # the last one's key comes twice
    rows[-1]["id"] = "a note's text"
    with pytest.raises(ValueError, match=r"a\.db': the table 'results' did not take .* \(IntegrityError\)") as caught:
        table.insert(5, 9, iter(rows))
    assert read(url) == before and "text" not in str(caught.value)
    with pytest.raises(KeyTaken, match=r"'results' of .* has 2 rows already whose position this run's rows would have"):
        table.insert(3, 7, iter(make_rows(3, 4)))
    assert read(url) == before


def test_a_table_of_somebodys_own_without_a_key_has_no_key_twice(url):
    with sqlalchemy.create_engine(url).begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE results (position INTEGER, id, day, moment, entities)"))
    table = Table(url, "results", COLUMNS)
    table.insert(0, 5, iter(make_rows(0, 5)))
    with pytest.raises(KeyTaken, match="has 2 rows already"):
        table.insert(3, 7, iter(make_rows(3, 4)))
    assert len(read(url)) == 5


def test_columns_that_a_table_lacks_are_named_before_anything_is_written(url):
    with sqlalchemy.create_engine(url).begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE results (POSITION INTEGER, id, entities)"))
    with pytest.raises(ValueError, match=r"'results' of .* lacks the columns day, moment: add them"):
        Table(url, "results", COLUMNS).create()


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
    hidden = "mssql+pyodbc://?odbc_connect=SERVER%3Dhost%3BPWD%3Dsecret"
    assert shown(hidden) == "mssql+pyodbc://" and shown("mysql://me@host/db?password=secret") == "mysql://me@host/db"
    for wrong in ("not a url://", "postgresql://me:secret@host:port/db"):
        with pytest.raises(ValueError, match="this is none") as caught:
            shown(wrong)
        assert "secret" not in str(caught.value)


def test_queries_of_urls_are_compared_and_not_kept():
    found = [query_digest(f"mysql://me@host/db{query}") for query in ("", "?a=1", "?b=2&a=1", "?a=1&b=2", "?a=2")]
    assert found[0] is None and query_digest("notes.jsonl") is None
    assert found[2] == found[3] and len({*found}) == 4


def test_databases_that_cannot_be_opened_are_errors(tmp_path):
    with pytest.raises(ValueError, match="cannot be reached"):
        list(query_rows(f"sqlite:///{tmp_path}/nowhere/a.db", "SELECT 1 ORDER BY 1"))
    with pytest.raises(ValueError, match=r"'nodb://me:\*\*\*@host/x' cannot be opened"):
        list(query_rows("nodb://me:secret@host/x", "SELECT 1 ORDER BY 1"))


def test_what_drivers_say_to_a_urls_query_is_not_shown(url, monkeypatch):
    def connect(engine):
        raise TypeError("'secret' is an invalid keyword")

    for message in (r"a\.db' cannot be opened \(ValueError\)", r"a\.db': it cannot be reached \(TypeError\): look at"):
        with pytest.raises(ValueError, match=message) as caught:
            list(query_rows(f"{url}?timeout={'secret' if 'opened' in message else 5}", "SELECT 1 ORDER BY 1"))
        assert "secret" not in str(caught.value)
        monkeypatch.setattr(sqlalchemy.engine.Engine, "connect", connect)


def test_queries_take_colons_and_percent_signs(url):
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (id INTEGER, text TEXT)")
        connection.exec_driver_sql("INSERT INTO notes VALUES (1, 'at 12:30')")
    engine.dispose()
    for like in ("'%12:30%'", "'%:30' AND ':a' = ':a' AND 'b::c \\:d' != ':e:f'"):
        query = f"SELECT id, text FROM notes WHERE text LIKE {like} ORDER BY id"
        assert list(query_rows(url, query)) == [{"id": 1, "text": "at 12:30"}] and count_query(url, query) == 1
    query = "SELECT ':a' AS a, 'b::c' AS b, ':é :1' AS c, '\\:d:=' AS d ORDER BY 1"
    assert list(query_rows(url, query)) == [{"a": ":a", "b": "b::c", "c": ":é :1", "d": "\\:d:="}]
