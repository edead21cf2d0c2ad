"""Words a second of this project, in each engine and number format, and of its peers: the same weights, the same notes,
alternating runs.

    python -m benchmarks.throughput run NOTES.jsonl ENCODER

NOTES.jsonl holds MTSamples, one note a line with "text"; ENCODER is a folder of MiniLM-L6's size. A BERT-base with random
weights is made beside it, for the time does not depend on them. The peers run in an environment of their own, which the
first call makes in build/peers. Raw times go to benchmarks/throughput.jsonl, the tables to standard output; `report`
prints them again.
"""

import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

import torch
import typer
from transformers import AutoTokenizer, BertConfig, BertModel

from benchmarks import systems

ROWS = Path("benchmarks/throughput.jsonl")
PEERS = Path("build/peers")
OURS = (
    "clinicalbert:openvino:int8",
    "clinicalbert:openvino:bfloat16",
    "clinicalbert:torch:bfloat16",
    "clinicalbert:openvino:float32",
    "clinicalbert:torch:float32",
)
NOT_DISTINCT = "clinicalbert:openvino:bfloat16:all"
# Our default over another encoder of the size, by the option --beside; the name says which.
BESIDE = "clinicalbert:openvino:bfloat16"
CLINICAL_NER = tuple(f"clinicalbert:openvino:{precision}:clinical_ner" for precision in ("int8", "bfloat16", "float32"))
OTHERS = ("spacy-transformers", "spacy-curated-transformers", "edsnlp", "huggingface")
# Words a run, of MTSamples and of the other sets: enough for seconds, at the speed of the slowest.
WORDS = {"MiniLM-L6": (32_000, 16_000), "BERT-base": (4_000, 2_000)}
app = typer.Typer(add_completion=False)


def make_longitudinal(notes: Sequence[str], n_patients: int, seed: int = 0) -> List[str]:
    """Notes as a hospital's: of each patient ten, and half the words of each but the first copied from earlier ones, in
    runs of whole lines of which a tenth is edited (a word changed); the patients' notes interleaved.

    notes (Sequence[str]): Real notes, ten for each patient, used once.
    """
    rng = random.Random(seed)
    patients: List[List[str]] = []
    for p in range(n_patients):
        written: List[str] = []
        for note in notes[10 * p : 10 * p + 10]:
            lines = [line for line in note.split("\n") if line.strip()]
            if written:
                # As many words of the note's own as are copied.
                n_words = sum(len(line.split()) for line in lines) / 2
                own, n_own = [], 0
                while lines and n_own < n_words:
                    own.append(lines.pop(0))
                    n_own += len(own[-1].split())
                lines = own
                n_copied = 0
                while n_copied < n_own:
                    source = [line for line in rng.choice(written).split("\n") if line.strip()]
                    start = rng.randrange(len(source))
                    run = source[start : start + rng.randint(3, 12)]
                    n_copied += sum(len(line.split()) for line in run)
                    place = rng.randint(0, len(lines))
                    lines[place:place] = [edit(line, rng) if rng.random() < 0.1 else line for line in run]
            written.append("\n\n".join(lines))
        patients.append(written)
    return [patient[i] for i in range(10) for patient in patients]


def edit(line: str, rng: random.Random) -> str:
    words = line.split(" ")
    words[rng.randrange(len(words))] = f"edited{rng.randrange(10**6)}"
    return " ".join(words)


def duplicate_share(notes: Sequence[str]) -> float:
    """The share of words that an oracle finds copied: those of lines that stood there before, to the letter."""
    seen, copied, total = set(), 0, 0
    for note in notes:
        for line in note.split("\n"):
            n_words = len(line.split())
            copied += n_words * (line in seen)
            total += n_words
            seen.add(line)
    return copied / total


def take(notes: Sequence[str], n_words: int) -> List[str]:
    taken: List[str] = []
    while notes and n_words > 0:
        taken.append(notes[len(taken) % len(notes)])
        n_words -= len(taken[-1].split())
    return taken


def make_datasets(notes: List[str], size: str) -> Dict[str, List[str]]:
    n_first, n_words = WORDS[size]
    short = [line for note in notes for line in note.split("\n") if 4 <= len(line.split()) <= 25]
    n_patients = max(2, n_words // 4_000)
    return {
        "MTSamples": take(notes, n_first),
        "longitudinal": make_longitudinal(notes[200:], n_patients),
        "short notes": take(short, n_words),
        "one long note": ["\n\n".join(take(notes[100:], n_words))],
    }


class System:
    """A system in a process of its own; see `benchmarks.systems`."""

    def __init__(self, name: str, encoder: Path, head: str, calibration: Path, shown: str = ""):
        python = sys.executable if name.startswith("clinicalbert") else str(PEERS / "bin" / "python")
        environment = {**os.environ, "CALIBRATION": str(calibration), "TOKENIZERS_PARALLELISM": "true"}
        self.name = shown or name
        self.process = subprocess.Popen(
            [python, "benchmarks/systems.py", name, str(encoder), head],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**environment, "PYTHONPATH": "."},
        )  # fmt: skip
        self.read()

    def read(self) -> Dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended; run benchmarks/systems.py with it to see why")
        return json.loads(line)

    def run(self, texts: List[str]) -> Dict[str, Any]:
        assert self.process.stdin
        print(json.dumps({"texts": texts}), file=self.process.stdin, flush=True)
        return self.read()

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def measure_peak(dtype: torch.dtype) -> float:
    """Matrix products of 2048 by 2048, the best of five times: GFLOP/s."""
    a = torch.randn(2048, 2048).to(dtype)
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(5):
            a @ a
        best = max(best, 5 * 2 * 2048**3 / (time.perf_counter() - start) / 1e9)
    return best


def make_base(folder: Path, tokenizer: Path) -> Path:
    if not folder.exists():
        torch.manual_seed(0)
        BertModel(BertConfig()).save_pretrained(folder)
        AutoTokenizer.from_pretrained(tokenizer).save_pretrained(folder)
    return folder


def make_peers() -> None:
    if not PEERS.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
        requirements = ["-c", "constraints.txt", "-r", "benchmarks/peers.txt"]
        subprocess.run([str(PEERS / "bin" / "pip"), "install", "-q", *requirements], check=True)


def describe_windows(encoder: Path, texts: List[str]) -> Dict[str, float]:
    """What `nlp.pipe` encodes of some notes, with the settings of `benchmarks.systems`: shares of padding, and of
    wordpieces that are not encoded, for they stood there before. The network itself is left out."""
    import spacy

    from spacy_clinicalbert.encoder import model as module
    from spacy_clinicalbert.encoder.batches import Grid

    nlp = spacy.blank("en")
    config = {"model": {"name": str(encoder), "engine": "torch", "windows": systems.WINDOWS}}
    encode: Any = nlp.add_pipe("clinicalbert", config=config)
    nlp.initialize()
    network = encode.shim.network
    counts = {"positions": 0, "padding": 0, "encoded": 0}
    right = module.plan_passes

    def count(*args: Any, **kwargs: Any) -> Iterator:
        for ids, mask, kept, rows in right(*args, **kwargs):
            counts["positions"] += ids.numel()
            counts["padding"] += int((mask == 0).sum())
            counts["encoded"] += len(kept)
            yield ids, mask, kept, rows

    class Silent:
        n_parallel, grid = torch.get_num_threads(), Grid()

        def encode(self, passes: Any) -> Iterator[torch.Tensor]:
            return (torch.zeros(*ids.shape, network.config.hidden_size) for ids, _ in passes)

    encode.shim._predictor = Silent()
    module.plan_passes = count  # type: ignore[assignment]
    n_pieces = sum(len(plan.ids) for doc in nlp.pipe(texts) for plan in module.plan_docs(encode.model, [doc]))
    module.plan_passes = right
    return {
        "wordpieces": n_pieces,
        "padding": counts["padding"] / counts["positions"],
        "positions a wordpiece": counts["positions"] / counts["encoded"],
        "captured": 1 - counts["encoded"] / n_pieces,
        "parameters": sum(weights.numel() for weights in network.encoder.parameters() if weights.dim() == 2),
    }


@app.command()
def run(
    source: Path = typer.Argument(..., metavar="NOTES"),
    encoder: Path = typer.Argument(...),
    repeats: int = 3,
    only: List[str] = typer.Option([], help="Only these of MiniLM-L6 and BERT-base"),
    data: List[str] = typer.Option([], help="Only these sets of notes"),
    beside: Optional[Path] = typer.Option(None, help="Another encoder of MiniLM-L6's size, as one more system"),
    output: Path = ROWS,
) -> None:
    """Measure, and print the tables."""
    make_peers()
    texts = [json.loads(line)["text"] for line in source.read_text(encoding="utf8").splitlines()]
    random.Random(0).shuffle(texts)
    # What is not measured now stays as it was.
    before = read_rows(output)
    rows: List[Dict[str, Any]] = [row for row in before if only and row.get("size") not in (None, *only)]
    rows.insert(0, machine())
    if len(rows) > 1:  # of one machine: its best
        rows[0]["peak"] = {name: max(value, before[0]["peak"][name]) for name, value in rows[0]["peak"].items()}
    with tempfile.TemporaryDirectory() as folder:
        calibration = Path(folder) / "calibration.json"
        calibration.write_text(json.dumps(texts[-100:]), encoding="utf8")
        encoders = {"MiniLM-L6": encoder, "BERT-base": make_base(Path("build/bert-base"), encoder)}
        for size, path in encoders.items():
            if only and size not in only:
                continue
            datasets = make_datasets(texts[:-100], size)
            datasets = {name: notes for name, notes in datasets.items() if not data or name in data}
            for name, notes in datasets.items():
                n_words = sum(len(note.split()) for note in notes)
                row = {"size": size, "data": name, "words": n_words, "oracle": duplicate_share(notes)}
                rows.append({**row, **describe_windows(path, notes)})
            for head in ("none", "ner"):
                names = [
                    *OURS,
                    NOT_DISTINCT,
                    *(CLINICAL_NER if head == "ner" else ()),
                    *(other for other in OTHERS if head == "ner" or other not in ("edsnlp", "huggingface")),
                ]
                running = [System(name, path, head, calibration) for name in names]
                if beside and size == "MiniLM-L6":
                    running.append(System(BESIDE, beside, head, calibration, f"{BESIDE} ({beside.name})"))
                for name, notes in datasets.items():
                    if head == "ner" and name != "MTSamples":
                        continue
                    for repeat in range(repeats + 1):
                        for system in running:
                            result = {"size": size, "data": name, "head": head, "system": system.name, "repeat": repeat}
                            result.update(system.run(notes))
                            if repeat:  # the first warms up
                                rows.append(result)
                            print(size, head, name, system.name, round(result["seconds"], 2), file=sys.stderr)
                for system in running:
                    system.close()
                output.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    report(output)


def machine() -> Dict[str, Any]:
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text(encoding="utf8").split() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
    return {
        "machine": (names or [platform.processor()])[0],
        "cores": os.cpu_count(),
        "flags": [flag for flag in ("avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8") if flag in flags],
        "peak": {"bfloat16": measure_peak(torch.bfloat16), "float32": measure_peak(torch.float32)},
    }


def read_rows(path: Path) -> List[Dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()] if path.exists() else []


@app.command()
def report(source: Path = ROWS) -> None:
    """Print the tables of the last run as Markdown."""
    rows = read_rows(source)
    about, data = rows[0], [row for row in rows if "oracle" in row]
    times = [row for row in rows if "seconds" in row]
    print(
        f"{about['cores']} cores, {about['machine']} ({', '.join(about['flags'])}); matrix products of 2048 × 2048: ",
        end="",
    )
    print(", ".join(f"{value:.0f} GFLOP/s in {name}" for name, value in about["peak"].items()))
    for size, head, name in dict.fromkeys((row["size"], row["head"], row["data"]) for row in times):
        (facts,) = [row for row in data if (row["size"], row["data"]) == (size, name)]
        title = "encoder and NER" if head == "ner" else "encoder alone"
        print(f"\n**{size}, {title}, {name}** ({facts['words']} words, {facts['wordpieces']} wordpieces; ", end="")
        print(f"padding {facts['padding']:.1%}, positions a wordpiece {facts['positions a wordpiece']:.3f}, ", end="")
        print(f"copied words {facts['oracle']:.1%}, wordpieces saved {facts['captured']:.1%})\n")
        print(
            "| system | words/s, median (least – most) | × spacy-transformers | share of the peak | peak MiB |\n|---|---|---|---|---|"
        )
        chosen = [row for row in times if (row["size"], row["head"], row["data"]) == (size, head, name)]
        speeds: Dict[str, List[float]] = {}
        for row in chosen:
            speeds.setdefault(row["system"], []).append(facts["words"] / row["seconds"])
        stock = statistics.median(speeds["spacy-transformers"])
        for system, values in speeds.items():
            median = statistics.median(values)
            peak = max((row.get("peak_mib", 0) for row in chosen if row["system"] == system), default=0)
            share = ""
            for precision in ("bfloat16", "float32"):
                if precision in system and "(" not in system:  # the wordpieces are those of the encoder
                    flops = 2 * facts["parameters"] * facts["wordpieces"] * median / facts["words"]
                    share = f"{flops / 1e9 / about['peak'][precision]:.0%}"
            print(
                f"| {system} | {median:,.0f} ({min(values):,.0f} – {max(values):,.0f}) | {median / stock:.2f} | {share} | {peak or ''} |"
            )


if __name__ == "__main__":
    app()
