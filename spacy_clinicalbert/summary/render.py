"""Summaries as Markdown and JSON."""

import re
from typing import Any, Dict, List, Optional, Sequence

import srsly
from spacy.tokens import Doc

from .case import MAX_LINES, PARTS, UNASSERTED, Part, case_summary
from .component import SALIENCE, SUMMARY

# What an axis says of most spans is not worth a word.
UNMARKED = ("present", "recent", "patient")
_ESCAPED = str.maketrans({char: f"\\{char}" for char in "\\`*_[]<>#|~&"})
_LIST_MARK = re.compile(r"^(\d{0,9})([-+.)])")  # in front of a line it would begin a list within the list


def summary_rows(doc: Doc) -> Optional[List[Dict[str, Any]]]:
    """The sentences that `clinical_summary` chose, in plain values.

    RETURNS (Optional[List[Dict[str, Any]]]): [{"text", "section", "start", "end", "salience"}], in the order of the note; None where it has not run.
    """
    if SUMMARY not in doc.spans or SALIENCE not in doc.spans[SUMMARY].attrs:  # or a group of another component's
        return None
    group = doc.spans[SUMMARY]
    return [
        {
            "text": " ".join(span.text.split()),
            "section": span.label_,
            "start": span.start_char,
            "end": span.end_char,
            "salience": round(float(value), 6),
        }
        for span, value in zip(group, group.attrs[SALIENCE])
    ]


def to_dict(doc: Doc, parts: Sequence[Part] = PARTS, max_lines: int = MAX_LINES) -> Dict[str, Any]:
    """The summary and the case summary of a Doc in plain values.

    doc (Doc): The note, behind the pipeline.
    parts (Sequence[Part]), max_lines (int): See `case.case_summary`.
    RETURNS (Dict[str, Any]): "summary": as `summary_rows` gives it, where `clinical_summary` has run; "case": as `case_summary` gives it.
    """
    rows = summary_rows(doc)
    found: Dict[str, Any] = {} if rows is None else {"summary": rows}
    found["case"] = case_summary(doc, parts, max_lines)
    return found


def to_json(doc: Doc, parts: Sequence[Part] = PARTS, max_lines: int = MAX_LINES) -> str:
    """RETURNS (str): What `to_dict` gives, as JSON."""
    return srsly.json_dumps(to_dict(doc, parts, max_lines))


def to_markdown(doc: Doc, parts: Sequence[Part] = PARTS, max_lines: int = MAX_LINES) -> str:
    """RETURNS (str): The same as Markdown, each line with the characters of the note that it stands on."""
    found = to_dict(doc, parts, max_lines)
    rows = []
    if found.get("summary"):
        rows.append("## Summary\n")
        for each in found["summary"]:
            section = f"{each['section'].replace('_', ' ')}: " if each["section"] else ""
            rows.append(f"- {section}{_escape(each['text'])} [{each['start']}–{each['end']}]")
        rows.append("")
    for part in found["case"].values():
        rows.append(f"## {part['title']}\n")
        if part.get("unasserted"):
            rows.append(f"{UNASSERTED}\n")
        for line in part["lines"]:
            details = "".join(f", {detail['text']}" for detail in line.get("details", []))
            said = [each for each in line.get("assertion", {}).values() if each not in UNMARKED]
            places = [place for each in (line, *line.get("details", [])) for place in each["evidence"]]
            where = ", ".join(f"{start}–{end}" for start, end in places)
            marks = f" ({', '.join(said)})" if said else ""
            rows.append(f"- {_escape(line['text'] + details)}{marks} [{where}]")
        if "more" in part:
            rows.append(f"- … {part['more']} more")
        rows.append("")
    return "\n".join(rows).rstrip() + "\n" if rows else ""


def _escape(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _LIST_MARK.sub(r"\1\\\2", text.translate(_ESCAPED))
