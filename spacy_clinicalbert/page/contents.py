"""What stands on the page of a note: a Doc's results as marks in its text, and as rows for what stands beside it."""

from bisect import bisect_left
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Tuple

from spacy.tokens import Doc

from ..deployment.records import ENTITIES, SECTIONS, Record, SpanRecord, axis_label, to_record
from ..pathology.component import find_pathology
from ..pipeline.note_classifier import CATS
from ..questions.answers import ANSWERS, QUESTIONS, find_answers
from ..summary.case import UNASSERTED
from ..summary.render import UNMARKED, to_dict
from .characters import one_line
from .renderer import Mark

Place = Tuple[int, int]
Row = Dict[str, Any]

HEADS = "section_heads"
# Span groups that are shown beside the text, or say what others say.
BESIDE = (ENTITIES, SECTIONS, HEADS, ANSWERS, "summary", "gold")
CERTAINTIES = {"absent": "absent", "possible": "possible", "conditional": "unsure", "hypothetical": "unsure"}  # → class
MAX_PLACES = 400  # of evidence that is marked as a whole; links to more lead to where it begins
MAX_CATEGORIES = 8  # that are seen at once, with what their windows say
MAX_WINDOWS = 100  # of a category; those that say most


class Evidence:
    """The places that links lead to, each with one id."""

    def __init__(self) -> None:
        self.places: Dict[Place, str] = {}

    def link(self, start: int, end: int) -> str:
        """RETURNS (str): The id of a place, for a link."""
        return self.places.setdefault((start, end), f"e{start}-{end}")

    def rules(self) -> List[str]:
        """RETURNS (List[str]): The ids of those that are marked as a whole where a link has led there."""
        return list(self.places.values())[:MAX_PLACES]

    def marks(self) -> Iterator[Mark]:
        for number, ((start, end), name) in enumerate(self.places.items()):
            whole = number < MAX_PLACES
            yield {"start": start, "end": end if whole else start, "label": "", "css": f"evidence {name}", "id": name}


def note_contents(doc: Doc) -> Dict[str, Any]:
    """Say what stands on the page of a note.

    doc (Doc): The note, behind the pipeline.
    RETURNS (Dict[str, Any]): "marks", of the text; "outline", "categories", "questions", "summary", "case" and "pathology", rows for what
        stands beside it, each empty where nothing is known; "highlighted", ids of places.
    RAISES (Unwritable): Something on the Doc cannot be said in plain values.
    """
    record = to_record(doc)
    evidence = Evidence()
    outline = _outline(record)
    questions = _questions(doc, evidence)
    said = to_dict(doc)
    contents: Dict[str, Any] = {
        "outline": outline,
        "categories": _categories(record),
        "questions": questions,
        "summary": [_with_link(row, evidence) for row in said.get("summary", [])],
        "case": [_case_part(part, evidence) for part in said["case"].values()],
        "pathology": _pathology(doc, evidence),
    }
    marks: List[Mark] = [{"start": row["start"], "end": row["start"], "label": "", "id": row["id"]} for row in outline]
    marks += _window_points(contents["categories"])
    for head in record["spans"].get(HEADS, []):
        marks.append({"start": head["start"], "end": head["end"], "label": "", "css": "head"})
    marks += [_entity_mark(span) for span in _shown_spans(record)]
    for number, row in enumerate(questions, start=1):
        for answer in row["answers"]:
            tip = f"Answer to question {number}, {_percent(answer['score'])}"
            marks.append({"start": answer["start"], "end": answer["end"], "label": "", "css": "answer", "tip": tip})
    contents["marks"] = marks + list(evidence.marks())
    contents["highlighted"] = evidence.rules()
    return contents


def labels_of(contents: Mapping[str, Any]) -> List[str]:
    """RETURNS (List[str]): The labels that have a colour, sorted, so that equal labels have equal colours on pages of one pipeline's notes."""
    return sorted({mark["label"] for mark in contents["marks"] if mark["label"]})


def said_of(span: SpanRecord) -> List[str]:
    """RETURNS (List[str]): What is asserted of a span and out of the ordinary."""
    return [
        each for axis in span.get("assertion", {}) for each in [axis_label(span, axis)] if each and each not in UNMARKED
    ]


def _percent(value: float) -> str:
    return f"{value:.0%}" if 0.005 <= value < 0.995 or value in (0, 1) else f"{value:.2%}"


def _shown_spans(record: Record) -> List[SpanRecord]:
    """Entities, and the spans of other groups that are none of these."""
    shown = {(each["start"], each["end"], each["label"]): each for each in record.get("entities", [])}
    for name, group in record["spans"].items():
        for span in group if name not in BESIDE else ():
            if span["label"]:
                key = (span["start"], span["end"], span["label"])
                shown[key] = {**span, **shown.get(key, {})}
    return list(shown.values())


def _entity_mark(span: SpanRecord) -> Mark:
    said = said_of(span)
    facts = [f"{span['label']} {_percent(span['probability'])}" if "probability" in span else span["label"]]
    facts += [
        f"{axis}: {each['label']} {_percent(each['probability'])}" for axis, each in span.get("assertion", {}).items()
    ]
    if span.get("overlaps"):
        facts.append("overlaps a more probable one")
    if "section" in span:
        facts.append(f"section: {title(span['section'])}")
    if span.get("kb_id"):
        facts.append(f"linked to {span['kb_id']}")
    facts.append(f"characters {span['start']} to {span['end']}")
    css = " ".join(CERTAINTIES[each] for each in said if each in CERTAINTIES)
    return {
        "start": span["start"],
        "end": span["end"],
        "label": span["label"],
        "more": ", ".join(said),
        "tip": "; ".join(facts),
        "css": css,
    }


def title(label: str) -> str:
    """RETURNS (str): A label of a section as words."""
    return label.replace("_", " ")


def _outline(record: Record) -> List[Row]:
    rows: List[Row] = []
    begins = sorted(entity["start"] for entity in record.get("entities", []))
    for number, section in enumerate(record.get("sections", [])):
        start, end = section["start"], section["end"]
        count = bisect_left(begins, end) - bisect_left(begins, start)
        rows.append({"start": start, "id": f"s{number}", "title": title(section["label"]), "count": count})
    return rows


def _categories(record: Record) -> List[Row]:
    """Categories, the most probable first, each with what the windows say that its classifier read."""
    windows: Dict[str, List[Row]] = {}
    for group in record["spans"].values():
        total = sum(each["end"] - each["start"] for each in group) or 1
        for each in group:
            for label, value in each.get("attributes", {}).get(CATS, {}).items():
                row = {"start": each["start"], "end": each["end"], "share": (each["end"] - each["start"]) / total}
                windows.setdefault(label, []).append(
                    {**row, "value": float(value), "id": f"w{each['start']}-{each['end']}"}
                )
    ordered = sorted(record["cats"].items(), key=lambda item: (-item[1], item[0]))
    rows: List[Row] = [{"label": label, "value": value, "windows": []} for label, value in ordered]
    for category in rows[:MAX_CATEGORIES]:
        most = sorted(windows.get(category["label"], []), key=lambda each: -each["value"])[:MAX_WINDOWS]
        category["windows"] = sorted(most, key=lambda each: each["start"])
    return rows


def _window_points(categories: Iterable[Row]) -> List[Mark]:
    points = {each["id"]: each["start"] for row in categories for each in row["windows"]}
    return [{"start": start, "end": start, "label": "", "id": name} for name, start in points.items()]


def _questions(doc: Doc, evidence: Evidence) -> List[Row]:
    answers = find_answers(doc)
    if answers is None:
        return []
    rows = {row["id"]: {"question": row["question"], "answers": []} for row in doc.spans[ANSWERS].attrs[QUESTIONS]}
    for each in answers:
        text = each.label if each.label is not None else one_line(each.span.text)
        row = {"text": text, "score": each.score, "start": each.start, "end": each.end}
        rows[each.id]["answers"].append(_with_link(row, evidence))
    return list(rows.values())


def _with_link(row: Row, evidence: Evidence) -> Row:
    return {**row, "id": evidence.link(row["start"], row["end"])}


def _case_part(part: Row, evidence: Evidence) -> Row:
    lines = []
    for line in part["lines"]:
        details = [f", {detail['text']}" for detail in line.get("details", [])]
        said = [each for each in line.get("assertion", {}).values() if each not in UNMARKED]
        places = [place for each in (line, *line.get("details", [])) for place in each["evidence"]]
        links = [{"id": evidence.link(*place), "start": place[0]} for place in places]
        lines.append({"text": line["text"] + "".join(details), "said": said, "links": links})
    return {**part, "lines": lines, "hint": UNASSERTED if part.get("unasserted") else ""}


def _pathology(doc: Doc, evidence: Evidence) -> List[Row]:
    record = find_pathology(doc)
    if record is None:
        return []
    rows = []
    for (field, value), row in zip(record.values(), record.rows()):
        notes = [row[name] for name in ("name", "prefix", "suffix", "system") if row[name]]
        notes += [name.replace("_", " ") for name in ("part", "in_situ", "conflict") if row[name]]
        if value.source == "inferred":
            notes.append(f"inferred, {_percent(value.probability)}")
        links = [{"id": evidence.link(each.start, each.end), "start": each.start} for each in value.evidence]
        rows.append({"field": title(field), "value": row["value"], "notes": notes, "links": links})
    return rows
