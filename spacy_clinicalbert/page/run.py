"""What `python -m spacy clinicalbert render` does."""

from pathlib import Path
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple

from spacy.language import Language
from spacy.tokens import Doc

from ..corpora.docs import Report
from ..deployment.annotator import Annotator
from ..deployment.forms import write_whole
from ..deployment.notes import Note
from ..evaluation.gold import spread
from ..evaluation.mistakes import find_mistakes
from ..loading import open_pipeline
from .errors_page import errors_page
from .explained import Wanted, attended, explained
from .note_page import note_page
from .sources import Asked, choose_note, read_source


class Extras(NamedTuple):
    """What a note's page may show beside its results.

    explain (Sequence[Wanted]): Labels that are explained.
    attention (Sequence[Tuple[int, ...]]): Layers and heads, see `explained.attended`.
    n_steps (int): See `explanation.explain.explain`.
    """

    explain: Sequence[Wanted] = ()
    attention: Sequence[Tuple[int, ...]] = ()
    n_steps: int = 50


def render_file(
    pipeline: str,
    source: str,
    output: Path,
    *,
    note_id: Optional[str] = None,
    questions: Sequence[str] = (),
    extras: Extras = Extras(),
    max_errors: int = 200,
    max_notes: Optional[int] = None,
    max_length: Optional[int] = None,
) -> str:
    """Write the page of a note, or of what the pipeline gets wrong in several.

    pipeline (str): A folder or an installed package.
    source (str): See `sources.read_source`.
    output (Path): The file.
    note_id (Optional[str]): See `sources.choose_note`. Without it, several notes are compared with their annotation.
    questions (Sequence[str]): More questions about the note, for `clinical_qa`.
    extras (Extras): What the page of a note shows beside its results.
    max_errors (int): See `errors_page.errors_page`.
    max_notes (Optional[int]): Compare no more notes than this, at equal distances.
    max_length (Optional[int]): Take notes of so many characters; None takes as many as the pipeline does.
    RETURNS (str): What was written, in a sentence.
    RAISES (ValueError): There is no such note, the pipeline fails on it, or the notes have no annotation that fits. RAISES (OSError): A file cannot be
        read or written.
    """
    report = Report()
    docs = read_source(source, report)
    asked = choose_note(docs, note_id)
    if asked is None and (questions or extras.explain or extras.attention):
        raise ValueError(f"'{source}' has {len(docs)} notes: say by --id which of them it is about.")
    nlp = open_pipeline(pipeline)
    nlp.max_length = max_length or nlp.max_length
    about = f"{nlp.meta.get('lang', '')}_{nlp.meta.get('name', '')} {nlp.meta.get('version', '')}"
    if asked is None:
        mistakes = find_mistakes(nlp, spread(docs, max_notes))
        page = errors_page(mistakes, name=f"What {Path(pipeline).name} gets wrong", about=about, max_errors=max_errors)
        wrong = f"{len(mistakes.entities)} entities and {len(mistakes.categories)} notes' categories"
        said = f"{wrong} are not as the notes are annotated.{f' {report}.' if report.dropped else ''}"
    else:
        problems: List[str] = []
        page = render_note(
            nlp, Asked(asked.note, [*asked.questions, *questions]), extras, about=about, say=problems.append
        )
        said = " ".join(["The page of one note.", *(f"Not on it: {each}" for each in problems)])
    output.parent.mkdir(parents=True, exist_ok=True)
    write_whole(output, page.encode("utf8"))
    return f"{said} It holds text of notes: keep '{output}' as you keep these."


def render_note(
    nlp: Language,
    asked: Asked,
    extras: Extras = Extras(),
    *,
    about: str = "",
    say: Callable[[str], None] = lambda problem: None,
) -> str:
    """Run a pipeline on a note, and make its page.

    nlp (Language), asked (Asked): See `run_note`.
    extras (Extras): What else it shows. What cannot be explained stands on the page with the reason.
    about (str): See `note_page`.
    say (Callable[[str], None]): Gets what cannot be shown, a sentence each.
    RETURNS (str): HTML.
    RAISES (ValueError): The pipeline fails on the note; the error does not hold its text.
    """

    def make(doc: Doc, problems: List[str]) -> str:
        page = make_page(doc, nlp, extras, problems, about=about)
        for each in problems:
            say(each)
        return page

    return run_note(nlp, asked, make)


def run_note(nlp: Language, asked: Asked, make: Callable[[Doc, List[str]], Any]) -> Any:
    """Run a pipeline on a note.

    nlp (Language): The pipeline. Its error handler becomes the `Annotator`'s.
    asked (Asked): The note, and questions about it.
    make (Callable[[Doc, List[str]], Any]): Makes something of the Doc, with the encoder's vectors, and of what cannot be shown.
    RETURNS (Any): What it made.
    RAISES (ValueError): The pipeline fails on the note; the error does not hold its text.
    """
    factories = {nlp.get_pipe_meta(name).factory for name in nlp.pipe_names}
    problems: List[str] = []
    if asked.questions and "clinical_qa" not in factories:
        problems.append("The questions: the pipeline has no component clinical_qa.")

    def ask(doc: Doc, note: Note) -> None:
        if asked.questions:
            doc._.questions = list(asked.questions)

    made, failures = Annotator(nlp, lambda doc, note: make(doc, list(problems)), ask)([asked.note])
    if failures:
        raise ValueError(f"The note could not be annotated: {failures[0].reason}.")
    return made[0]


def make_page(doc: Doc, nlp: Language, extras: Extras, problems: List[str], **settings: Any) -> str:
    """RETURNS (str): The page of a note, with what `extras` says; see `note_page`. What cannot be shown is added to `problems`."""
    explanations, attentions = _explain(doc, nlp, extras, problems)
    return note_page(doc, explanations=explanations, attentions=attentions, problems=problems, **settings)


def _explain(doc: Doc, nlp: Language, extras: Extras, problems: List[str]) -> Tuple[List[Any], List[Any]]:
    explanations: List[Any] = []
    attentions: List[Any] = []
    for wanted in extras.explain:
        try:
            explanations += explained(doc, nlp, wanted, extras.n_steps)
        except (ImportError, ValueError) as error:  # ours, without the note's text
            problems.append(f"Why {wanted.label}: {error}")
    for layer in extras.attention:
        try:
            attentions.append(attended(doc, nlp, layer))
        except ValueError as error:
            problems.append(f"Attention: {error}")
    return explanations, attentions
