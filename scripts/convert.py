"""Annotated text in its published format → spaCy's binary .spacy, with a report of what was dropped."""

from enum import Enum
from pathlib import Path
from typing import List, Optional

import spacy
import typer
from spacy.tokens import DocBin

from spacy_clinicalbert.corpora.brat import brat_records
from spacy_clinicalbert.corpora.docs import Report, to_docs
from spacy_clinicalbert.corpora.jsonl import jsonl_records
from spacy_clinicalbert.corpora.mtsamples import mtsamples_records
from spacy_clinicalbert.corpora.pubtator import pubtator_records

# Locals hold notes, and an error must not show them.
app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


class Format(str, Enum):
    brat = "brat"
    jsonl = "jsonl"
    mtsamples = "mtsamples"
    pubtator = "pubtator"


@app.command()
def main(
    form: Format,
    source: Path = typer.Argument(..., exists=True, help="A file; for brat a folder"),
    target: Path = typer.Argument(...),
    split: Optional[str] = typer.Option(None, help="For brat, jsonl and mtsamples: train, dev or test"),
    label: List[str] = typer.Option([], help="For brat and pubtator: TYPE=LABEL, or *=LABEL for all types"),
    lang: str = typer.Option("en", help="Language of the tokenizer"),
    strict: bool = typer.Option(False, help="Stop at the first entity that cannot be kept"),
) -> None:
    """Convert SOURCE to TARGET."""
    if not all("=" in pair for pair in label):
        raise typer.BadParameter("--label wants TYPE=LABEL")
    if label and form not in (Format.brat, Format.pubtator):
        raise typer.BadParameter("--label is for brat and pubtator only")
    if split and form is Format.pubtator:
        raise typer.BadParameter("PubTator files have no splits inside: leave --split out")
    labels = dict(pair.split("=", 1) for pair in label) or None
    if form is Format.pubtator:
        records = pubtator_records(source, labels)
    elif form is Format.brat:
        records = brat_records(source, split, labels)
    else:
        records = {Format.jsonl: jsonl_records, Format.mtsamples: mtsamples_records}[form](source, split)
    report = Report(strict=strict)
    docs = DocBin(store_user_data=True)
    for doc in to_docs(records, spacy.blank(lang), report):
        docs.add(doc)
    if not len(docs):
        raise typer.BadParameter(f"no note of '{source}' could be kept: {report}")
    target.parent.mkdir(parents=True, exist_ok=True)
    docs.to_disk(target)
    print(f"{target}: {report}")


if __name__ == "__main__":
    app()
