"""What `python -m spacy clinicalbert render` does."""

from pathlib import Path
from typing import List, Optional, Sequence

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from ..deployment.annotator import Annotator
from ..deployment.forms import write_whole
from ..deployment.notes import Note
from ..evaluation.gold import spread
from ..evaluation.mistakes import find_mistakes
from .errors_page import errors_page
from .note_page import note_page
from .sources import Asked, choose_note, read_source


def render_file(
    pipeline: str,
    source: str,
    output: Path,
    *,
    note_id: Optional[str] = None,
    questions: Sequence[str] = (),
    max_errors: int = 200,
    max_notes: Optional[int] = None,
) -> str:
    """Write the page of a note, or of what the pipeline gets wrong in several.

    pipeline (str): A folder or an installed package.
    source (str): See `sources.read_source`.
    output (Path): The file.
    note_id (Optional[str]): See `sources.choose_note`. Without it, several notes are compared with their annotation.
    questions (Sequence[str]): More questions about the note, for `clinical_qa`.
    max_errors (int): See `errors_page.errors_page`.
    max_notes (Optional[int]): Compare no more notes than this, at equal distances.
    RETURNS (str): What was written, in a sentence.
    RAISES (ValueError): There is no such note, the pipeline fails on it, or the notes have no annotation that fits. RAISES (OSError): A file cannot be
        read or written.
    """
    docs = read_source(source)
    asked = choose_note(docs, note_id)
    if asked is None and questions:
        raise ValueError(f"'{source}' has {len(docs)} notes: say by --id which of them is asked about.")
    nlp = spacy.load(pipeline)
    about = f"{nlp.meta.get('lang', '')}_{nlp.meta.get('name', '')} {nlp.meta.get('version', '')}"
    if asked is None:
        mistakes = find_mistakes(nlp, spread(docs, max_notes))
        page = errors_page(mistakes, name=f"What {Path(pipeline).name} gets wrong", about=about, max_errors=max_errors)
        wrong = f"{len(mistakes.entities)} entities and {len(mistakes.categories)} notes' categories"
        said = f"{wrong} are not as the notes are annotated."
    else:
        page = render_note(nlp, Asked(asked.note, [*asked.questions, *questions]), about=about)
        said = "The page of one note."
    write_whole(output, page.encode("utf8"))
    return f"{said} It holds text of notes: keep '{output}' as you keep these."


def render_note(nlp: Language, asked: Asked, *, about: str = "", embedded: bool = False) -> str:
    """Run a pipeline on a note, and make its page.

    nlp (Language): The pipeline. Its error handler becomes the `Annotator`'s.
    asked (Asked): The note, and questions about it. A pipeline without `clinical_qa` does not answer, and the page says so.
    RETURNS (str): HTML.
    RAISES (ValueError): The pipeline fails on the note; the error does not hold its text.
    """
    problems: List[str] = []
    factories = {nlp.get_pipe_meta(name).factory for name in nlp.pipe_names}
    if asked.questions and "clinical_qa" not in factories:
        problems.append("The questions: the pipeline has no component clinical_qa.")

    def ask(doc: Doc, note: Note) -> None:
        if asked.questions:
            doc._.questions = list(asked.questions)

    pages, failures = Annotator(nlp, _page_of(about, problems, embedded), ask)([asked.note])
    if failures:
        raise ValueError(f"The note could not be annotated: {failures[0].reason}.")
    return pages[0]


def _page_of(about: str, problems: List[str], embedded: bool):
    def convert(doc: Doc, note: Note) -> str:
        return note_page(doc, about=about, problems=problems, embedded=embedded)

    return convert
