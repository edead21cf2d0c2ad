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


def annotate(nlp: Language, texts: List[str], heads: List[str]) -> float:
    """RETURNS (float): Seconds."""
    others = [name for name in find_heads(nlp) if name not in heads]
    find_encoder(nlp).shim.cache.clear()
    with nlp.select_pipes(disable=others):
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
    """What each component adds to the encoder's time, in percent of it, each behind those before it."""
    nlp = spacy.load(pipeline)
    texts = read_notes(corpora, n_notes, corpus)
    encoder = find_encoder(nlp)
    seconds: Dict[str, List[float]] = {name: [] for name in nlp.pipe_names}
    list(nlp.pipe(texts[:5]))
    for _ in range(n_runs):
        encoder.shim.cache.clear()
        docs = [nlp.make_doc(text) for text in texts]
        for name, component in nlp.pipeline:
            stream = getattr(component, "pipe", None)
            start = time.process_time()
            docs = list(stream(docs, batch_size=nlp.batch_size) if stream else map(component, docs))
            seconds[name].append(time.process_time() - start)
    (name,) = [name for name, component in nlp.pipeline if component is encoder]
    of_encoder = seconds.pop(name)
    n_words = sum(map(len, docs))
    rates = [n_words / each for each in of_encoder]
    engine = encoder.shim.predictor
    print(
        f"{corpus}: {len(texts)} notes, {n_words} words, {engine.name} in {engine.precision}, {n_runs} runs, CPU time"
    )
    print(
        f"The encoder: {statistics.median(rates):.0f} words/s\n\n| | of the encoder's time, % | least | most |\n|---|---|---|---|"
    )
    for name, own in seconds.items():
        shares = [100 * each / whole for each, whole in zip(own, of_encoder)]
        print(f"| {name} | {statistics.median(shares):.1f} | {min(shares):.1f} | {max(shares):.1f} |")


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
