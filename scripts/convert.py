"""Annotated text in its published format → spaCy's binary .spacy, with a report of what was dropped."""

import inspect
import json
import sys
from enum import Enum
from pathlib import Path
from typing import Any, Dict, List, Optional

import spacy
import typer
from spacy.tokens import DocBin

from spacy_clinicalbert.corpora.docs import Report, to_docs
from spacy_clinicalbert.corpora.formats import FORMATS
from spacy_clinicalbert.tokenizer import blank_clinical

# Locals hold notes, and an error must not show them.
app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
Format = Enum("Format", {name: name for name in FORMATS})  # type: ignore[misc]


@app.command()
def main(
    form: Format,
    source: Path = typer.Argument(..., exists=True, help="A file or, for brat, uima and the i2b2 formats, a folder"),
    target: Path = typer.Argument(..., dir_okay=False, help="The .spacy file"),
    split: Optional[str] = typer.Option(None, help="train, dev or test, where the format's reader splits"),
    label: List[str] = typer.Option([], help="For brat, conll and pubtator: TYPE=LABEL, or *=LABEL for all types"),
    setting: List[str] = typer.Option(
        [], help="Any other setting of the format's reader: NAME=VALUE, VALUE in JSON or plain"
    ),
    tokenizer: str = typer.Option("clinical", help='"clinical", or a language code for its own rules'),
    strict: bool = typer.Option(False, help="Stop at the first entity that cannot be kept"),
) -> None:
    """Convert SOURCE to TARGET."""
    if not all("=" in pair for pair in [*label, *setting]):
        raise typer.BadParameter("--label wants TYPE=LABEL, --setting NAME=VALUE")
    settings: Dict[str, Any] = {name: _value(value) for name, value in (pair.split("=", 1) for pair in setting)}
    if split:
        settings["split"] = split
    if label:
        settings["labels"] = dict(pair.split("=", 1) for pair in label)
    read = FORMATS[form.value]
    known = list(inspect.signature(read).parameters)[1:]
    for name in sorted(set(settings) - set(known)):
        raise typer.BadParameter(
            f"the reader of {form.value} has no '{name}'; it has {', '.join(known) or 'no settings'}"
        )
    nlp = blank_clinical() if tokenizer == "clinical" else spacy.blank(tokenizer)
    report = Report(strict=strict)
    docs = DocBin(store_user_data=True)
    try:
        for doc in to_docs(read(source, **settings), nlp, report):
            docs.add(doc)
        if not len(docs):
            of_split = f"in the split '{split}' of " if split else "in "
            raise ValueError(f"There is no note {of_split}'{source}' that can be kept: {report}.")
        target.parent.mkdir(parents=True, exist_ok=True)
        docs.to_disk(target)
    except (ImportError, OSError, ValueError) as error:
        sys.exit(str(error))
    except TypeError as error:
        if not setting:
            raise
        sys.exit(f"A --setting has a value of another kind than the reader takes: {error}.")
    print(f"{target}: {report}")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


if __name__ == "__main__":
    app()
