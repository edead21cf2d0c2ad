"""Prodigy's JSON lines, from ner.manual, spans.manual, textcat.manual and the binary recipes, as `prodigy db-out` writes them."""

from collections import Counter
from typing import Any, Dict, Iterator, Tuple

from .docs import Reader, Record, check_span, make_reader
from .files import FilePath, at, json_lines
from .jsonl import check_record


def prodigy_records(path: FilePath) -> Iterator[Record]:
    """Read a file.

    path (Union[str, Path]): The file.
    YIELDS (Record): One record a line. Answers "ignore" are drops; of answers "reject" only the category that was refused is
        known (0), for which of several spans were wrong the file does not say. The options of a choice that were not
        taken are 0. "meta" can hold "id" and "patient"; else the id is Prodigy's hash of the input. At the end the lines of binary
        recipes, which ask of one span at a time: one record a text, with the spans that were accepted, and nothing known of the rest.
    RAISES (ValueError): A line is not Prodigy's, by its number.
    """
    asked: Dict[Tuple[str, str], Record] = {}
    for number, row in json_lines(path):
        try:
            record = _record(row, at(path, number))
        except (KeyError, TypeError, AttributeError):
            raise ValueError(
                f"{at(path, number)} is not Prodigy's: a part of it is missing or of another type."
            ) from None
        check_record(record, at(path, number))
        if record.get("partial"):
            _join(asked.setdefault((str(record["id"]), record["text"]), record), record)
        else:
            yield record
    yield from asked.values()


def _join(record: Record, other: Record) -> None:
    """Put what was answered about another span of a text into the text's record."""
    if other is not record:
        record["entities"] += [entity for entity in other["entities"] if entity not in record["entities"]]
        record["drops"] += other["drops"]
        record["unread"] += other["unread"]


def _is_binary(row: Dict[str, Any]) -> bool:
    """Whether its spans were accepted or refused, and not marked: then nobody looked at the rest of the text."""
    return bool(row.get("_is_binary", row.get("_view_id") in ("ner", "spans")))


def _record(row: Dict[str, Any], where: str) -> Record:
    meta = row.get("meta") or {}
    record: Record = {"id": row.get("id", meta.get("id", row.get("_input_hash"))), "patient": meta.get("patient")}
    record.update(text=row["text"], meta=meta)
    if not isinstance(row["text"], str):
        raise TypeError
    answer = row.get("answer", "accept")
    unread: Counter = Counter()
    if answer == "ignore":
        record["drop"] = "notes that the annotator passed over"
    elif answer not in ("accept", "reject"):
        raise KeyError
    cats = {}
    if row.get("options") and answer == "accept":
        cats = {str(option["id"]): float(option["id"] in row.get("accept", [])) for option in row["options"]}
    elif isinstance(row.get("label"), str):
        cats = {row["label"]: float(answer == "accept")}
    if cats:
        record["cats"] = cats
    if cats and row.get("spans"):  # what a pattern found, shown to the annotator
        unread["spans beside a category"] += len(row["spans"])
    elif not cats and answer != "ignore" and "spans" in row:
        if answer == "accept" or _is_binary(row):
            record.update(entities=[], drops=[])
        if _is_binary(row):
            record["partial"] = True
        for span in row["spans"]:
            check_span(row["text"], span["start"], span["end"], where)
            verdict = span.get("answer", "accept") if answer == "accept" else answer
            if verdict == "accept":
                record["entities"].append([span["start"], span["end"], str(span["label"])])
            elif verdict == "reject":
                unread["spans that the annotator refused"] += 1
            else:
                record["drops"].append(["spans that the annotator passed over", span["start"], span["end"]])
    unread["relations"] += len(row.get("relations") or [])
    record["unread"] = +unread
    return record


def read_prodigy(path: FilePath, strict: bool = False) -> Reader:
    """The registered reader `spacy-clinicalbert.prodigy.v1`; see `prodigy_records`."""
    return make_reader(lambda: prodigy_records(path), strict)
