"""Encoders and ways of fine-tuning them, side by side on the same tasks, over seeds.

    python -m benchmarks.finetuning convert corpora
    python -m benchmarks.finetuning run encoders/all-minilm-l6-v2 assets/clinicalbert-mini --seeds 3
    python -m benchmarks.finetuning run encoders/all-minilm-l6-v2 --task ncbi --variant plain --variant layer_decay
    python -m benchmarks.finetuning report

Development sets alone are read, but for `run --test`, which is for the end. What is in benchmarks/finetuning.jsonl is not trained again.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Tuple

import spacy
import typer
from spacy.training.corpus import Corpus
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from thinc.api import Config

from spacy_clinicalbert.corpora.batchers import batch_by_wordpieces
from spacy_clinicalbert.tokenizer import blank_clinical

ROWS = Path("benchmarks/finetuning.jsonl")
CORPUS = Path("corpus/finetuning")


class Task(NamedTuple):
    """A corpus and how it is trained on.

    config (str): The config of the workflow.
    convert (str): Arguments of scripts/convert.py for a split: what stands for it in the source, {}.
    splits (Tuple[str, str, str]): The source's names of train, dev and test.
    epochs (int): Passes over the training set.
    batch (int): Wordpieces.
    rate (float): The highest learning rate.
    """

    config: str
    convert: str
    splits: Tuple[str, str, str]
    epochs: int
    batch: int
    rate: float


NAMED = ("train", "dev", "test")
TASKS = {
    "ncbi": Task(
        "ner",
        "pubtator {corpora}/ncbi_disease/original-data/{} --label *=Disease",
        ("train/NCBItrainset_corpus.txt", "devel/NCBIdevelopset_corpus.txt", "test/NCBItestset_corpus.txt"),
        5, 2000, 3e-4,
    ),
    "bc5cdr": Task("ner", "conll {corpora}/bc5cdr/BC5CDR-IOB/{}", ("train.tsv", "devel.tsv", "test.tsv"), 5, 2000, 3e-4),
    "maccrobat": Task("ner", "brat {corpora}/maccrobat2020/MACCROBAT2020 --split {}", NAMED, 10, 1000, 2e-4),
    "mtsamples": Task("textcat", "mtsamples {corpora}/mtsamples/mtsamples.jsonl --split {}", NAMED, 3, 4000, 3e-4),
}  # fmt: skip
# Ways of fine-tuning → settings of the config, by their dotted names.
VARIANTS: Dict[str, Dict[str, Any]] = {
    "plain": {},
    "layer_decay": {"components.clinicalbert.model.layer_decay": 0.85},
    "fresh_layer": {"components.clinicalbert.model.n_fresh_layers": 1},
    "unfreeze": {"training.before_update": {"@callbacks": "spacy-clinicalbert.unfreeze_gradually.v1", "steps_per_layer": 20}},
    "half_frozen": {"components.clinicalbert.model.n_frozen_layers": 3},
}  # fmt: skip
app = typer.Typer(add_completion=False)


@app.command()
def convert(corpora: Path) -> None:
    """Make the .spacy files of all tasks."""
    for name, task in TASKS.items():
        for split, source in zip(NAMED, task.splits):
            form, *rest = task.convert.format(source, corpora=corpora).split()
            command = [sys.executable, "scripts/convert.py", form, rest[0], str(CORPUS / name / f"{split}.spacy")]
            subprocess.run([*command, *rest[1:]], check=True)


def make_config(encoder: str, name: str, variant: str, seed: int) -> Config:
    """The workflow's config with the task's settings and those of the variant."""
    task = TASKS[name]
    config = Config().from_disk(f"configs/{task.config}.cfg", interpolate=False)
    paths = {split: str(CORPUS / name / f"{split}.spacy") for split in ("train", "dev")}
    config["paths"].update(**paths, encoder=encoder)
    config["system"]["seed"] = seed
    config["components"]["clinicalbert"]["model"]["attention_dropout"] = 0.0
    examples = Corpus(paths["train"])(blank_clinical())
    n_steps = task.epochs * sum(1 for _ in batch_by_wordpieces(encoder, size=task.batch)(examples))
    training = config["training"]
    training["batcher"]["size"] = task.batch
    training.update(max_epochs=task.epochs, eval_frequency=max(n_steps // 2, 1))
    training["optimizer"]["learn_rate"].update(initial_rate=task.rate, total_steps=n_steps, warmup_steps=n_steps // 10)
    for dotted, value in VARIANTS[variant].items():
        *sections, setting = dotted.split(".")
        section = config
        for each in sections:
            section = section[each]
        section[setting] = value
    return config


def scores_of(nlp: Any, path: Path) -> Dict[str, float]:
    """Percentages: F1 of all entities and by label, or macro F1 and AUROC of categories."""
    scores = nlp.evaluate(list(Corpus(path)(nlp)))
    if {"ner", "clinical_ner"}.intersection(nlp.pipe_names):
        kinds = {label: each["f"] for label, each in scores["ents_per_type"].items()}
        found = {"ents_f": scores["ents_f"], **(kinds if len(kinds) < 10 else {})}
    else:
        found = {key: scores[key] for key in ("cats_macro_f", "cats_micro_f", "cats_macro_auc")}
    return {key: round(100 * value, 2) for key, value in found.items()}


@app.command()
def one(encoder: str, task: str, variant: str, seed: int, test: bool = False) -> None:
    """Train once, to the last step; print the row as JSON."""
    nlp = init_nlp(make_config(encoder, task, variant, seed))
    start = time.perf_counter()
    train(nlp, stdout=sys.stderr, stderr=sys.stderr)
    row: Dict[str, Any] = {"encoder": Path(encoder).name, "task": task, "variant": variant, "seed": seed}
    row["train_seconds"] = round(time.perf_counter() - start)
    for split in ("dev", "test") if test else ("dev",):
        row[split] = scores_of(nlp, CORPUS / task / f"{split}.spacy")
    print(json.dumps(row))


@app.command()
def run(
    encoders: List[str],
    task: List[str] = typer.Option(list(TASKS)),
    variant: List[str] = typer.Option(["plain"]),
    seeds: int = 1,
    test: bool = False,
) -> None:
    """Train what is missing, each in a process of its own."""
    done = {(row["encoder"], row["task"], row["variant"], row["seed"], "test" in row) for row in read_rows()}
    for seed in range(seeds):
        for each in task:
            for way in variant:
                for encoder in encoders:
                    key = (Path(encoder).name, each, way, seed)
                    if (*key, True) in done or (not test and (*key, False) in done):
                        continue
                    command = [sys.executable, "-m", "benchmarks.finetuning", "one", encoder, each, way, str(seed)]
                    command += ["--test"] if test else []
                    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                    with ROWS.open("a", encoding="utf8") as file:
                        file.write(output.strip().splitlines()[-1] + "\n")


def read_rows() -> List[Dict[str, Any]]:
    return [json.loads(line) for line in ROWS.read_text(encoding="utf8").splitlines()] if ROWS.exists() else []


@app.command()
def report() -> None:
    """Print the results as Markdown, a line for each score."""
    rows = read_rows()
    print("| task | encoder | variant | set | score | seed by seed | mean |\n|---|---|---|---|---|---|---|")
    for task, encoder, variant in sorted({(row["task"], row["encoder"], row["variant"]) for row in rows}):
        chosen = [row for row in rows if (row["task"], row["encoder"], row["variant"]) == (task, encoder, variant)]
        for split in ("dev", "test"):
            by_seed = {row["seed"]: row[split] for row in chosen if split in row}
            for score in next(iter(by_seed.values()), {}):
                values = [by_seed[seed][score] for seed in sorted(by_seed)]
                each = " ".join(f"{value:.2f}" for value in values)
                print(
                    f"| {task} | {encoder} | {variant} | {split} | {score} | {each} | {statistics.mean(values):.2f} |"
                )


if __name__ == "__main__":
    spacy.require_cpu()
    app()
