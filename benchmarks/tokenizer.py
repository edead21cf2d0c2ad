"""How many gold entities fall on token borders, and how fast the tokenizer is, beside spaCy's own and scispaCy's.

    python -m benchmarks.tokenizer FOLDER

FOLDER has a folder for each corpus. scispaCy is measured where it is installed (`pip install --no-deps scispacy==0.6.2 pysbd`).
"""

import importlib
import statistics
import time
from pathlib import Path
from typing import Any, Dict, List

import spacy
import typer

from spacy_clinicalbert.corpora.docs import Record
from spacy_clinicalbert.corpora.public import public_corpora, record_split
from spacy_clinicalbert.tokenizer import blank_clinical

app = typer.Typer(add_completion=False)


def tokenizers() -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): Name → an empty pipeline with that tokenizer."""
    found = {"clinical": blank_clinical(), "spacy": spacy.blank("en")}
    try:
        combined = importlib.import_module("scispacy.custom_tokenizer").combined_rule_tokenizer
    except ImportError:
        return found
    found["scispacy"] = spacy.blank("en")
    found["scispacy"].tokenizer = combined(found["scispacy"])
    return found


def aligned(records: List[Record], nlp: Any) -> int:
    """RETURNS (int): How many entities, without the white space at their ends, begin and end where tokens do."""
    count = 0
    for record in records:
        doc = nlp.make_doc(record["text"])
        for start, end, *_ in record["entities"]:
            piece = record["text"][start:end]
            start, end = start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())
            count += doc.char_span(start, end) is not None
    return count


@app.command()
def main(folder: Path = typer.Argument(..., exists=True, file_okay=False), rounds: int = 5) -> None:
    """Print both tables as Markdown."""
    corpora = public_corpora(folder)
    print("| corpus | entities |" + "".join(f" {name} |" for name in tokenizers()))
    print("|---|---|" + "---|" * len(tokenizers()))
    for corpus in ("ncbi_disease", "maccrobat2020"):
        parts: Dict[str, List[Record]] = {"train and dev": [], "test": []}
        for part, read in corpora[corpus].items():
            for record in read():
                split = record_split(corpus, part, record)
                parts["test" if split == "test" else "train and dev"].append(record)
        for part, records in parts.items():
            total = sum(len(record["entities"]) for record in records)
            shares = [f"{100 * aligned(records, nlp) / total:.2f} %" for nlp in tokenizers().values()]
            print(f"| {corpus}, {part} | {total} | " + " | ".join(shares) + " |")
    texts = [record["text"] for record in corpora["mtsamples"]["all"]()]
    characters = sum(map(len, texts))
    speeds: Dict[str, List[List[float]]] = {name: [] for name in tokenizers()}
    tokens = {}
    for _ in range(rounds):
        for name, nlp in tokenizers().items():  # new ones: the first pass fills a cache of words
            passes = []
            for _ in range(2):
                start = time.perf_counter()
                tokens[name] = sum(len(nlp.make_doc(text)) for text in texts)
                passes.append(characters / (time.perf_counter() - start) / 1e6)
            speeds[name].append(passes)
    print(
        "\n| tokenizer | tokens | M characters/s, first pass | second pass | of spaCy's, pass by pass |\n|---|---|---|---|---|"
    )
    for name, rows in speeds.items():
        cells = []
        for index in range(2):
            values = [row[index] for row in rows]
            cells.append(f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})")
        ratios = [
            statistics.median(row[index] / stock[index] for row, stock in zip(rows, speeds["spacy"]))
            for index in range(2)
        ]
        print(f"| {name} | {tokens[name]:,} | {cells[0]} | {cells[1]} | {ratios[0]:.2f}, {ratios[1]:.2f} |")


if __name__ == "__main__":
    app()
