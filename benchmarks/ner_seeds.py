"""Entity F1 over seeds: this project's encoder in both number formats, and spacy-transformers' factory with the same
weights, data, epochs, batches, optimiser and seeds.

    python -m benchmarks.ner_seeds run corpus/ner-ncbi encoders/all-minilm-l6-v2
    python -m benchmarks.ner_seeds report

A run that was stopped goes on where it was: what is in benchmarks/ner_seeds.jsonl is not trained again. Remove that file
after a change of the code or the config.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List, Tuple

import spacy
import typer
from scipy import stats
from spacy.training.corpus import Corpus
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from thinc.api import Config

VARIANTS = ("clinicalbert-bfloat16", "clinicalbert-float32", "transformer-float32")
CONFIG = Path("configs/ner.cfg")
# The settings of the figures in NER.md, which are older than today's defaults.
WINDOWS = {"@misc": "spacy-clinicalbert.strided_windows.v1", "size": 128, "context": 16}
STOCK = """
[transformer]
factory = "transformer"

[transformer.model]
@architectures = "spacy-transformers.TransformerModel.v3"
name = ${paths.encoder}
tokenizer_config = {"use_fast": true}

[transformer.model.get_spans]
@span_getters = "spacy-transformers.strided_spans.v1"
window = 128
stride = 96

[listener]
@architectures = "spacy-transformers.TransformerListener.v1"

[listener.pooling]
@layers = "reduce_mean.v1"
"""
app = typer.Typer(add_completion=False)


def make_config(variant: str, seed: int, corpus: Path, encoder: Path, rate: float, lr_scale: float) -> Config:
    """The workflow's config, with the encoder swapped for stock's where the variant says so."""
    factory, precision = variant.split("-")
    config = Config().from_disk(CONFIG, interpolate=False)
    config["paths"].update(train=str(corpus / "train.spacy"), dev=str(corpus / "dev.spacy"), encoder=str(encoder))
    config["system"]["seed"] = seed
    config["training"]["optimizer"]["learn_rate"]["initial_rate"] = rate
    config["components"]["clinicalbert"]["model"].update(precision=precision, lr_scale=lr_scale)
    config["nlp"]["tokenizer"] = {"@tokenizers": "spacy.Tokenizer.v1"}
    config["components"]["clinicalbert"]["model"].update(windows=WINDOWS, attention_dropout=None)
    if factory == "transformer":
        stock = Config().from_str(STOCK, interpolate=False)
        config["components"]["transformer"] = stock["transformer"]
        config["components"]["ner"]["model"]["tok2vec"] = stock["listener"]
        config["nlp"]["pipeline"] = ["transformer", "ner"]
        del config["components"]["clinicalbert"]
    return config


@app.command()
def one(variant: str, seed: int, corpus: Path, encoder: Path, rate: float = 3e-4, lr_scale: float = 1.0) -> None:
    """Train once, to the last step; print the scores of development and test set as JSON."""
    nlp = init_nlp(make_config(variant, seed, corpus, encoder, rate, lr_scale))
    start = time.perf_counter()
    train(nlp, stdout=sys.stderr, stderr=sys.stderr)
    row: Dict = {"variant": variant, "seed": seed, "rate": rate, "lr_scale": lr_scale}
    row["train_seconds"] = round(time.perf_counter() - start, 1)
    for split in ("dev", "test"):
        scores = nlp.evaluate(list(Corpus(corpus / f"{split}.spacy")(nlp)))
        row[split] = {key: round(100 * scores[f"ents_{key}"], 2) for key in "pfr"}
    print(json.dumps(row))


@app.command()
def run(
    corpus: Path,
    encoder: Path,
    seeds: int = 5,
    variants: str = ",".join(VARIANTS),
    results: Path = Path("benchmarks/ner_seeds.jsonl"),
) -> None:
    """Train every variant with every seed, alternating, each in a process of its own; one job at a time."""
    results.parent.mkdir(parents=True, exist_ok=True)
    done = {(row["variant"], row["seed"]) for row in read(results)}
    for seed in range(seeds):
        for variant in variants.split(","):
            if (variant, seed) not in done:
                command = [
                    sys.executable,
                    "-m",
                    "benchmarks.ner_seeds",
                    "one",
                    variant,
                    str(seed),
                    str(corpus),
                    str(encoder),
                ]
                output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                with results.open("a") as file:
                    file.write(output.splitlines()[-1] + "\n")


def read(results: Path) -> List[Dict]:
    return [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []


def interval(values: List[float]) -> Tuple[float, float]:
    """Mean and half width of its 95 % interval by Student's t."""
    half = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    return statistics.mean(values), half


@app.command()
def report(results: Path = Path("benchmarks/ner_seeds.jsonl")) -> None:
    """Print the results as Markdown: per variant, and the differences paired by seed."""
    rows = read(results)
    f1 = {variant: {row["seed"]: row["test"]["f"] for row in rows if row["variant"] == variant} for variant in VARIANTS}
    print("| variant | test F1, seed by seed | mean | training time, median |\n|---|---|---|---|")
    for variant, by_seed in f1.items():
        if by_seed:
            seconds = statistics.median(row["train_seconds"] for row in rows if row["variant"] == variant)
            scores = " ".join(f"{score:.2f}" for _, score in sorted(by_seed.items()))
            print(f"| {variant} | {scores} | {statistics.mean(by_seed.values()):.2f} | {seconds:.0f} s |")
    print("\n| difference in test F1, paired by seed | seeds | mean | 95 % interval |\n|---|---|---|---|")
    for first, second in ((0, 2), (1, 2), (0, 1)):
        one, two = f1[VARIANTS[first]], f1[VARIANTS[second]]
        seeds = sorted(one.keys() & two.keys())
        if len(seeds) > 1:
            mean, half = interval([one[seed] - two[seed] for seed in seeds])
            pair = f"{VARIANTS[first]} − {VARIANTS[second]}"
            print(f"| {pair} | {len(seeds)} | {mean:+.2f} | {mean - half:+.2f} to {mean + half:+.2f} |")


if __name__ == "__main__":
    spacy.require_cpu()
    app()
