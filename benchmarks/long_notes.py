"""Notes longer than a window, classified: ways of combining windows, beside cutting the note off, averaging its tokens, and TF-IDF.

    python -m benchmarks.long_notes run corpora mtsamples mean --encoder mini --seed 0
    python -m benchmarks.long_notes run corpora mtsamples tfidf --part dev --part test
    python -m benchmarks.long_notes report

Tasks: "mtsamples" (note type and specialty, by the committed table, split by note) and "tcga" (T and cancer type, split by case). Systems: the aggregators of `clinical_note_classifier`,
over vectors alone; "words", which is "mean" with the table of words that `NoteClassifier.v1` can add; "truncated", which is "mean" trained and used on the first 512 wordpieces, as Hugging Face's classifiers are; "textcat", spaCy's textcat_multilabel on averaged tokens; "tfidf" with logistic
regression. Each run writes what it gives for the development notes, and for the same notes with their deciding section moved to the end: the section from which TF-IDF's regression hears
most for the note's own categories, in notes of which it stood within the first 512 wordpieces and then stands behind them. `report` measures; its intervals are 95 %, from a bootstrap over
notes (of TCGA over cases), over the mean of the seeds. `--part test` is for the end.
"""

import sys
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import numpy
import spacy
import typer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from spacy import registry
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from thinc.api import Config

from spacy_clinicalbert.corpora.batchers import batch_by_wordpieces
from spacy_clinicalbert.corpora.docs import Record, Report, to_docs
from spacy_clinicalbert.corpora.files import FilePath
from spacy_clinicalbert.corpora.mtsamples import mtsamples_records
from spacy_clinicalbert.corpora.specialties import NOTE_TYPE, SPECIALTY
from spacy_clinicalbert.corpora.splits import stays_out
from spacy_clinicalbert.corpora.tcga import tcga_records
from spacy_clinicalbert.encoder.borders import Border, find_borders
from spacy_clinicalbert.encoder.checkpoints import load_checkpoint
from spacy_clinicalbert.evaluation.intervals import with_interval
from spacy_clinicalbert.pipeline.ranking import rank
from spacy_clinicalbert.tokenizer import blank_clinical

OUTPUT = Path("training/long_notes")
AGGREGATORS = ("mean", "max", "noisy_or", "scaled_max_mean", "attention")
SYSTEMS = (*AGGREGATORS, "words", "truncated", "textcat", "tfidf")
N_WORDS = 32768
EPOCHS = 3
RATE = 2e-3  # of the head, and of the encoder less
LR_SCALE = 0.15
LEAST = 20  # training notes of a category
N_PIECES = 510  # of 512, without [CLS] and [SEP]
N_SAMPLES = 1000
# spaCy's own head: a linear layer over the mean of the tokens' vectors.
TEXTCAT = {
    "@architectures": "spacy.TextCatReduce.v1",
    "exclusive_classes": False,
    "use_reduce_first": False,
    "use_reduce_last": False,
    "use_reduce_max": False,
    "use_reduce_mean": True,
    "tok2vec": {"@architectures": "spacy-clinicalbert.Listener.v1", "upstream": "clinicalbert"},
}
FIGURES = ("auroc", "auprc", "rp80", "f1")
app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


def read(folder: FilePath, task: str, part: str) -> List[Record]:
    """RETURNS (List[Record]): The notes; of the training part without those that hold held-out text of any corpus."""
    if task == "mtsamples":
        path = Path(folder) / "mtsamples" / "mtsamples.jsonl"
        found = mtsamples_records(path, part, kinds=(NOTE_TYPE, SPECIALTY))
    else:
        path = Path(folder) / "tcga_tnm" / "tcga_reports_tnm.jsonl"
        found = map(_with_cancer_type, tcga_records(path, part))
    name = {"mtsamples": "mtsamples", "tcga": "tcga_tnm"}[task]
    return [each for each in found if each["cats"] and not (part == "train" and stays_out(name, each["id"]))]


def _with_cancer_type(record: Record) -> Record:
    cats = {label: value for label, value in record["cats"].items() if label.startswith("T")}
    return {**record, "cats": {**cats, record["meta"]["cancer_type"]: 1.0}}


def find_labels(records: List[Record]) -> List[str]:
    """RETURNS (List[str]): The categories that enough notes have."""
    counts: Dict[str, float] = {}
    for record in records:
        for label, value in record["cats"].items():
            counts[label] = counts.get(label, 0) + value
    return sorted(label for label, n in counts.items() if n >= LEAST)


def gold_of(records: List[Record], labels: List[str], task: str) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """RETURNS (Tuple[ndarray, ndarray]): bool, (n_notes, n_labels) each: which categories hold, and of which that is known. A report has one cancer type."""
    truth = numpy.array([[record["cats"].get(label, 0) > 0.5 for label in labels] for record in records])
    known = numpy.array([[label in record["cats"] for label in labels] for record in records])
    if task == "tcga":
        known[:, [not label.startswith("T") or len(label) != 2 for label in labels]] = True
    return truth, known


def cut(text: str, tokenizer: Any) -> str:
    """RETURNS (str): The text of the first N_PIECES wordpieces."""
    ends = [end for _, end in tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)["offset_mapping"]]
    return text if len(ends) <= N_PIECES else text[: ends[N_PIECES - 1]]


def sections_of(text: str) -> List[str]:
    """RETURNS (List[str]): The text, cut before each head."""
    starts, kinds = find_borders(text)
    borders = [0, *starts[kinds == Border.SECTION].tolist(), len(text)]
    return [text[start:end] for start, end in pairwise(borders) if end > start]


class Tfidf:
    """One logistic regression a category, over words and pairs of words."""

    def __init__(self, records: List[Record], truth: numpy.ndarray, known: numpy.ndarray) -> None:
        self.vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
        vectors = self.vectorizer.fit_transform(record["text"] for record in records)
        self.models = []
        for j in range(truth.shape[1]):
            rows = numpy.flatnonzero(known[:, j])
            model = LogisticRegression(C=10, max_iter=1000, class_weight="balanced")
            self.models.append(model.fit(vectors[rows], truth[rows, j]))

    def __call__(self, texts: List[str]) -> numpy.ndarray:
        vectors = self.vectorizer.transform(texts)
        return numpy.stack([model.predict_proba(vectors)[:, 1] for model in self.models], axis=1)

    def moved(self, text: str, truth: numpy.ndarray, tokenizer: Any) -> Optional[str]:
        """RETURNS (Optional[str]): The text with the deciding section at its end; None where that does not change on which side of the first 512 wordpieces it is."""
        sections = sections_of(text)
        if len(sections) < 2 or not truth.any():
            return None
        weights = sum(model.coef_[0] for model, holds in zip(self.models, truth) if holds)
        heard = self.vectorizer.transform(sections) @ weights
        place = int(numpy.argmax(heard))
        before, section = "".join(sections[:place]), sections[place]
        rest = before + "".join(sections[place + 1 :])
        seen, left = (len(cut(each, tokenizer)) for each in (text, rest))
        if len(before) + len(section) > seen or left == len(rest):
            return None
        return f"{rest.rstrip()}\n\n{section.strip()}\n"


@registry.readers("benchmarks.long_notes.v1")
def make_reader(
    folder: str, task: str, encoder: str, truncated: bool, n_notes: Optional[int] = None
) -> Callable[[Language], Iterator[Example]]:
    """The training notes, or the first of them."""

    def examples(nlp: Language) -> Iterator[Example]:
        records = read(folder, task, "train")
        labels = find_labels(records)
        truth, known = gold_of(records, labels, task)
        tokenizer = load_checkpoint(encoder).tokenizer if truncated else None
        for i, record in enumerate(records[:n_notes]):
            cats = {label: float(truth[i, j]) for j, label in enumerate(labels) if known[i, j]}
            text = cut(record["text"], tokenizer) if truncated else record["text"]
            for doc in to_docs([{"text": text, "cats": cats}], nlp, Report()):
                yield Example(nlp.make_doc(text), doc)

    return examples


def aggregator_of(system: str) -> str:
    return system if system in AGGREGATORS else "mean"


def make_config(folder: str, task: str, system: str, encoder: str, seed: int) -> Config:
    config = Config().from_disk("configs/note_classifier.cfg", interpolate=False)
    config["paths"].update(encoder=encoder)
    config["system"]["seed"] = seed
    reader = {"@readers": "benchmarks.long_notes.v1", "folder": folder, "task": task, "encoder": encoder}
    config["corpora"]["train"] = {**reader, "truncated": system == "truncated"}
    config["corpora"]["dev"] = {**config["corpora"]["train"], "n_notes": 4}  # spaCy evaluates before the first step
    config["components"]["clinicalbert"]["model"].update(attention_dropout=0.0, lr_scale=LR_SCALE)
    if system == "textcat":
        del config["components"]["clinical_note_classifier"]
        config["nlp"]["pipeline"] = ["clinicalbert", "textcat_multilabel"]
        config["components"]["textcat_multilabel"] = {"factory": "textcat_multilabel", "model": TEXTCAT}
    else:
        aggregate = {"@layers": f"spacy-clinicalbert.{aggregator_of(system)}.v1"}
        model = config["components"]["clinical_note_classifier"]["model"]
        model.update(aggregate=aggregate, words=N_WORDS if system == "words" else 0)
    examples = make_reader(folder, task, encoder, system == "truncated")(blank_clinical())
    training = config["training"]
    n_batches = sum(1 for _ in batch_by_wordpieces(encoder, size=training["batcher"]["size"])(examples))
    n_steps = EPOCHS * n_batches
    training.update(max_epochs=EPOCHS, max_steps=0, eval_frequency=10 * n_steps)
    training["optimizer"]["learn_rate"].update(total_steps=n_steps, warmup_steps=n_steps // 10, initial_rate=RATE)
    return config


def classify(nlp: Language, texts: List[str], labels: List[str]) -> numpy.ndarray:
    docs: Iterator[Doc] = nlp.pipe(texts)
    return numpy.array([[doc.cats.get(label, 0.0) for label in labels] for doc in docs])


@app.command()
def run(
    folder: Path = typer.Argument(..., exists=True, file_okay=False, help="Has a folder for each corpus"),
    task: str = typer.Argument(..., help="mtsamples or tcga"),
    system: str = typer.Argument(..., help=", ".join(SYSTEMS)),
    encoder: str = typer.Option("mini"),
    seed: int = typer.Option(0),
    part: List[str] = typer.Option(["dev"], help="dev, and test at the end"),
) -> None:
    """Train a system, and write what it gives for the held-out notes and for those that were changed."""
    training = read(folder, task, "train")
    labels = find_labels(training)
    tfidf = Tfidf(training, *gold_of(training, labels, task))
    tokenizer = load_checkpoint(encoder).tokenizer
    give: Callable[[List[str]], numpy.ndarray] = tfidf
    if system != "tfidf":
        nlp = init_nlp(make_config(str(folder), task, system, encoder, seed))
        train(nlp, stdout=sys.stderr, stderr=sys.stderr)
        give = lambda texts: classify(  # noqa: E731
            nlp, [cut(text, tokenizer) for text in texts] if system == "truncated" else texts, labels
        )
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for each in part:
        held_out = read(folder, task, each)
        truth, known = gold_of(held_out, labels, task)
        texts = [record["text"] for record in held_out]
        moved = [tfidf.moved(text, row, tokenizer) for text, row in zip(texts, truth)]
        places = numpy.array([i for i, text in enumerate(moved) if text is not None], dtype="int64")
        late = [text for text in moved if text is not None]
        given = {"whole": give(texts), "moved": give(late) if late else numpy.zeros((0, len(labels)))}
        groups = numpy.unique([record.get("patient") or record["id"] for record in held_out], return_inverse=True)[1]
        name = f"{task}-{each}-{system}-{'' if system == 'tfidf' else Path(encoder).name}-{seed}.npz"
        numpy.savez(OUTPUT / name, truth=truth, known=known, groups=groups, places=places, **given)
        print(
            f"{OUTPUT / name}: {len(texts)} notes, {len(late)} of them with their deciding section moved, {len(labels)} categories"
        )


def figures(given: numpy.ndarray, truth: numpy.ndarray, known: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (ndarray): FIGURES, the means over categories that occur."""
    rows = []
    for j in range(truth.shape[1]):
        own = known[:, j]
        found = rank(given[own, j], truth[own, j])
        right = (given[own, j] >= 0.5) & truth[own, j]
        n = (given[own, j] >= 0.5).sum() + truth[own, j].sum()
        rows.append([found.auroc, found.auprc, found.rp80, 2 * right.sum() / n if n else numpy.nan])
    return numpy.nanmean(rows, axis=0)


def measure(runs: List[Any], what: str) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """RETURNS (Tuple[ndarray, ndarray]): FIGURES, (4,), and those of the bootstrap samples, (N_SAMPLES, 4); of several seeds the mean."""
    own = runs[0]["places"] if what == "moved" else numpy.arange(len(runs[0]["truth"]))
    truth, known = runs[0]["truth"][own], runs[0]["known"][own]
    groups = numpy.unique(runs[0]["groups"][own], return_inverse=True)[1]
    members = [numpy.flatnonzero(groups == group) for group in range(groups.max() + 1)]
    rng = numpy.random.default_rng(0)
    draws = [numpy.arange(len(own))]
    for _ in range(N_SAMPLES):
        draws.append(numpy.concatenate([members[i] for i in rng.integers(len(members), size=len(members))]))
    values = [[figures(each[what][rows], truth[rows], known[rows]) for each in runs] for rows in draws]
    means = numpy.array(values).mean(axis=1)
    return means[0], means[1:]


def show(value: numpy.ndarray, samples: numpy.ndarray, sign: str = "") -> str:
    found = with_interval(value, samples)
    middle, low, high = (100 * (found[name] or 0.0) for name in ("value", "low", "high"))
    return f"{middle:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})"


@app.command()
def report(part: str = "dev", against: str = "truncated", folder: Path = OUTPUT) -> None:
    """Print what the runs gave as Markdown, with the differences to a system."""
    paths = sorted(folder.glob(f"*-{part}-*.npz"))
    for task, of_task in groupby(paths, key=lambda path: path.name.split("-")[0]):
        by_system: Dict[str, List[Any]] = {}
        for path in of_task:
            name = path.name.split("-", 2)[2].rpartition("-")[0].rstrip("-")
            by_system.setdefault(name, []).append(numpy.load(path))
        for what in ("whole", "moved"):
            if what == "moved" and not len(next(iter(by_system.values()))[0]["places"]):
                continue
            found = {name: measure(runs, what) for name, runs in by_system.items()}
            base = next((each for name, each in found.items() if name.startswith(against)), None)
            print(f"\n{task}, {part}, {what}\n")
            print(
                "| system | seeds | AUROC | AUPRC | RP80 | F1 | AUROC − "
                + against
                + " |\n|---|---|---|---|---|---|---|"
            )
            for name, (value, samples) in found.items():
                cells = [show(value[i], samples[:, i]) for i in range(len(FIGURES))]
                cells.append("" if base is None else show(value[0] - base[0][0], samples[:, 0] - base[1][:, 0], "+"))
                print("| " + " | ".join([name, str(len(by_system[name])), *cells]) + " |")


if __name__ == "__main__":
    spacy.require_cpu()
    app()
