"""Text that nobody annotated, with the entities that most of some fine-tuned pipelines find: an ensemble distilled into one, and self-training.

    python -m benchmarks.finetuning run assets/clinicalbert-mini --task bc5cdr --variant orthography --seeds 3 --keep training/finetuning
    python -m benchmarks.silver corpora training/finetuning/clinicalbert-mini-bc5cdr-orthography-*
    python -m benchmarks.finetuning run assets/clinicalbert-mini --task bc5cdr --variant silver

The text is that of medical abstracts, sentence by sentence as BC5CDR is, without copies of held-out text of any corpus.
"""

from collections import Counter
from pathlib import Path
from typing import Iterator, List

import spacy
import typer
from spacy.tokens import DocBin

from benchmarks.finetuning import CORPUS
from spacy_clinicalbert.corpora.public import training_records
from spacy_clinicalbert.tokenizer import blank_clinical


def sentences(folder: Path) -> Iterator[str]:
    nlp = blank_clinical()
    nlp.add_pipe("sentencizer")
    for doc in nlp.pipe(record["text"] for _, record in training_records(folder, only="medical_abstracts")):
        yield from (sent.text for sent in doc.sents)


def main(
    folder: Path = typer.Argument(..., exists=True, file_okay=False, help="Has a folder for each corpus"),
    teachers: List[Path] = typer.Argument(..., exists=True, file_okay=False, help="Pipelines"),
    output: Path = typer.Option(CORPUS / "bc5cdr_silver" / "train.spacy"),
) -> None:
    texts = list(sentences(folder))
    votes: List[Counter] = [Counter() for _ in texts]
    for teacher in teachers:
        nlp = spacy.load(teacher)
        for doc, found in zip(nlp.pipe(texts), votes):
            found.update((ent.start_char, ent.end_char, ent.label_) for ent in doc.ents)
    blank = blank_clinical()
    docs = list(blank.pipe(texts))
    for doc, found in zip(docs, votes):
        spans = [doc.char_span(start, end, label) for (start, end, label), n in found.items() if 2 * n > len(teachers)]
        doc.ents = spacy.util.filter_spans(spans)
    output.parent.mkdir(parents=True, exist_ok=True)
    DocBin(docs=docs).to_disk(output)
    n_found = sum(len(doc.ents) for doc in docs)
    n_agreed = sum(n == len(teachers) for found in votes for n in found.values())
    print(f"{output}: {len(docs)} sentences, {n_found} entities, {n_agreed} of them found by all {len(teachers)}")


if __name__ == "__main__":
    typer.run(main)
