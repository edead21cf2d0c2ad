"""Negation, time and experiencer of marked phrases: pipelines with `clinical_assertion` beside negspacy and medspaCy's ConText, where these
are installed, on a part of the NegEx and ConText test kit.

    python -m benchmarks.assertion corpora --pipeline training/assertion-negex/model-last --part dev

Every item counts: a phrase that begins or ends within a token is classified with that token. Historical is what the kit calls so; "not
particular" is not historical. Intervals are 95 %, from a bootstrap over sentences; differences are on the same draws. negspacy has no time, and its
experiencer is always the patient.
"""

import importlib
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy
import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc, Span

from spacy_clinicalbert.corpora.docs import GOLD
from spacy_clinicalbert.corpora.negex import negex_records
from spacy_clinicalbert.evaluation.intervals import resample, with_interval
from spacy_clinicalbert.tokenizer import blank_clinical

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
QUESTIONS = ("negated", "historical", "not the patient's")
Answer = Tuple[bool, Optional[bool], Optional[bool]]  # to the questions; None where a system does not say
N_SAMPLES = 2000


def load_items(folder: Path, part: str) -> List[Tuple[int, str, int, int, Answer]]:
    """The number of each item's sentence, the sentence, where the phrase stands, and the gold."""
    items = []
    for number, record in enumerate(negex_records(folder / "negex/negex_context_testkit.jsonl", part)):
        for start, end, _, attributes in record["spans"][GOLD]:
            gold = (
                attributes["negation"] == "Negated",
                attributes["temporality"] == "Historical",
                attributes["experiencer"] != "Patient",
            )
            items.append((number, record["text"], start, end, gold))
    return items


def mark(nlp: Language, text: str, start: int, end: int) -> Tuple[Doc, Span]:
    """A Doc with the phrase as its one entity, through all components."""
    doc = nlp.make_doc(text)
    span = doc.char_span(start, end, label="PROBLEM", alignment_mode="expand")
    assert span is not None
    doc.set_ents([span])
    for _, pipe in nlp.pipeline:
        doc = pipe(doc)
    return doc, doc.ents[0]


def ours(path: str) -> Callable[[str, int, int], Answer]:
    nlp = spacy.load(path)

    def classify(text: str, start: int, end: int) -> Answer:
        doc, ent = mark(nlp, text, start, end)
        found = ent._.assertion
        experiencer = found["experiencer"][0] != "patient" if "experiencer" in found else None
        return found["certainty"][0] == "absent", found["time"][0] == "historical", experiencer

    return classify


def negspacy() -> Callable[[str, int, int], Answer]:
    importlib.import_module("negspacy.negation")
    nlp = blank_clinical()
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("negex", config={"ent_types": ["PROBLEM"]})

    def classify(text: str, start: int, end: int) -> Answer:
        doc, ent = mark(nlp, text, start, end)
        return bool(ent._.negex), None, None

    return classify


def medspacy() -> Callable[[str, int, int], Answer]:
    importlib.import_module("loguru").logger.disable("PyRuSH")
    importlib.import_module("medspacy.context")
    importlib.import_module("medspacy.sentence_splitting")
    nlp = blank_clinical()
    nlp.add_pipe("medspacy_pyrush")
    nlp.add_pipe("medspacy_context")

    def classify(text: str, start: int, end: int) -> Answer:
        doc, ent = mark(nlp, text, start, end)
        return bool(ent._.is_negated), bool(ent._.is_historical), bool(ent._.is_family)

    return classify


def count(answers: List[Answer], items: List[Any], question: int) -> numpy.ndarray:
    """Right, found and gold of each sentence, (n_sentences, 3)."""
    counts = numpy.zeros((items[-1][0] + 1, 3))
    for answer, (sentence, *_, gold) in zip(answers, items):
        said, truth = bool(answer[question]), gold[question]
        counts[sentence] += (said and truth, said, truth)
    return counts


def f1(counts: numpy.ndarray) -> numpy.ndarray:
    right, found, gold = numpy.moveaxis(counts, -1, 0)
    return numpy.divide(2 * right, found + gold, out=numpy.full_like(right, numpy.nan), where=found + gold > 0)


def show(score: Dict[str, Optional[float]], sign: str = "") -> str:
    if score["value"] is None:
        return "–"
    value, low, high = (100 * (score[name] or 0.0) for name in ("value", "low", "high"))
    return f"{value:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})"


@app.command()
def main(
    folder: Path = typer.Argument(..., exists=True, file_okay=False),
    pipeline: List[str] = typer.Option([], help="A pipeline with clinical_assertion; as often as there are some"),
    part: str = typer.Option("dev", help="dev or test"),
) -> None:
    """Print the scores as Markdown."""
    items = load_items(folder, part)
    systems: Dict[str, Callable[[], Callable]] = {path: lambda path=path: ours(path) for path in pipeline}  # type: ignore[misc]
    systems.update({"negspacy": negspacy, "medspaCy ConText": medspacy})
    counts: Dict[Tuple[str, int], numpy.ndarray] = {}
    print(f"{part}: {len(items)} items in {items[-1][0] + 1} sentences")
    print("\n| system | question | gold | found | right | P | R | F1 | items/s |\n|---|---|---|---|---|---|---|---|---|")
    for name, make in systems.items():
        try:
            classify = make()
        except ImportError as error:
            print(f"| {name} | not installed: {error.name} | | | | | | | |")
            continue
        classify(*items[0][1:4])  # what is only made at the first call
        begin = time.perf_counter()
        answers = [classify(text, start, end) for _, text, start, end, _ in items]
        speed = len(items) / (time.perf_counter() - begin)
        for question, title in enumerate(QUESTIONS):
            if answers[0][question] is None:
                continue
            own = counts[name, question] = count(answers, items, question)
            right, found, gold = (int(each) for each in own.sum(axis=0))
            score = show(with_interval(f1(own.sum(axis=0)), f1(resample(own, N_SAMPLES, 0))))
            shares = [f"{100 * right / each:.1f}" if each else "–" for each in (found, gold)]
            print(f"| {name} | {title} | {gold} | {found} | {right} | {' | '.join(shares)} | {score} | {speed:.0f} |")
    print("\n| difference in F1 | question | |\n|---|---|---|")
    for name in pipeline:
        for peer in [each for each in systems if each not in pipeline]:
            for question, title in enumerate(QUESTIONS):
                if (name, question) in counts and (peer, question) in counts:
                    one, other = counts[name, question], counts[peer, question]
                    whole = f1(one.sum(axis=0)) - f1(other.sum(axis=0))
                    samples = f1(resample(one, N_SAMPLES, 0)) - f1(resample(other, N_SAMPLES, 0))
                    print(f"| {name} − {peer} | {title} | {show(with_interval(whole, samples), '+')} |")


if __name__ == "__main__":
    app()
