"""Questions about the articles of COVID-QA, by the split of assets/splits.json: `clinical_qa` beside BM25 and Hugging Face's question answering.

    python -m benchmarks.questions train corpora encoders/all-minilm-l6-v2 training/qa/0 --seed 0
    python -m benchmarks.questions train-peer corpora encoders/all-minilm-l6-v2 training/qa-peer/0 --seed 0
    python -m benchmarks.questions score corpora --pipeline training/qa/0/model-last --peer training/qa-peer/0
    python -m benchmarks.questions recall corpora
    python -m benchmarks.questions long corpora

Both are trained from the same weights on the same questions (COVID-QA's training part, XQuAD with --xquad, and the questions without an answer that the reader makes of them), with so many
windows of a question in a step, the same rates and as many steps; what the peer reads of an article without an answer is drawn at random, where `clinical_qa` takes half of it by BM25. Training texts
that hold held-out text are left out. "BM25" answers with the best sentence of the article. The peer is used through `transformers.pipeline`. EM, F1 and hits are over questions that have an
answer, of the best answer or five whatever their scores, AUROC says how well the best answer's score tells them from questions without one. Intervals are 95 %, from a bootstrap over articles, differences
on the same draws.
"""

import itertools
import math
import resource
import time
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional

import numpy
import spacy
import typer
from spacy import registry
from spacy.language import Language
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as train_pipeline
from spacy.util import load_config

from benchmarks.questions_peer import Candidates, fit_peer, peer_system
from spacy_clinicalbert.corpora.questions import read_questions
from spacy_clinicalbert.corpora.splits import stays_out
from spacy_clinicalbert.encoder.borders import find_borders
from spacy_clinicalbert.evaluation.intervals import resample, with_interval
from spacy_clinicalbert.pipeline.ranking import rank
from spacy_clinicalbert.questions.asked import read_known
from spacy_clinicalbert.questions.ranking import WindowRanker
from spacy_clinicalbert.questions.recall import ranking_recall
from spacy_clinicalbert.questions.scorer import exact_match, hit, word_f1
from spacy_clinicalbert.tokenizer import blank_clinical

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
N_SAMPLES = 1000
RULES = ("other_article", "removed_section")
COLUMNS = ("EM", "F1", "hit@1", "hit@5")
System = Callable[[str, List[str]], List[Candidates]]  # an article and questions


def read_examples(folder: Path, part: str, xquad: bool, limit: Optional[int], seed: int, n_questions: int) -> Callable:
    sources = [("covid_qa", "covid_qa.json", part)] + ([("xquad", "xquad.en.json", None)] if xquad else [])

    def examples(nlp: Language) -> Iterator[Example]:
        for corpus, file, split in sources:
            read = read_questions(folder / corpus / file, split, n_questions=n_questions, seed=seed)(nlp)
            kept = (each for each in read if part != "train" or not stays_out(corpus, each.reference._.note_id))
            yield from itertools.islice(kept, limit)

    return examples


@registry.readers("benchmarks.questions.v1")
def questions_reader(
    folder: str, part: str, xquad: bool, limit: Optional[int], seed: int, n_questions: int
) -> Callable[[Language], Iterator[Example]]:
    return read_examples(Path(folder), part, xquad, limit, seed, n_questions)


@app.command()
def train(
    corpora: Path,
    encoder: str,
    output: Path,
    seed: int = 0,
    epochs: int = 4,
    rate: float = 1e-4,
    xquad: bool = False,
    limit: Optional[int] = typer.Option(None, help="Examples, to try it"),
) -> None:
    """Train `clinical_qa` by configs/qa.cfg."""
    config = load_config("configs/qa.cfg", overrides={"paths.encoder": encoder, "system.seed": seed})
    corpus = {"@readers": "benchmarks.questions.v1", "folder": str(corpora), "limit": limit, "seed": seed}
    config["corpora"]["train"] = {**corpus, "part": "train", "xquad": xquad, "n_questions": 8}
    config["corpora"]["dev"] = {**corpus, "part": "dev", "xquad": False, "n_questions": 0, "seed": 0}
    n_steps = epochs * math.ceil(count(corpora, xquad, limit, seed) / config["training"]["batcher"]["size"])
    config["training"].update(max_epochs=epochs, eval_frequency=n_steps)
    learn_rate = config["training"]["optimizer"]["learn_rate"]
    learn_rate.update(initial_rate=rate, total_steps=n_steps, warmup_steps=n_steps // 10)
    output.mkdir(parents=True, exist_ok=True)
    train_pipeline(init_nlp(config), output)


def count(corpora: Path, xquad: bool, limit: Optional[int], seed: int) -> int:
    return sum(1 for _ in read_examples(corpora, "train", xquad, limit, seed, 8)(blank_clinical()))


@app.command()
def train_peer(
    corpora: Path,
    encoder: str,
    output: Path,
    seed: int = 0,
    epochs: int = 4,
    rate: float = 1e-4,
    xquad: bool = False,
    limit: Optional[int] = typer.Option(None, help="Examples, to try it"),
) -> None:
    """Train Hugging Face's model for question answering."""
    examples = list(read_examples(corpora, "train", xquad, limit, seed, 8)(blank_clinical()))
    fit_peer(encoder, examples, output, seed, epochs, rate)


def bm25_system(text: str, questions: List[str]) -> List[Candidates]:
    """The sentences of the article, best first."""
    borders = [0, *find_borders(text).starts.tolist(), len(text)]
    places = [(start, start + len(text[start:end].rstrip())) for start, end in itertools.pairwise(borders)]
    ranker = WindowRanker([text[start:end] for start, end in places])
    scores = [ranker.scores(each) for each in questions]
    best = [numpy.argsort(-each, kind="stable")[:5] for each in scores]
    return [[(*places[i], float(each[i])) for i in numbers] for each, numbers in zip(scores, best)]


def our_system(nlp: Language) -> System:
    def answer(text: str, questions: List[str]) -> List[Candidates]:
        doc = nlp.make_doc(text)
        doc._.questions = questions
        (found,) = nlp.get_pipe("clinical_qa").predict([doc])
        return [
            [(doc[start:end].start_char, doc[start:end].end_char, score) for start, end, score in each.candidates[:5]]
            for each in found
        ]

    return answer


class Measured(NamedTuple):
    """What a system gives.

    rows (ndarray): For each question with an answer the columns, (n, n_columns).
    articles (ndarray): The article of each, (n,).
    scores (Dict[Optional[str], List[float]]): Scores of the best answers, None for questions with an answer, else by rule.
    seconds (float): For each question.
    """

    rows: numpy.ndarray
    articles: numpy.ndarray
    scores: Dict[Optional[str], List[float]]
    seconds: float


def measure(system: System, examples: List[Example]) -> Measured:
    rows: List[List[float]] = []
    articles: List[int] = []
    scores: Dict[Optional[str], List[float]] = {}
    n, begin = 0, time.perf_counter()
    names = [str(example.reference._.note_id) for example in examples]
    for name, example in zip(names, examples):
        known, text = read_known(example, "clinical_qa"), example.reference.text
        for one, found in zip(known, system(text, [one.question.text for one in known])):
            n += 1
            scores.setdefault(one.made, []).append(max((score for *_, score in found), default=0.0))
            if one.places:
                given = text[slice(*found[0][:2])] if found else ""
                wanted = [text[start:end] for start, end in one.places]
                places = [(start, end) for start, end, _ in found]
                hits = [hit(places[:k], one.places) for k in (1, 5)]
                rows.append([exact_match(given, wanted), word_f1(given, wanted), *hits])
                articles.append(names.index(name))
    return Measured(numpy.array(rows), numpy.array(articles), scores, (time.perf_counter() - begin) / n)


def by_article(values: numpy.ndarray, articles: numpy.ndarray) -> numpy.ndarray:
    """Sums and counts of each article, (n_articles, 2)."""
    names, places = numpy.unique(articles, return_inverse=True)
    return numpy.stack([numpy.bincount(places, values, len(names)), numpy.bincount(places, minlength=len(names))], 1)


def show(values: numpy.ndarray, articles: numpy.ndarray, sign: str = "") -> str:
    """A mean over questions with its interval, in percent."""
    counts = by_article(values, articles)
    sums = resample(counts, N_SAMPLES, 0)
    found = with_interval(values.mean(), sums[:, 0] / sums[:, 1])
    middle, low, high = (100 * (found[key] or 0.0) for key in ("value", "low", "high"))
    return f"{middle:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})"


def auroc(measured: Measured, rule: str) -> str:
    answered, without = measured.scores.get(None, []), measured.scores.get(rule, [])
    truth = numpy.array([True] * len(answered) + [False] * len(without))
    return f"{rank(numpy.array([*answered, *without]), truth).auroc:.3f}"


@app.command()
def score(
    corpora: Path,
    part: str = typer.Option("dev", help="train, dev or test"),
    pipeline: List[str] = typer.Option([], help="With a trained clinical_qa; as often as there are some"),
    peer: List[str] = typer.Option([], help="As train-peer writes it"),
    limit: Optional[int] = typer.Option(None, help="Articles, to try it"),
) -> None:
    """Print the scores as Markdown."""
    examples = list(read_examples(corpora, part, False, limit, 0, 0)(blank_clinical()))
    systems: Dict[str, System] = {"BM25, best sentence": bm25_system}
    systems.update({f"transformers, {path}": peer_system(path) for path in peer})
    loaded = {f"clinical_qa, {path}": spacy.load(path) for path in pipeline}
    systems.update({name: our_system(nlp) for name, nlp in loaded.items()})
    n_articles = len({example.reference._.note_id for example in examples})
    print(f"{n_articles} articles, part {part}\n")
    print(
        "| system | " + " | ".join(COLUMNS) + " | " + " | ".join(f"AUROC {rule}" for rule in RULES) + " | s/question |"
    )
    print("|" + "---|" * (len(COLUMNS) + len(RULES) + 2))
    found = {}
    for name, system in systems.items():
        found[name] = measure(system, examples)
        cells = [show(column, found[name].articles) for column in found[name].rows.T]
        cells += [auroc(found[name], rule) for rule in RULES]
        print("| " + " | ".join([name, *cells, f"{found[name].seconds:.2f}"]) + " |", flush=True)
    pairs = [(ours, other) for ours in loaded for other in systems if other not in loaded]
    if pairs:
        print("\n| difference | " + " | ".join(COLUMNS) + " |\n|" + "---|" * (len(COLUMNS) + 1))
    for ours, other in pairs:
        columns = (found[ours].rows - found[other].rows).T
        print(
            "| "
            + " | ".join([f"{ours} − {other}", *(show(each, found[ours].articles, "+") for each in columns)])
            + " |"
        )


def untrained(encoder: str) -> Language:
    nlp = blank_clinical()
    nlp.add_pipe("clinicalbert", config={"model": {"name": encoder}})
    nlp.add_pipe("clinical_qa", config={"threshold": 0.0})
    nlp.initialize()
    return nlp


@app.command()
def recall(corpora: Path, encoder: str = "mini", part: str = typer.Option("dev", help="train, dev or test")) -> None:
    """Print how often an answer is whole in one of the windows that BM25 finds best. Nothing of this is trained; the encoder's wordpieces alone count."""
    nlp = untrained(encoder)
    found = ranking_recall(nlp.get_pipe("clinical_qa"), read_examples(corpora, part, False, None, 0, 0)(nlp))
    print(", ".join(f"the best {n}: {100 * each:.1f} %" for n, each in found.items()))


@app.command()
def long(corpora: Path, encoder: str = "mini", characters: int = 900_000) -> None:
    """Print what one question about one long record costs: training articles behind one another, as many characters."""
    nlp = untrained(encoder)
    texts = [example.reference.text for example in read_examples(corpora, "train", False, None, 0, 0)(nlp)]
    whole = "\n\n".join(texts)
    nlp.max_length = characters
    pipe = nlp.get_pipe("clinical_qa")
    pipe.ask(nlp.make_doc(whole[:3000]), "What was given?")  # the network is converted now
    doc = nlp.make_doc(whole[:characters])
    memory, begin = max_memory(), time.process_time()
    pipe.ask(doc, "What is the incubation period?")
    print(
        f"{len(doc.text)} characters: {time.process_time() - begin:.1f} s of CPU, {max_memory() - memory:.0f} MB more than before"
    )


def max_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    app()
