"""`python -m spacy clinicalbert render`."""

from pathlib import Path
from typing import List, Optional

import typer

from .app import app


@app.command()
def render(
    pipeline: str = typer.Argument(..., help="A saved or installed pipeline"),
    notes: str = typer.Argument(
        ...,
        help="A note as .txt, or notes as .jsonl, .spacy, .parquet or FORMAT:PATH, with their annotation if they have any",
    ),
    output: Path = typer.Option(Path("page.html"), "-o", "--output", dir_okay=False, help="The page"),
    id_: Optional[str] = typer.Option(
        None,
        "--id",
        help="The note of several: its id, or '#0' for the first. Without it, several are compared with their annotation",
    ),
    question: List[str] = typer.Option([], help="Ask about the note; as often as there are questions"),
    explain: List[str] = typer.Option(
        [],
        help="COMPONENT:LABEL, a category or an assertion (clinical_assertion:certainty:absent): which words made it. Wants the extra explain",
    ),
    n_steps: int = typer.Option(
        50, min=1, help="Points at which gradients are taken; more make an explanation more exact"
    ),
    attention: List[str] = typer.Option(
        [], help="LAYER:HEAD or LAYER:HEAD:WINDOW of the encoder, from 0: what it attends to"
    ),
    max_errors: int = typer.Option(
        200, min=1, help="Show no more wrong entities, and notes with wrong categories, than this"
    ),
    max_length: Optional[int] = typer.Option(
        None, min=1, help="Take notes of so many characters; by default as many as the pipeline does"
    ),
    max_notes: Optional[int] = typer.Option(None, min=1, help="Compare no more notes than this, at equal distances"),
) -> None:
    """Write a page about a note, or about a pipeline's mistakes.

    It is one HTML file, without scripts, that loads nothing. Of a note: entities with what is asserted of them, sections, categories with the parts of
    the note that spoke, answers, summary, pathology record.
    Of several notes: gold against found, errors first.

        python -m spacy clinicalbert render PIPELINE note.txt -o page.html

        python -m spacy clinicalbert render PIPELINE note.txt --explain clinical_assertion:certainty:absent

        python -m spacy clinicalbert render PIPELINE dev.spacy -o errors.html
    """
    from ..page.explained import read_layer, read_wanted
    from ..page.run import Extras, render_file

    try:
        extras = Extras([read_wanted(each) for each in explain], [read_layer(each) for each in attention], n_steps)
        said = render_file(
            pipeline,
            notes,
            output,
            note_id=id_,
            questions=question,
            extras=extras,
            max_errors=max_errors,
            max_notes=max_notes,
            max_length=max_length,
        )
    except (ImportError, OSError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(said)
