"""`python -m spacy clinicalbert check`."""

from pathlib import Path
from typing import List, Optional

import typer

from .app import app


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
    personal data (extra quality). Everything is read once; records are named by id, and no text is shown unless you ask for it.

    Exits with 1 if there are errors, and with 2 if a corpus cannot be read.

        python -m spacy clinicalbert check train=corpus/train.spacy dev=corpus/dev.spacy

        python -m spacy clinicalbert check train=brat:annotated test=notes.jsonl --checkpoint bio-clinicalbert
    """
    from ..corpora.checks.report import has_errors, to_json, to_table, write_page
    from ..corpora.checks.run import run_checks
    from ..corpora.checks.sources import UnusableCorpus, load_nlp, open_sources

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
        typer.echo(to_json(sections) if as_json else to_table(sections))
        if html:
            write_page(sections, html)
    except (UnusableCorpus, ImportError, OSError) as err:
        typer.echo(str(err), err=True)
        raise typer.Exit(2) from None
    if checkpoint is None:
        typer.echo("Wordpieces were not counted. Name an encoder with --checkpoint.", err=True)
    raise typer.Exit(1 if has_errors(sections) else 0)
