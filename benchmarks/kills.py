"""Kill bulk annotation at random moments, let it go on, and compare what it gives with an unbroken run's.

    python -m benchmarks.kills PIPELINE NOTES OUTPUT --kills 20

Any other option goes to `python -m spacy clinicalbert annotate`. Each kill is SIGKILL of the whole process group, at a moment drawn evenly from the time
that the unbroken run took; the killed run then goes on with --resume, and is killed again with probability a half, until it ends by itself.
OUTPUT is a folder for the runs' files. Exits with 1 if a run's output is another.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List, Optional

import typer

app = typer.Typer(add_completion=False)


def annotate(command: List[str], folder: Path, seconds: Optional[float] = None) -> bool:
    """RETURNS (bool): Whether the run ended before it was killed."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return False
    if code not in (0, 3):
        sys.exit(f"A run ended with exit code {code}: see '{folder / 'log'}'.")
    return True


def contents(path: Path) -> Dict[str, bytes]:
    """The bytes of a file, or of a folder's files."""
    return {each.name: each.read_bytes() for each in ([path] if path.is_file() else sorted(path.iterdir()))}


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def main(
    ctx: typer.Context,
    pipeline: Path,
    notes: Path,
    output: Path,
    kills: int = typer.Option(20, min=1),
    name: str = typer.Option("out.jsonl", help="What to write; its ending says in which format"),
    seed: int = 0,
) -> None:
    """Run it."""
    rng = random.Random(seed)
    command = [sys.executable, "-m", "spacy", "clinicalbert", "annotate"]
    command += [str(pipeline.resolve()), str(notes.resolve()), name, *ctx.args]
    began = time.monotonic()
    annotate(command, output / "unbroken")
    seconds = time.monotonic() - began
    expected = contents(output / "unbroken" / name)
    n_killed = n_runs = n_wrong = 0
    while n_killed < kills:
        folder = output / f"broken-{n_runs}"
        moment: Optional[float] = rng.uniform(0, seconds)
        while not annotate([*command, "--resume"], folder, moment):
            n_killed += 1
            moment = rng.uniform(0, seconds) if n_killed < kills and rng.random() < 0.5 else None
        n_runs += 1
        n_wrong += contents(folder / name) != expected
    print(
        f"{n_killed} kills in {n_runs} runs of {seconds:.0f} s: {n_runs - n_wrong} outputs equal to the unbroken run's, {n_wrong} not."
    )
    sys.exit(1 if n_wrong else 0)


if __name__ == "__main__":
    app()
