"""The findings as a table, as JSON and as a page."""

import json
from collections import Counter
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any, Dict, List

from wasabi import table

from .findings import ERROR, SEVERITIES, Example
from .run import Section


def count_severities(sections: List[Section]) -> Counter:
    """RETURNS (Counter): Severity → how many kinds of finding."""
    return Counter(finding.severity for section in sections for finding in section.findings)


def has_errors(sections: List[Section]) -> bool:
    return bool(count_severities(sections)[ERROR])


def to_table(sections: List[Section]) -> str:
    """RETURNS (str): For a terminal, a table for each corpus."""
    parts = []
    for section in sections:
        rows = []
        for finding in section.findings:
            rows.append((finding.severity, str(finding.count), finding.kind, finding.message))
            rows += [("", "", "", f"  {_line(example)}") for example in finding.examples]
        head = f"\n{section.name}: {section.n_notes} notes"
        parts.append(
            head
            + ("\n" + table(rows, header=("", "count", "finding", ""), divider=True) if rows else ": nothing found")
        )
    return "\n".join([*parts, "", summary(sections)])


def summary(sections: List[Section]) -> str:
    counts = count_severities(sections)
    shown = ", ".join(f"{counts[severity]} {severity}{'s' if severity != 'info' else ''}" for severity in SEVERITIES)
    return f"{shown} (kinds of finding). Errors spoil results or lose annotation; warnings want a look."


def _line(example: Example) -> str:
    text = f"  “{' '.join(example.text.split())}”" if example.text else ""
    return f"{example.record}  {example.detail}{text}"


def to_json(sections: List[Section]) -> str:
    """RETURNS (str): {"errors": n, "warnings": n, "corpora": [{"name", "n_notes", "findings": [...]}]}."""
    counts = count_severities(sections)
    rows: List[Dict[str, Any]] = [asdict(section) for section in sections]
    for row in rows:
        for finding in row["findings"]:
            finding["examples"] = [{k: v for k, v in each._asdict().items() if v} for each in finding["examples"]]
    data = {"errors": counts["error"], "warnings": counts["warning"], "corpora": rows}
    return json.dumps(data, indent=1, ensure_ascii=False)


def write_page(sections: List[Section], path: Path) -> None:
    """Write one HTML file that needs no other.

    path (Path): The file.
    RAISES (ImportError): jinja2 is not installed.
    """
    from jinja2 import Environment

    template = (files(__package__) / "report.html").read_text(encoding="utf8")
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(template)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page.render(sections=sections, summary=summary(sections)), encoding="utf8")
