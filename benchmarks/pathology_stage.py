"""T, N, M and type of cancer of TCGA's pathology reports: a trained pipeline against TF-IDF with logistic regression, and both joined with what the reports state.

    python -m benchmarks.pathology_stage FOLDER [MODEL ...] --text masked --part dev

FOLDER has tcga_tnm/tcga_reports_tnm.jsonl; MODEL is a pipeline that `pathology-train` made, several are seeds of one, of which means are measured. Without it TF-IDF alone is measured. "masked" takes the stages that a report states out of its text, for training and for
prediction; what is stated is then read from the whole text. AU-ROC is that of each class against the others of its field, macro the mean over the classes that have both; reports whose field is not known do not count.
Intervals, and those of the difference of two systems, are bootstrapped over cases.
"""

from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy
import spacy
import typer
from scipy.stats import rankdata
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from spacy_clinicalbert.corpora.tcga import FIELDS, cancer_types_of, tcga_records
from spacy_clinicalbert.evaluation.intervals import with_interval
from spacy_clinicalbert.pathology.component import read_report

N_SAMPLES = 1000
SEED = 0
STATED_WEIGHT = 0.9  # of what is stated, beside what is inferred; set beforehand
STATED = {"T": "pT", "N": "pN", "M": "pM"}


class Reports(NamedTuple):
    """Reports of a part.

    texts (List[str]): As the systems read them, masked or not.
    cases (List[str]): Whose they are.
    cats (List[Dict[str, float]]): What is known.
    stated (Dict[str, ndarray]): Field → (n_reports, n_classes), the share of each class in what the whole text states, 0 where it states none.
    """

    texts: List[str]
    cases: List[str]
    cats: List[Dict[str, float]]
    stated: Dict[str, numpy.ndarray]


def load(path: Path, part: str, mask: bool, classes: Dict[str, Sequence[str]], with_stated: bool) -> Reports:
    """RETURNS (Reports): The reports of a part of the committed split."""
    records = list(tcga_records(path, part, cancer_types=True, mask=mask))
    stated = {field: numpy.zeros((len(records), len(labels))) for field, labels in classes.items()}
    for i, record in enumerate(tcga_records(path, part) if with_stated else ()):
        found = read_report(record["text"])
        for field, name in STATED.items():
            hits = [
                label for label in classes[field] if any(str(v.value).startswith(label) for v in getattr(found, name))
            ]
            for label in hits:
                stated[field][i, classes[field].index(label)] = 1 / len(hits)
    return Reports(
        [record["text"] for record in records],
        [record["patient"] for record in records],
        [record["cats"] for record in records],
        stated,
    )


def tfidf(train: Reports, texts: Sequence[str], classes: Dict[str, Sequence[str]]) -> Dict[str, numpy.ndarray]:
    """RETURNS (Dict[str, ndarray]): Field → (n_texts, n_classes), probabilities of a logistic regression over words and pairs of words."""
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    rows, wanted = vectorizer.fit_transform(train.texts), vectorizer.transform(texts)
    found = {}
    for field, labels in classes.items():
        truth = [_holds(cats, labels) for cats in train.cats]
        known = [i for i, label in enumerate(truth) if label is not None]
        model = LogisticRegression(C=10.0, max_iter=1000, class_weight="balanced")
        model.fit(rows[known], [truth[i] for i in known])
        found[field] = numpy.zeros((len(texts), len(labels)))
        found[field][:, [labels.index(label) for label in model.classes_]] = model.predict_proba(wanted)
    return found


def predict(model: Path, texts: Sequence[str], classes: Dict[str, Sequence[str]]) -> Dict[str, numpy.ndarray]:
    """RETURNS (Dict[str, ndarray]): As `tfidf`, of the pipeline's categories."""
    nlp = spacy.load(model, exclude=["clinical_pathology"])
    cats = [dict(doc.cats) for doc in nlp.pipe(texts)]
    return {
        field: numpy.array([[each.get(label, 0.0) for label in labels] for each in cats]).reshape(len(texts), -1)
        for field, labels in classes.items()
    }


def combine(inferred: numpy.ndarray, stated: numpy.ndarray) -> numpy.ndarray:
    """What a report states decides, and what is inferred where it states nothing.

    inferred (ndarray): (n_reports, n_classes). stated (ndarray): The same shape, rows of 0 where nothing is stated.
    RETURNS (ndarray): (n_reports, n_classes).
    """
    says = stated.sum(axis=1, keepdims=True) > 0
    return numpy.where(says, STATED_WEIGHT * stated + (1 - STATED_WEIGHT) * inferred, inferred)


def aurocs(scores: numpy.ndarray, truths: numpy.ndarray, rows: numpy.ndarray) -> numpy.ndarray:
    """scores (ndarray): (n_reports, n_classes). truths (ndarray): The same, 0 or 1. rows (ndarray): Which reports, as often as drawn.
    RETURNS (ndarray): (n_classes + 1,): of each class, and their mean; nan where a class has not both."""
    held = truths[rows] > 0
    positive, negative = held.sum(0), (~held).sum(0)
    # The statistic of Mann and Whitney: a random positive's rank above a random negative's, ties half.
    ranks = (rankdata(scores[rows], axis=0) * held).sum(0)
    with numpy.errstate(invalid="ignore", divide="ignore"):
        found = (ranks - positive * (positive + 1) / 2) / (positive * negative)
    found[(positive == 0) | (negative == 0)] = numpy.nan
    return numpy.append(found, numpy.nan if numpy.isnan(found).all() else numpy.nanmean(found))


def draw(cases: Sequence[str], n_samples: int = N_SAMPLES) -> List[numpy.ndarray]:
    """RETURNS (List[ndarray]): The rows of each bootstrap sample; a case is drawn with all of its reports."""
    rng = numpy.random.default_rng(SEED)
    names, which = numpy.unique(numpy.asarray(cases), return_inverse=True)
    of_case = [numpy.flatnonzero(which == i) for i in range(len(names))]
    return [
        numpy.concatenate([of_case[i] for i in rng.integers(len(names), size=len(names))]) for _ in range(n_samples)
    ]


def _holds(cats: Dict[str, float], labels: Sequence[str]) -> Optional[str]:
    return next((label for label in labels if cats.get(label)), None)


def _show(samples: Tuple[numpy.ndarray, List[numpy.ndarray]], sign: str = "") -> str:
    value, drawn = samples
    spread: Any = with_interval(value, numpy.array(drawn))
    return (
        "–"
        if spread["value"] is None
        else f"{spread['value']:{sign}.3f} [{spread['low']:{sign}.2f}, {spread['high']:{sign}.2f}]"
    )


def measure(field: str, labels: Sequence[str], reports: Reports, systems: Dict[str, List[numpy.ndarray]]) -> None:
    """Print a field's table: all of its reports, and apart those that state it and those that do not. Of a system with several seeds the means of what each has."""
    truths = numpy.array([[float(cats.get(label, 0.0)) for label in labels] for cats in reports.cats])
    known = numpy.array([_holds(cats, labels) is not None for cats in reports.cats])
    says = reports.stated[field].sum(axis=1) > 0
    groups = {"all": known, "stated": known & says, "not stated": known & ~says} if field in STATED else {"all": known}
    for group, chosen in groups.items():
        rows = numpy.flatnonzero(chosen)
        if not len(rows):
            continue
        draws = [rows[each] for each in draw([reports.cases[i] for i in rows])]
        print(f"\n**{field}, {group}: {len(rows)} reports**\n\n| system | {' | '.join([*labels, 'macro'])} |")
        print(
            "|---" * (len(labels) + 2)
            + "|\n| reports of the class | "
            + " | ".join(f"{n:.0f}" for n in truths[rows].sum(0))
            + " |  |"
        )
        results = {}
        for name, seeds in systems.items():
            results[name] = over_seeds(seeds, truths, rows, draws)
            value, drawn = results[name]
            cells = [f"{each:.3f}" if each == each else "–" for each in value[:-1]]
            print(f"| {name} | {' | '.join(cells)} | {_show((value[-1], [each[-1] for each in drawn]))} |")
        names = list(systems)
        for a, b in [(a, b) for i, b in enumerate(names) for a in names[i + 1 :]]:
            (va, da), (vb, db) = results[a], results[b]
            difference = va[-1] - vb[-1], [x[-1] - y[-1] for x, y in zip(da, db)]
            print(f"| {a} − {b} |{' |' * len(labels)} {_show(difference, '+')} |")


def over_seeds(
    seeds: List[numpy.ndarray], truths: numpy.ndarray, rows: numpy.ndarray, draws: List[numpy.ndarray]
) -> Tuple[numpy.ndarray, List[numpy.ndarray]]:
    """RETURNS (Tuple[ndarray, List[ndarray]]): The means over seeds of `aurocs`, of the reports and of each sample."""
    over, *drawn = [numpy.mean([aurocs(scores, truths, each) for scores in seeds], axis=0) for each in [rows, *draws]]
    return over, drawn


def main(
    folder: Path = typer.Argument(..., help="The folder of the corpora"),
    models: Optional[List[Path]] = typer.Argument(None, help="Trained pipelines, of a seed each"),
    text: str = typer.Option("masked", help="masked or plain"),
    part: str = typer.Option("dev", help="dev or test"),
) -> None:
    """Print AU-ROC by class, with intervals."""
    if text not in ("masked", "plain") or part not in ("dev", "test"):
        raise typer.BadParameter("--text is masked or plain, --part dev or test")
    path = folder / "tcga_tnm" / "tcga_reports_tnm.jsonl"
    classes: Dict[str, Sequence[str]] = {**FIELDS, "cancer_type": cancer_types_of(path)}
    train = load(path, "train", text == "masked", classes, False)
    reports = load(path, part, text == "masked", classes, True)
    systems = {"TF-IDF": [tfidf(train, reports.texts, classes)]}
    if models:
        systems["pipeline"] = [predict(model, reports.texts, classes) for model in models]
    print(f"{part}, {text} text; {len(train.texts)} training reports")
    for field, labels in classes.items():
        shown = {name: [scores[field] for scores in seeds] for name, seeds in systems.items()}
        if field in STATED:
            for name, seeds in list(shown.items()):
                shown[f"{name} + stated"] = [combine(scores, reports.stated[field]) for scores in seeds]
        measure(field, labels, reports, shown)


if __name__ == "__main__":
    typer.run(main)
