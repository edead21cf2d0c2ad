"""doccano's JSON lines, of sequence labelling and of text classification."""

from typing import Any, Dict, Iterator, List, Optional

from .docs import Reader, Record, check_span, make_reader
from .files import FilePath, at, json_lines
from .utf16 import Utf16, is_wide


def doccano_records(path: FilePath, categories: bool = False, utf16: Optional[bool] = None) -> Iterator[Record]:
    """Read an export. Export approved notes only: in a note that nobody has looked at the format has an empty list as well,
    which is read as "annotated, and nothing found" for spans, and as "not annotated" for categories.

    path (Union[str, Path]): The file, "JSONL" or "JSONL (relations)".
    categories (bool): Whether the project classifies texts. Then every label that the file has anywhere is a category,
        0 where it was not given.
    utf16 (Optional[bool]): Whether offsets count an emoji, or another character beyond U+FFFF, as two, as doccano's page does (its issue 2290); where the
        project counts graphemes or offsets came from Python they do not. The format has nothing to tell by: None is an error at the first text where it matters.
    YIELDS (Record): One record a line. Relations and comments are counted as unread.
    RAISES (ValueError): A line is not doccano's, by its number.
    """
    known = (
        sorted({label for number, row in json_lines(path) for label in _labels(row, path, number)})
        if categories
        else []
    )
    for number, row in json_lines(path):
        where = at(path, number)
        if not isinstance(row.get("text"), str):
            raise ValueError(f"{where} is not doccano's: it has no 'text'.")
        record: Record = {"id": row.get("id"), "patient": row.get("patient"), "text": row["text"]}
        others = {"relations": row.get("relations"), "comments": row.get("Comments", row.get("comments"))}
        record["unread"] = {kind: len(found) for kind, found in others.items() if found and isinstance(found, list)}
        if categories:
            given = _labels(row, path, number)
            record["cats"] = {label: float(label in given) for label in known} if given else {}
        else:
            spans = _spans(row, where)
            if spans and utf16 is None and is_wide(row["text"]):
                raise ValueError(
                    f"{where} has an emoji or another character that doccano's page counts as two. Set utf16 = true if the spans were marked there, else false."
                )
            places = Utf16(row["text"]) if utf16 else None
            record["entities"] = [_entity(span, row["text"], where, places) for span in spans]
        yield record


def _labels(row: Dict[str, Any], path: FilePath, number: int) -> List[str]:
    labels = row.get("label", row.get("labels"))
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise ValueError(f"{at(path, number)} has no 'label', or one that is not a list of categories.")
    return labels


def _spans(row: Dict[str, Any], where: str) -> List[Any]:
    spans = row.get("entities", row.get("label", row.get("labels")))
    if not isinstance(spans, list):
        raise ValueError(f"{where} has no 'label' and no 'entities'.")
    return spans


def _entity(span: Any, text: str, where: str, places: Optional[Utf16]) -> List[Any]:
    if isinstance(span, dict):
        span = [span.get("start_offset"), span.get("end_offset"), span.get("label")]
    if not isinstance(span, list) or len(span) != 3 or not isinstance(span[2], str):
        raise ValueError(f"{where} has a label that is not [start, end, label]; for categories set categories = true.")
    start, end = places.span(span[0], span[1]) if places else span[:2]
    check_span(text, start, end, where)
    return [start, end, span[2]]


def read_doccano(
    path: FilePath, categories: bool = False, strict: bool = False, utf16: Optional[bool] = None
) -> Reader:
    """The registered reader `spacy-clinicalbert.doccano.v1`; see `doccano_records`."""
    return make_reader(lambda: doccano_records(path, categories, utf16), strict)
