"""`python -m spacy clinicalbert calibrate`."""

from pathlib import Path
from typing import Optional

import typer

from .app import app, read_overrides


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def calibrate(
    ctx: typer.Context,
    pipeline: str = typer.Argument(..., help="A saved or installed pipeline"),
    notes: str = typer.Argument(
        ...,
        help="Annotated notes that it was not trained on, .spacy, .jsonl, .parquet or FORMAT:PATH; or its training config, for the dev_corpus",
    ),
    output: Path = typer.Argument(..., file_okay=False, help="Where to write the pipeline"),
    precision: Optional[float] = typer.Option(
        None, min=0, max=1, help="Choose thresholds at which each label is right this often"
    ),
    plot: Optional[Path] = typer.Option(None, dir_okay=False, help="Draw reliability diagrams here, .png or .svg"),
) -> None:
    """Put a pipeline's probabilities right.

    It is written with temperatures, which make too sure probabilities less sure, and the other way round; what a positive_weight has shifted they do not undo. They are
    fitted on all notes; the errors that are printed are each measured with temperatures of the other half of the notes. Thresholds are chosen on the notes themselves; those
    of clinical_note_classifier also without --precision, for the best F1. Settings of a training config can be overridden by their dotted names.
    """
    from ..evaluation.plots import SUFFIXES
    from ..evaluation.reliability import calibrate_pipeline, calibration_tables, plot_reliability

    overrides = read_overrides(ctx.args)
    try:
        if plot and plot.suffix not in SUFFIXES:
            raise ValueError(f"A plot is written as {' or '.join(SUFFIXES)}, not as '{plot.suffix}'.")
        if plot:
            _check_matplotlib()
        found = calibrate_pipeline(
            pipeline, notes, output, precision, overrides, say=lambda line: typer.echo(line, err=True)
        )
        typer.echo(calibration_tables(found))
        typer.echo(f"Written to {output}")
        if plot:
            plot.parent.mkdir(parents=True, exist_ok=True)
            plot_reliability(found, plot)
    except (ImportError, OSError, ValueError) as err:
        typer.echo(str(err), err=True)
        raise typer.Exit(1) from err


def _check_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ImportError("A plot wants matplotlib: pip install 'spacy-clinicalbert[evaluation]'.") from None
