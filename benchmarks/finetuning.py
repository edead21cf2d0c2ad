"""Encoders and ways of fine-tuning them, side by side on the same tasks, over seeds.

    python -m benchmarks.finetuning convert corpora
    python -m benchmarks.finetuning run encoders/all-minilm-l6-v2 assets/clinicalbert-mini --seeds 3
    python -m benchmarks.finetuning run encoders/all-minilm-l6-v2 --task ncbi --variant clinical_ner --variant layer_decay
    python -m benchmarks.finetuning report

Development sets alone are read, but for `run --test`, which is for the end. What is in benchmarks/finetuning.jsonl is not trained again.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import spacy
import typer
from spacy import registry
from spacy.language import Language
from spacy.training import Example
from spacy.training.corpus import Corpus
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from thinc.api import Config

from spacy_clinicalbert.corpora.batchers import batch_by_wordpieces
from spacy_clinicalbert.tokenizer import blank_clinical

ROWS = Path("benchmarks/finetuning.jsonl")
CORPUS = Path("corpus/finetuning")


class Task(NamedTuple):
    """What is trained, and on what.

    config (str): The config of the workflow.
    corpora (Tuple[str, ...]): Those it is trained and scored on, each silent about labels that it does not annotate.
    epochs (int): Passes over the training set.
    batch (int): Wordpieces.
    rate (float): The highest learning rate.
    besides (Tuple[str, ...]): Corpora it is trained on besides, and not scored on.
    """

    config: str
    corpora: Tuple[str, ...]
    epochs: int
    batch: int
    rate: float
    besides: Tuple[str, ...] = ()


NAMED = ("train", "dev", "test")
# Corpora → arguments of scripts/convert.py for a split, and what stands for train, dev and test in it, {}.
CORPORA = {
    "ncbi": (
        "pubtator {corpora}/ncbi_disease/original-data/{} --label *=Disease",
        ("train/NCBItrainset_corpus.txt", "devel/NCBIdevelopset_corpus.txt", "test/NCBItestset_corpus.txt"),
    ),
    "bc5cdr": ("conll {corpora}/bc5cdr/BC5CDR-IOB/{}", ("train.tsv", "devel.tsv", "test.tsv")),
    "maccrobat": ("brat {corpora}/maccrobat2020/MACCROBAT2020 --split {}", NAMED),
    "mtsamples": ("mtsamples {corpora}/mtsamples/mtsamples.jsonl --split {}", NAMED),
}
TASKS = {
    "ncbi": Task("ner", ("ncbi",), 5, 2000, 3e-4),
    "bc5cdr": Task("ner", ("bc5cdr",), 5, 2000, 3e-4),
    "maccrobat": Task("ner", ("maccrobat",), 10, 1000, 2e-4),
    "mtsamples": Task("textcat", ("mtsamples",), 1, 2000, 3e-4),
    "both": Task("clinical_ner", ("ncbi", "bc5cdr"), 5, 2000, 3e-4),
}
ORTHOGRAPHY = {
    "@architectures": "spacy-clinicalbert.Orthography.v1",
    "tok2vec": {"@architectures": "spacy-clinicalbert.Listener.v1", "upstream": "clinicalbert"},
}
# Ways of fine-tuning → settings of the config, by their dotted names, and of the task, by its fields: "config" is another config of the workflow.
FAST_HEAD = {"config": "clinical_ner", "rate": 2e-3}
VARIANTS: Dict[str, Dict[str, Any]] = {
    "plain": {},
    "clinical_ner": {"config": "clinical_ner", "components.clinicalbert.model.lr_scale": 1.0},
    "small_batches": {"config": "clinical_ner", "batch": 1000, "rate": 2e-4, "components.clinicalbert.model.lr_scale": 1.0},
    "fast_head": FAST_HEAD,  # with the config's lr_scale: what the config itself does
    "fast_stock": {"rate": 2e-3, "components.clinicalbert.model.lr_scale": 0.15},  # the same for spaCy's own heads
    "brief_head": {**FAST_HEAD, "epochs": 2},  # finds about as many entities as there are: for benchmarks.ner_speed
    "more_epochs": {**FAST_HEAD, "epochs": 10},
    "layer_decay": {**FAST_HEAD, "components.clinicalbert.model.layer_decay": 0.85},
    "fresh_layer": {**FAST_HEAD, "components.clinicalbert.model.n_fresh_layers": 1},
    "unfreeze": {**FAST_HEAD, "training.before_update": {"@callbacks": "spacy-clinicalbert.unfreeze_gradually.v1", "steps_per_layer": 20}},
    "orthography": {**FAST_HEAD, "components.clinical_ner.model.tok2vec": ORTHOGRAPHY},
    "silver": {**FAST_HEAD, "components.clinical_ner.model.tok2vec": ORTHOGRAPHY, "besides": ("bc5cdr_silver",), "epochs": 3},  # benchmarks.silver
    "half_frozen": {**FAST_HEAD, "components.clinicalbert.model.n_frozen_layers": 3},
}  # fmt: skip
app = typer.Typer(add_completion=False)


@app.command()
def convert(corpora: Path) -> None:
    """Make the .spacy files of all corpora."""
    for name, (arguments, sources) in CORPORA.items():
        for split, source in zip(NAMED, sources):
            form, *rest = arguments.format(source, corpora=corpora).split()
            command = [sys.executable, "scripts/convert.py", form, rest[0], str(CORPUS / name / f"{split}.spacy")]
            subprocess.run([*command, *rest[1:]], check=True)


def make_config(encoder: str, name: str, variant: str, seed: int) -> Config:
    """The workflow's config with the task's settings and those of the variant."""
    changes = dict(VARIANTS[variant])
    task = TASKS[name]._replace(**{field: changes.pop(field) for field in Task._fields if field in changes})
    config = Config().from_disk(f"configs/{task.config}.cfg", interpolate=False)
    config["paths"].update(encoder=encoder, train=None, dev=str(CORPUS / task.corpora[0] / "dev.spacy"))
    config["system"]["seed"] = seed
    config["components"]["clinicalbert"]["model"]["attention_dropout"] = 0.0
    config["corpora"]["dev"]["limit"] = 1  # spaCy's loop scores the first step in any case
    corpora = [*task.corpora, *task.besides]
    config["corpora"]["train"] = {"@readers": "benchmarks.finetuning.v1", "corpora": corpora}
    examples = read_all(corpora)(blank_clinical())
    n_steps = task.epochs * sum(1 for _ in batch_by_wordpieces(encoder, size=task.batch)(examples))
    training = config["training"]
    training["batcher"]["size"] = task.batch
    training.update(max_epochs=task.epochs, eval_frequency=n_steps + 1)  # `one` scores it, behind the last step
    training["optimizer"]["learn_rate"].update(initial_rate=task.rate, total_steps=n_steps, warmup_steps=n_steps // 10)
    for dotted, value in changes.items():
        *sections, setting = dotted.split(".")
        section = config
        for each in sections:
            section = section[each]
        section[setting] = value
    return config


@registry.readers("benchmarks.finetuning.v1")
def read_all(corpora: List[str]) -> Callable[[Language], Iterator[Example]]:
    """The training sets of some corpora, one behind the other; spaCy shuffles them."""
    readers = [Corpus(CORPUS / name / "train.spacy") for name in corpora]
    return lambda nlp: (example for read in readers for example in read(nlp))


def scores_of(nlp: Language, path: Path) -> Dict[str, float]:
    """Percentages: F1 of all entities and by label, of clinical_ner also with overlapping ones; or macro F1 and AUROC of categories."""
    scores = nlp.evaluate(list(Corpus(path)(nlp)))
    if {"ner", "clinical_ner"}.intersection(nlp.pipe_names):
        kinds = {label: each["f"] for label, each in scores["ents_per_type"].items()}
        found = {"ents_f": scores["ents_f"], **(kinds if len(kinds) < 10 else {})}
        found.update({key: scores[key] for key in ("spans_entities_f",) if key in scores})
    else:
        found = {key: scores[key] for key in ("cats_macro_f", "cats_micro_f", "cats_macro_auc")}
    return {key: round(100 * value, 2) for key, value in found.items()}


@app.command()
def one(encoder: str, task: str, variant: str, seed: int, test: bool = False, keep: Optional[Path] = None) -> None:
    """Train once, to the last step; print the row as JSON. The pipeline is kept as a folder within `keep`, if it is trained now."""
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
    nlp = init_nlp(make_config(encoder, task, variant, seed))
    start = time.perf_counter()
    train(nlp, stdout=sys.stderr, stderr=sys.stderr)
    row: Dict[str, Any] = {"encoder": Path(encoder).name, "task": task, "variant": variant, "seed": seed}
    row["train_seconds"] = round(time.perf_counter() - start)
    if keep:
        nlp.to_disk(keep / "-".join(map(str, (Path(encoder).name, task, variant, seed))))
    for split in ("dev", "test") if test else ("dev",):
        row[split] = {}
        for corpus in TASKS[task].corpora:
            found = scores_of(nlp, CORPUS / corpus / f"{split}.spacy")
            row[split].update(
                found if len(TASKS[task].corpora) == 1 else {f"{corpus} {k}": v for k, v in found.items()}
            )
    print(json.dumps(row))


@app.command()
def run(
    encoders: List[str],
    task: List[str] = typer.Option(list(TASKS)),
    variant: List[str] = typer.Option(["plain"]),
    seeds: int = 1,
    test: bool = False,
    keep: Optional[Path] = None,
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
                    command += ["--keep", str(keep)] if keep else []
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
