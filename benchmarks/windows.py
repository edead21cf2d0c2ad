"""What a window's kind and size cost or gain in entity F1, on development sets, and in positions to encode.

    python -m benchmarks.windows run corpus/ner-ncbi encoders/all-minilm-l6-v2
    python -m benchmarks.windows run corpus/ner-maccrobat encoders/all-minilm-l6-v2
    python -m benchmarks.windows report

Sizes count wordpieces without the two special tokens. What is in benchmarks/windows.jsonl is not trained again. The
pipelines are kept in training/windows, for `benchmarks.agreement`.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import List

import numpy
import spacy
import typer
from spacy.tokens import DocBin
from spacy.training.corpus import Corpus
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from thinc.api import Config

from spacy_clinicalbert.corpora.batchers import batch_by_wordpieces

ROWS = Path("benchmarks/windows.jsonl")
KINDS = ("strided:126:16", "note:158:8")
# Epochs, wordpieces a batch and the highest learning rate. MACCROBAT has 106 notes to train on and 40 labels: in fewer
# steps, or at 3e-4, spaCy's ner does not always get off the ground.
SETTINGS = {"ner-ncbi": (3, 2000, 3e-4), "ner-maccrobat": (10, 1000, 2e-4)}
app = typer.Typer(add_completion=False)


def make_config(corpus: Path, encoder: Path, windows: str, seed: int) -> Config:
    epochs, batch, rate = SETTINGS[corpus.name]
    kind, size, context = windows.split(":")
    config = Config().from_disk("configs/ner.cfg", interpolate=False)
    config["paths"].update(train=str(corpus / "train.spacy"), dev=str(corpus / "dev.spacy"), encoder=str(encoder))
    config["system"]["seed"] = seed
    config["components"]["clinicalbert"]["model"]["attention_dropout"] = 0.0
    config["components"]["clinicalbert"]["model"]["windows"] = {
        "@misc": f"spacy-clinicalbert.{kind}_windows.v1",
        "size": int(size),
        "context": int(context),
    }
    examples = Corpus(corpus / "train.spacy")(spacy.blank("en"))
    n_steps = epochs * sum(1 for _ in batch_by_wordpieces(str(encoder), size=batch)(examples))
    training = config["training"]
    training["batcher"]["size"] = batch
    training.update(max_epochs=epochs, eval_frequency=max(n_steps // 2, 1))
    training["optimizer"]["learn_rate"].update(initial_rate=rate, total_steps=n_steps, warmup_steps=n_steps // 10)
    return config


@app.command()
def one(corpus: Path, encoder: Path, windows: str, seed: int) -> None:
    """Train once, to the last step; print the row as JSON."""
    nlp = init_nlp(make_config(corpus, encoder, windows, seed))
    train(nlp, stdout=sys.stderr, stderr=sys.stderr)
    folder = Path("training/windows") / f"{corpus.name}-{windows.replace(':', '-')}-{seed}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(folder)
    scores = nlp.evaluate(list(Corpus(corpus / "dev.spacy")(nlp)))
    shim, model = nlp.get_pipe("clinicalbert").shim, nlp.get_pipe("clinicalbert").model
    lengths, n_pieces = [], 0
    for doc in DocBin().from_disk(corpus / "dev.spacy").get_docs(nlp.vocab):
        encoding = shim.checkpoint.tokenizer.backend_tokenizer.encode(doc.text, add_special_tokens=False)
        starts, ends = numpy.array(encoding.offsets).reshape(-1, 2).T
        cut = model.attrs["windows"](doc.text, starts, ends)
        lengths.extend((cut.end - cut.start + 2).tolist())
        n_pieces += len(starts)
    row = {"corpus": corpus.name, "windows": windows, "seed": seed}
    row.update(dev=round(100 * scores["ents_f"], 2), positions=round(sum(lengths) / n_pieces, 3))
    row["mean_window"] = round(statistics.mean(lengths), 1)
    print(json.dumps(row))


@app.command()
def run(corpus: Path, encoder: Path, seeds: int = 3, windows: List[str] = typer.Option(KINDS)) -> None:
    """Train what is missing, each in a process of its own."""
    done = {(row["corpus"], row["windows"], row["seed"]) for row in read_rows()}
    for seed in range(seeds):
        for kind in windows:
            if (corpus.name, kind, seed) not in done:
                arguments = [str(corpus), str(encoder), kind, str(seed)]
                command = [sys.executable, "-m", "benchmarks.windows", "one", *arguments]
                result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                with ROWS.open("a", encoding="utf8") as file:
                    file.write(result.stdout.strip().splitlines()[-1] + "\n")


def read_rows() -> List[dict]:
    return [json.loads(line) for line in ROWS.read_text(encoding="utf8").splitlines()] if ROWS.exists() else []


@app.command()
def report() -> None:
    """Print the results as Markdown."""
    rows = read_rows()
    print(
        "| corpus | windows | dev F1, seed by seed | mean | positions a wordpiece | mean window |\n|---|---|---|---|---|---|"
    )
    for corpus, windows in dict.fromkeys((row["corpus"], row["windows"]) for row in rows):
        chosen = [row for row in rows if (row["corpus"], row["windows"]) == (corpus, windows)]
        scores = [row["dev"] for row in sorted(chosen, key=lambda row: row["seed"])]
        print(
            f"| {corpus} | {windows} | {' '.join(map(str, scores))} | {statistics.mean(scores):.2f} | "
            f"{chosen[0]['positions']} | {chosen[0]['mean_window']} |"
        )


if __name__ == "__main__":
    app()
