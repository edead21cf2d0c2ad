"""Databases, through SQLAlchemy: notes out of a query, results into a table, each part of them in one transaction.

SQLAlchemy's and the drivers' errors hold rows, which are notes: they are named by their type alone.
"""

import hashlib
import re
from collections import Counter
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial
from itertools import islice, zip_longest
from typing import Any, Collection, Dict, Iterator, Optional, Sequence

Row = Dict[str, Any]

FETCHED = 1000  # rows at a time, in both directions
_ORDER = re.compile(r"\border\s+by\b", re.IGNORECASE)


def shown(path: str) -> str:
    """A source or destination for a message or a file: a database's URL without its password, and without its query, which can hold one."""
    if "://" not in path:
        return path
    return _parsed(path).set(query={}).render_as_string(hide_password=True)


def query_digest(path: str) -> Optional[str]:
    """RETURNS (Optional[str]): A fingerprint of the query of a database's URL, for a comparison; None without one. It takes a while, so that nobody
    finds a password that stands there by trying."""
    query = sorted(_parsed(path).query.items()) if "://" in path else []
    if not query:
        return None
    return hashlib.scrypt(
        repr(query).encode("utf8"), salt=shown(path).encode("utf8"), n=2**14, r=8, p=1, dklen=16
    ).hex()


def _parsed(url: str) -> Any:
    sqlalchemy = _sqlalchemy()
    try:
        return sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):  # the latter of a port that is no number
        raise ValueError("What has '://' in it is a database's URL, as SQLAlchemy writes them; this is none.") from None


def check_query(query: Optional[str]) -> None:
    """Raise ValueError if a query is missing, or does not say in which order its rows come."""
    if not query:
        raise ValueError("A database wants --query, which selects the notes.")
    if not _ORDER.search(query):
        raise ValueError("--query has no ORDER BY: without a fixed order, --resume could not find its place again.")


def check_columns(names: Collection[str], fields: Collection[str], path: Any) -> None:
    """Raise ValueError if two columns have the name of one field: which of them is meant nobody knows.

    names (Collection[str]): The columns' names.
    path (Any): Where they are.
    """
    twice = sorted(name for name, number in Counter(names).items() if number > 1 and name in fields)
    if twice:
        raise ValueError(
            f"'{shown(str(path))}' gives several columns the name '{twice[0]}', as `SELECT *` of a join does: name the columns, each once."
        )


def query_rows(url: str, query: str, fields: Collection[str] = ()) -> Iterator[Row]:
    """Run a query.

    fields (Collection[str]): Columns whose names may not come twice.
    YIELDS (Dict[str, Any]): Its rows, fetched a thousand at a time. Bytes of SQLite's strings that are not UTF-8 become halves of surrogate pairs, as in
        Python's names of files.
    RAISES (ValueError): The database cannot be reached, or stops, or has two columns for a field.
    """
    with _connected(_engine(url)) as connection, _named(url, "the query failed: try it in the database's own client"):
        # Nobody checks what it holds, and one string that is not UTF-8 would end the run.
        if connection.dialect.name == "sqlite":
            connection.connection.dbapi_connection.text_factory = partial(
                str, encoding="utf8", errors="surrogateescape"
            )
        streamed = connection.execution_options(stream_results=True, yield_per=FETCHED)
        result = streamed.execute(_text(query))
        check_columns(list(result.keys()), fields, url)
        for row in result.mappings():
            yield dict(row)


def count_query(url: str, query: str) -> Optional[int]:
    """RETURNS (Optional[int]): How many rows a query has; None where the database does not take the question."""
    sqlalchemy = _sqlalchemy()
    with _connected(_engine(url)) as connection:
        try:
            return connection.execute(_text(f"SELECT COUNT(*) FROM ({query.rstrip(' ;')}) AS notes")).scalar()
        except sqlalchemy.exc.SQLAlchemyError:
            return None


def _text(query: str) -> Any:
    """A query as it stands: a colon in it names no parameter."""
    return _sqlalchemy().text(query.replace(":", "\\:"))


class KeyTaken(ValueError):
    """A table has rows whose keys others would have."""


class Table:
    """A table for results.

    url (str): The database.
    name (str): The table, or schema.table.
    columns (Dict[str, type]): Column → int, str, date, datetime or dict; a dict is JSON. The first is the primary key.
    """

    def __init__(self, url: str, name: str, columns: Dict[str, type]):
        sqlalchemy = _sqlalchemy()
        types = {
            int: sqlalchemy.BigInteger,
            str: sqlalchemy.Text,
            date: sqlalchemy.Date,
            datetime: sqlalchemy.DateTime,
            dict: lambda: sqlalchemy.JSON(none_as_null=True),
        }
        schema, _, name = name.rpartition(".")
        self.engine = _engine(url)
        self.key = next(iter(columns))
        self.table = sqlalchemy.Table(
            name,
            sqlalchemy.MetaData(),
            *(
                sqlalchemy.Column(column, types[type_](), primary_key=column == self.key, autoincrement=False)
                for column, type_ in columns.items()
            ),
            schema=schema or None,
        )

    def create(self) -> None:
        """Make the table, if it is not there.

        RAISES (ValueError): It is, and lacks columns.
        """
        with _connected(self.engine) as connection, self._named():
            self.table.create(connection, checkfirst=True)
            connection.commit()
            columns = _sqlalchemy().inspect(connection).get_columns(self.table.name, schema=self.table.schema)
        there = {column["name"].lower() for column in columns}
        missing = [column.name for column in self.table.columns if column.name not in there]
        if missing:
            raise ValueError(
                f"The table '{self.table.fullname}' of '{shown(str(self.engine.url))}' lacks the columns {', '.join(missing)}: add them, or name another."
            )

    def last_key(self) -> Optional[int]:
        """RETURNS (Optional[int]): The highest key; None of an empty table."""
        sqlalchemy = _sqlalchemy()
        with _connected(self.engine) as connection, self._named():
            return connection.execute(sqlalchemy.select(sqlalchemy.func.max(self.table.c[self.key]))).scalar()

    def is_there(self) -> bool:
        """RETURNS (bool): Whether the database has the table."""
        with _connected(self.engine) as connection, self._named():
            return _sqlalchemy().inspect(connection).has_table(self.table.name, schema=self.table.schema)

    def count(self, first: int, behind: int) -> int:
        """RETURNS (int): How many rows have keys from `first` to before `behind`."""
        with _connected(self.engine) as connection, self._named():
            return self._count(connection, first, behind)

    def _count(self, connection: Any, first: int, behind: int) -> int:
        sqlalchemy, key = _sqlalchemy(), self.table.c[self.key]
        within = sqlalchemy.select(sqlalchemy.func.count()).select_from(self.table).where(key >= first, key < behind)
        return connection.execute(within).scalar()

    def holds(self, first: int, behind: int, rows: Iterator[Row], columns: Sequence[str]) -> bool:
        """Whether some rows are there, and no others with keys from `first` to before `behind`.

        rows (Iterator[Dict[str, Any]]): The rows, by their keys.
        columns (Sequence[str]): What a row is known by.
        """
        key = self.table.c[self.key]
        wanted = _sqlalchemy().select(*(self.table.c[name] for name in columns))
        with _connected(self.engine) as connection, self._named():
            found = connection.execute(wanted.where(key >= first, key < behind).order_by(key))
            return all(
                row is not None and there is not None and list(there) == [row[name] for name in columns]
                for row, there in zip_longest(rows, found)
            )

    def insert(self, first: int, behind: int, rows: Iterator[Row]) -> None:
        """Add rows, in one transaction.

        first (int), behind (int): Their keys are from here to before there.
        RAISES (KeyTaken): The table has a row with such a key.
        RAISES (ValueError): It does not take the rows.
        """
        with _connected(self.engine) as connection, self._named():
            try:
                with connection.begin():
                    taken = self._count(connection, first, behind)  # a table that somebody has made may have no key
                    while not taken and (chunk := list(islice(rows, FETCHED))):
                        connection.execute(self.table.insert(), chunk)
                if not taken:
                    return
            except _sqlalchemy().exc.IntegrityError:
                taken = self._count(connection, first, behind)
                if not taken:
                    raise
        raise KeyTaken(
            f"The table '{self.table.fullname}' of '{shown(str(self.engine.url))}' has {taken} rows already whose {self.key} this run's rows would "
            "have: something else has written there. They were left as they are."
        )

    def _named(self) -> Any:
        return _named(str(self.engine.url), f"the table '{self.table.fullname}' did not take what it was given")


def _sqlalchemy() -> Any:
    try:
        import sqlalchemy
    except ImportError:
        raise ImportError(
            "Databases are read and written with SQLAlchemy: pip install 'spacy-clinicalbert[deployment]'."
        ) from None
    return sqlalchemy


def _engine(url: str) -> Any:
    sqlalchemy, parsed = _sqlalchemy(), _parsed(url)
    try:
        return sqlalchemy.create_engine(parsed, hide_parameters=True)
    except (sqlalchemy.exc.NoSuchModuleError, ImportError) as error:  # no such database, or its driver is not installed
        raise ValueError(f"'{shown(url)}' cannot be opened ({type(error).__name__}): {error}") from None
    # Their messages could hold what is in the URL.
    except (sqlalchemy.exc.SQLAlchemyError, TypeError, ValueError) as error:
        raise ValueError(f"'{shown(url)}' cannot be opened ({type(error).__name__}).") from None


@contextmanager
def _connected(engine: Any) -> Iterator[Any]:
    with _named(str(engine.url), "it cannot be reached"):
        try:
            connection = engine.connect()
        except (TypeError, ValueError) as error:  # what a driver says to a URL's query
            kind = type(error).__name__
            raise ValueError(
                f"'{shown(str(engine.url))}': it cannot be reached ({kind}): look at what follows its '?'."
            ) from None
    with connection:
        yield connection


@contextmanager
def _named(url: str, what: str) -> Iterator[None]:
    """Turn the libraries' errors into one that says where, and shows no row."""
    sqlalchemy = _sqlalchemy()
    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, UnicodeError, OverflowError) as error:
        kind = type(getattr(error, "orig", None) or error).__name__
        raise ValueError(f"'{shown(url)}': {what} ({kind}).") from None
