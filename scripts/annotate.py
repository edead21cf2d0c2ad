"""One note through a trained pipeline, printed as JSON."""

import json
import sys
from pathlib import Path
from typing import Optional

import typer

from spacy_clinicalbert.corpora.files import whole_text
from spacy_clinicalbert.corpora.jsonl import jsonl_records
from spacy_clinicalbert.loading import open_pipeline

# Locals hold notes, and an error must not show them.
app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command()
def main(
    pipeline: str,
    notes: Path = typer.Argument(
        ..., exists=True, dir_okay=False, help="A text file, or .jsonl or .jsonl.gz with id and text"
    ),
    note_id: Optional[str] = typer.Option(None, help="Which note of a .jsonl; without it, the first"),
) -> None:
    """Annotate a note with PIPELINE, a folder or an installed package."""
    try:
        text = read_note(notes, note_id)
        doc = open_pipeline(pipeline)(text)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    entities = [[ent.start_char, ent.end_char, ent.label_, ent.text] for ent in doc.ents]
    cats = {label: round(score, 4) for label, score in doc.cats.items()}
    print(json.dumps({"entities": entities, "cats": cats}, ensure_ascii=False))


def read_note(notes: Path, note_id: Optional[str]) -> str:
    """RETURNS (str): The text. RAISES (ValueError): There is no such note, or the file is damaged."""
    if not notes.name.endswith((".jsonl", ".jsonl.gz")):
        return whole_text(notes)
    for row in jsonl_records(notes):
        if note_id is None or ("id" in row and str(row["id"]) == note_id):  # a command line has no numbers
            return row["text"]
    raise ValueError(f"'{notes}' has no note{'' if note_id is None else f' with the id {note_id!r}'}.")


if __name__ == "__main__":
    app()
