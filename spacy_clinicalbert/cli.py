"""The commands `python -m spacy clinicalbert …`. spaCy imports this module at each of its commands: nothing heavy may be
imported here."""

import json
from enum import Enum
from pathlib import Path
from typing import Dict, List, Optional

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
    max_docs: Optional[int] = typer.Option(None, min=1, help="Take no more notes than this of each corpus"),
    json_path: Optional[Path] = typer.Option(None, "--json", dir_okay=False, help="Write the result here"),
    plot: Optional[Path] = typer.Option(None, dir_okay=False, help="Draw a heat map here, .png or .svg"),
) -> None:
    """Score each pipeline on each corpus, and measure how far the corpora are from each other.

    A pipeline is scored on the labels that it shares with a corpus, with 95 % intervals from a bootstrap over notes. What a corpus does not
    annotate is no error there; what does not count is counted by itself. Prints Markdown tables.
    """
    from .evaluation.heat_map import SUFFIXES, plot_heat_map
    from .evaluation.labels import read_label_map
    from .evaluation.tables import transfer_tables
    from .evaluation.transfer import check_installed
    from .evaluation.transfer import transfer as score_all

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
            max_docs=max_docs,
            say=lambda line: typer.echo(line, err=True),
        )
    except (ImportError, OSError, ValueError) as err:
        typer.echo(str(err), err=True)
        raise typer.Exit(1) from err
    typer.echo(transfer_tables(result))
    for path in (json_path, plot):
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
    if json_path:
        json_path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf8")
    if plot:
        plot_heat_map(result, plot)


def _pairs(option: str, values: List[str]) -> Dict[str, str]:
    pairs = [value.partition("=") for value in values]
    if not all(name and path for name, _, path in pairs):
        raise ValueError(f"{option} wants NAME=PATH.")
    if len({name for name, _, _ in pairs}) < len(pairs):
        raise ValueError(f"{option} has the same name twice.")
    return {name: path for name, _, path in pairs}


@app.command()
def check(
    corpora: Optional[List[str]] = typer.Argument(
        None,
        metavar="[CORPUS]...",
        help="PATH, SPLIT=PATH, FORMAT:PATH or SPLIT=FORMAT:PATH; SPLIT is train, dev, test or any word",
    ),
    form: Optional[str] = typer.Option(
        None,
        "--format",
        help="The format of corpora that are not .spacy, .jsonl or .parquet, as docs/data.md lists them",
    ),
    public: Optional[Path] = typer.Option(
        None,
        exists=True,
        file_okay=False,
        help="The folder of the public corpora, as docs/data.md lays it out: checks each, and all across",
    ),
    tokenizer: str = typer.Option("clinical", help='The tokenizer: "clinical", a saved pipeline, or a language'),
    checkpoint: Optional[str] = typer.Option(
        None, help="Count wordpieces as this checkpoint does: a folder, preset or hub id"
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of tables"),
    html: Optional[Path] = typer.Option(None, dir_okay=False, help="Write a page, too"),
    max_examples: int = typer.Option(5, min=1, help="How many records each finding names"),
    show_text: bool = typer.Option(
        False, "--show-text", help="Show pieces of the notes; personal data is masked in its own findings alone"
    ),
) -> None:
    """Check annotated text before training on it.

    Finds spans off the token borders or over one another, empty notes, encoding damage, duplicates and near duplicates, documents,
    patients and held-out text in two splits, conflicting, rare and drifting labels, likely label errors, and what looks like
    personal data. Everything is read once; records are named by id, and no text is shown unless you ask for it.

    Exits with 1 if there are errors, and with 2 if a corpus cannot be read.

        python -m spacy clinicalbert check train=corpus/train.spacy dev=corpus/dev.spacy

        python -m spacy clinicalbert check train=brat:annotated test=notes.jsonl --checkpoint bio-clinicalbert
    """
    from .corpora.checks.report import has_errors, to_json, to_table, write_page
    from .corpora.checks.run import run_checks
    from .corpora.checks.sources import UnusableCorpus, load_nlp, open_sources

    try:
        from tqdm import tqdm

        nlp = load_nlp(tokenizer)
        sections = run_checks(
            open_sources(corpora or [], form, public, nlp),
            nlp,
            checkpoint=checkpoint,
            max_examples=max_examples,
            show_text=show_text,
            progress=lambda notes: tqdm(notes, unit=" notes", disable=None),  # None: only where somebody can see it
        )
        if html:
            write_page(sections, html)
    except (UnusableCorpus, ImportError) as err:
        typer.echo(str(err), err=True)
        raise typer.Exit(2) from None
    typer.echo(to_json(sections) if as_json else to_table(sections))
    if checkpoint is None:
        typer.echo("Wordpieces were not counted. Name an encoder with --checkpoint.", err=True)
    raise typer.Exit(1 if has_errors(sections) else 0)
