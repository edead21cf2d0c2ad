"""A list of clinical terms, see `corpora.terms`. For `terms` in the [corpus.concepts] of a pretraining config.

python scripts/make_terms.py corpora corpus/terms.txt
"""

import sys
from pathlib import Path

import typer

from spacy_clinicalbert.corpora.terms import clinical_terms


def main(corpora: Path, output: Path) -> None:
    terms = clinical_terms(corpora)
    if not terms:
        sys.exit(f"'{corpora}' has none of the annotated corpora; docs/data.md says where they are.")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text("".join(term + "\n" for term in terms), encoding="utf8")
    typer.echo(f"{len(terms)} terms")


if __name__ == "__main__":
    typer.run(main)
