"""`python -m spacy clinicalbert transfer`."""

import json
from enum import Enum
from pathlib import Path
from typing import Dict, List, Optional

import typer

from .app import app


class Task(str, Enum):
    ents = "ents"
    cats = "cats"


@app.command()
def transfer(
    pipeline: List[str] = typer.Option(
        ..., help="NAME=PATH of a saved or installed pipeline; as often as there are some"
    ),
    corpus: List[str] = typer.Option(
        ...,
        help="NAME=PATH of annotated notes, .spacy, .jsonl or .parquet, or NAME=FORMAT:PATH; as often as there are some",
    ),
    task: Task = typer.Option(Task.ents, help="Entities, or categories of notes"),
    labels: Optional[Path] = typer.Option(
        None, exists=True, dir_okay=False, help="Label map, JSON: common label → list of labels that mean it"
    ),
    samples: int = typer.Option(1000, min=1, help="Bootstrap samples for the intervals"),
    seed: int = typer.Option(0, help="Seed of these samples"),
    max_notes: Optional[int] = typer.Option(
        None, min=1, help="Take no more notes than this of each corpus, at equal distances"
    ),
    json_path: Optional[Path] = typer.Option(None, "--json", dir_okay=False, help="Write the result here"),
    plot: Optional[Path] = typer.Option(None, dir_okay=False, help="Draw a heat map here, .png or .svg"),
) -> None:
    """Score each pipeline on each corpus.

    Also measures how far the corpora are from each other (extra evaluation). A pipeline is scored on the labels that it shares with a corpus, with 95 %
    intervals from a bootstrap over notes. What a corpus does not
    annotate is no error there; what does not count is counted by itself. Prints Markdown tables.
    """
    from ..evaluation.heat_map import plot_heat_map
    from ..evaluation.labels import read_label_map
    from ..evaluation.plots import SUFFIXES
    from ..evaluation.tables import transfer_tables
    from ..evaluation.transfer import check_installed
    from ..evaluation.transfer import transfer as score_all

    try:
        check_installed()
        if plot and plot.suffix not in SUFFIXES:
            raise ValueError(f"A heat map is written as {' or '.join(SUFFIXES)}, not as '{plot.suffix}'.")
        result = score_all(
            _pairs("--pipeline", pipeline),
            _pairs("--corpus", corpus),
            task=task.value,
            label_map=read_label_map(labels) if labels else None,
            n_samples=samples,
            seed=seed,
            max_docs=max_notes,
            say=lambda line: typer.echo(line, err=True),
        )
        typer.echo(transfer_tables(result))
        if json_path:
            json_path.parent.mkdir(parents=True, exist_ok=True)
            json_path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf8")
        if plot:
            plot.parent.mkdir(parents=True, exist_ok=True)
            plot_heat_map(result, plot)
    except (ImportError, OSError, ValueError) as err:
        typer.echo(str(err), err=True)
        raise typer.Exit(1) from err


def _pairs(option: str, values: List[str]) -> Dict[str, str]:
    pairs = [value.partition("=") for value in values]
    if not all(name and path for name, _, path in pairs):
        raise ValueError(f"{option} wants NAME=PATH.")
    if len({name for name, _, _ in pairs}) < len(pairs):
        raise ValueError(f"{option} has the same name twice.")
    return {name: path for name, _, path in pairs}
