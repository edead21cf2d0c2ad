"""The systems of benchmarks.long_notes as heads over an encoder that does not learn, all in one run: each note is encoded once, and many passes of each head over its vectors take seconds.

    python -m benchmarks.long_notes_frozen corpora mtsamples --encoder mini --seeds 3
    python -m benchmarks.long_notes report --folder training/long_notes_frozen

Passes and batches are those of configs/joint-notes.cfg, the rate is the one that it had when this was measured, for all (2e-3 is better for "words"; see benchmarks/NOTE_TYPES.md).
"""

import math
import random
from pathlib import Path
from typing import Any, Dict, List

import numpy
import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import fix_random_seed, minibatch
from thinc.api import Adam, warmup_linear
from tqdm import tqdm

from benchmarks.long_notes import N_WORDS, SYSTEMS, TEXTCAT, Tfidf, aggregator_of, cut, find_labels, gold_of, read
from spacy_clinicalbert.encoder.checkpoints import load_checkpoint
from spacy_clinicalbert.tokenizer import blank_clinical

OUTPUT = Path("training/long_notes_frozen")
N_PASSES = 12
BATCH = 16  # notes
RATE = 5e-3


def add_head(nlp: Language, system: str) -> Any:
    """Put a system's head behind the encoder, in place of the one before."""
    for name in nlp.pipe_names[1:]:
        nlp.remove_pipe(name)
    if system == "textcat":
        return nlp.add_pipe("textcat_multilabel", config={"model": TEXTCAT})
    model: Dict[str, Any] = {"aggregate": {"@layers": f"spacy-clinicalbert.{aggregator_of(system)}.v1"}}
    model["words"] = N_WORDS if system == "words" else 0
    weight = "balanced" if system == "words" else 1.0  # as TF-IDF's regressions are
    return nlp.add_pipe("clinical_note_classifier", config={"model": model, "positive_weight": weight})


def encode(nlp: Language, texts: List[str]) -> List[Doc]:
    with nlp.select_pipes(enable=["clinicalbert"]):
        return list(tqdm(nlp.pipe(texts), total=len(texts)))


def learn(nlp: Language, head: Any, examples: List[Example], seed: int) -> None:
    """Train a head from its beginning."""
    fix_random_seed(seed)
    head.initialize(lambda: examples, nlp=nlp)
    n_steps = N_PASSES * math.ceil(len(examples) / BATCH)
    rates: Any = warmup_linear(RATE, 50, n_steps)
    optimizer = Adam(rates, L2=0.01, L2_is_weight_decay=True, grad_clip=1.0)
    for _ in range(N_PASSES):
        random.shuffle(examples)
        for batch in minibatch(examples, BATCH):
            head.update(batch, sgd=optimizer)
            optimizer.step_schedules()


def classify(head: Any, docs: List[Doc], labels: List[str]) -> numpy.ndarray:
    """RETURNS (ndarray): (n_docs, n_labels), probabilities."""
    rows = []
    for doc in head.pipe(docs):
        rows.append([doc.cats.get(label, 0.0) for label in labels])
        doc.cats, _ = {}, doc.spans.clear()
    return numpy.array(rows).reshape(len(docs), len(labels))


def main(
    folder: Path = typer.Argument(..., exists=True, file_okay=False, help="Has a folder for each corpus"),
    task: str = typer.Argument(..., help="mtsamples or tcga"),
    encoder: str = "mini",
    seeds: int = 3,
    part: str = typer.Option("dev", help="dev, or test at the end"),
    system: List[str] = typer.Option([each for each in SYSTEMS if each != "tfidf"]),
) -> None:
    """Train the systems, and write what they give for the held-out notes and for those with their deciding section at the end."""
    training, held_out = read(folder, task, "train"), read(folder, task, part)
    labels = find_labels(training)
    truth, known = gold_of(training, labels, task)
    tfidf = Tfidf(training, truth, known)
    nlp = blank_clinical()
    nlp.add_pipe("clinicalbert", config={"model": {"name": encoder}})
    nlp.initialize()
    tokenizer = load_checkpoint(encoder).tokenizer
    texts = [record["text"] for record in held_out]
    own_truth, own_known = gold_of(held_out, labels, task)
    moved = [tfidf.moved(text, row, tokenizer) for text, row in zip(texts, own_truth)]
    places = [i for i, text in enumerate(moved) if text is not None]
    late = [text for text in moved if text is not None]
    groups = numpy.unique([record.get("patient") or record["id"] for record in held_out], return_inverse=True)[1]
    gold: Dict[str, Any] = {
        "truth": own_truth,
        "known": own_known,
        "groups": groups,
        "places": numpy.array(places, dtype="int64"),
    }
    OUTPUT.mkdir(parents=True, exist_ok=True)
    numpy.savez(
        OUTPUT / f"{task}-{part}-tfidf-0.npz",
        whole=tfidf(texts),
        moved=tfidf(late) if late else tfidf(texts)[:0],
        **gold,
    )

    for is_cut in (False, True):
        chosen = [each for each in system if (each == "truncated") == is_cut]
        if not chosen:
            continue
        read_as = [
            [cut(text, tokenizer) if is_cut else text for text in each]
            for each in ([record["text"] for record in training], texts, late)
        ]
        learned, whole, changed = (encode(nlp, each) for each in read_as)
        examples = []
        for doc, holds, is_known in zip(learned, truth, known):
            reference = Doc(doc.vocab, words=[token.text for token in doc], spaces=[bool(t.whitespace_) for t in doc])
            reference.cats = {label: float(holds[j]) for j, label in enumerate(labels) if is_known[j]}
            examples.append(Example(doc, reference))
        for each in chosen:
            for seed in range(seeds):
                head = add_head(nlp, each)
                learn(nlp, head, examples, seed)
                given: Dict[str, Any] = {
                    "whole": classify(head, whole, labels),
                    "moved": classify(head, changed, labels),
                }
                numpy.savez(OUTPUT / f"{task}-{part}-{each}-{seed}.npz", **given, **gold)
                print(
                    f"{each}, seed {seed}: {len(whole)} notes, {len(changed)} moved, {len(labels)} categories",
                    flush=True,
                )


if __name__ == "__main__":
    spacy.require_cpu()
    typer.run(main)
