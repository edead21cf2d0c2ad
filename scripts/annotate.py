"""One note through a trained pipeline, printed as JSON."""

import json
import sys
from pathlib import Path
from typing import Optional

import spacy
import typer


def main(
    pipeline: str,
    notes: Path = typer.Argument(..., exists=True, dir_okay=False, help="A text file, or .jsonl with id and text"),
    note_id: Optional[str] = typer.Option(None, help="Which note of a .jsonl; without it, the first"),
) -> None:
    """Annotate a note with PIPELINE, a folder or an installed package."""
    text = notes.read_text(encoding="utf8")
    if notes.suffix == ".jsonl":
        records = [json.loads(line) for line in text.splitlines()]
        found = [record for record in records if note_id in (None, record.get("id"))]
        if not found:
            sys.exit(f"'{notes}' has no note with the id '{note_id}'.")
        text = found[0]["text"]
    doc = spacy.load(pipeline)(text)
    entities = [[ent.start_char, ent.end_char, ent.label_, ent.text] for ent in doc.ents]
    cats = {label: round(score, 4) for label, score in doc.cats.items()}
    print(json.dumps({"entities": entities, "cats": cats}, ensure_ascii=False))


if __name__ == "__main__":
    typer.run(main)
