"""Questions about the articles of COVID-QA, by the split of assets/splits.json: `clinical_qa` beside BM25 and Hugging Face's question answering.

    python -m benchmarks.questions train corpora encoders/all-minilm-l6-v2 training/qa/0 --seed 0
    python -m benchmarks.questions train-peer corpora encoders/all-minilm-l6-v2 training/qa-peer/0 --seed 0
    python -m benchmarks.questions score corpora --pipeline training/qa/0/model-last --peer training/qa-peer/0

Both are trained from the same weights on the same questions (COVID-QA's training part, XQuAD with --xquad, and the questions without an answer that the reader makes of them), with so many
windows of a question in a step, the same rates and as many steps; what the peer reads of an article without an answer is drawn at random, where `clinical_qa` takes half of it by BM25. Training texts
that hold held-out text are left out. "BM25" answers with the best sentence of the article. The peer is used through `transformers.pipeline`. EM, F1 and hits are over questions that have an
answer, of the best answer or five whatever their scores, AUROC says how well the best answer's score tells them from questions without one. Intervals are 95 %, from a bootstrap over articles, differences
on the same draws.
"""

import itertools
import math
import random
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy
import spacy
import torch
import typer
from spacy import registry
from spacy.language import Language
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as train_pipeline
from spacy.util import load_config
from transformers import AutoModelForQuestionAnswering, get_linear_schedule_with_warmup
from transformers import pipeline as make_pipeline

from spacy_clinicalbert.corpora.questions import read_questions
from spacy_clinicalbert.corpora.splits import stays_out
from spacy_clinicalbert.encoder.borders import find_borders
from spacy_clinicalbert.encoder.checkpoints import load_checkpoint
from spacy_clinicalbert.evaluation.intervals import resample, with_interval
from spacy_clinicalbert.pipeline.ranking import rank
from spacy_clinicalbert.questions.asked import Known, read_known
from spacy_clinicalbert.questions.ranking import WindowRanker
from spacy_clinicalbert.questions.recall import ranking_recall
from spacy_clinicalbert.questions.scorer import exact_match, hit, word_f1
from spacy_clinicalbert.tokenizer import blank_clinical

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
N_SAMPLES = 1000
RULES = ("other_article", "removed_section")
COLUMNS = ("EM", "F1", "hit@1", "hit@5")
SIZE, STRIDE, MAX_QUESTION, MAX_ANSWER = 256, 64, 64, 80  # wordpieces, as configs/qa.cfg has them
Candidates = List[Tuple[int, int, float]]  # characters and score, best first
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


def peer_features(tokenizer: Any, text: str, known: Known, n_windows: int) -> Dict[str, List[Any]]:
    """Windows of a question, as transformers' run_qa cuts them, with where the answer starts and ends."""
    given = tokenizer(
        known.question.text, text, truncation="only_second", max_length=SIZE + MAX_QUESTION, stride=STRIDE,
        return_overflowing_tokens=True, return_offsets_mapping=True, padding="max_length", return_token_type_ids=True,
    )  # fmt: skip
    holding, others = [], []
    for i, offsets in enumerate(given["offset_mapping"]):
        places = [j for j, of in enumerate(given.sequence_ids(i)) if of == 1]
        starts, ends = offsets[places[0]][0], offsets[places[-1]][1]
        for first, last in known.places[:1]:
            if starts <= first and last <= ends:
                start = next(j for j in places if offsets[j][1] > first)
                end = next(j for j in reversed(places) if offsets[j][0] < last)
                holding.append((i, start, end))
            elif last <= starts or ends <= first:
                others.append((i, 0, 0))
        if not known.places:
            others.append((i, 0, 0))
    random.shuffle(holding)
    random.shuffle(others)
    chosen = holding[: n_windows // 2]
    chosen += others[: n_windows - len(chosen)]
    features = {key: [given[key][i] for i, *_ in chosen] for key in ("input_ids", "attention_mask", "token_type_ids")}
    features.update(start_positions=[start for _, start, _ in chosen], end_positions=[end for *_, end in chosen])
    return features if holding or not known.places else {key: [] for key in features}


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
    spacy.util.fix_random_seed(seed)
    tokenizer = load_checkpoint(encoder).tokenizer  # with the casing that the checkpoint was trained with
    model = AutoModelForQuestionAnswering.from_pretrained(encoder)
    examples = list(read_examples(corpora, "train", xquad, limit, seed, 8)(blank_clinical()))
    n_steps = epochs * math.ceil(len(examples) / 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    schedule = get_linear_schedule_with_warmup(optimizer, n_steps // 10, n_steps)
    types = model.config.type_vocab_size > 1
    for step in range(n_steps):
        if step % math.ceil(len(examples) / 2) == 0:
            random.shuffle(examples)
            order = iter(examples)
        features: Dict[str, List[Any]] = {}
        for example in itertools.islice(order, 2):
            for known in read_known(example, "clinical_qa"):
                for key, values in peer_features(tokenizer, example.reference.text, known, 4).items():
                    features.setdefault(key, []).extend(values)
        if not types:
            del features["token_type_ids"]
        model.train()
        for first in range(0, len(features["input_ids"]), 8):  # the gradient of all, in passes that fit
            part = {key: torch.tensor(values[first : first + 8]) for key, values in features.items()}
            (model(**part).loss * len(part["input_ids"]) / len(features["input_ids"])).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)


def bm25_system(text: str, questions: List[str]) -> List[Candidates]:
    """The sentences of the article, best first."""
    borders = [0, *find_borders(text).starts.tolist(), len(text)]
    places = [(start, start + len(text[start:end].rstrip())) for start, end in itertools.pairwise(borders)]
    ranker = WindowRanker([text[start:end] for start, end in places])
    return [[(*places[i], float(ranker.scores(each)[i])) for i in ranker.rank(each)[:5]] for each in questions]


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


def peer_system(path: str) -> System:
    peer = make_pipeline("question-answering", model=path, tokenizer=path, device="cpu")
    settings = {"top_k": 6, "handle_impossible_answer": True, "max_answer_len": MAX_ANSWER}
    settings.update(max_seq_len=SIZE + MAX_QUESTION, doc_stride=STRIDE, max_question_len=MAX_QUESTION)

    def answer(text: str, questions: List[str]) -> List[Candidates]:
        found = [peer(question=each, context=text, **settings) for each in questions]
        return [[(row["start"], row["end"], row["score"]) for row in rows if row["answer"]][:5] for rows in found]

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
    print(f"{len(examples)} articles and articles without answers, part {part}\n")
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
    for name, nlp in loaded.items():
        recall = ranking_recall(nlp.get_pipe("clinical_qa"), examples)
        print(
            f"\n{name}: an answer is whole in "
            + ", ".join(f"the best {n}: {100 * each:.1f} %" for n, each in recall.items())
        )


if __name__ == "__main__":
    app()
