"""Training for benchmarks/questions.py: `clinical_qa` with and without its first stage, and Hugging Face's model, on the same questions."""

import itertools
import math
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional

import typer
from spacy import registry
from spacy.language import Language
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as train_pipeline
from spacy.util import load_config
from thinc.api import Config

from benchmarks.questions_peer import fit_peer
from spacy_clinicalbert.corpora.made_questions import NUMBERS, made_question_records
from spacy_clinicalbert.corpora.questions import read_questions
from spacy_clinicalbert.corpora.splits import stays_out
from spacy_clinicalbert.tokenizer import blank_clinical


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


def fit(
    config: Config, corpora: Path, n_examples: int, epochs: int, rate: float, limit: Optional[int], output: Path
) -> None:
    """Train, with the development articles looked at once, at the end."""
    dev = {"@readers": "benchmarks.questions.v1", "folder": str(corpora), "limit": limit, "seed": 0}
    config["corpora"]["dev"] = {**dev, "part": "dev", "xquad": False, "n_questions": 0}
    n_steps = epochs * math.ceil(n_examples / config["training"]["batcher"]["size"])
    config["training"].update(max_epochs=epochs, eval_frequency=n_steps)
    learn_rate = config["training"]["optimizer"]["learn_rate"]
    learn_rate.update(initial_rate=rate, total_steps=n_steps, warmup_steps=n_steps // 10)
    output.mkdir(parents=True, exist_ok=True)
    train_pipeline(init_nlp(config), output)


def train(
    corpora: Path,
    encoder: str,
    output: Path,
    seed: int = 0,
    epochs: int = 4,
    rate: float = 1e-4,
    xquad: bool = False,
    stage: Optional[str] = typer.Option(None, help="As train-stage writes it: go on from there, not from the encoder"),
    limit: Optional[int] = typer.Option(None, help="Examples, to try it"),
) -> None:
    """Train `clinical_qa` by configs/qa.cfg."""
    config = load_config("configs/qa.cfg", overrides={"paths.encoder": encoder, "system.seed": seed})
    corpus = {"@readers": "benchmarks.questions.v1", "folder": str(corpora), "limit": limit, "seed": seed}
    config["corpora"]["train"] = {**corpus, "part": "train", "xquad": xquad, "n_questions": 8}
    if stage is not None:
        config["components"] = {name: {"source": stage} for name in config["nlp"]["pipeline"]}
    n_examples = sum(1 for _ in read_examples(corpora, "train", xquad, limit, seed, 8)(blank_clinical()))
    fit(config, corpora, n_examples, epochs, rate, limit, output)


def train_stage(
    corpora: Path,
    encoder: str,
    output: Path,
    seed: int = 0,
    epochs: int = 1,
    rate: float = 1e-4,
    limit: Optional[int] = typer.Option(None, help="Questions of a kind, and development articles, to try it"),
) -> None:
    """Train `clinical_qa` on questions made of corpora that hold none, by configs/qa-stage.cfg."""
    config = load_config("configs/qa-stage.cfg", overrides={"paths.encoder": encoder, "system.seed": seed})
    numbers = {kind: min(n, limit or n) for kind, n in NUMBERS.items()}
    made: Dict[str, Any] = {"path": str(corpora), "numbers": numbers, "seed": seed}
    config["corpora"]["train"] = {"@readers": "spacy-clinicalbert.made_questions.v1", **made}
    n_examples = sum(1 for _ in made_question_records(**made))
    fit(config, corpora, n_examples, epochs, rate, limit, output)


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
