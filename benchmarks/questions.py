"""Questions about the articles of COVID-QA, by the split of assets/splits.json: `clinical_qa` beside BM25 and Hugging Face's question answering.

    python -m benchmarks.questions train corpora mini training/qa/0 --seed 0 --xquad
    python -m benchmarks.questions train-stage corpora mini training/qa-stage/0 --seed 0
    python -m benchmarks.questions train corpora mini training/qa-staged/0 --seed 0 --xquad --stage training/qa-stage/0/model-last
    python -m benchmarks.questions train-peer corpora assets/clinicalbert-mini training/qa-peer/0 --seed 0 --xquad
    python -m benchmarks.questions score corpora --baseline training/qa/0/model-last --pipeline training/qa-staged/0/model-last --peer training/qa-peer/0
    python -m benchmarks.questions score corpora --maccrobat --pipeline training/qa-staged/0/model-last
    python -m benchmarks.questions recall corpora
    python -m benchmarks.questions long corpora

Both are trained from the same weights on the same questions (COVID-QA's training part, XQuAD with --xquad, and the questions without an answer that the reader makes of them), with so many
windows of a question in a step, the same rates and as many steps; what the peer reads of an article without an answer is drawn at random, where `clinical_qa` takes half of it by BM25. Training texts
that hold held-out text are left out. The first stage (`train-stage`) learns from questions that are made of corpora that hold none (`corpora/made_questions.py`), and `--stage` goes on from there;
with --baseline, --pipeline are compared in the mean over both, for several seeds. --maccrobat asks about the entities of MACCROBAT and their relations. "BM25" answers with the best sentence of the article. The peer is used through `transformers.pipeline`. EM, F1 and hits are over questions that have an
answer, of the best answer or five whatever their scores, AUROC says how well the best answer's score tells them from questions without one. Intervals are 95 %, from a bootstrap over articles, differences
on the same draws.
"""

import itertools
import resource
import time
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional

import numpy
import spacy
import typer
from spacy.language import Language
from spacy.training import Example

from benchmarks.questions_peer import Candidates, peer_system
from benchmarks.questions_train import read_examples, train, train_peer, train_stage
from spacy_clinicalbert.corpora.entity_questions import ABSENT
from spacy_clinicalbert.corpora.made_questions import read_made_questions
from spacy_clinicalbert.corpora.questions import OTHER, REMOVED
from spacy_clinicalbert.encoder.borders import find_borders
from spacy_clinicalbert.evaluation.intervals import resample, with_interval
from spacy_clinicalbert.pipeline.ranking import rank
from spacy_clinicalbert.questions.asked import read_known
from spacy_clinicalbert.questions.ranking import WindowRanker
from spacy_clinicalbert.questions.recall import ranking_recall
from spacy_clinicalbert.questions.scorer import exact_match, hit, word_f1
from spacy_clinicalbert.tokenizer import blank_clinical

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
for command in (train, train_stage, train_peer):
    app.command()(command)
N_SAMPLES = 1000
ALL = 10**6
RULES = (OTHER, REMOVED, ABSENT)
COLUMNS = ("EM", "F1", "hit@1", "hit@5")
System = Callable[[str, List[str]], List[Candidates]]  # an article and questions


def about_entities(folder: Path, part: str) -> Callable[[Language], Iterator[Example]]:
    """Questions about MACCROBAT's entities and their relations, made by rule; some of them are put to another note too, where they have no answer."""
    numbers = {"labels": ALL, "relations": ALL}
    return read_made_questions(folder, part, numbers, removed_section=0.0, n_questions=0)


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
    if not without:
        return "–"
    truth = numpy.array([True] * len(answered) + [False] * len(without))
    return f"{rank(numpy.array([*answered, *without]), truth).auroc:.3f}"


@app.command()
def score(
    corpora: Path,
    part: str = typer.Option("dev", help="train, dev or test"),
    pipeline: List[str] = typer.Option([], help="With a trained clinical_qa; as often as there are some"),
    baseline: List[str] = typer.Option(
        [], help="The same, to compare the means over --pipeline with the means over these"
    ),
    peer: List[str] = typer.Option([], help="As train-peer writes it"),
    maccrobat: bool = typer.Option(False, help="Ask about MACCROBAT's entities and their relations instead"),
    limit: Optional[int] = typer.Option(None, help="Articles, to try it"),
) -> None:
    """Print the scores as Markdown."""
    read = about_entities(corpora, part) if maccrobat else read_examples(corpora, part, False, None, 0, 0)
    examples = list(itertools.islice(read(blank_clinical()), limit))
    systems: Dict[str, System] = {"BM25, best sentence": bm25_system}
    systems.update({f"transformers, {path}": peer_system(path) for path in peer})
    loaded = {f"clinical_qa, {path}": spacy.load(path) for path in [*baseline, *pipeline]}
    systems.update({name: our_system(nlp) for name, nlp in loaded.items()})
    rules = [
        rule for rule in RULES if any(one.made == rule for each in examples for one in read_known(each, "clinical_qa"))
    ]
    n_articles = len({example.reference._.note_id for example in examples})
    print(f"{n_articles} articles, part {part}\n")
    print(
        "| system | " + " | ".join(COLUMNS) + " | " + " | ".join(f"AUROC {rule}" for rule in rules) + " | s/question |"
    )
    print("|" + "---|" * (len(COLUMNS) + len(rules) + 2))
    found = {}
    for name, system in systems.items():
        found[name] = measure(system, examples)
        cells = [show(column, found[name].articles) for column in found[name].rows.T]
        cells += [auroc(found[name], rule) for rule in rules]
        print("| " + " | ".join([name, *cells, f"{found[name].seconds:.2f}"]) + " |", flush=True)
    articles = found["BM25, best sentence"].articles
    rows = {name: each.rows for name, each in found.items()}
    pairs = [(ours, other) for ours in loaded for other in systems if other not in loaded]
    if pipeline and baseline:
        ours, other = (f"mean of {len(paths)}, {' '.join(paths)}" for paths in (pipeline, baseline))
        for name, paths in ((ours, pipeline), (other, baseline)):
            rows[name] = numpy.mean([rows[f"clinical_qa, {path}"] for path in paths], axis=0)
        pairs.append((ours, other))
    if pairs:
        print("\n| difference | " + " | ".join(COLUMNS) + " |\n|" + "---|" * (len(COLUMNS) + 1))
    for ours, other in pairs:
        columns = (rows[ours] - rows[other]).T
        print("| " + " | ".join([f"{ours} − {other}", *(show(each, articles, "+") for each in columns)]) + " |")


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
