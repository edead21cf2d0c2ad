"""What each part of the pretraining of clinicalbert-mini is worth: the same few steps without it, then the same fine-tuning.

    python -m benchmarks.ablations pretrain --steps 100
    python -m benchmarks.finetuning run training/ablations/* --task bc5cdr --variant fast_head
    python -m benchmarks.ablations report

One seed each, development sets alone. The rate is linear here: it comes down to 0 within the steps, as it does in the real run at its end.
"""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Dict, List

import typer

from benchmarks.finetuning import read_rows

CONFIG = "configs/pretrain-mini.cfg"
OUTPUT = Path("training/ablations")
RUNS = Path("training/ablation-runs")
LINEAR = ["--optimizer.schedule", "linear", "--optimizer.decay_steps", "0", "--optimizer.warmup_steps", "30"]
PIECES = ["--vocabulary.mode", "keep"]
WORDPIECES = ["--objective.units", "wordpieces"]
# The real run is the last: a clinical vocabulary, whole words. "concepts" masks clinical terms whole too.
PARTS: Dict[str, List[str]] = {
    "text": [*PIECES, *WORDPIECES],
    "text-words": PIECES,
    "text-vocabulary": WORDPIECES,
    "text-vocabulary-concepts": ["--objective.units", "concepts"],
    "text-vocabulary-words": [],
}
app = typer.Typer(add_completion=False)


@app.command()
def pretrain(steps: int = 100, only: List[str] = typer.Option(list(PARTS))) -> None:
    """Train what is not there yet, one run after the other; each can be resumed by starting again."""
    for name in only:
        run, done = RUNS / name, OUTPUT / f"{name}-{steps}"
        if done.exists():
            continue
        command = [sys.executable, "-m", "spacy", "clinicalbert", "pretrain", CONFIG, "--output", str(run)]
        options = ["--pretraining.max_steps", str(steps), "--validation.steps", str(steps), *LINEAR, *PARTS[name]]
        resume = ["--resume"] if list(run.glob("checkpoints/step-*")) else []
        subprocess.run([*command, *resume, *options], check=True)
        OUTPUT.mkdir(parents=True, exist_ok=True)
        (run / "model-last").rename(done)


@app.command()
def report() -> None:
    """Print held-out bits a character, the only figure that vocabularies can be compared by, and development F1."""
    print(
        "| pretraining | bits a character | masked accuracy | BC5CDR F1 | chemicals | diseases |\n|---|---|---|---|---|---|"
    )
    chosen = [row for row in read_rows() if (row["task"], row["variant"]) == ("bc5cdr", "fast_head")]
    scores = {row["encoder"]: row["dev"] for row in chosen}
    for folder in sorted(OUTPUT.glob("*")):
        log = RUNS / folder.name.rpartition("-")[0] / "log.jsonl"
        rows = [json.loads(line) for line in log.read_text(encoding="utf8").splitlines()]
        last = [row for row in rows if row["step"] == rows[-1]["step"] and "accuracy" in row]
        bits = " / ".join(f"{row['group']} {row['bits_per_character']:.3f}" for row in last)
        right = " / ".join(f"{row['accuracy']:.1%}" for row in last)
        found = scores.get(folder.name, {})
        f1 = " | ".join(f"{found.get(name, math.nan):.2f}" for name in ("ents_f", "Chemical", "Disease"))
        print(f"| {folder.name} | {bits} | {right} | {f1} |")


if __name__ == "__main__":
    app()
