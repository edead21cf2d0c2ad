"""What a check reports: a finding for each kind of defect, with how often it is there and the first records that have it."""

from dataclasses import dataclass, field
from typing import Dict, Iterator, List, NamedTuple, Optional

ERROR, WARNING, INFO = "error", "warning", "info"
SEVERITIES = (ERROR, WARNING, INFO)
CONTEXT = 30  # characters on both sides of what an excerpt shows
MAX_EXCERPT = 200  # of the piece itself: a span can be as long as its note


class Kind(NamedTuple):
    """A kind of defect.

    name (str): Short, as reports and JSON have it.
    severity (str): "error" where results become wrong or annotation is lost, "warning" where somebody should look,
        "info" for a number.
    message (str): What it means and what to do.
    """

    name: str
    severity: str
    message: str


class Example(NamedTuple):
    """One place of a finding.

    record (str): The record, by its split or file and its id: "train/n1".
    detail (str): Characters, other records, labels; never text.
    text (Optional[str]): An excerpt, only where it was asked for.
    """

    record: str
    detail: str = ""
    text: Optional[str] = None


@dataclass
class Finding:
    """One kind of defect in one corpus.

    kind, severity, message (str): See `Kind`.
    count (int): How often.
    examples (List[Example]): The first of them.
    """

    kind: str
    severity: str
    message: str
    count: int = 1
    examples: List[Example] = field(default_factory=list)


class Tally:
    """Counts defects by kind, and keeps the first examples of each.

    max_examples (int): How many examples of a kind to keep.
    show_text (bool): Whether examples may hold text of notes.
    """

    def __init__(self, max_examples: int, show_text: bool = False) -> None:
        self.max_examples = max_examples
        self.show_text = show_text
        self._found: Dict[Kind, Finding] = {}

    def add(self, kind: Kind, record: str, detail: str = "", text: Optional[str] = None) -> None:
        """Count one.

        text (Optional[str]): An excerpt, which is kept only if text may be shown.
        """
        finding = self._found.setdefault(kind, Finding(*kind, count=0))
        finding.count += 1
        if len(finding.examples) < self.max_examples:
            finding.examples.append(Example(record, detail, text if self.show_text else None))

    def findings(self) -> Iterator[Finding]:
        yield from self._found.values()


def excerpt(text: str, start: int, end: int) -> str:
    """A piece of a note with a little of what stands around it, on one line; of a long one its beginning."""
    return " ".join(text[max(start - CONTEXT, 0) : min(end, start + MAX_EXCERPT) + CONTEXT].split())
