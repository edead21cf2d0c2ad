"""A package with several heads over one encoder: what the whole costs, beside a pipeline for each head; and notes that are hard to take.

    python -m benchmarks.package speed en_clinicalbert_mini corpora --n-notes 100
    python -m benchmarks.package cost en_clinicalbert_mini corpora --corpus tcga
    python -m benchmarks.package hostile en_clinicalbert_mini corpora

PIPELINE is an installed package or a folder. The notes are MTSamples' development part, or TCGA's reports. "Twins" are the pipelines that the package is in place of: the encoder with one head each,
run one after the other. The cache is emptied before each run, and runs alternate; medians with the least and the most.
"""

import resource
import statistics
import time
from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterator, List

import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc

from spacy_clinicalbert.corpora.mtsamples import mtsamples_records
from spacy_clinicalbert.corpora.tcga import tcga_records
from spacy_clinicalbert.encoder.component import ClinicalBert
from spacy_clinicalbert.encoder.listener import ClinicalBertListener

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
NOTE = "Patient denies chest pain. Started on aspirin 81 mg daily for coronary artery disease."
RECORD = 900_000  # characters: about 300 pages


def read_notes(corpora: Path, n_notes: int, corpus: str = "mtsamples") -> List[str]:
    if corpus == "tcga":
        records = tcga_records(corpora / "tcga_tnm" / "tcga_reports_tnm.jsonl", "dev")
    else:
        records = mtsamples_records(corpora / "mtsamples" / "mtsamples.jsonl", "dev")
    return [record["text"] for record in islice(records, n_notes)]


def find_encoder(nlp: Language) -> ClinicalBert:
    (encoder,) = [pipe for _, pipe in nlp.pipeline if isinstance(pipe, ClinicalBert)]
    return encoder


def find_heads(nlp: Language) -> List[str]:
    return [
        name
        for name, pipe in nlp.pipeline
        if hasattr(pipe, "model") and any(isinstance(node, ClinicalBertListener) for node in pipe.model.walk())
    ]


def alone(nlp: Language, head: str) -> List[str]:
    """RETURNS (List[str]): A head, with the one whose category it asks for."""
    if getattr(nlp.get_pipe(head), "only_if", None) is None:
        return [head]
    before = nlp.pipe_names[: nlp.pipe_names.index(head)]
    return [name for name in before if nlp.get_pipe_meta(name).factory == "clinical_note_classifier"] + [head]


def annotate(nlp: Language, texts: List[str], heads: List[str], rules: bool = True) -> float:
    """RETURNS (float): Seconds, of the encoder with these heads, and with all components that are no heads, if wanted."""
    encoder = find_encoder(nlp)
    chosen = [nlp.pipe_names[[pipe for _, pipe in nlp.pipeline].index(encoder)], *heads]
    chosen += [name for name in nlp.pipe_names if rules and name not in find_heads(nlp) and name not in chosen]
    encoder.shim.cache.clear()
    with nlp.select_pipes(enable=chosen):
        start = time.perf_counter()
        for _ in nlp.pipe(texts):
            pass
        return time.perf_counter() - start


def count_passes(nlp: Language, texts: List[str], heads: List[str]) -> int:
    """RETURNS (int): Wordpieces that the network reads, padding included."""
    engine, n_items = find_encoder(nlp).shim.predictor, 0
    encode = engine.encode

    def counted(passes: Any) -> Any:
        def count() -> Iterator[Any]:
            nonlocal n_items
            for ids, mask in passes:
                n_items += ids.numel()
                yield ids, mask

        return encode(count())

    engine.encode = counted  # type: ignore[method-assign]
    try:
        annotate(nlp, texts, heads)
    finally:
        del engine.encode
    return n_items


@app.command()
def speed(pipeline: str, corpora: Path, n_notes: int = 100, n_runs: int = 5) -> None:
    """Words a second of the package and of its parts, and the positions that its encoder reads."""
    nlp = spacy.load(pipeline)
    texts = read_notes(corpora, n_notes)
    n_words = sum(len(nlp.make_doc(text)) for text in texts)
    heads = find_heads(nlp)
    systems: Dict[str, List[List[str]]] = {
        "whole": [heads],
        "twins": [alone(nlp, head) for head in heads],
        "encoder": [[]],
    }
    systems.update({head: [alone(nlp, head)] for head in heads})
    seconds: Dict[str, List[float]] = {name: [] for name in systems}
    annotate(nlp, texts[:5], heads)
    for _ in range(n_runs):
        for name, runs in systems.items():
            seconds[name].append(sum(annotate(nlp, texts, run) for run in runs))
    engine = find_encoder(nlp).shim.predictor
    print(f"{len(texts)} notes, {n_words} words, {engine.name} in {engine.precision}, {n_runs} runs\n")
    print("| | words/s | least | most | positions encoded |\n|---|---|---|---|---|")
    for name, runs in systems.items():
        rates = sorted(n_words / each for each in seconds[name])
        n_items = sum(count_passes(nlp, texts, run) for run in runs)
        print(f"| {name} | {statistics.median(rates):.0f} | {rates[0]:.0f} | {rates[-1]:.0f} | {n_items} |")


@app.command()
def cost(
    pipeline: str,
    corpora: Path,
    corpus: str = typer.Option("mtsamples", help="mtsamples or tcga"),
    n_notes: int = 100,
    n_runs: int = 5,
) -> None:
    """What each component adds to the encoder's time, in percent of it."""
    nlp = spacy.load(pipeline)
    texts = read_notes(corpora, n_notes, corpus)
    n_words = sum(len(nlp.make_doc(text)) for text in texts)
    others = [name for name, pipe in nlp.pipeline if not isinstance(pipe, ClinicalBert)]
    systems: Dict[str, List[str]] = {"encoder": [], **{name: alone(nlp, name) for name in others}}
    seconds: Dict[str, List[float]] = {name: [] for name in systems}
    annotate(nlp, texts[:5], others)
    for _ in range(n_runs):
        for name, components in systems.items():
            seconds[name].append(annotate(nlp, texts, components, rules=False))
    engine = find_encoder(nlp).shim.predictor
    encoder = statistics.median(seconds["encoder"])
    print(f"{corpus}: {len(texts)} notes, {n_words} words, {engine.name} in {engine.precision}, {n_runs} runs")
    print(f"The encoder: {n_words / encoder:.0f} words/s\n\n| | adds % | least | most |\n|---|---|---|---|")
    for name in others:
        # A head that asks for another one's category pays for itself alone.
        (*needed, _) = ["encoder", *systems[name]]
        added = [100 * (own - each) / encoder for own, each in zip(seconds[name], seconds[needed[-1]])]
        print(f"| {name} | {statistics.median(added):.1f} | {min(added):.1f} | {max(added):.1f} |")


def outcome(doc: Doc) -> Dict[str, int]:
    groups = {name: len(group) for name, group in doc.spans.items()}
    return {"tokens": len(doc), "ents": len(doc.ents), "cats": len(doc.cats), **groups}


@app.command()
def hostile(pipeline: str, corpora: Path) -> None:
    """Notes that are empty, short, foreign or very long, alone and in a batch, and what comes back for each."""
    nlp = spacy.load(pipeline)
    texts = read_notes(corpora, 10**6)
    record = "\n\n".join(texts)[:RECORD]
    if len(record) < RECORD:
        record = (record + "\n\n") * (RECORD // len(record) + 1)
    notes = {
        "empty": "",
        "white space": " \n\t\n ",
        "one word": "Fever",
        "German": "Der Patient klagt über Brustschmerzen und Übelkeit.",
        "Japanese": "患者は発熱と咳を訴えている。",
        "emoji and controls": "😷\u200b\u202e pain\x00\x07 \ufeff",
        "one line of a megabyte": "x" * 1_000_000,
        "300 pages": record[:RECORD],
    }
    batch = dict(zip(notes, nlp.pipe(list(notes.values()))))
    print("| note | characters | seconds | what it has | the same in a batch | peak MiB |\n|---|---|---|---|---|---|")
    for name, text in notes.items():
        start = time.perf_counter()
        doc = nlp(text)
        seconds = time.perf_counter() - start
        assert doc.text == text
        same = outcome(doc) == outcome(batch[name])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found = ", ".join(f"{key} {n}" for key, n in outcome(doc).items())
        print(f"| {name} | {len(text)} | {seconds:.1f} | {found} | {'yes' if same else 'NO'} | {peak:.0f} |")


if __name__ == "__main__":
    app()
