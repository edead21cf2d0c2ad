"""`python -m spacy clinicalbert init`."""

import shlex
from pathlib import Path
from typing import Optional

import typer

from .app import app


@app.command()
def init(
    folder: Path = typer.Argument(..., file_okay=False, help="The folder of the project, to be made"),
    train: str = typer.Argument(
        ..., help="Annotated notes: .jsonl, .parquet or .spacy, or FORMAT:PATH (docs/data.md lists formats)"
    ),
    dev: Optional[str] = typer.Option(
        None, help="Notes held out; without it, a fifth of the patients, or notes, of TRAIN"
    ),
    encoder: str = typer.Option("mini", help='"mini", a folder, a preset or a hub id'),
    epochs: int = typer.Option(5, min=1, help="Passes over the notes"),
) -> None:
    """Write a spaCy project for your own annotated notes.

    It trains, evaluates and packages a pipeline with the heads that the annotation feeds: clinical_ner from entities, clinical_assertion from their
    attributes, clinical_note_classifier from
    categories, over one encoder.
    """
    from ..training.new_project import new_project

    try:
        found, said = new_project(folder, train, dev, encoder=encoder, epochs=epochs)
    except (ImportError, OSError, ValueError) as err:
        typer.echo(str(err), err=True)
        raise typer.Exit(1) from err
    for line in said:
        typer.echo(line)
    for what, counts in (("entities", found.labels), ("assertions", found.assertions), ("categories", found.cats)):
        if counts:
            typer.echo(f"{what}: {', '.join(f'{label} {n}' for label, n in counts.most_common())}")
    typer.echo(f"pipeline: clinicalbert, {', '.join(found.heads)}")
    typer.echo(f"Now: cd {shlex.quote(str(folder))} && python -m spacy project run all")
