"""`python -m spacy clinicalbert pretrain`."""

import logging
from pathlib import Path

import typer

from .app import app, read_overrides


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def pretrain(
    ctx: typer.Context,
    config: Path = typer.Argument(..., exists=True, dir_okay=False, help="The run, as configs/pretrain.cfg"),
    output: Path = typer.Option(..., "--output", "-o", file_okay=False, help="Folder of log, checkpoints and models"),
    resume: bool = typer.Option(False, "--resume", help="Go on from the folder's last checkpoint"),
    prepare_only: bool = typer.Option(False, "--prepare-only", help="Learn the vocabulary, fill the cache, and stop"),
) -> None:
    """Pretrain an encoder on your notes.

    It learns to guess masked words (extra pretrain). SIGTERM and Ctrl-C finish the step and write a checkpoint; the exit code is then 128 and the
    signal's number. Any setting can be overridden by
    its dotted name: --pretraining.max_steps 1000. Several processes:
    torchrun --nproc_per_node 2 -m spacy clinicalbert pretrain ….
    """
    from ..pretraining.config import read_config
    from ..pretraining.train import pretrain as run

    logger = logging.getLogger("spacy_clinicalbert")
    logger.addHandler(logging.StreamHandler())
    logger.setLevel(logging.INFO)
    overrides = read_overrides(ctx.args)
    try:
        stopped_by = run(read_config(config, overrides), output, resume=resume, prepare_only=prepare_only)
    except (ImportError, OSError, ValueError) as err:
        typer.echo(str(err), err=True)
        raise typer.Exit(1) from err
    if stopped_by is not None:
        raise typer.Exit(128 + stopped_by)
