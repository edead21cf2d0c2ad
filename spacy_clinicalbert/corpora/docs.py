"""Records → spaCy Docs, with a report of what could not be kept.

A record is the project's own form of an annotated note, one JSON object a line in a file, where all but
`text` is optional:

    {"id": "n1", "patient": "p1", "text": "...", "entities": [[start, end, label], ...], "cats": {"consult": 1.0}}

A record without "entities" was not annotated for them; one with an empty list has none. A reader puts what it could not
read of a note into "drops", [[reason, start, end], ...], to be counted.
"""

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, Iterator
from zlib import crc32

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import filter_spans

logger = logging.getLogger(__name__)

GOLD = "gold"  # the span group that readers put annotation into

Record = Dict[str, Any]
Reader = Callable[[Language], Iterator[Example]]


@dataclass
class Report:
    """What a reader saw. Counts alone, never text.

    read (int): Notes in the file.
    kept (int): Notes that became Docs.
    entities (int): Entities in the file.
    dropped (Counter): Reason → how many entities or notes are not in the Docs for it.
    strict (bool): Raise at the first drop instead of counting it.
    """

    read: int = 0
    kept: int = 0
    entities: int = 0
    dropped: Counter = field(default_factory=Counter)
    strict: bool = False

    def drop(self, reason: str, where: str) -> None:
        """Count one drop, or raise ValueError if the report is strict.

        where (str): The note's id and the offsets, for the error; not its text.
        """
        if self.strict:
            raise ValueError(f"{reason}: {where}. Mend the annotation, or read with strict = false.")
        self.dropped[reason] += 1

    def __str__(self) -> str:
        drops = "".join(f"; {reason}: {n}" for reason, n in sorted(self.dropped.items()))
        return f"{self.read} notes read, {self.kept} kept; {self.entities} entities{drops or '; none dropped'}"


def install_extensions() -> None:
    """Declare `doc._.note_id` and `doc._.patient`, which `DocBin(store_user_data=True)` keeps."""
    for name in ("note_id", "patient"):
        if not Doc.has_extension(name):
            Doc.set_extension(name, default=None)


def to_docs(records: Iterable[Record], nlp: Language, report: Report) -> Iterator[Doc]:
    """Make a Doc of each record: where it has entities, every one that falls on token borders in `doc.spans["gold"]`, those of
    them that do not overlap a longer one in `doc.ents`, categories in `doc.cats`.

    records (Iterable[Record]): The annotated notes; see the module's docstring.
    nlp (Language): Gives the tokenizer.
    report (Report): Counts what is read, kept and dropped.
    YIELDS (Doc): One Doc a record that has text.
    """
    install_extensions()
    for number, record in enumerate(records):
        report.read += 1
        where = f"note {record.get('id', number)}"
        if not record.get("text", "").strip():
            report.drop("notes without text", where)
            continue
        doc = nlp.make_doc(record["text"])
        doc._.note_id = record.get("id")
        doc._.patient = record.get("patient")
        doc.cats = {label: float(value) for label, value in record.get("cats", {}).items()}
        spans = []
        for reason, start, end in record.get("drops", []):
            report.entities += 1
            report.drop(reason, f"{where}, characters {start}-{end}")
        for start, end, label in record.get("entities", []):
            report.entities += 1
            span = doc.char_span(start, end, label=label)
            if span is None:
                report.drop("entities that do not fall on token borders", f"{where}, characters {start}-{end}")
            else:
                spans.append(span)
        if "entities" in record:  # else they are missing, which is not the same as none
            doc.spans[GOLD] = spans
            ents = filter_spans(spans)
            doc.set_ents(ents)
            for span in spans:
                if not any(span is ent for ent in ents):
                    report.drop(
                        "entities that overlap a longer one, in doc.spans['gold'] only",
                        f"{where}, characters {span.start_char}-{span.end_char}",
                    )
        report.kept += 1
        yield doc


def split_of(note_id: object) -> str:
    """The split that a note belongs to, by its id alone: 70 % train, 10 % dev, 20 % test. It stays the same
    whatever else the file holds, and a note that stands there several times is in one split."""
    bucket = crc32(str(note_id).encode()) % 10
    return "train" if bucket < 7 else "dev" if bucket == 7 else "test"


def make_reader(read: Callable[[], Iterable[Record]], strict: bool) -> Reader:
    """Make the callable that a `[corpora]` block of a spaCy config wants.

    read (Callable[[], Iterable[Record]]): Opens the corpus anew at each call, once an epoch.
    strict (bool): Whether a drop is an error.
    RETURNS (Callable[[Language], Iterator[Example]]): Yields Examples and logs the report at the end.
    """

    def examples(nlp: Language) -> Iterator[Example]:
        report = Report(strict=strict)
        for doc in to_docs(read(), nlp, report):
            yield Example(nlp.make_doc(doc.text), doc)
        logger.info("%s", report)

    return examples
