"""The commands `python -m spacy clinicalbert …`. spaCy imports this module at each of its commands: nothing heavy may be
imported here."""

import logging
from pathlib import Path

import typer
from spacy.cli import app as spacy_app

app = typer.Typer(name="clinicalbert", help="Clinical encoders", no_args_is_help=True, add_completion=False)
spacy_app.add_typer(app)
# Older typers print the variables of a failing command, which hold notes.
spacy_app.pretty_exceptions_show_locals = False


@app.callback()
def main() -> None:
    """Clinical encoders in spaCy pipelines."""


@app.command()
def quantize(
    pipeline: Path = typer.Argument(..., exists=True, file_okay=False, help="A saved pipeline with clinicalbert"),
    notes: Path = typer.Argument(..., exists=True, dir_okay=False, help='JSON lines with "text", or .spacy'),
    output: Path = typer.Argument(..., help="Where to write the pipeline"),
    min_agreement: float = typer.Option(0.985, min=0, max=1, help="Least agreement with float32, in every head"),
    max_notes: int = typer.Option(400, min=4, help="Take no more notes than this"),
) -> None:
    """Write the pipeline with an encoder in int8, which predicts with OpenVINO.

    Half of the notes calibrate it, and the other half show whether each head still finds what it finds in float32. Where
    one does not, fewer matrix products become int8; where that does not help, nothing is written. The pipeline opens
    without OpenVINO too, and then predicts in its best other format.
    """
    from .encoder.quantize import quantize_pipeline

    try:
        quantize_pipeline(pipeline, notes, output, min_agreement=min_agreement, max_notes=max_notes, say=typer.echo)
    except ValueError as err:
        typer.echo(str(err), err=True)
        raise typer.Exit(1) from err


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def pretrain(
    ctx: typer.Context,
    config: Path = typer.Argument(..., exists=True, dir_okay=False, help="The run, as configs/pretrain.cfg"),
    output: Path = typer.Option(..., "--output", "-o", file_okay=False, help="Folder of log, checkpoints and models"),
    resume: bool = typer.Option(False, "--resume", help="Go on from the folder's last checkpoint"),
    prepare_only: bool = typer.Option(False, "--prepare-only", help="Learn the vocabulary, fill the cache, and stop"),
) -> None:
    """Pretrain an encoder on your notes by masked-language modelling.

    Any setting can be overridden by its dotted name: --pretraining.max_steps 1000. Several processes:
    torchrun --nproc_per_node 2 -m spacy clinicalbert pretrain ….
    """
    from spacy.cli._util import parse_config_overrides

    from .pretraining.config import read_config
    from .pretraining.train import pretrain as run

    logger = logging.getLogger("spacy_clinicalbert")
    logger.addHandler(logging.StreamHandler())
    logger.setLevel(logging.INFO)
    try:
        run(read_config(config, parse_config_overrides(ctx.args)), output, resume=resume, prepare_only=prepare_only)
    except (ValueError, ImportError) as err:
        typer.echo(str(err), err=True)
        raise typer.Exit(1) from err
