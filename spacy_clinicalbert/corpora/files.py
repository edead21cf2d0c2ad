"""Files in, line by line or whole, with errors that name file and line and never show what stands there.

Python's own errors would: a UnicodeDecodeError holds the bytes, a JSONDecodeError the document.
"""

import csv
import gzip
import json
import zlib
from pathlib import Path
from typing import IO, Any, Collection, Dict, Iterator, Optional, Tuple, Union
from xml.etree import ElementTree
from xml.parsers import expat

FilePath = Union[str, Path]


def at(path: FilePath, number: int) -> str:
    """The place of a line, as errors name it."""
    return f"Line {number} of '{path}'"


def open_file(path: FilePath) -> IO[bytes]:
    """Open a file to read its bytes, unpacked if its name ends in .gz."""
    return gzip.open(path, "rb") if str(path).lower().endswith(".gz") else Path(path).open("rb")  # type: ignore[return-value]


def text_lines(path: FilePath) -> Iterator[Tuple[int, str]]:
    """Read a file, gzipped if its name ends in .gz, by line feeds alone.

    YIELDS (Tuple[int, str]): A line's number, from 1, and the line with its end, without a byte order mark.
    RAISES (ValueError): A line is not UTF-8, or the compressed file is damaged.
    """
    number = 0
    with open_file(path) as file:
        try:
            for number, raw in enumerate(file, start=1):
                line = _decode(raw, path, number)
                yield number, line.removeprefix("\ufeff") if number == 1 else line
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise ValueError(f"{at(path, number + 1)} cannot be unpacked: the file is cut off or damaged.") from None


def whole_text(path: FilePath) -> str:
    """Read a file as it stands, line ends and all, for annotation that counts its characters.

    RAISES (ValueError): It is not UTF-8, by the line.
    """
    raw = Path(path).read_bytes()
    if raw.count(0) * 3 > len(raw):  # without a mark at its head, UTF-16 of plain letters passes for UTF-8
        raise ValueError(f"{at(path, 1)} is not UTF-8, but looks like UTF-16. Convert the file.")
    return _decode(raw, path, 1)


def is_text(text: str) -> bool:
    """Whether a string can be written as UTF-8: JSON's escapes can make halves of surrogate pairs, which are no characters."""
    try:
        text.encode("utf8")
    except UnicodeEncodeError:
        return False
    return True


def _decode(raw: bytes, path: FilePath, number: int) -> str:
    try:
        return raw.decode("utf8")
    except UnicodeDecodeError as error:
        number += raw[: error.start].count(b"\n")
    raise ValueError(f"{at(path, number)} is not UTF-8. Convert the file, or mend the line.")


def json_lines(path: FilePath) -> Iterator[Tuple[int, Dict[str, Any]]]:
    """Read a file with one JSON object a line; empty lines are passed over.

    YIELDS (Tuple[int, Dict[str, Any]]): The line's number and the object.
    RAISES (ValueError): A line is not a JSON object, by its number. (srsly's error would hold the line, a note.)
    """
    for number, line in text_lines(path):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise ValueError(f"{at(path, number)} is not a JSON object.")
            yield number, row


def json_file(path: FilePath) -> Any:
    """Read a file that is one JSON document.

    RAISES (ValueError): It is not JSON, by the line.
    """
    text = whole_text(path).removeprefix("\ufeff")
    number = 1
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        number = error.lineno
    except RecursionError:
        pass
    raise ValueError(f"{at(path, number)} is not JSON: the file is damaged, cut off, or of another format.")


def csv_rows(
    path: FilePath, columns: Collection[str], delimiter: str = ",", quoted: bool = True
) -> Iterator[Tuple[int, Dict[str, str]]]:
    """Read a table whose first line names its columns.

    columns (Collection[str]): Those that must be there, in any case and order.
    delimiter (str): What stands between two columns.
    quoted (bool): Whether quotation marks enclose what holds a delimiter or a line end.
    YIELDS (Tuple[int, Dict[str, str]]): The number of the row's last line, and the row, with its columns' names in
        lower case.
    RAISES (ValueError): A column is missing, or has another one's name, or a row is cut off or has another number of columns.
    """
    csv.field_size_limit(2**31 - 1)  # notes are longer than the 131,072 characters that are allowed at first
    lines = (line for _, line in text_lines(path))
    if quoted:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
    else:
        reader = csv.reader(lines, delimiter=delimiter, strict=True, quoting=csv.QUOTE_NONE)
    names: Optional[Tuple[str, ...]] = None
    while True:
        try:
            row = next(reader, None)
        except csv.Error:
            raise ValueError(f"{at(path, reader.line_num)} is cut off, or its quotation marks do not match.") from None
        if row is None:
            break
        if not row:
            continue
        if names is None:
            names = tuple(name.strip().lower() for name in row)
            missing = sorted(set(columns) - set(names))
            if missing:
                raise ValueError(f"{at(path, reader.line_num)} does not name the columns {', '.join(missing)}.")
            for column, name in enumerate(names):
                if name in names[:column] and name:
                    raise ValueError(
                        f"{at(path, reader.line_num)} gives the columns {names.index(name) + 1} and {column + 1} the same name, but for its "
                        "case: rename one."
                    )
        elif len(row) != len(names):
            raise ValueError(f"{at(path, reader.line_num)} has {len(row)} columns, not {len(names)}.")
        else:
            yield reader.line_num, dict(zip(names, row))
    if names is None:
        raise ValueError(f"{at(path, 1)} is missing: the file is empty.")


def check_xml(path: FilePath) -> bytes:
    """Read an XML file, and refuse one that is damaged or declares entities: those can name other files or, nested,
    grow without bound, and no format read here uses them.

    RETURNS (bytes): What the file holds.
    RAISES (ValueError): It is not XML, or declares an entity, by the line.
    """
    raw = Path(path).read_bytes()
    parser = expat.ParserCreate()

    def refuse(*_: Any) -> None:
        raise ValueError(f"{at(path, parser.CurrentLineNumber)} declares an XML entity, which is not read.")

    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise ValueError(f"{at(path, error.lineno)} is not XML: {expat.ErrorString(error.code)}.") from None
    except (LookupError, UnicodeError):
        raise ValueError(f"{at(path, 1)} names an encoding that is not known.") from None
    return raw


def xml_root(path: FilePath) -> ElementTree.Element:
    """Read an XML file; see `check_xml`.

    RETURNS (ElementTree.Element): Its root.
    """
    return ElementTree.fromstring(check_xml(path))
