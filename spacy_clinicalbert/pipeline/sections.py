"""Sections of clinical notes, by their heads: rules over the borders that the encoder's windows follow too."""

import re
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple, Union

import srsly
from spacy import util
from spacy.pipeline import Pipe
from spacy.scorer import Scorer
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example

from ..encoder.borders import Border, find_borders, with_line_feeds
from .section_titles import OTHER, Titles, load_table, normalise

# "2. Past Medical History (per wife):", "PLAN", "HPI. Five months": numbering, the title, and what ends it.
_HEAD = re.compile(
    r"(?:\d{1,2}[.)][^\S\n]*|[A-Z][.)][^\S\n]+|[#*•-]+[^\S\n]*)?(?P<title>[A-Za-z][^\n:.;(]{0,78}?)[^\S\n]*"
    r"(?P<end>[:.;(]|$|[-–—](?=\s))",
    re.MULTILINE,
)
_SOAP = frozenset("so")
_LONG = 300  # characters: "PROCEDURE: Appendectomy" or what was done, step by step
_BEHIND_BRACKET = re.compile(r"\([^)\n]{0,40}\)[^\S\n]*(?P<end>:|$)", re.MULTILINE)


class Head(NamedTuple):
    """The head of a section.

    start (int): Its first character, behind numbering.
    end (int): Behind its last character.
    label (str): The section's label.
    """

    start: int
    end: int
    label: str


class _Candidate(NamedTuple):
    start: int
    end: int
    title: str  # normalised
    kind: int
    mark: str  # what ends it; "" for the line's end
    capitals: bool
    begins_large: bool


def find_heads(text: str, titles: Titles) -> List[Head]:
    """Find the heads of a note's sections.

    A head begins where `find_borders` sees something begin, and is a title of the table, or unknown words in capitals that end in a colon or fill a line.
    What the table has as part of the section that is open ("HEENT" in an examination) opens none.

    text (str): The note.
    titles (Titles): The table.
    RETURNS (List[Head]): In the order of the text.
    """
    text = with_line_feeds(text)
    candidates = list(_candidates(text))
    letters = {each.title for each in candidates if len(each.title) == 1 and each.mark == ":"}
    if not _SOAP.issubset(letters):  # else "A:" is an item
        candidates = [each for each in candidates if len(each.title) > 1]
    known = [titles.find(each.title) for each in candidates]
    report = titles.table["reports"]
    is_report = bool(set(report["marks"]).intersection(known)) and not set(report["not"]).intersection(known)
    heads: List[Head] = []
    section: Optional[str] = None
    seen: Set[str] = set()
    for each, label in zip(candidates, known):
        if is_report:
            label = report["titles"].get(each.title, label)
        label = _label(each, label, section, seen, titles)
        if label is not None:
            heads.append(Head(each.start, each.end, label))
            section = label
            seen.add(label)
    ends = [head.start for head in heads[1:]] + [len(text)]
    return [_narrative(text, head, end, titles) for head, end in zip(heads, ends)]


def _narrative(text: str, head: Head, end: int, titles: Titles) -> Head:
    label = titles.table["narratives"].get(normalise(text[head.start : head.end]))
    return head if label is None or end - head.end < _LONG else head._replace(label=label)


def _candidates(text: str) -> Iterator[_Candidate]:
    borders = find_borders(text)
    for start, kind in [(0, int(Border.BLOCK)), *zip(borders.starts.tolist(), borders.kinds.tolist())]:
        match = _HEAD.match(text, start)
        if match is None:
            continue
        title, mark = match["title"], match["end"]
        if mark == "(":
            bracket = _BEHIND_BRACKET.match(text, match.start("end"))
            mark = bracket["end"] if bracket else mark
        yield _Candidate(*match.span("title"), normalise(title), kind, mark, title.isupper(), title[0].isupper())


def _label(
    each: _Candidate, label: Optional[str], section: Optional[str], seen: Set[str], titles: Titles
) -> Optional[str]:
    """The label of the section that a candidate opens; None if it opens none."""
    if not each.title or each.title in titles.ignored:
        return None
    if each.start == 0 and not each.mark and each.title in titles.documents:
        return None
    if each.kind == Border.SENTENCE and not (each.mark == ":" and each.begins_large):
        return None
    if each.mark == ";" and not each.capitals:
        return None
    part = titles.part(each.title, section)
    if part is not None and section in part.within:
        return None
    if label is not None:
        narrative = titles.table["narratives"].get(each.title)
        return narrative if narrative is not None and label in seen else label
    if part is not None:
        return part.of if each.mark in (":", ".") and section not in titles.open else None
    if each.mark not in (":", "") or not (each.capitals or each.mark == ":"):
        return None
    guessed = titles.guess(each.title)
    if guessed is not None and (each.capitals or each.kind == Border.SECTION):
        return guessed if guessed != section else None
    is_head = each.capitals and each.kind == Border.SECTION and each.start > 0
    return OTHER if is_head and section not in titles.open else None


class ClinicalSections(Pipe):
    """Writes the sections of a note into `doc.spans["sections"]`, each from its head to the next, and their heads into
    `doc.spans["section_heads"]`, both in the note's order and with the section's label. Text before the first head is in no section.

    name (str): The component's name.
    spans_key (str): The key of the sections; their heads get it with "section_heads" for "sections", or "_heads" behind it.
    titles (Dict[str, List[str]]): More titles: label → titles, before those of the table.
    path (Optional[str]): A table to use instead of the project's own; see `section_titles.load_table`.
    """

    def __init__(
        self,
        name: str = "clinical_sections",
        *,
        spans_key: str = "sections",
        titles: Optional[Dict[str, List[str]]] = None,
        path: Optional[str] = None,
    ) -> None:
        self.name = name
        self.key = spans_key
        self.titles = Titles(load_table(path))
        for label, each in (titles or {}).items():
            self.titles.add(label, each)

    @property
    def labels(self) -> Tuple[str, ...]:
        """The labels that sections can have."""
        return tuple(self.titles.table["titles"])

    @property
    def heads_key(self) -> str:
        """The key of the sections' heads."""
        return "section_heads" if self.key == "sections" else f"{self.key}_heads"

    def add_titles(self, titles: Dict[str, List[str]]) -> None:
        """Add titles, label → titles, before those that are known."""
        for label, each in titles.items():
            self.titles.add(label, each)

    def __call__(self, doc: Doc) -> Doc:
        """Find the sections of a Doc.

        doc (Doc): The note.
        RETURNS (Doc): The same.
        """
        heads = find_heads(doc.text, self.titles)
        spans: List[Span] = []
        for head in heads:
            span = doc.char_span(head.start, head.end, label=head.label, alignment_mode="expand")
            if span is not None and (not spans or span.start >= spans[-1].end):  # two heads in one token are one
                spans.append(span)
        starts = [span.start for span in spans] + [len(doc)]
        sections = []
        for span, end in zip(spans, starts[1:]):
            while end > span.end and doc[end - 1].is_space:
                end -= 1
            sections.append(doc[span.start : end])
            sections[-1].label_ = span.label_
        doc.spans[self.heads_key] = SpanGroup(doc, name=self.heads_key, spans=spans)
        doc.spans[self.key] = SpanGroup(doc, name=self.key, spans=sections)
        return doc

    def score(self, examples: Iterable[Example], **kwargs: Any) -> Dict[str, Any]:
        """Score the sections against those of the references, by label.

        examples (Iterable[Example]): References without `doc.spans[spans_key]` count as not annotated.
        RETURNS (Dict[str, Any]): As `Scorer.score_spans` names them, "spans_sections_f" for instance.
        """
        return Scorer.score_spans(
            examples,
            f"spans_{self.key}",
            getter=lambda doc, _: doc.spans.get(self.key, []),
            has_annotation=lambda doc: self.key in doc.spans,
            labeled=True,
            allow_overlap=True,
            **kwargs,
        )

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialise the table of titles."""
        return srsly.msgpack_dumps({"titles": self.titles.table})

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> "ClinicalSections":
        """Load what `to_bytes` gave."""
        self.titles = Titles(srsly.msgpack_loads(data)["titles"])
        return self

    def to_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> None:
        """Save the table of titles as titles.json in a folder."""
        writers: Dict[str, Callable[[Path], None]] = {
            "titles.json": lambda file: srsly.write_json(file, self.titles.table)
        }
        util.to_disk(util.ensure_path(path), writers, exclude)

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "ClinicalSections":
        """Load what `to_disk` saved."""
        self.titles = Titles(srsly.read_json(util.ensure_path(path) / "titles.json"))
        return self
