"""Doc → record: what a pipeline found in a note, in strings, numbers, lists and dicts alone. Everything that leaves spaCy here (files,
OMOP, FHIR, whatever else serves annotations) is made of it.

The form is `RECORD_VERSION`. A field that is added leaves the version as it is, one that changes its meaning or goes does not:

    {"version": 1, "position": 0, "id": "n1", "patient": "p1",
     "entities": [{"start": 3, "end": 13, "label": "PROBLEM", "text": "chest pain", "probability": 0.98, "section": "plan",
                   "assertion": {"certainty": {"label": "absent", "probability": 0.97}}}],
     "cats": {"consult": 0.9},
     "questions": [{"id": 0, "question": "Which drugs?", "kind": "span", "answers": [{"start": 30, "end": 37, "text": "aspirin", "score": 0.9}]}],
     "summary": [{"start": 0, "end": 14, "text": "No chest pain.", "section": "plan", "salience": 1.5}],
     "sections": [{"start": 0, "end": 14, "label": "plan"}],
     "spans": {"sc": [{"start": 0, "end": 2, "label": "X", "probability": 0.7}]}, "custom": {"name": "..."}}

Offsets count the characters of the note. What no component has looked for is absent, which is not the same as an empty list.
"""

from typing import Any, Dict, List, Optional, Tuple, TypedDict, Union

import numpy
from spacy.tokens import Doc, Span, SpanGroup

from ..corpora.docs import ATTRIBUTES
from ..pipeline.assertion import ASSERTION
from ..pipeline.confidence import SCORES
from ..questions.answers import ANSWERS, answer_rows
from ..summary.component import SUMMARY
from ..summary.render import summary_rows

RECORD_VERSION = 1
ENTITIES, SECTIONS = "entities", "sections"  # span groups that have fields of their own
DIGITS = 6  # of probabilities
# Extensions that are no results: vectors, and what a reader or another field says of the note.
NO_RESULTS = ("trf_data", "note_id", "patient", "annotated", "questions", "meta", "reference_summary")

Place = Tuple[int, int]
Key = Tuple[int, int, str]


class AxisRecord(TypedDict):
    """What an assertion component says of a span on one axis.

    label (str): The axis' label that holds.
    probability (float): How probable it is.
    """

    label: str
    probability: float


class SpanRecord(TypedDict, total=False):
    """A span; `start`, `end` and `label` are always there.

    start (int), end (int): The characters of the note, the first and behind the last.
    label (str): The label.
    text (str): What stands there; of entities only.
    probability (float): Of the span, where its component gives one.
    section (str): The label of the section that an entity begins in, where sections were looked for.
    overlaps (bool): True where an entity is not in `doc.ents`, for a more probable one that it overlaps is.
    assertion (Dict[str, AxisRecord]): Axis → what holds.
    kb_id (str), id (str): `span.kb_id_` and `span.id_`, where they are set.
    attributes (Dict[str, Any]): What else stands beside the span in its group's attrs, and in its own extensions.
    """

    start: int
    end: int
    label: str
    text: str
    probability: float
    section: str
    overlaps: bool
    assertion: Dict[str, AxisRecord]
    kb_id: str
    id: str
    attributes: Dict[str, Any]


class Record(TypedDict, total=False):
    """A note; `version`, `id`, `cats` and `spans` are always there.

    version (int): `RECORD_VERSION`.
    position (int): The note's place in its source, from 0, where it has one. Ids may come twice, positions do not.
    id (Union[str, int, None]): `doc._.note_id`.
    patient (str): `doc._.patient`.
    entities (List[SpanRecord]): `doc.ents`, and of the span group "entities" what overlaps them, in the order of the text.
    cats (Dict[str, float]): `doc.cats`.
    sections (List[SpanRecord]): The span group "sections".
    questions (List[Dict[str, Any]]): What was asked and answered, see `questions.answers.answer_rows`.
    summary (List[Dict[str, Any]]): The chosen sentences, see `summary.render.summary_rows`.
    spans (Dict[str, List[SpanRecord]]): The other span groups, without those that say nothing beside `entities`.
    custom (Dict[str, Any]): The Doc's extensions that components have set, by name.
    """

    version: int
    position: int
    id: Union[str, int, None]
    patient: str
    entities: List[SpanRecord]
    cats: Dict[str, float]
    sections: List[SpanRecord]
    questions: List[Dict[str, Any]]
    summary: List[Dict[str, Any]]
    spans: Dict[str, List[SpanRecord]]
    custom: Dict[str, Any]


class Unwritable(ValueError):
    """A note has results that cannot be written. Its message never holds text of the note."""


def to_record(doc: Doc, *, position: Optional[int] = None) -> Record:
    """Say in plain values what a pipeline found in a note.

    Of a span group's attrs, what has one value a span goes to the spans; other attrs, and extensions of tokens, are not written.

    doc (Doc): The note, behind the pipeline.
    position (Optional[int]): Its place in its source.
    RETURNS (Record): The record.
    RAISES (Unwritable): An extension or attribute holds what JSON has not.
    """
    custom, of_spans = _extensions(doc)
    answers, summary = answer_rows(doc), summary_rows(doc)
    own = {name for name, rows in ((ANSWERS, answers), (SUMMARY, summary)) if rows is not None}
    groups = {name: _group_records(name, group, of_spans) for name, group in doc.spans.items() if name not in own}
    entities = _entities(doc, groups.get(ENTITIES, []), of_spans)
    record: Record = {"version": RECORD_VERSION}
    if position is not None:
        record["position"] = position
    record["id"] = _given(doc, "note_id")
    if _given(doc, "patient") is not None:
        record["patient"] = str(_given(doc, "patient"))
    if doc.has_annotation("ENT_IOB") or ENTITIES in groups:
        _join_assertions(entities, groups)
        if SECTIONS in groups:
            _join_sections(entities, groups[SECTIONS])
        record["entities"] = [entities[key] for key in sorted(entities, key=lambda key: (key[0], -key[1], key[2]))]
    record["cats"] = {label: _rounded(value) for label, value in doc.cats.items()}
    if SECTIONS in groups:
        record["sections"] = groups[SECTIONS]
    if answers is not None:
        record["questions"] = _plain(answers, f"doc.spans['{ANSWERS}']")
    if summary is not None:
        record["summary"] = summary
    record["spans"] = {
        name: group
        for name, group in groups.items()
        if name not in (ENTITIES, SECTIONS) and not _says_nothing_new(doc.spans[name], group, entities)
    }
    if custom:
        record["custom"] = custom
    return record


def axis_label(entity: SpanRecord, axis: str) -> Optional[str]:
    """RETURNS (Optional[str]): The label of an entity's assertion on an axis; None where nothing is said on it."""
    return entity["assertion"][axis]["label"] if axis in entity.get("assertion", {}) else None


def _given(doc: Doc, name: str) -> Any:
    return doc._.get(name) if Doc.has_extension(name) else None


def _extensions(doc: Doc) -> Tuple[Dict[str, Any], Dict[Place, Dict[str, Any]]]:
    """What components have set of the Doc's extensions, and of its spans', by their place."""
    of_doc: Dict[str, Any] = {}
    of_spans: Dict[Place, Dict[str, Any]] = {}
    for key, value in doc.user_data.items():
        if not (isinstance(key, tuple) and len(key) == 4 and key[0] == "._.") or value is None:
            continue
        _, name, start, end = key
        if start is None and name not in NO_RESULTS:
            of_doc[name] = _plain(value, f"doc._.{name}")
        elif start is not None and end is not None:
            of_spans.setdefault((start, end), {})[name] = _plain(value, f"span._.{name}")
    return of_doc, of_spans


def _span_record(span: Span, of_spans: Dict[Place, Dict[str, Any]], with_text: bool) -> SpanRecord:
    record: SpanRecord = {"start": span.start_char, "end": span.end_char, "label": span.label_}
    if with_text:
        record["text"] = span.text
    if span.kb_id_:
        record["kb_id"] = span.kb_id_
    if span.id_:
        record["id"] = span.id_
    attributes = of_spans.get((span.start_char, span.end_char))
    if attributes:
        record["attributes"] = dict(attributes)
    return record


def _group_records(name: str, group: SpanGroup, of_spans: Dict[Place, Dict[str, Any]]) -> List[SpanRecord]:
    records = [_span_record(span, of_spans, with_text=name == ENTITIES) for span in group]
    for attr, values in group.attrs.items():
        if not isinstance(values, (list, tuple, numpy.ndarray)) or len(values) != len(records):
            continue
        for record, value in zip(records, values):
            where = f"attrs['{attr}'] of doc.spans['{name}']"
            if attr == SCORES:
                record["probability"] = _rounded(value)
            elif attr == ASSERTION:
                record["assertion"] = {
                    axis: {"label": label, "probability": _rounded(probability)}
                    for axis, (label, probability) in value.items()
                }
            elif attr == ATTRIBUTES:
                record.setdefault("attributes", {}).update(_plain(value, where))
            else:
                record.setdefault("attributes", {})[attr] = _plain(value, where)
    return records


def _key(record: SpanRecord) -> Key:
    return record["start"], record["end"], record["label"]


def _entities(doc: Doc, group: List[SpanRecord], of_spans: Dict[Place, Dict[str, Any]]) -> Dict[Key, SpanRecord]:
    found = {_key(record): record for record in (_span_record(ent, of_spans, with_text=True) for ent in doc.ents)}
    for record in group:
        known = found.get(_key(record))  # that may have a link, and no probability
        found[_key(record)] = {**record, "overlaps": True} if known is None else {**known, **record}
    return found


def _join_assertions(entities: Dict[Key, SpanRecord], groups: Dict[str, List[SpanRecord]]) -> None:
    for group in groups.values():
        for record in group:
            if "assertion" in record and _key(record) in entities:
                entities[_key(record)]["assertion"] = record["assertion"]


def _join_sections(entities: Dict[Key, SpanRecord], sections: List[SpanRecord]) -> None:
    sections = sorted(sections, key=lambda section: section["start"])
    starts = numpy.array([section["start"] for section in sections], dtype="int64")
    for record in entities.values():
        number = int(numpy.searchsorted(starts, record["start"], side="right")) - 1
        if number >= 0 and record["start"] < sections[number]["end"]:
            record["section"] = sections[number]["label"]


def _says_nothing_new(group: SpanGroup, records: List[SpanRecord], entities: Dict[Key, SpanRecord]) -> bool:
    return set(group.attrs) == {ASSERTION} and all(_key(record) in entities for record in records)


def _rounded(value: Any) -> float:
    return round(float(value), DIGITS)


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(each, where) for name, each in value.items()}
    if isinstance(value, (list, tuple, numpy.ndarray)):
        return [_plain(each, where) for each in value]
    if isinstance(value, numpy.generic):
        return value.item()
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise Unwritable(
        f"{where} holds a {type(value).__name__}, which JSON has not: take it off with spaCy's doc_cleaner"
    )
