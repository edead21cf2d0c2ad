"""`python -m spacy clinicalbert plot`."""

from pathlib import Path
from typing import List, Optional

import typer

from .app import app


@app.command()
def plot(
    sources: Optional[List[Path]] = typer.Argument(
        None,
        metavar="[FILE]...",
        exists=True,
        help="Folders of training or pretraining runs, and files of transfer, scripts/evaluate.py or benchmarks.throughput",
    ),
    output: Path = typer.Option(..., "--output", "-o", file_okay=False, help="Folder for the pictures"),
    pipeline: Optional[str] = typer.Option(None, help="A saved or installed pipeline, to be drawn on --corpus"),
    corpus: Optional[str] = typer.Option(
        None, help="Annotated notes that it was not trained on: .spacy, .jsonl, .parquet or FORMAT:PATH"
    ),
    max_notes: Optional[int] = typer.Option(None, min=1, help="Take no more notes than this, at equal distances"),
) -> None:
    """Draw training curves, scores, confusion and calibration.

    Training curves, scores with their intervals, the heat map of a transfer matrix and speeds are drawn from the FILEs; of a pipeline on annotated notes scores by
    label, confusion and calibration. Each is written as PNG and as SVG, in colours that colour-blind eyes tell apart. Wants the extra evaluation.

        python -m spacy clinicalbert plot training/joint metrics/joint.json -o pictures

        python -m spacy clinicalbert plot --pipeline training/joint/calibrated --corpus corpus/joint/bc5cdr/dev.spacy -o pictures
    """
    from ..evaluation.plot_sources import draw_file, draw_pipeline
    from ..evaluation.plots import SUFFIXES
    from ..evaluation.transfer import check_installed

    try:
        check_installed()
        if bool(pipeline) != bool(corpus):
            raise ValueError("--pipeline and --corpus go together.")
        if not sources and not pipeline:
            raise ValueError("Give files to draw, or --pipeline and --corpus.")
        pictures = {}
        for path in sources or ():
            kind, draw = draw_file(path)
            name = path.resolve().name if path.is_dir() else path.stem
            if f"{name}-{kind}" in pictures:
                raise ValueError(f"Two files would be drawn as '{name}-{kind}'. Give one of them to a call of its own.")
            pictures[f"{name}-{kind}"] = draw
        if pipeline and corpus:
            pictures.update(draw_pipeline(pipeline, corpus, max_notes, lambda line: typer.echo(line, err=True)))
        output.mkdir(parents=True, exist_ok=True)
        for name, draw in pictures.items():
            for suffix in SUFFIXES:
                draw(output / f"{name}{suffix}")
            typer.echo(f"{output / name}.png, .svg")
    except (ImportError, OSError, ValueError) as err:
        typer.echo(str(err), err=True)
        raise typer.Exit(1) from err
