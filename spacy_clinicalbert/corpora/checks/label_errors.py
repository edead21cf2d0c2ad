"""Labels that are likely wrong: what models that never saw a note say of it, against what it was given (confident learning, Northcutt
et al. 2021, arXiv 1911.00068, by cleanlab). The models are small linear ones: they find slips, not what takes a careful reader.
"""

import random
import warnings
from collections import Counter
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

import numpy
from numpy import ndarray
from spacy.language import Language

from .findings import INFO, WARNING, Finding, Kind, Tally
from .notes import Note

MAX_NOTES = 2000  # drawn at random from all
MAX_CHARS = 20_000  # of each
FOLDS = 3
MIN_OF_CLASS = 2 * FOLDS  # classes with fewer are left out, for some folds would not know them
MAX_LABELS = 100  # of categories, and of entities: each costs a model, or a column of one
MIN_AGREEMENT = 0.5  # with fewer of the labels a model knows too little to accuse any


CATEGORY = Kind(
    "likely label error, category", WARNING, "Categories that a model of other notes contradicts, the surest first"
)
WEAK = Kind(
    "not judged for label errors", INFO, f"Labels of which a model of other notes finds less than {MIN_AGREEMENT:.0%}"
)
FREQUENT = Kind(
    "frequent labels alone", INFO, f"Label errors were looked for among the {MAX_LABELS} most frequent labels"
)


class Sample(NamedTuple):
    name: str
    text: str
    cats: Dict[str, float]
    entities: Optional[List[Any]]
    looked_for: Optional[List[str]]  # of entities' labels; None is all


class Issue(NamedTuple):
    """A label that is likely wrong.

    confidence (float): The probability of the given label.
    row (int): Which row has it.
    given, likely (int): Classes.
    """

    confidence: float
    row: int
    given: int
    likely: int


class LabelErrors:
    """See the module. It keeps the text of a random sample of the annotated notes, of whatever split.

    nlp (Language): Gives the tokenizer.
    RAISES (ImportError): cleanlab or scikit-learn is not installed.
    """

    def __init__(self, tally: Tally, nlp: Language) -> None:
        import cleanlab.filter  # noqa: F401

        self.tally = tally
        self.nlp = nlp
        self._samples: List[Sample] = []
        self._n_seen = 0
        self._random = random.Random(0)

    def see(self, note: Note) -> None:
        cats = {label: value for label, value in note.record.get("cats", {}).items() if value is not None}
        # Of a note with only some of its entities the others would be accused.
        entities = None if note.record.get("partial") else note.record.get("entities")
        if note.words and (cats or entities is not None):
            self._n_seen += 1
            place = len(self._samples) if len(self._samples) < MAX_NOTES else self._random.randrange(self._n_seen)
            if place < MAX_NOTES:  # Vitter's algorithm R
                self._samples[place : place + 1] = [
                    Sample(note.name, note.text[:MAX_CHARS], cats, entities, note.record.get("labels"))
                ]

    def findings(self) -> Iterator[Finding]:
        from .entity_errors import see_entities

        samples = list({sample.text: sample for sample in self._samples}.values())
        with warnings.catch_warnings():
            # Of models that did not converge, and of folds that lack a class: a rough model is enough here.
            warnings.simplefilter("ignore")
            see_categories([sample for sample in samples if sample.cats], self.tally)
            labels = {label for sample in samples for _, _, label, *_ in sample.entities or ()}
            see_entities([sample for sample in samples if _is_whole(sample, labels)], self.nlp, self.tally)
        yield from self.tally.findings()
        if self._n_seen > MAX_NOTES:
            message = f"Label errors were looked for in {MAX_NOTES} of {self._n_seen} annotated notes, drawn at random"
            yield Finding("sample for label errors", INFO, message, MAX_NOTES)


def _is_whole(sample: Sample, labels: Set[str]) -> bool:
    """Whether nothing of these labels can be missing in a note, which would be accused."""
    return sample.entities is not None and (sample.looked_for is None or labels <= set(sample.looked_for))


def see_categories(samples: List[Sample], tally: Tally) -> None:
    """Look for wrong categories, with logistic regression over the words of a note (TF-IDF)."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    if not samples:
        return
    features = TfidfVectorizer(sublinear_tf=True, token_pattern=r"\w+").fit_transform([one.text for one in samples])
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    n_labels = len({label for sample in samples for label, value in sample.cats.items() if value >= 0.5})
    if n_labels > MAX_LABELS:
        tally.add(FREQUENT, "categories", f"of {n_labels}")
    found: List[Tuple[Issue, str, str]] = []
    for names, background, rows, classes in _problems(samples):
        issues = find_issues(LogisticRegression(C=10), features[rows], numpy.array(classes), folds, background)
        if issues is None:
            tally.add(WEAK, "categories" if background is None else f"category {names[1]}")
        for issue in issues or ():
            found.append((issue._replace(row=rows[issue.row]), names[issue.given], names[issue.likely]))
    for issue, given, likely in sorted(found):
        sample = samples[issue.row]
        tally.add(CATEGORY, sample.name, f"{given} ({issue.confidence:.2f}), more likely {likely}", sample.text[:200])


def _problems(samples: List[Sample]) -> Iterator[Tuple[Sequence[str], Optional[int], List[int], List[int]]]:
    """What there is to classify, of the most frequent categories: one problem where every note has exactly one, else one for each category, over
    the notes of which it is known.

    YIELDS (Tuple[Sequence[str], Optional[int], List[int], List[int]]): Names of the classes; which of them says that there is
        nothing; rows of the samples; the class of each.
    """
    positive = [[label for label, value in sample.cats.items() if value >= 0.5] for sample in samples]
    counts = Counter(label for labels in positive for label in labels)
    if all(len(labels) == 1 for labels in positive):
        names = sorted(label for label, count in counts.most_common(MAX_LABELS) if count >= MIN_OF_CLASS)
        rows = [row for row, labels in enumerate(positive) if labels[0] in names]
        if len(names) > 1:
            yield names, None, rows, [names.index(positive[row][0]) for row in rows]
        return
    for label in sorted(label for label, _ in counts.most_common(MAX_LABELS)):
        rows = [row for row, sample in enumerate(samples) if label in sample.cats]
        classes = [int(samples[row].cats[label] >= 0.5) for row in rows]
        if min(sum(classes), len(classes) - sum(classes)) >= MIN_OF_CLASS:
            yield (f"not {label}", label), 0, rows, classes


def find_issues(
    model: Any,
    features: Any,
    classes: ndarray,
    folds: Any,
    background: Optional[int] = None,
) -> Optional[List[Issue]]:
    """Find the labels that a model which was trained without them contradicts, more surely than it usually does.

    model (Any): scikit-learn's, with `predict_proba`.
    features (Any): Sparse, (n_rows, n_features).
    classes (ndarray): From 0, (n_rows,).
    folds (Any): scikit-learn's splitter.
    background (Optional[int]): The class that says that there is nothing; it does not count for `MIN_AGREEMENT`.
    RETURNS (Optional[List[Issue]]): None if the model agrees with too few labels.
    """
    from cleanlab.filter import find_label_issues
    from sklearn.model_selection import cross_val_predict

    given = cross_val_predict(model, features, classes, cv=folds, method="predict_proba")
    labelled = classes != background
    if (given.argmax(axis=1) == classes)[labelled].mean() < MIN_AGREEMENT:
        return None
    rows = find_label_issues(
        classes, given, filter_by="confident_learning", return_indices_ranked_by="self_confidence", n_jobs=1
    )
    return [
        Issue(float(given[row, classes[row]]), int(row), int(classes[row]), int(given[row].argmax())) for row in rows
    ]
