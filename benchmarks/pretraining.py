"""Pretraining speed: wordpieces a second of this project's loop beside Hugging Face's Trainer, on the same packed blocks, the same
network and in the same number format, alternating, each in a process of its own. What is not text ([CLS], [SEP]) is counted in both.

    python -m benchmarks.pretraining run corpora/mtsamples/mtsamples.jsonl encoders/all-minilm-l6-v2
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List

import typer
from accelerate import Accelerator
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    DataCollatorForLanguageModeling,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from spacy_clinicalbert.pretraining.config import Pretraining, check_config
from spacy_clinicalbert.pretraining.prepare import prepare
from spacy_clinicalbert.pretraining.train import Run

LENGTH, BATCH, STEPS = 128, 96, 3
# Blocks in one pass; a batch is as many passes as it needs.
SYSTEMS = {"clinicalbert": 16, "trainer": 16, "trainer, whole batches": 96}
clock = time.process_time if os.environ.get("BENCHMARK_CLOCK") == "processor" else time.perf_counter
app = typer.Typer(add_completion=False)


def make_config(notes: Path, encoder: Path, vocabulary: str, dropout: float, passes: int, cache: Path) -> Pretraining:
    mode = {"mode": "keep"} if vocabulary == "keep" else {"mode": "replace", "size": int(vocabulary)}
    sections: Dict[str, Any] = {
        "pretraining": {"max_steps": 1000, "precision": "bfloat16", "max_batch_items": passes * LENGTH},
        "encoder": {"name": str(encoder), "dropout": dropout, "attention_dropout": dropout},
        "vocabulary": mode,
        "corpus": {"cache": str(cache), "sources": {"notes": {"path": str(notes)}}},
        "objective": {"units": "wordpieces"},
        "stages": {"all": {"length": LENGTH, "batch_size": BATCH, "share": 1.0}},
    }
    return check_config(sections, "benchmark")


class Times(TrainerCallback):
    """When each step ended."""

    def __init__(self) -> None:
        self.ends: List[float] = []

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.ends.append(clock())


@app.command()
def one(system: str, notes: Path, encoder: Path, vocabulary: str, dropout: float, cache: Path) -> None:
    """Print the wordpieces a second over some steps, the first left out."""
    passes = SYSTEMS[system]
    config = make_config(notes, encoder, vocabulary, dropout, passes, cache)
    prepared = prepare(config)
    run = Run(config, prepared, Path("unused"), Accelerator(cpu=True), False)
    if system == "clinicalbert":
        run.model.train()
        ends = []
        for _ in range(STEPS + 1):
            run._step(run.batches.batch(run.progress.step))
            run.progress.step += 1
            ends.append(clock())
    else:
        ends = time_trainer(run, passes, cache)
    print(STEPS * BATCH * LENGTH / (ends[-1] - ends[0]))


def time_trainer(run: Run, passes: int, cache: Path) -> List[float]:
    """The same blocks and weights with the Trainer as its documentation has it, and its own collator and attention."""
    blocks = [
        {"input_ids": ids}
        for step in range(STEPS + 1)
        for ids in run.batches.mixtures["all"].batch(step, BATCH)[0].tolist()
    ]
    config = AutoConfig.for_model(**{**run.network.config.to_dict(), "_attn_implementation": "sdpa"})
    network = AutoModelForMaskedLM.from_config(config)
    network.load_state_dict(run.network.state_dict())
    arguments = TrainingArguments(
        output_dir=str(cache / "trainer"),
        use_cpu=True,
        bf16=True,
        per_device_train_batch_size=passes,
        gradient_accumulation_steps=BATCH // passes,
        max_steps=STEPS + 1,
        learning_rate=run.config.optimizer.learn_rate,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    times = Times()
    collator = DataCollatorForLanguageModeling(run.prepared.tokenizer, mlm_probability=run.config.objective.rate)
    Trainer(model=network, args=arguments, train_dataset=blocks, data_collator=collator, callbacks=[times]).train()
    return times.ends


@app.command()
def run(
    notes: Path,
    encoder: Path,
    vocabulary: str = typer.Option(
        "keep", help="'keep' the encoder's, or replace it by so many wordpieces of the notes"
    ),
    dropout: float = 0.0,
    repeats: int = 3,
    processor_time: bool = typer.Option(
        False, help="Seconds of processor time on one thread, for a machine that is not idle"
    ),
) -> None:
    """Measure all systems, as rows of a Markdown table."""
    speeds: Dict[str, List[float]] = {system: [] for system in SYSTEMS}
    threads = {"OMP_NUM_THREADS": "1", "BENCHMARK_CLOCK": "processor"} if processor_time else {}
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(repeats):
            for system, values in speeds.items():
                rest = [system, str(notes), str(encoder), vocabulary, str(dropout), cache]
                command = [sys.executable, "-m", "benchmarks.pretraining", "one", *rest]
                done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **threads})
                if done.returncode:
                    raise SystemExit(done.stderr)
                values.append(float(done.stdout.split()[-1]))
    best = max(statistics.median(values) for system, values in speeds.items() if system != "clinicalbert")
    for system, values in speeds.items():
        median = statistics.median(values)
        shown = f"{median:,.0f} ({min(values):,.0f} – {max(values):,.0f})"
        print(f"| {vocabulary} | {dropout:g} | {system} | {shown} | {median / best:.2f} |", flush=True)


if __name__ == "__main__":
    app()
