"""JSON lines in the project's own form; see `docs.py`."""

from numbers import Real
from typing import Iterator, Optional

from .docs import Reader, Record, check_span, make_reader
from .files import FilePath, at, json_lines


def jsonl_records(path: FilePath, split: Optional[str] = None) -> Iterator[Record]:
    """Read a file of records.

    path (Union[str, Path]): The file, .jsonl or .jsonl.gz.
    split (Optional[str]): Only records whose "split" is this; None reads all.
    YIELDS (Record): One record a line.
    RAISES (ValueError): A line is no record, by its number.
    """
    for number, record in json_lines(path):
        if split is None or record.get("split") == split:
            check_record(record, at(path, number))
            yield record


def check_record(record: Record, where: str) -> None:
    """Raise ValueError if what another program wrote has not the form that `docs.py` describes.

    where (str): The place, for the error.
    """
    text, cats, groups = record.get("text"), record.get("cats", {}), record.get("spans", {})
    if not isinstance(text, str):
        raise ValueError(f"{where} has no 'text', or one that is not a string.")
    if not isinstance(cats, dict) or not all(value is None or isinstance(value, Real) for value in cats.values()):
        raise ValueError(f"{where} has 'cats' that are not an object of numbers.")
    if not isinstance(groups, dict):
        raise ValueError(f"{where} has 'spans' that are not an object of lists.")
    kinds = {"labels": list, "partial": bool, "annotated": dict, "questions": list, "meta": dict, "summary": str}
    for name, kind in kinds.items():
        if not isinstance(record.get(name), (kind, type(None))):
            raise ValueError(f"{where} has '{name}' of another type than {kind.__name__}.")
    if not all(labels is None or isinstance(labels, list) for labels in (record.get("annotated") or {}).values()):
        raise ValueError(f"{where} has 'annotated' that is not an object of component → list of labels.")
    for label, value in cats.items():
        if value is not None and value != value:
            raise ValueError(f"{where} has NaN for the category '{label}'. Write null where it is not known.")
    for name in ("id", "patient"):
        if record.get(name) != record.get(name):  # as tables have it: all such notes would be one patient's
            raise ValueError(f"{where} has '{name}' that is NaN. Write null where it is not known.")
    for name, spans in [("entities", record.get("entities", [])), *groups.items()]:
        for span in spans if isinstance(spans, list) else [[]]:
            whole = isinstance(span, list) and (len(span) == 3 or (len(span) == 4 and isinstance(span[3], dict)))
            if not whole or not isinstance(span[2], str):
                raise ValueError(f"{where} has '{name}' that are not a list of [start, end, label].")
            check_span(text, span[0], span[1], where)


def read_jsonl(path: FilePath, split: Optional[str] = None, strict: bool = False) -> Reader:
    """The registered reader `spacy-clinicalbert.jsonl.v1`; see `jsonl_records`."""
    return make_reader(lambda: jsonl_records(path, split), strict)
