"""A list of clinical terms: what the annotators of the public corpora marked in training notes as diseases, symptoms, drugs,
tests and treatments. For `terms` in the [corpus.concepts] of a pretraining config.

    python scripts/make_terms.py corpora corpus/terms.txt
"""

from pathlib import Path
from typing import Set

import typer

from spacy_clinicalbert.corpora.public import training_records

# MACCROBAT's labels; all of NCBI-disease and BC5CDR are diseases and chemicals.
LABELS = {"Disease_disorder", "Sign_symptom", "Medication", "Diagnostic_procedure", "Therapeutic_procedure"}


def main(corpora: Path, output: Path) -> None:
    terms: Set[str] = set()
    for corpus in ("ncbi_disease", "bc5cdr", "maccrobat2020"):
        for _, record in training_records(corpora, only=corpus):
            for start, end, label, *_ in record["entities"]:
                if corpus != "maccrobat2020" or label in LABELS:
                    terms.add(" ".join(record["text"][start:end].lower().split()))
    kept = sorted(term for term in terms if len(term) >= 4 and any(letter.isalpha() for letter in term))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text("".join(term + "\n" for term in kept), encoding="utf8")
    typer.echo(f"{len(kept)} terms")


if __name__ == "__main__":
    typer.run(main)
