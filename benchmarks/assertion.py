"""Negation, time and experiencer of marked phrases: `clinical_assertion` beside negspacy and medspaCy's ConText, where these are installed, on
the NegEx and ConText test kit, and negation in MACCROBAT.

    python -m benchmarks.assertion train corpora negex encoders/all-minilm-l6-v2 training/assertion-negex
    python -m benchmarks.assertion score corpora negex --pipeline training/assertion-negex/model-last --part dev
    python -m benchmarks.assertion convert corpora negex dev corpus/assertion-negex/dev.spacy
    python -m spacy clinicalbert calibrate training/assertion-negex/model-last corpus/assertion-negex/dev.spacy training/assertion-negex/calibrated

Every gold span counts: one that begins or ends within a token is classified with that token. Historical is what the kit calls so; "not
particular" is not historical. In MACCROBAT, spans of the labels that ever have a POLARITY count, and negated are those with NEG. Intervals are
95 %, from a bootstrap over texts; differences are on the same draws. negspacy does not speak of time and experiencer. The rules read one span at a
time where spans overlap; items/s is with whatever a system needs before it, the encoder included.
"""

import importlib
import sys
import time
from enum import Enum
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy
import spacy
import typer
from spacy.language import Language
from spacy.tokens import DocBin, Span
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as train_nlp
from thinc.api import Config

from spacy_clinicalbert.corpora.brat import brat_records
from spacy_clinicalbert.corpora.docs import GOLD
from spacy_clinicalbert.corpora.negex import negex_records
from spacy_clinicalbert.evaluation.intervals import resample, with_interval
from spacy_clinicalbert.tokenizer import blank_clinical

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
QUESTIONS = ("negated", "historical", "not the patient's")
N_SAMPLES = 2000
Answer = Tuple[Optional[bool], ...]  # to the questions; None where a system, or the corpus, does not say
PATHS = {"negex": "negex/negex_context_testkit.jsonl", "maccrobat": "maccrobat2020/MACCROBAT2020"}
# MACCROBAT's labels with a POLARITY in ten training spans or more, and "Clinical_event" with five.
POLAR = [
    "Sign_symptom", "Disease_disorder", "Medication", "Therapeutic_procedure", "Diagnostic_procedure", "Activity",
    "Clinical_event",
]  # fmt: skip
# Steps: of about 1000 wordpieces. A note of MACCROBAT is a batch of its own.
STEPS = {"negex": 240, "maccrobat": 420}


class Which(str, Enum):
    negex = "negex"
    maccrobat = "maccrobat"


class Text(NamedTuple):
    text: str
    spans: List[Tuple[int, int]]
    gold: List[Answer]


def load(folder: Path, corpus: str, part: str) -> Iterator[Text]:
    path = folder / PATHS[corpus]
    for record in (negex_records if corpus == "negex" else brat_records)(path, part):
        rows = record["spans"][GOLD] if corpus == "negex" else [row for row in record["entities"] if row[2] in POLAR]
        gold: List[Answer] = [
            (
                each["negation"] == "Negated",
                each["temporality"] == "Historical",
                each["experiencer"] != "Patient",
            )
            if corpus == "negex"
            else (each.get("POLARITY") == "NEG", None, None)
            for *_, each in rows
        ]
        yield Text(record["text"], [(start, end) for start, end, *_ in rows], gold)


def answers(nlp: Language, text: Text, read: Callable[[Span], Answer]) -> List[Answer]:
    """Mark the spans as entities, as many at a time as do not overlap, and read what the pipeline says of them."""
    found: Dict[int, Answer] = {}
    while len(found) < len(text.spans):
        doc = nlp.make_doc(text.text)
        marked: Dict[int, Span] = {}
        taken = numpy.zeros(len(doc), dtype=bool)
        for i, (start, end) in enumerate(text.spans):
            span = doc.char_span(start, end, label="PROBLEM", alignment_mode="expand")
            assert span is not None
            if i not in found and not taken[span.start : span.end].any():
                marked[i] = span
                taken[span.start : span.end] = True
        doc.set_ents(list(marked.values()))
        for _, pipe in nlp.pipeline:
            doc = pipe(doc)
        found.update({i: read(doc[span.start : span.end].ents[0]) for i, span in marked.items()})
    return [found[i] for i in range(len(text.spans))]


def ours(path: str) -> Tuple[Language, Callable[[Span], Answer]]:
    def read(ent: Span) -> Answer:
        labels = {axis: label for axis, (label, _) in ent._.assertion.items()}
        time, experiencer = labels.get("time"), labels.get("experiencer")
        return labels["certainty"] == "absent", time and time == "historical", experiencer and experiencer != "patient"

    return spacy.load(path), read


def negspacy() -> Tuple[Language, Callable[[Span], Answer]]:
    importlib.import_module("negspacy.negation")
    nlp = blank_clinical()
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("negex", config={"ent_types": ["PROBLEM"]})
    return nlp, lambda ent: (bool(ent._.negex), None, None)


def medspacy() -> Tuple[Language, Callable[[Span], Answer]]:
    importlib.import_module("loguru").logger.disable("PyRuSH")
    importlib.import_module("medspacy.context")
    importlib.import_module("medspacy.sentence_splitting")
    nlp = blank_clinical()
    nlp.add_pipe("medspacy_pyrush")
    nlp.add_pipe("medspacy_context")
    return nlp, lambda ent: (bool(ent._.is_negated), bool(ent._.is_historical), bool(ent._.is_family))


def count(texts: List[Text], given: List[List[Answer]], question: int) -> Optional[numpy.ndarray]:
    """Right, found and gold of each text, (n_texts, 3); None where system or corpus do not say."""
    counts = numpy.zeros((len(texts), 3))
    for i, (text, own) in enumerate(zip(texts, given)):
        for answer, gold in zip(own, text.gold):
            if answer[question] is None or gold[question] is None:
                return None
            counts[i] += (answer[question] and gold[question], answer[question], gold[question])
    return counts


def f1(counts: numpy.ndarray) -> numpy.ndarray:
    right, found, gold = numpy.moveaxis(counts, -1, 0)
    return numpy.divide(2 * right, found + gold, out=numpy.full_like(right, numpy.nan), where=found + gold > 0)


def show(value: numpy.ndarray, samples: numpy.ndarray, sign: str = "") -> str:
    score = with_interval(value, samples)
    if score["value"] is None:
        return "–"
    middle, low, high = (100 * (score[name] or 0.0) for name in ("value", "low", "high"))
    return f"{middle:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})"


@app.command()
def score(
    folder: Path = typer.Argument(..., exists=True, file_okay=False, help="Has a folder for each corpus"),
    corpus: Which = typer.Argument(...),
    pipeline: List[str] = typer.Option([], help="A pipeline with clinical_assertion; as often as there are some"),
    part: str = typer.Option("dev", help="train, dev or test"),
) -> None:
    """Print the scores as Markdown."""
    texts = [text for text in load(folder, corpus.value, part) if text.spans]
    makers: Dict[str, Callable[[], Any]] = {path: lambda path=path: ours(path) for path in pipeline}  # type: ignore[misc]
    makers.update({"negspacy": negspacy, "medspaCy ConText": medspacy})
    counts: Dict[Tuple[str, str], numpy.ndarray] = {}
    print(f"{corpus.value}, {part}: {sum(len(text.spans) for text in texts)} spans in {len(texts)} texts\n")
    print("| system | question | gold | found | right | P | R | F1 | items/s |\n|---|---|---|---|---|---|---|---|---|")
    for name, make in makers.items():
        try:
            nlp, read = make()
        except ImportError as error:
            print(f"| {name} | not installed: {error.name} | | | | | | | |")
            continue
        answers(nlp, texts[0], read)  # what is only made at the first call
        begin = time.perf_counter()
        given = [answers(nlp, text, read) for text in texts]
        speed = sum(map(len, given)) / (time.perf_counter() - begin)
        for i, question in enumerate(QUESTIONS):
            own = count(texts, given, i)
            if own is not None:
                counts[name, question] = own
                right, found, gold = (int(each) for each in own.sum(axis=0))
                shares = " | ".join(f"{100 * right / each:.1f}" if each else "–" for each in (found, gold))
                f = show(f1(own.sum(axis=0)), f1(resample(own, N_SAMPLES, 0)))
                print(f"| {name} | {question} | {gold} | {found} | {right} | {shares} | {f} | {speed:.0f} |")
    print("\n| difference in F1 | question | |\n|---|---|---|")
    for name, question in counts:
        for peer in makers.keys() - set(pipeline) if name in pipeline else ():
            if (peer, question) in counts:
                pair = counts[name, question], counts[peer, question]
                whole = f1(pair[0].sum(axis=0)) - f1(pair[1].sum(axis=0))
                samples = f1(resample(pair[0], N_SAMPLES, 0)) - f1(resample(pair[1], N_SAMPLES, 0))
                print(f"| {name} − {peer} | {question} | {show(whole, samples, '+')} |")


def reader(folder: Path, corpus: Which, split: str) -> Dict[str, Any]:
    """The block of a config that reads a part with attributes for all its spans."""
    block: Dict[str, Any] = {"path": str(folder / PATHS[corpus.value]), "split": split}
    block["@readers"] = f"spacy-clinicalbert.{'negex' if corpus is Which.negex else 'brat'}.v1"
    if corpus is Which.negex:
        return block
    defaults = {"attributes": {"POLARITY": "POS"}, "labels": POLAR}
    return {"@readers": "spacy-clinicalbert.default_attributes.v1", "reader": block, **defaults}


@app.command()
def convert(folder: Path, corpus: Which, part: str, output: Path) -> None:
    """Write a part as .spacy, for `spacy clinicalbert calibrate`."""
    read = spacy.registry.resolve({"corpus": reader(folder, corpus, part)})["corpus"]
    output.parent.mkdir(parents=True, exist_ok=True)
    DocBin(docs=[example.reference for example in read(blank_clinical())], store_user_data=True).to_disk(output)


@app.command()
def train(folder: Path, corpus: Which, encoder: str, output: Path, seed: int = 0) -> None:
    """Train configs/assertion.cfg on the training part, to the last step."""
    config = Config().from_disk("configs/assertion.cfg", interpolate=False)
    for split in ("train", "dev"):
        config["corpora"][split] = reader(folder, corpus, split)
    steps = STEPS[corpus.value]
    config["paths"]["encoder"] = encoder
    config["system"]["seed"] = seed
    config["training"].update(max_epochs=0, max_steps=steps, eval_frequency=steps // 2)
    config["training"]["optimizer"]["learn_rate"].update(total_steps=steps, warmup_steps=steps // 10)
    output.mkdir(parents=True, exist_ok=True)
    train_nlp(init_nlp(config), output, stdout=sys.stderr, stderr=sys.stderr)


if __name__ == "__main__":
    app()
