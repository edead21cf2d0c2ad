"""Which note a page is of."""

from pathlib import Path
from typing import Any, List, NamedTuple, Optional, Sequence

from spacy.tokens import Doc

from ..corpora.docs import Report, install_extensions
from ..corpora.files import whole_text
from ..corpora.formats import read_corpus
from ..deployment.notes import TEXT, Note, make_note
from ..tokenizer import blank_clinical


class Asked(NamedTuple):
    """A note, and what is asked about it.

    note (Note): The note.
    questions (Sequence[Any]): As in `doc._.questions`.
    """

    note: Note
    questions: Sequence[Any] = ()


def read_source(source: str, report: Report) -> List[Doc]:
    """Read a file of notes, with their annotation if they have any.

    source (str): A .txt file, or what `corpora.formats.read_corpus` takes.
    report (Report): Counts what is read, kept and dropped.
    RETURNS (List[Doc]): The notes.
    RAISES (ValueError): It is not there, damaged, of no known format, or has no notes. RAISES (OSError): It cannot be read.
    """
    nlp = blank_clinical()
    if source.lower().endswith(TEXT):
        if not Path(source).is_file():
            raise ValueError(f"'{source}' is not there.")
        install_extensions()
        nlp.max_length = 2**31
        docs = [nlp.make_doc(whole_text(source).removeprefix("\ufeff"))]
    else:
        docs = list(read_corpus(source, nlp, report))
    if not any(doc.text.strip() for doc in docs):
        raise ValueError(f"'{source}' has no notes with text.")
    return docs


def choose_note(docs: Sequence[Doc], note_id: Optional[str]) -> Optional[Asked]:
    """Choose a note.

    docs (Sequence[Doc]): The notes.
    note_id (Optional[str]): The note's id, or "#" and its place, from 0. None takes the only one.
    RETURNS (Optional[Asked]): The note; None if there are several and none was named.
    RAISES (ValueError): None has this id, or several have.
    """
    if note_id is None:
        return make_asked(0, docs[0]) if len(docs) == 1 else None
    names = {f"#{number}": [number] for number in range(len(docs))}
    for number, doc in enumerate(docs):
        if doc._.note_id is not None:
            names.setdefault(str(doc._.note_id), []).append(number)
    found = names.get(note_id, [])
    if len(found) != 1:
        many = f"{len(found)} notes have" if found else f"None of the {len(docs)} notes has"
        raise ValueError(f"{many} the id '{note_id}'. '#0' is the first note, '#1' the second.")
    return make_asked(found[0], docs[found[0]])


def make_asked(number: int, doc: Doc) -> Asked:
    return Asked(make_note(number, doc._.note_id, doc.text, doc._.patient), doc._.questions or ())
