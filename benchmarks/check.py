"""`check` on many notes: how long it takes and how much memory.

    python -m benchmarks.check FOLDER --notes 100000 --checkpoint encoders/all-minilm-l6-v2

FOLDER has a folder for each public corpus. The notes are made of sentences of MTSamples, MACCROBAT and NCBI-disease by a rule: forty
sentences drawn at random (seed 0), with the entities that they have in their corpus, under the note type of the MTSamples note that
the first was drawn from; five notes a patient, patients split by `docs.split_of`; every hundredth note is an earlier one with
its first sentence changed, of the same patient's split or not.
"""

import itertools
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

import typer

from spacy_clinicalbert.corpora.docs import Record, split_of
from spacy_clinicalbert.corpora.public import public_corpora
from spacy_clinicalbert.encoder.borders import find_borders

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
SENTENCES = 40
Sentence = Tuple[str, List[Any]]


def sentences(record: Record) -> Iterator[Sentence]:
    """The sentences of a note of four words or more, with the entities that are wholly in them."""
    text = record["text"]
    borders = [0, *find_borders(text).starts.tolist(), len(text)]
    for start, end in itertools.pairwise(borders):
        piece = text[start:end].rstrip()
        if len(piece.split()) >= 4:
            inside = [span for span in record.get("entities", []) if start <= span[0] and span[1] <= start + len(piece)]
            yield piece, [[span[0] - start, span[1] - start, span[2]] for span in inside]


def make_notes(folder: Path, n_notes: int) -> Iterator[Record]:
    """See the module."""
    rng = random.Random(0)
    corpora = public_corpora(folder)
    headed = [
        (cats, each)
        for record in corpora["mtsamples"]["all"]()
        for cats in [record["cats"]]
        for each in sentences(record)
    ]
    pool = [each for _, each in headed]
    for name in ("maccrobat2020", "ncbi_disease"):
        pool += [each for read in corpora[name].values() for record in read() for each in sentences(record)]
    kept: List[Tuple[Dict[str, float], List[Sentence]]] = []
    for number in range(n_notes):
        cats, first = rng.choice(headed)
        parts = [first, *rng.choices(pool, k=SENTENCES - 1)]
        if number % 100 == 99:
            cats, parts = rng.choice(kept)
            parts = [rng.choice(pool), *parts[1:]]
        elif len(kept) < 10_000:
            kept.append((cats, parts))
        patient = f"p{number // 5}"
        text, entities = "", []
        for piece, spans in parts:
            entities += [[start + len(text), end + len(text), label] for start, end, label in spans]
            text += piece + "\n"
        record = {"id": f"n{number}", "patient": patient, "split": split_of(patient), "text": text}
        yield {**record, "cats": cats, "entities": entities}


@app.command()
def main(
    folder: Path = typer.Argument(..., exists=True, file_okay=False),
    notes: int = typer.Option(100_000, min=100),
    checkpoint: Optional[str] = None,
) -> None:
    """Make the notes in a temporary folder, check them, and print what it took."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "notes.jsonl"
        with path.open("w", encoding="utf8") as file:
            for record in make_notes(folder, notes):
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        command = [sys.executable, "-m", "spacy", "clinicalbert", "check", str(path), "--json"]
        command += ["--checkpoint", checkpoint] if checkpoint else []
        start = time.perf_counter()
        shown = subprocess.run(command, stdout=subprocess.PIPE)
        seconds = time.perf_counter() - start
        size = path.stat().st_size / 1e6
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{notes} notes, {size:.0f} MB: {seconds:.0f} s, peak of {peak:.0f} MiB, exit code {shown.returncode}")
    for section in json.loads(shown.stdout)["corpora"]:
        for finding in section["findings"]:
            print(f"{section['name']}: {finding['severity']}, {finding['kind']}: {finding['count']}")


if __name__ == "__main__":
    app()
