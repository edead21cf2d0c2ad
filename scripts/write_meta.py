"""The meta.json of a package: what it is, what it was made of, and its scores on each corpus."""

import json
from pathlib import Path

import typer


def main(
    model: Path = typer.Argument(..., exists=True, file_okay=False, help="The pipeline that will be packaged"),
    about: Path = typer.Argument(..., exists=True, dir_okay=False, help="JSON with description, license and sources"),
    scores: Path = typer.Argument(..., exists=True, dir_okay=False, help="As scripts/evaluate.py wrote them"),
    output: Path = typer.Argument(..., help="For spacy package --meta-path"),
) -> None:
    """Write OUTPUT: the pipeline's meta.json with what ABOUT says, and SCORES in place of those on the development sets."""
    meta = {
        **json.loads((model / "meta.json").read_text(encoding="utf8")),
        **json.loads(about.read_text(encoding="utf8")),
    }
    found = json.loads(scores.read_text(encoding="utf8"))
    meta["performance"] = {
        f"{corpus}.{head}.{key}": value
        for corpus, heads in found.items()
        for head, values in heads.items()
        for key, value in values.items()
    }
    output.write_text(json.dumps(meta, indent=2), encoding="utf8")


if __name__ == "__main__":
    typer.run(main)
