"""How many label errors that were put into a corpus `check` finds.

    python -m benchmarks.label_errors FOLDER ncbi_disease

FOLDER has a folder for each public corpus. Of the entities of all splits 3 % (seed 0) get another label or, half of them, none.
"""

import random
from pathlib import Path
from typing import Dict, List, Tuple

import typer

from spacy_clinicalbert.corpora.checks.findings import Tally
from spacy_clinicalbert.corpora.checks.label_errors import LabelErrors
from spacy_clinicalbert.corpora.checks.notes import Note
from spacy_clinicalbert.corpora.public import public_corpora
from spacy_clinicalbert.tokenizer import blank_clinical

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
SHARE = 0.03
FIRST = (20, 100, 200)


@app.command()
def main(
    folder: Path = typer.Argument(..., exists=True, file_okay=False), corpus: str = typer.Argument("ncbi_disease")
) -> None:
    """Put errors into CORPUS and print how many are found."""
    rng, nlp = random.Random(0), blank_clinical()
    records = [record for read in public_corpora(folder)[corpus].values() for record in read()]
    labels = sorted({span[2] for record in records for span in record["entities"]})
    planted: Dict[str, List[Tuple[int, int]]] = {}
    check = LabelErrors(Tally(10**6), nlp)
    n_entities = 0
    for record in records:
        kept = []
        n_entities += len(record["entities"])
        for start, end, label, *rest in record["entities"]:
            if rng.random() < SHARE:
                planted.setdefault(str(record["id"]), []).append((start, end))
                if rng.random() < 0.5:
                    continue
                label = rng.choice([other for other in labels if other != label])
            kept.append([start, end, label, *rest])
        check.see(Note({**record, "entities": kept}, str(record["id"]), "", "", nlp))
    hits: List[bool] = []
    found = set()
    for finding in check.findings():
        for example in finding.examples if finding.kind == "likely label error, entity" else ():
            start, end = map(int, example.detail.removeprefix("characters ").split(":")[0].split("-"))
            here = [span for span in planted.get(example.record, []) if span[0] < end and start < span[1]]
            hits.append(bool(here))
            found.update((example.record, span) for span in here)
    n_planted = sum(map(len, planted.values()))
    shown = ", ".join(f"{sum(hits[:n])} of the first {n}" for n in FIRST)
    print(
        f"{corpus}: {n_planted} errors in {n_entities} entities; named {len(hits)} places with {len(found)} of them; {shown}"
    )


if __name__ == "__main__":
    app()
