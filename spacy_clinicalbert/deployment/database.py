"""Databases, through SQLAlchemy: notes out of a query, results into a table, each part of them in one transaction.

SQLAlchemy's and the drivers' errors hold rows, which are notes: they are named by their type alone.
"""

import re
from contextlib import contextmanager
from datetime import date, datetime
from itertools import islice
from typing import Any, Dict, Iterator, Optional

Row = Dict[str, Any]

FETCHED = 1000  # rows at a time, in both directions
_ORDER = re.compile(r"\border\s+by\b", re.IGNORECASE)


def shown(path: str) -> str:
    """A source or destination for a message or a file: a database's URL without its password."""
    if "://" not in path:
        return path
    sqlalchemy = _sqlalchemy()
    try:
        return sqlalchemy.make_url(path).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        raise ValueError("What has '://' in it is a database's URL, as SQLAlchemy writes them; this is none.") from None


def check_query(query: Optional[str]) -> None:
    """Raise ValueError if a query is missing, or does not say in which order its rows come."""
    if not query:
        raise ValueError("A database wants --query, which selects the notes.")
    if not _ORDER.search(query):
        raise ValueError("--query has no ORDER BY: without a fixed order, --resume could not find its place again.")


def query_rows(url: str, query: str) -> Iterator[Row]:
    """Run a query.

    YIELDS (Dict[str, Any]): Its rows, fetched a thousand at a time.
    RAISES (ValueError): The database cannot be reached, or stops.
    """
    sqlalchemy = _sqlalchemy()
    with _connected(_engine(url)) as connection, _named(url, "the query failed: try it in the database's own client"):
        streamed = connection.execution_options(stream_results=True, yield_per=FETCHED)
        for row in streamed.execute(sqlalchemy.text(query)).mappings():
            yield dict(row)


def count_query(url: str, query: str) -> Optional[int]:
    """RETURNS (Optional[int]): How many rows a query has; None where the database does not take the question."""
    sqlalchemy = _sqlalchemy()
    with _connected(_engine(url)) as connection:
        try:
            return connection.execute(sqlalchemy.text(f"SELECT COUNT(*) FROM ({query.rstrip(' ;')}) AS notes")).scalar()
        except sqlalchemy.exc.SQLAlchemyError:
            return None


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
        """Make the table, if it is not there."""
        with _connected(self.engine) as connection, self._named():
            self.table.create(connection, checkfirst=True)
            connection.commit()

    def last_key(self) -> Optional[int]:
        """RETURNS (Optional[int]): The highest key; None of an empty table."""
        sqlalchemy = _sqlalchemy()
        with _connected(self.engine) as connection, self._named():
            return connection.execute(sqlalchemy.select(sqlalchemy.func.max(self.table.c[self.key]))).scalar()

    def replace(self, first: int, behind: int, rows: Iterator[Row]) -> None:
        """Put rows in place of those whose keys are from `first` to before `behind`, in one transaction."""
        key = self.table.c[self.key]
        with _connected(self.engine) as connection, self._named(), connection.begin():
            connection.execute(self.table.delete().where(key >= first, key < behind))
            while chunk := list(islice(rows, FETCHED)):
                connection.execute(self.table.insert(), chunk)

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
    sqlalchemy = _sqlalchemy()
    try:
        return sqlalchemy.create_engine(url, hide_parameters=True)
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:  # no such database, or its driver is not installed
        raise ValueError(f"'{shown(url)}' cannot be opened ({type(error).__name__}): {error}") from None


@contextmanager
def _connected(engine: Any) -> Iterator[Any]:
    with _named(str(engine.url), "it cannot be reached"):
        connection = engine.connect()
    with connection:
        yield connection


@contextmanager
def _named(url: str, what: str) -> Iterator[None]:
    """Turn the libraries' errors into one that says where, and shows no row."""
    sqlalchemy = _sqlalchemy()
    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, UnicodeDecodeError) as error:
        kind = type(getattr(error, "orig", None) or error).__name__
        raise ValueError(f"'{shown(url)}': {what} ({kind}).") from None
