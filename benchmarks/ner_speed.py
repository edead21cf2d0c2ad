"""Words a second of entity recognisers alone, behind an encoder that has run: `clinical_ner`, probabilities included, and spaCy's `ner`.

    python -m benchmarks.finetuning run assets/clinicalbert-mini --task ncbi --task bc5cdr --task maccrobat --variant brief_head --variant fast_stock --keep training/finetuning
    python -m benchmarks.ner_speed ncbi bc5cdr maccrobat

Both read the same vectors of the test sets' texts, in batches of 64, alternating; the first run of each is left out. The clock runs over prediction and
annotation. Texts as in the corpora: abstracts (NCBI-disease), sentences (BC5CDR), case reports (MACCROBAT); and "abstracts" of 20 of BC5CDR's sentences.
"""

import statistics
import time
from pathlib import Path
from typing import Any, Dict, List

import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.util import minibatch

from benchmarks.finetuning import CORPUS
from spacy_clinicalbert.pipeline.confidence import SCORES

FOLDER = Path("training/finetuning")
# Head → how it was trained; the second briefly, but enough to find about as many entities.
HEADS = {"ner": "fast_stock", "clinical_ner": "brief_head"}
BATCH = 64


def read_texts(task: str) -> Dict[str, List[str]]:
    """RETURNS (Dict[str, List[str]]): What the texts are → those of the test set."""
    blank = spacy.blank("en")
    texts = [doc.text for doc in DocBin().from_disk(CORPUS / task / "test.spacy").get_docs(blank.vocab)]
    if task != "bc5cdr":
        return {"as they are": texts}
    return {
        "sentences": texts,
        "twenty sentences each": [" ".join(texts[i : i + 20]) for i in range(0, len(texts), 20)],
    }


def encode(nlp: Language, texts: List[str]) -> List[Doc]:
    with nlp.select_pipes(enable=["clinicalbert"]):
        return list(nlp.pipe(texts, batch_size=BATCH))


def annotate(head: Any, docs: List[Doc]) -> float:
    """RETURNS (float): Seconds."""
    for doc in docs:
        doc.set_ents([], default="missing")  # spaCy's ner leaves alone what is there
        doc.spans.clear()
    start = time.perf_counter()
    for batch in minibatch(docs, BATCH):
        head.set_annotations(batch, head.predict(batch))
    return time.perf_counter() - start


def main(tasks: List[str], seed: int = 0, repeats: int = 7) -> None:
    """Measure, and print a table."""
    print(
        "| corpus | texts | words | labels | head | found | words/s, median (least – most) | × ner |\n|---|---|---|---|---|---|---|---|"
    )
    for task in tasks:
        pipelines = {
            head: spacy.load(FOLDER / f"clinicalbert-mini-{task}-{variant}-{seed}") for head, variant in HEADS.items()
        }
        for what, texts in read_texts(task).items():
            docs = {head: encode(nlp, texts) for head, nlp in pipelines.items()}
            n_words = sum(map(len, docs["ner"]))
            speeds: Dict[str, List[float]] = {head: [] for head in HEADS}
            for repeat in range(repeats + 1):
                for head, nlp in pipelines.items():
                    seconds = annotate(nlp.get_pipe(head), docs[head])
                    if repeat:  # the first warms up
                        speeds[head].append(n_words / seconds)
            for doc in docs["clinical_ner"]:
                group = doc.spans["entities"]
                assert len(group.attrs[SCORES]) == len(group)
            for head, values in speeds.items():
                median = statistics.median(values)
                found = sum(len(doc.ents) for doc in docs[head])
                n_labels = len(pipelines[head].get_pipe(head).labels)  # type: ignore[attr-defined]
                print(
                    f"| {task} | {what} | {n_words:,} | {n_labels} | {head} | {found:,} | {median:,.0f} ({min(values):,.0f} – {max(values):,.0f}) "
                    f"| {median / statistics.median(speeds['ner']):.2f} |"
                )


if __name__ == "__main__":
    spacy.require_cpu()
    typer.run(main)
