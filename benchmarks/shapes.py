"""What few shapes of passes are worth in training: updates over the same batches, grid after grid, in one process.

    python -m benchmarks.finetuning convert corpora
    OMP_NUM_THREADS=1 python -m benchmarks.shapes --task bc5cdr --minutes 5

On a CPU without bfloat16 the grids should make no difference: torch multiplies by MKL there, which compiles nothing.
"""

import random
import statistics
import time
from typing import Dict, List

import spacy
import typer
from spacy.training.initialize import init_nlp

import spacy_clinicalbert.encoder.model
from benchmarks.finetuning import TASKS, make_config, read_all
from spacy_clinicalbert.corpora.batchers import batch_by_wordpieces
from spacy_clinicalbert.encoder.batches import Grid

ENCODER = "assets/clinicalbert-mini"
GRIDS = {"none": Grid(), "8 × 1": Grid(8, 1), "8 × 4": Grid(8, 4), "16 × 4": Grid(16, 4)}


def main(task: str = "bc5cdr", minutes: float = 5) -> None:
    nlp = init_nlp(make_config(ENCODER, task, "fast_head", seed=0))
    examples = list(read_all(list(TASKS[task].corpora))(nlp))
    random.Random(0).shuffle(examples)
    batches = list(batch_by_wordpieces(ENCODER, size=TASKS[task].batch)(examples))
    optimizer = nlp.create_optimizer()
    seconds: Dict[str, List[float]] = {name: [] for name in GRIDS}
    end, i = time.monotonic() + 60 * minutes, 0
    while time.monotonic() < end or i < 3 * len(GRIDS):
        for name, grid in GRIDS.items():
            spacy_clinicalbert.encoder.model.grid_of = lambda *_, grid=grid: grid
            start = time.perf_counter()
            nlp.update(batches[i % len(batches)], sgd=optimizer, drop=0.1)
            seconds[name].append(time.perf_counter() - start)
            i += 1
    print(f"{task}: {i} updates of {TASKS[task].batch} wordpieces, seconds each, without each grid's first third")
    print("| grid: positions × windows | median | quartiles |\n|---|---|---|")
    for name, found in seconds.items():
        quartiles = statistics.quantiles(found[len(found) // 3 :], n=4)
        print(f"| {name} | {quartiles[1]:.2f} | {quartiles[0]:.2f} to {quartiles[2]:.2f} |")


if __name__ == "__main__":
    spacy.require_cpu()
    typer.run(main)
