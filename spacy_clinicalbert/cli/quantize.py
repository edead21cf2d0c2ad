"""`python -m spacy clinicalbert quantize`."""

from pathlib import Path

import typer

from .app import app


@app.command()
def quantize(
    pipeline: str = typer.Argument(..., help="A saved or installed pipeline with clinicalbert"),
    notes: Path = typer.Argument(..., exists=True, help='JSON lines with "text", .spacy, or a folder of these'),
    output: Path = typer.Argument(..., file_okay=False, help="Where to write the pipeline"),
    min_agreement: float = typer.Option(0.985, min=0, max=1, help="Least agreement with float32, in every head"),
    max_notes: int = typer.Option(400, min=4, help="Take no more notes than this"),
) -> None:
    """Write the pipeline with an encoder in int8.

    It predicts with OpenVINO (extra openvino). Half of the notes calibrate it, and the other half show whether each head still finds what it finds in float32. Where
    one does not, fewer matrix products become int8; where that does not help, nothing is written. The pipeline opens
    without OpenVINO too, and then predicts in its best other format.
    """
    from ..encoder.quantize import quantize_pipeline

    try:
        quantize_pipeline(pipeline, notes, output, min_agreement=min_agreement, max_notes=max_notes, say=typer.echo)
    except (OSError, ValueError) as err:
        typer.echo(str(err), err=True)
        raise typer.Exit(1) from err
