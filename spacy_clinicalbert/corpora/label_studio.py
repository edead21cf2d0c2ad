"""Label Studio's JSON export. The parser is our own: label-studio-converter makes other formats, and leaves out tasks and results
that it does not know without a word."""

from collections import Counter
from typing import Any, Dict, Iterator, List, Optional

from .docs import MISPLACED, Reader, Record, check_span, make_reader
from .files import FilePath, json_file
from .jsonl import check_record
from .utf16 import Utf16, is_wide

_REGIONS = ("labels", "hypertextlabels")


def label_studio_records(path: FilePath, text: str = "text", choices: Optional[List[str]] = None) -> Iterator[Record]:
    """Read an export.

    path (Union[str, Path]): The export, "JSON" and not "JSON-MIN".
    text (str): The field of a task's data that holds the note; "id" and "patient" there are the note's.
    choices (Optional[List[str]]): All choices of the project's note categories: those that were not taken are 0. Without
        it they are not known, for the export does not name them.
    YIELDS (Record): One record a task. Of several annotations the one that is marked as ground truth is read, else the last that was not
        cancelled; the others are counted as unread. A task without any was not annotated. A choice for a region is
        an attribute of its span, by the name of its control. Regions whose text does not stand at their offsets are drops; offsets that
        count an emoji as two, as older versions wrote them, are known by that text.
    RAISES (ValueError): The file is damaged or not an export, by the line or the task.
    """
    tasks = json_file(path)
    if not isinstance(tasks, list):
        raise ValueError(f"Line 1 of '{path}' does not begin Label Studio's export: a list of tasks.")
    marks = any(_marks(task) for task in tasks)
    for number, task in enumerate(tasks, start=1):
        where = f"Task {number} of '{path}'"
        try:
            record = _record(task, text, choices, marks, where)
        except (KeyError, TypeError, AttributeError, IndexError):
            raise ValueError(f"{where} is not Label Studio's, or its data has no field '{text}'.") from None
        check_record(record, where)
        yield record


def _annotations(task: Any) -> List[Any]:
    return task.get("annotations", task.get("completions", []))


def _marks(task: Any) -> bool:
    """Whether a task has a marked span. If none of a project has, its notes are not annotated for entities, which the export does not
    say."""
    try:
        return any(result["type"] in _REGIONS for annotation in _annotations(task) for result in annotation["result"])
    except (KeyError, TypeError, AttributeError):
        return False  # an error when the task is read


def _record(task: Dict[str, Any], field: str, choices: Optional[List[str]], marks: bool, where: str) -> Record:
    data = task["data"]
    note: str = data[field]
    unread: Counter = Counter()
    record: Record = {"id": data.get("id", task.get("id")), "patient": data.get("patient"), "text": note}
    record.update(unread=unread, drops=[])
    done = [one for one in _annotations(task) if not one.get("was_cancelled")]
    if not done:
        return record
    chosen = next((one for one in done if one.get("ground_truth")), done[-1])
    unread["further annotations of a note"] += len(done) - 1
    regions: List[Any] = []
    attributes: Dict[str, Dict[str, Any]] = {}
    cats = {choice: 0.0 for choice in choices or []}
    for result in chosen["result"]:
        kind, value = result["type"], result.get("value", {})
        if kind in _REGIONS:
            regions.append((result["id"], value["start"], value["end"], value[kind], value.get("text")))
        elif kind == "choices" and "start" in value:
            taken = value["choices"]
            attributes.setdefault(result["id"], {})[result["from_name"]] = taken[0] if len(taken) == 1 else taken
        elif kind == "choices":
            cats.update(dict.fromkeys(value["choices"], 1.0))
        else:
            unread[f"results of type {kind}"] += 1
    record["cats"] = cats
    if marks:
        record["entities"] = []
    places = Utf16(note) if is_wide(note) else None
    for name, start, end, labels, mention in regions:
        if places and mention is not None and not _stands(note, start, end, mention):
            first, last = places.span(start, end)
            if _stands(note, first, last, mention):
                start, end = first, last
        if places is None:
            check_span(note, start, end, where)
        for label in labels:
            if mention is not None and not _stands(note, start, end, mention):
                record["drops"].append([MISPLACED, start, end])
                record["partial"] = True
            else:
                record["entities"].append([start, end, label, attributes.get(name, {})])
    record["unread"] = +unread
    return record


def _stands(note: str, start: Any, end: Any, mention: str) -> bool:
    return None not in (start, end) and note[start:end].split() == mention.replace("\\n", "\n").split()


def read_label_studio(
    path: FilePath, text: str = "text", choices: Optional[List[str]] = None, strict: bool = False
) -> Reader:
    """The registered reader `spacy-clinicalbert.label_studio.v1`; see `label_studio_records`."""
    return make_reader(lambda: label_studio_records(path, text, choices), strict)
