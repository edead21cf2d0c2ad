"""Where the notes come from: files in any format that is read, .spacy files, and the folder of the public corpora."""

import re
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable, Iterable, Iterator, List, Optional

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ...loading import open_pipeline
from ...tokenizer import blank_clinical
from ..docs import GOLD, Record, span_attributes
from ..files import at, json_lines
from ..formats import FORMATS, spacy_docs
from ..jsonl import check_record
from ..public import public_corpora, record_ids, record_split
from ..splits import stays_out
from .notes import Note

_ARGUMENT = re.compile(rf"(?:(?P<split>\w+)=)?(?:(?P<form>spacy|{'|'.join(FORMATS)}):)?(?P<path>.+)", re.DOTALL)
_ENDINGS = {".spacy": "spacy", ".jsonl": "jsonl", ".jsonl.gz": "jsonl", ".parquet": "parquet"}
DAMAGE = "damage"  # in a record: why it cannot be used


class UnusableCorpus(ValueError):
    """A corpus that cannot be read: what is wrong, where, and what to do. No text."""


@dataclass
class Source:
    """Something that gives notes.

    name (str): The public corpus, or what names a file's notes: its split, or the file.
    read (Callable[[], Iterable[Record]]): Opens it.
    split (Callable[[Record], str]): The split of a record.
    public (bool): Whether it is of the public corpora.
    """

    name: str
    read: Callable[[], Iterable[Record]]
    split: Callable[[Record], str]
    public: bool = False

    def notes(self, nlp: Language) -> Iterator[Note]:
        """Read it, one note at a time.

        nlp (Language): Gives the tokenizer.
        YIELDS (Note): The notes.
        RAISES (UnusableCorpus): The file is damaged or missing, or not of this format.
        """
        try:
            for place, record in enumerate(self.read(), start=1):
                name = f"{self.name}/{record.get('id') if record.get('id') is not None else f'#{place}'}"
                corpus = self.name if self.public else ""
                out = self.public and any(stays_out(corpus, each) for each in record_ids(corpus, record))
                damage = record.get(DAMAGE, "")
                yield Note(record, name, corpus, self.split(record), nlp, damage, out)
        except (ValueError, OSError, ImportError) as error:
            raise UnusableCorpus(str(error)) from None


def load_nlp(name: str) -> Language:
    """Load a tokenizer.

    name (str): "clinical", the folder or name of a pipeline, or a language.
    RETURNS (Language): Of a pipeline, the tokenizer is all that is used.
    RAISES (UnusableCorpus): There is none.
    """
    if name == "clinical":
        return _unbounded(blank_clinical())
    try:
        nlp = spacy.blank(name) if name.isalpha() and len(name) <= 3 else open_pipeline(name)
    except (OSError, ImportError, ValueError) as error:
        raise UnusableCorpus(f"The tokenizer '{name}' cannot be loaded: {error}") from None
    return _unbounded(nlp)


def _unbounded(nlp: Language) -> Language:
    """Without spaCy's limit on the characters of a note, which is for parsers: a tokenizer has none."""
    nlp.max_length = sys.maxsize
    return nlp


def open_sources(corpora: List[str], form: Optional[str], public: Optional[Path], nlp: Language) -> List[Source]:
    """Open what the command line names.

    corpora (List[str]): PATH, SPLIT=PATH, FORMAT:PATH or SPLIT=FORMAT:PATH.
    form (Optional[str]): The format of those whose name does not tell it.
    public (Optional[Path]): The folder of the public corpora.
    nlp (Language): Its vocabulary reads .spacy files.
    RETURNS (List[Source]): Nothing is read yet.
    RAISES (UnusableCorpus): A path does not exist, or its format is not known.
    """
    if form is not None and form not in FORMATS:
        raise UnusableCorpus(f"There is no format '{form}'. Formats: {', '.join(FORMATS)}.")
    sources = [_open_file(argument, form, nlp.vocab) for argument in corpora]
    if public is not None:
        for corpus, parts in public_corpora(public).items():
            for part, read in parts.items():
                sources.append(Source(corpus, read, partial(record_split, corpus, part), public=True))
    if not sources:
        raise UnusableCorpus("There is nothing to check. Name files, or with --public a folder of public corpora.")
    return sources


def _open_file(argument: str, form: Optional[str], vocab: Vocab) -> Source:
    whole = Path(argument).exists()
    parts = {"path": argument} if whole else _ARGUMENT.fullmatch(argument).groupdict()  # type: ignore[union-attr]
    path, split = Path(parts["path"]), parts.get("split") or ""
    if not path.exists():
        raise UnusableCorpus(f"There is no '{path}'. Name a corpus as PATH, SPLIT=PATH or SPLIT=FORMAT:PATH.")
    ending = next((kind for end, kind in _ENDINGS.items() if path.name.endswith(end)), None)
    if form is None and path.is_dir() and any(path.glob("*.spacy")):
        ending = "spacy"
    form = parts.get("form") or (ending if ending == "spacy" else form or ending)
    if form is None:
        raise UnusableCorpus(f"The format of '{path}' is not known from its name. Set --format: {', '.join(FORMATS)}.")
    readers = {**FORMATS, "spacy": lambda path: _spacy_records(path, vocab), "jsonl": _jsonl_records}
    return Source(
        split or path.stem, lambda: readers[form](path), lambda record: split or str(record.get("split") or "")
    )


def _jsonl_records(path: Path) -> Iterator[Record]:
    """As `jsonl.jsonl_records`, but a record that is none is a finding, and the next is read."""
    for number, record in json_lines(path):
        try:
            check_record(record, at(path, number))
            yield record
        except ValueError as error:
            text = record.get("text")
            yield {"id": record.get("id"), "text": text if isinstance(text, str) else "", DAMAGE: str(error)}


def _spacy_records(path: Path, vocab: Vocab) -> Iterator[Record]:
    for doc in spacy_docs(path, vocab):
        yield doc_record(doc)


def doc_record(doc: Doc) -> Record:
    """The record that a Doc was made of, as far as the Doc has it."""
    record: Record = {"text": doc.text, "id": doc._.note_id}
    annotated = doc._.annotated or {}
    for name, extension in (("patient", "patient"), ("summary", "reference_summary")):
        if getattr(doc._, extension, None) is not None:
            record[name] = getattr(doc._, extension)
    if doc.cats:
        record["cats"] = dict(doc.cats)
    groups = {
        name: [
            [span.start_char, span.end_char, span.label_, attributes]
            for span, attributes in zip(doc.spans[name], span_attributes(doc, name))
        ]
        for name in doc.spans
    }
    if annotated.get("ner") != () and (doc.has_annotation("ENT_IOB") or GOLD in groups):
        ents = [[ent.start_char, ent.end_char, ent.label_] for ent in doc.ents]
        record["entities"] = groups.pop(GOLD, ents)
        # A note with all of its entities has tokens that are known to be in none.
        record["partial"] = doc.has_annotation("ENT_IOB") and "O" not in (token.ent_iob_ for token in doc)
        if annotated.get("ner") is not None:
            record["labels"] = list(annotated["ner"])
    record["spans"] = groups
    return record
