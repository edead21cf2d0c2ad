"""Notes in bulk: a hundred thousand through `annotate`, what a million cost, and Spark beside one process.

    python -m benchmarks.bulk make corpora/mtsamples/mtsamples.jsonl build/bulk/notes.jsonl --n-notes 100000
    python -m benchmarks.bulk run PIPELINE build/bulk/notes.jsonl build/bulk/annotations.jsonl
    python -m benchmarks.bulk saved assets/clinicalbert-mini build/bulk/notes.jsonl
    python -m benchmarks.bulk cost assets/clinicalbert-mini build/bulk/notes.jsonl
    python -m benchmarks.bulk spark PIPELINE build/bulk/notes.jsonl build/bulk/spark

The notes are those of hospitals by the rule of `benchmarks.throughput`: ten a patient, half of each copied from the patient's earlier ones; patients interleaved in groups of fifty. A note of
MTSamples stands for many patients: for each, every line of it has a word that no other patient's notes have, so that nothing is found again that was not copied forward, and whatever grows
with the vocabulary shows. `run` goes on where it was stopped, and counts the seconds in which it ran. Memory is that of `annotate` and its workers.
"""

import contextlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterator, List

import psutil
import typer

from .service import TOLERANCE, is_close
from .throughput import System, describe_windows, make_longitudinal, make_peers

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
GROUP = 50
ANNOTATE = [sys.executable, "-m", "spacy", "clinicalbert", "annotate"]


def make_patients(notes: List[str], n_notes: int, seed: int = 0) -> Iterator[Dict[str, Any]]:
    """YIELDS (Dict[str, Any]): The notes, with `id`, `patient` and `text`."""
    rng = random.Random(seed)
    n_made = 0
    for group in range(-(-n_notes // (10 * GROUP))):
        drawn: List[str] = []
        for patient in range(GROUP * group, GROUP * (group + 1)):
            drawn += [renew(note, f"{patient:06d}", rng) for note in rng.sample(notes, 10)]
        for i, text in enumerate(make_longitudinal(drawn, GROUP, seed=group)):
            if n_made < n_notes:
                yield {"id": n_made, "patient": str(GROUP * group + i % GROUP), "text": text}
                n_made += 1


def renew(note: str, patient: str, rng: random.Random) -> str:
    """Put a word of the patient's own into each line."""
    lines = [line.split(" ") for line in note.split("\n")]
    for words in lines:
        if any(words):
            words.insert(rng.randrange(len(words) + 1), f"ref{patient}{rng.randrange(10**4)}")
    return "\n".join(" ".join(words) for words in lines)


def read_texts(path: Path, n_notes: int) -> List[str]:
    with path.open(encoding="utf8") as file:
        return [json.loads(line)["text"] for line in islice(file, n_notes)]


def n_words(texts: List[str]) -> int:
    return sum(len(text.split()) for text in texts)


@app.command()
def make(source: Path, output: Path, n_notes: int = 100_000, longest: int = 300) -> None:
    """Make the notes, of those of SOURCE that have at most so many words."""
    texts = [text for text in read_texts(source, 10**9) if len(text.split()) <= longest]
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("w", encoding="utf8") as file:
        for note in make_patients(texts, n_notes):
            file.write(json.dumps(note) + "\n")


@app.command()
def run(pipeline: str, notes: Path, output: Path, workers: int = 1, every: float = 20.0) -> None:
    """Annotate them, and print notes and words a second and the memory after each tenth of the time. What was seen stands in OUTPUT.seen.jsonl, a line for each look: remove it with OUTPUT."""
    seen = Path(f"{output}.seen.jsonl")
    command = [*ANNOTATE, pipeline, str(notes), str(output), "--workers", str(workers), "--resume"]
    with seen.open("a", encoding="utf8") as file, subprocess.Popen(command) as process:
        last, tree = time.monotonic(), psutil.Process(process.pid)
        while process.poll() is None:
            memory = tree_memory(tree)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(every)
            now = time.monotonic()
            file.write(json.dumps({"seconds": now - last, "mib": memory}) + "\n")
            file.flush()
            last = now
    if process.returncode not in (0, 3):  # 3: some notes failed
        sys.exit(process.returncode)
    looks = [json.loads(line) for line in seen.read_text(encoding="utf8").splitlines()]
    seconds = sum(look["seconds"] for look in looks)
    texts = read_texts(notes, 10**9)
    memory = [look["mib"] for look in looks]
    tenths = [memory[len(memory) * i // 10] for i in range(1, 10)] + [max(memory)]
    print(f"{len(texts):,} notes, {n_words(texts):,} words, {seconds:,.0f} s: ", end="")
    print(f"{len(texts) / seconds:.1f} notes/s, {n_words(texts) / seconds:,.0f} words/s")
    print(f"MiB after each tenth of the time, and at most: {' '.join(f'{value:.0f}' for value in tenths)}")


def tree_memory(process: psutil.Process) -> float:
    """MiB resident of a process and its children; 0 when it has ended."""
    total = 0
    try:
        for each in [process, *process.children(recursive=True)]:
            total += each.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total / 2**20


@app.command()
def saved(encoder: Path, notes: Path, n_notes: int = 10_000, part_size: int = 1000) -> None:
    """The share of the wordpieces that are not encoded, for they stood in the same part before: in the notes' own order, and patient by patient, as `annotate` takes them."""
    with notes.open(encoding="utf8") as file:
        rows = [json.loads(line) for line in islice(file, n_notes)]
    for said, key in (("in their own order", lambda row: 0), ("patient by patient", lambda row: row["patient"])):
        parts = [sorted(rows[i : i + part_size], key=key) for i in range(0, len(rows), part_size)]
        found = [describe_windows(encoder, [row["text"] for row in part]) for part in parts]
        total = sum(part["wordpieces"] for part in found)
        share = sum(part["captured"] * part["wordpieces"] for part in found) / total
        print(f"{len(rows):,} notes, {total:,.0f} wordpieces, {said}: {share:.1%} saved")


@app.command()
def cost(
    encoder: Path,
    notes: Path,
    systems: List[str] = typer.Option(["clinicalbert:openvino:float32", "spacy-transformers"], "--system"),
    n_notes: int = 2000,
    repeats: int = 1,
) -> None:
    """Core-hours for a million notes like the first ones: encoder and NER, of systems that take turns."""
    make_peers()
    texts = read_texts(notes, n_notes)
    calibration = Path("build/bulk-calibration.json")
    calibration.parent.mkdir(exist_ok=True)
    calibration.write_text(json.dumps(texts[-100:]), encoding="utf8")
    running = {name: System(name, encoder, "ner", calibration) for name in systems}
    seconds: Dict[str, List[float]] = {name: [] for name in systems}
    for system in running.values():
        system.run(texts[:20])  # warm
    for _ in range(repeats):
        for name, system in running.items():
            seconds[name].append(system.run(texts)["seconds"])
    print("| system | notes/s | words/s | core-hours a million notes |\n|---|---|---|---|")
    for name, values in seconds.items():
        median = statistics.median(values)
        hours = median / len(texts) * 1e6 / 3600 * (os.cpu_count() or 1)
        print(f"| {name} | {len(texts) / median:.1f} | {n_words(texts) / median:,.0f} | {hours:.0f} |")
    for system in running.values():
        system.close()


@app.command()
def spark(pipeline: str, notes: Path, folder: Path, n_notes: int = 1000, repeats: int = 3) -> None:
    """Spark with two workers of a thread each, and `annotate` as one process and as two: seconds from start to end, alternating, and whether the rows are equal."""
    import pyarrow.parquet
    from pyarrow import Table

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with notes.open(encoding="utf8") as file:
        rows = [json.loads(line) for line in islice(file, n_notes)]
    seconds: Dict[str, List[float]] = {}
    for size in (len(rows) // 10, len(rows)):
        source = folder / f"notes-{size}.parquet"
        pyarrow.parquet.write_table(Table.from_pylist(rows[:size]), source)
        for repeat in range(repeats):
            for name in ("one process", "two workers", "Spark"):
                output = folder / f"{name.replace(' ', '-')}-{size}-{repeat}.parquet"
                command = [*ANNOTATE, pipeline, str(source), str(output)]
                command += ["--workers", "2"] if name == "two workers" else []
                if name == "Spark":
                    submit = str(Path(sys.executable).parent / "spark-submit")
                    command = [submit, "--master", "local[2]", "scripts/spark_annotate.py", pipeline, str(source)]
                    command += [str(output), "--patient-field", "patient", "--partitions", "2"]
                command += ["--part-size", str(size // 2)]  # one for each worker
                started = time.monotonic()
                subprocess.run(command, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
                seconds.setdefault(f"{name} {size}", []).append(time.monotonic() - started)
                print(f"{name}, {size} notes: {seconds[f'{name} {size}'][-1]:.0f} s", file=sys.stderr, flush=True)
    print(
        "| | seconds, median (least – most) | less those of a tenth of the notes | × one process |\n|---|---|---|---|"
    )
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    tenth = len(rows) // 10
    net = {
        name: medians[f"{name} {len(rows)}"] - medians[f"{name} {tenth}"]
        for name in ("one process", "two workers", "Spark")
    }
    for name, value in net.items():
        values = seconds[f"{name} {len(rows)}"]
        shown = f"{statistics.median(values):.0f} ({min(values):.0f} – {max(values):.0f})"
        print(f"| {name} | {shown} | {value:.0f} | {net['one process'] / value:.2f} |")
    expected, found = (read_rows(folder / f"{name}-{len(rows)}-0.parquet") for name in ("one-process", "Spark"))
    n_equal = sum(is_close(found.get(key), row) for key, row in expected.items())
    print(f"{n_equal} of {len(expected)} rows equal, scores to {TOLERANCE:g}; {len(found)} rows of Spark")
    sys.exit(0 if n_equal == len(expected) == len(found) else 1)


def read_rows(path: Path) -> Dict[str, Dict[str, Any]]:
    """The rows of `annotate` and of Spark by their ids, without what one of them alone has."""
    import pyarrow.parquet

    rows = opened(json.loads(json.dumps(pyarrow.parquet.read_table(path).to_pylist())))  # no tuples: lists
    assert len({str(row["id"]) for row in rows}) == len(rows), "an id came twice"
    return {str(row["id"]): {k: v for k, v in row.items() if k not in ("id", "position", "reason")} for row in rows}


def opened(value: Any, name: str = "") -> Any:
    """The value with what its fields hold as JSON in place of that JSON."""
    if isinstance(value, dict):
        return {key: opened(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [opened(each, name) for each in value]
    return json.loads(value) if value and name in ("attributes", "custom") else value


if __name__ == "__main__":
    app()
