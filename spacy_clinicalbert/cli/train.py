"""`python -m spacy clinicalbert train`."""

import sys
from pathlib import Path
from typing import Optional

import typer

from .app import app, read_overrides


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def train(
    ctx: typer.Context,
    config: Path = typer.Argument(
        ...,
        exists=True,
        dir_okay=False,
        help="A training config, as spacy train takes it, with the optimizer spacy-clinicalbert.Adam.v1",
    ),
    output: Path = typer.Option(..., "--output", "-o", file_okay=False, help="Folder of models and checkpoints"),
    resume: bool = typer.Option(False, "--resume", help="Go on from the folder's checkpoint, if it has one"),
    checkpoint_minutes: float = typer.Option(15.0, min=0, help="How often to write a checkpoint; 0 is at each step"),
    code: Optional[Path] = typer.Option(None, "--code", "-c", help="Python file with registered functions"),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU, or -1 for the CPU"),
) -> None:
    """Train a pipeline as `spacy train` does, with checkpoints.

    SIGTERM and Ctrl-C finish the step and write a checkpoint. Any setting can be overridden by its dotted name:
    --training.max_steps 1000. The exit code is 0 where training came to its end, and 128 and the signal's number where it was stopped.
    """
    from spacy.cli._util import import_code, setup_gpu, show_validation_error

    from ..loading import open_config
    from ..training.checkpoint import RunError
    from ..training.loop import train as run

    overrides = read_overrides(ctx.args)
    import_code(code)
    try:
        setup_gpu(gpu_id)
        with show_validation_error(config):
            loaded = open_config(config, overrides, needs=("nlp", "training"))
    except ValueError as err:
        typer.echo(str(err), err=True)
        raise typer.Exit(1) from err
    try:
        with show_validation_error(config):
            stopped_by = run(
                loaded,
                output,
                resume=resume,
                checkpoint_minutes=checkpoint_minutes,
                use_gpu=gpu_id,
                stdout=sys.stdout,
                stderr=sys.stderr,
            )
    except (ImportError, OSError, RunError) as err:
        typer.echo(str(err), err=True)
        raise typer.Exit(1) from err
    if stopped_by is not None:
        raise typer.Exit(128 + stopped_by)
