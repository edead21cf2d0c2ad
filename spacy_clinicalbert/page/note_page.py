"""The page of a note, as one HTML file that needs no other."""

from typing import Any, List, Optional, Sequence

from spacy.tokens import Doc

from .contents import MAX_CATEGORIES, labels_of, note_contents
from .renderer import NoteRenderer
from .templates import render


def note_page(
    doc: Doc,
    *,
    name: Optional[str] = None,
    about: str = "",
    explanations: Sequence[Any] = (),
    attentions: Sequence[Any] = (),
    problems: Sequence[str] = (),
    labels: Sequence[str] = (),
    embedded: bool = False,
) -> str:
    """Make the page of a note: its text with what was found in it, and its sections, categories, answers, summary and pathology record beside it.

    doc (Doc): The note, behind the pipeline.
    name (Optional[str]): Its heading; None takes `doc._.note_id`.
    about (str): A line below it.
    explanations (Sequence[Dict[str, Any]]), attentions (Sequence[Dict[str, Any]]): As `explained.explained` and `explained.attended` give them.
    problems (Sequence[str]): What could not be shown, and why.
    labels (Sequence[str]): Labels that get their colours first, so that pages have equal ones.
    embedded (bool): For an iframe's srcdoc, where links would lead to the page around it.
    RETURNS (str): HTML, without scripts and without anything that is loaded. It holds the note.
    RAISES (Unwritable): Something on the Doc cannot be said in plain values.
    """
    contents = note_contents(doc)
    renderer = NoteRenderer({"labels": [*labels, *labels_of(contents)]})
    shown: List[Any] = [(label, *renderer.colour(label)) for label in labels_of(contents)]
    if name is None:
        note_id = doc._.note_id if Doc.has_extension("note_id") else None
        name = "Note" if note_id is None else str(note_id)
    return render(
        "note.html",
        note=renderer.render_ents(doc.text, contents.pop("marks"), None),
        name=name,
        about=about,
        legend=shown,
        most=MAX_CATEGORIES,
        explanations=explanations,
        attentions=attentions,
        problems=problems,
        embedded=embedded,
        **contents,
    )
