"""`python -m spacy clinicalbert import-head`."""

from pathlib import Path

import typer

from .app import app


@app.command()
def import_head(
    checkpoint: str = typer.Argument(
        ..., metavar="FOLDER_OR_ID", help="A folder with a fine-tuned checkpoint, or its id on the Hugging Face hub"
    ),
    output: Path = typer.Argument(..., file_okay=False, help="Where to write the pipeline"),
) -> None:
    """Make a pipeline of a Hugging Face classifier.

    The checkpoint was fine-tuned with Hugging Face's tools: a token classifier (…ForTokenClassification) becomes clinical_ner, and finds the entities
    that its most probable tags spell. A sequence
    classifier (…ForSequenceClassification) becomes clinical_note_classifier, which writes doc.cats. The pipeline reads notes of any length, in
    windows as long as the checkpoint takes. Before it is written its logits are compared with Hugging Face's own.
    """
    from ..loading import save_pipeline
    from ..pipeline.import_head import import_head as run

    try:
        if output.resolve() == Path(checkpoint).resolve():
            raise ValueError("Write to another folder than the checkpoint's.")
        imported = run(checkpoint)
        save_pipeline(imported.nlp, output)
    except (OSError, ValueError) as err:
        typer.echo(str(err), err=True)
        raise typer.Exit(1) from err
    typer.echo(f"{type(imported.head.network).__name__}: {imported.says}")
    typer.echo(f"Its logits are Hugging Face's to {imported.difference:.1e}, in float32. Written to {output}")
