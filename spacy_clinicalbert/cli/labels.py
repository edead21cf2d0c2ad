"""`python -m spacy clinicalbert labels`."""

from pathlib import Path

import typer

from .app import app, read_overrides


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def labels(
    ctx: typer.Context,
    config: Path = typer.Argument(..., exists=True, dir_okay=False, help="A training config, as configs/joint.cfg"),
    output: Path = typer.Argument(..., file_okay=False, help="Folder for a file COMPONENT.json for each component"),
) -> None:
    """Write the labels of each component, from whole corpora.

    The files are for [initialize.components.COMPONENT.labels] of a training config. spaCy's own `init labels` takes those of the first 100 notes where
    max_epochs is -1, and those of all corpora for each component.
    Any setting can be overridden by its dotted name: --paths.encoder FOLDER.
    """
    from ..loading import open_config
    from ..training.labels import write_labels

    overrides = read_overrides(ctx.args)
    try:
        files = write_labels(open_config(config, overrides, needs=("training", "components")), output)
    except (ImportError, OSError, ValueError) as err:
        typer.echo(str(err), err=True)
        raise typer.Exit(1) from err
    for name, path in files.items():
        typer.echo(f"{name}: {path}")
