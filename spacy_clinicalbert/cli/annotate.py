"""`python -m spacy clinicalbert annotate`."""

from enum import Enum
from pathlib import Path
from typing import Optional

import typer

from .app import app


class From(str, Enum):
    jsonl = "jsonl"
    csv = "csv"
    parquet = "parquet"
    text = "text"
    sql = "sql"


class To(str, Enum):
    jsonl = "jsonl"
    parquet = "parquet"
    spacy = "spacy"
    sql = "sql"
    omop = "omop"
    fhir_r4b = "fhir-r4b"
    fhir_r5 = "fhir-r5"


STOPPED, SOME_FAILED, INTERRUPTED = 1, 3, 130  # exit codes; 2 is typer's, for the command line


@app.command()
def annotate(
    pipeline: str = typer.Argument(..., help="A saved or installed pipeline"),
    source: str = typer.Argument(
        ..., metavar="INPUT", help=".jsonl, .csv, .parquet, a folder of .txt files, or a database's URL"
    ),
    output: str = typer.Argument(..., help=".jsonl, .parquet, .spacy, .csv, .ndjson, or a database's URL"),
    from_: Optional[From] = typer.Option(None, "--from", help="The input's format, where its ending does not say"),
    to: Optional[To] = typer.Option(
        None, "--to", help="What to write, where the output's ending does not say: NOTE_NLP rows and FHIR always"
    ),
    id_field: Optional[str] = typer.Option(None, help='The field of a note\'s id; by default "id", if it is there'),
    text_field: str = typer.Option("text", help="The field of a note's text"),
    patient_field: Optional[str] = typer.Option(
        None, help='Of its patient\'s id; by default "patient", if it is there'
    ),
    query: Optional[str] = typer.Option(None, help="What selects the notes of a database, with an ORDER BY"),
    table: Optional[str] = typer.Option(
        None, help='The table to write to, or schema.table; by default "annotations", or "note_nlp" for --to omop'
    ),
    concepts: Optional[Path] = typer.Option(
        None, exists=True, dir_okay=False, help="Your concept ids, FHIR resources and codes, .csv"
    ),
    max_length: Optional[int] = typer.Option(
        None, min=1, help="Take notes of so many characters; by default as many as the pipeline does"
    ),
    part_size: int = typer.Option(1000, min=1, help="Notes that are annotated, and finished, together"),
    workers: int = typer.Option(1, min=1, help="Processes, each with the pipeline in its memory"),
    resume: bool = typer.Option(False, "--resume", help="Go on with a run that was broken off, if there is one"),
) -> None:
    """Annotate notes in bulk.

    Entities, assertions, categories, sections and what else the pipeline finds are written for each note. A run that was killed goes on with --resume to
    exactly what it would have given. Notes that fail stand in
    OUTPUT.failed.jsonl with id and reason, and take no other note with them.

    Exits with 0 if all notes were annotated, with 3 if some failed, and with anything else if the run was broken off.

        python -m spacy clinicalbert annotate PIPELINE notes.jsonl annotations.jsonl

        python -m spacy clinicalbert annotate PIPELINE notes.parquet note_nlp.csv --to omop --workers 4
    """
    from ..deployment.delivery import find_target
    from ..deployment.notes import Source, find_format, passed_over
    from ..deployment.run import annotate_notes, find_places

    target = None
    try:
        target = find_target(output, to.value if to else None, table)
        form = from_.value if from_ else find_format(source)
        notes = Source(source, form, id_field, text_field, patient_field, query)
        if passed_over(notes):
            typer.echo(passed_over(notes), err=True)
        totals = annotate_notes(
            pipeline,
            notes,
            target,
            concepts=str(concepts) if concepts else None,
            max_length=max_length,
            part_size=part_size,
            n_workers=workers,
            resume=resume,
        )
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        is_kept = target is not None and isinstance(error, OSError) and find_places(target).folder.is_dir()
        typer.echo(f"{error}{'. What is done is kept: --resume goes on.' if is_kept else ''}", err=True)
        raise typer.Exit(STOPPED) from None
    except KeyboardInterrupt:
        typer.echo("Stopped. --resume goes on.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    memory = f" A worker took up to {totals.memory / 2**30:.1f} GiB." if totals.memory else ""
    typer.echo(f"{totals.notes} notes, {totals.annotated} annotated, {totals.failed} failed.{memory}")
    if totals.failed:
        typer.echo(f"Which, and why: '{find_places(target).failed}'.", err=True)
        raise typer.Exit(SOME_FAILED)
