"""A case summary in parts, composed of what the other heads wrote on a Doc: entities, assertions and sections, each line with the
characters of the note that it stands on. Nothing is said that is not in the note, and a part of which the note has nothing is left out."""

import re
from functools import lru_cache
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from spacy.tokens import Doc, Span

from ..pipeline.assertion import find_assertions, install_getter
from ..pipeline.section_titles import Titles, load_table
from .sentences import SECTIONS, find_sentences

Line = Dict[str, Any]
# For readers of a list of problems whose pipeline has no clinical_assertion.
UNASSERTED = (
    "Absent and doubtful ones, and those of the family, stand here too: nothing in the pipeline tells them apart."
)
MAX_LINES = 10


@lru_cache
def _titles() -> Titles:
    return Titles(load_table())


class Part(NamedTuple):
    """A part of a case summary.

    name (str): Its key.
    title (str): Its heading.
    labels (Tuple[str, ...]): Labels of the entities that are its lines, in any case.
    details (Tuple[str, ...]): Labels of what belongs to the entity before it in the same sentence: a dose to its drug.
    sections (Tuple[str, ...]): Sections whose sentences are its lines, where there are no such entities.
    """

    name: str
    title: str
    labels: Tuple[str, ...]
    details: Tuple[str, ...]
    sections: Tuple[str, ...]


DOSE = ("dosage", "dose", "strength", "frequency", "route", "duration", "form", "administration")
VALUES = ("lab_value", "value", "result")
PARTS = (
    Part("patient", "Patient", ("age", "sex"), (), ()),
    Part("complaint", "Complaint", (), (), ("chief_complaint", "reason_for_visit")),
    Part(
        "problems",
        "Problems",
        ("problem", "disease", "disease_disorder", "disorder", "sign_symptom", "symptom"),
        (),
        ("diagnoses", "discharge_diagnoses", "admission_diagnoses", "problem_list", "postoperative_diagnosis"),
    ),
    Part(
        "medications",
        "Medications",
        ("medication", "drug", "chemical"),
        DOSE,
        ("medications", "discharge_medications"),
    ),
    Part("procedures", "Procedures", ("therapeutic_procedure", "procedure", "treatment"), (), ("procedure",)),
    Part(
        "findings",
        "Key findings",
        ("diagnostic_procedure", "test", "finding"),
        VALUES,
        ("impression", "findings", "laboratory", "imaging"),
    ),
    Part("plan", "Plan", (), (), ("plan", "assessment_and_plan", "recommendations", "disposition", "follow_up")),
)
_BULLET = re.compile(r"\s*[-–•*]\s+(?=\S)")
_PATIENT = re.compile(
    r"\b\d{1,3}[ -]?(?:year|yr|month|week|day)s?[ -]old\b(?:[ ,-]+\w+(?:-\w+)*){0,3}?[ ,-]+"
    r"(?:male|female|man|woman|boy|girl|gentleman|lady|infant)\b",
    re.IGNORECASE,
)


def case_summary(doc: Doc, parts: Sequence[Part] = PARTS, max_lines: int = MAX_LINES) -> Dict[str, Any]:
    """Compose a case summary. Mentions of the same words with the same assertion are one line.

    doc (Doc): Has been through components that find entities, assertions (`clinical_assertion`) or sections (`clinical_sections`).
    parts (Sequence[Part]): What it consists of.
    max_lines (int): Of each part, the first in the note's order.
    RETURNS (Dict[str, Any]): Part → {"title", "lines": [{"text", "evidence": [[start, end], ...], "label", "section", "assertion": {axis: label},
        "details": [{"text", "label", "evidence"}]}], "more": lines beyond these, "unasserted": true where nobody has said which problems are absent}; a key that has nothing to say is not there. Offsets count
        characters, and a line's text is that of its first evidence, with white space as single spaces.
    """
    install_getter()
    sentences = find_sentences(doc, _titles())
    pieces = [(doc[start:end], label) for (start, end), label in zip(sentences.places.tolist(), sentences.sections)]
    found: Dict[str, Any] = {}
    for part in parts:
        lines = _entity_lines(doc, part, pieces)
        if not lines and part.name == "patient":
            lines = _patient(doc)
        if not lines:
            lines = [_line(span, label) for span, label in pieces if label in part.sections]
        if lines:
            found[part.name] = {"title": part.title, "lines": lines[:max_lines]}
            if len(lines) > max_lines:
                found[part.name]["more"] = len(lines) - max_lines
            is_of_entities = any("label" in line for line in lines)
            if part.name == "problems" and is_of_entities and not any("assertion" in line for line in lines):
                found[part.name]["unasserted"] = True
    return found


def _line(span: Span, section: str = "", label: str = "") -> Line:
    text = span.text
    bullet = _BULLET.match(text)
    start = bullet.end() if bullet else 0
    line: Line = {"text": " ".join(text[start:].split()), "evidence": [[span.start_char + start, span.end_char]]}
    if label:
        line["label"] = label
    if section:
        line["section"] = section
    return line


def _patient(doc: Doc) -> List[Line]:
    """Without entities: "a 76-year-old female", where that is not said of the family."""
    for match in _PATIENT.finditer(doc.text):
        span = doc.char_span(*match.span(), alignment_mode="expand")
        if span is not None and _section(span) != "family_history":
            return [_line(span)]
    return []


def _section(span: Span) -> str:
    for each in span.doc.spans.get(SECTIONS, ()):
        if each.start <= span.start < each.end:
            return each.label_
    return ""


def _entity_lines(doc: Doc, part: Part, pieces: List[Tuple[Span, str]]) -> List[Line]:
    lines: Dict[Tuple, Line] = {}
    ents, said = sorted(doc.ents, key=lambda ent: ent.start), find_assertions(doc)
    number = 0  # of the sentence
    open_line: Optional[Line] = None  # the line that details belong to
    open_sentence = -1
    for ent in ents:
        while number < len(pieces) and pieces[number][0].end <= ent.start:
            number += 1
        inside = number < len(pieces) and pieces[number][0].start <= ent.start
        label = ent.label_.lower()
        if label in part.labels:
            assertion = {axis: each[0] for axis, each in said.get((ent.start, ent.end, ent.label), {}).items()}
            line = _line(ent, pieces[number][1] if inside else "", ent.label_)
            if assertion:
                line["assertion"] = assertion
            key = (line["text"].lower(), label, tuple(sorted(assertion.items())))
            known = lines.get(key)
            if known is None:
                lines[key] = line
            elif not part.details:
                known["evidence"] += line["evidence"]
            else:  # a dose may differ from mention to mention
                lines[(*key, ent.start)] = line
            open_line, open_sentence = (line if known is None or part.details else None), number
        elif label in part.details and open_line is not None and open_sentence == number:
            place = [ent.start_char, ent.end_char]
            detail = {"text": " ".join(ent.text.split()), "label": ent.label_, "evidence": [place]}
            open_line.setdefault("details", []).append(detail)
    return list(lines.values())
