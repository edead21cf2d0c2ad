"""doccano's JSON lines, of sequence labelling and of text classification."""

from typing import Any, Dict, Iterator, List

from .docs import Reader, Record, check_span, make_reader
from .files import FilePath, at, json_lines


def doccano_records(path: FilePath, categories: bool = False) -> Iterator[Record]:
    """Read an export. Export approved notes only: in a note that nobody has looked at the format has an empty list as well,
    which is read as "annotated, and nothing found" for spans, and as "not annotated" for categories.

    path (Union[str, Path]): The file, "JSONL" or "JSONL (relations)".
    categories (bool): Whether the project classifies texts. Then every label that the file has anywhere is a category,
        0 where it was not given.
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
            record["entities"] = [_entity(span, row["text"], where) for span in _spans(row, where)]
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


def _entity(span: Any, text: str, where: str) -> List[Any]:
    if isinstance(span, dict):
        span = [span.get("start_offset"), span.get("end_offset"), span.get("label")]
    if not isinstance(span, list) or len(span) != 3 or not isinstance(span[2], str):
        raise ValueError(f"{where} has a label that is not [start, end, label]; for categories set categories = true.")
    check_span(text, span[0], span[1], where)
    return span


def read_doccano(path: FilePath, categories: bool = False, strict: bool = False) -> Reader:
    """The registered reader `spacy-clinicalbert.doccano.v1`; see `doccano_records`."""
    return make_reader(lambda: doccano_records(path, categories), strict)
