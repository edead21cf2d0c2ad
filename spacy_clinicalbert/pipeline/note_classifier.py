"""Categories of whole notes of any length: each window of the encoder is classified, and their probabilities are put together."""

from collections import Counter
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy
from numpy import ndarray
from spacy.errors import Errors
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Model

from ..corpora.docs import install_extensions
from ..corpora.missing import known_labels
from .aggregators import Windows
from .calibration import Calibration, softmax
from .head import Head
from .note_calibration import LEAST, apply_temperatures, calibrate_classes, calibrate_labels
from .note_classifier_model import WindowScores, window_shares
from .note_scorer import score_notes
from .note_words import Frequencies, table_of

BALANCED = "balanced"
CATS = "cats"  # in a span group's attrs: for each of its spans label → probability


class Categories(NamedTuple):
    """What was found in one Doc.

    note (ndarray): The note's probabilities, (n_labels,).
    probabilities (ndarray): Those of each of the encoder's windows, by its own vector and its own words, (n_windows, n_labels).
    windows (ndarray): The tokens that each window keeps, first and behind the last, (n_windows, 2).
    """

    note: ndarray
    probabilities: ndarray
    windows: ndarray


class ClinicalNoteClassifier(Head):
    """Classifies notes, or all notes of an admission in one Doc, by their windows. `doc.cats` has the note's probabilities, `doc.spans[spans_key]` the
    windows with their own in `attrs["cats"]`, so that a reader sees which part of the note spoke. A Doc without wordpieces has no window, and
    0 for all labels.

    It is trained on whole notes: the loss is that of the note's probabilities, and the aggregator shares its gradient out to the windows.

    vocab (Vocab): The pipeline's vocabulary.
    model (Model[List[Doc], WindowScores]): As `note_classifier_model.NoteClassifier` makes it.
    name (str): The component's name in the pipeline, and in `doc._.annotated`.
    exclusive_classes (bool): One label holds (softmax), or any number (sigmoid).
    spans_key (str): The span group of the windows.
    positive_weight (Union[float, str]): What a label that holds counts for in the loss, against one that does not, where classes are not exclusive. Above 1 rare labels are
        found more often, and probabilities are too high for what is found. "balanced" weighs those notes that have a label as much as those that do not, label by label.
    thresholds (Optional[Dict[str, float]]): Label → how probable it must be to hold; 0.5 for the others. `doc.cats` has probabilities whatever they are: scores and mistakes go by
        thresholds. Not where classes are exclusive.
    only_if (Optional[str]): A category, of a component before this one, that a Doc must have with at least 0.5; of others nothing is said: they get no categories
        and no windows of this component. None reads all. Training takes every Doc that is annotated. Not where classes are exclusive, of which each Doc has one.
    scorer (Optional[Callable]): The scoring method.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Doc], WindowScores],
        name: str = "clinical_note_classifier",
        *,
        exclusive_classes: bool = False,
        spans_key: str = "windows",
        positive_weight: Union[float, str] = 1.0,
        thresholds: Optional[Dict[str, float]] = None,
        only_if: Optional[str] = None,
        scorer: Optional[Callable] = score_notes,
    ):
        if thresholds and exclusive_classes:
            raise ValueError(
                f"Classes of '{name}' are exclusive: the most probable one holds. Take off its thresholds."
            )
        for label, value in (thresholds or {}).items():
            if not 0 < value <= 1:
                raise ValueError(f"'{name}' has the threshold {value} for {label}; set it above 0 and to at most 1.")
        is_weight = positive_weight == BALANCED if isinstance(positive_weight, str) else positive_weight > 0
        if not is_weight or (exclusive_classes and positive_weight != 1):
            raise ValueError(
                f"positive_weight of '{name}' is {positive_weight}; set it above 0 or to \"{BALANCED}\", and to 1 where classes are exclusive."
            )
        if only_if is not None and exclusive_classes:
            raise ValueError(
                f"Classes of '{name}' are exclusive, and each document has one: with only_if = \"{only_if}\" some would have none. Set exclusive_classes = false."
            )
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.positive_weight = positive_weight
        self.only_if = only_if
        self.cfg: Dict[str, Any] = {
            "labels": [],
            "exclusive_classes": exclusive_classes,
            "spans_key": spans_key,
            "temperatures": {},
            "thresholds": dict(thresholds or {}),
            "balance": {},
        }
        self._thresholds = dict(thresholds or {})
        install_extensions()

    @property
    def labels(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): The labels, in the order of the model's columns."""
        return tuple(self.cfg["labels"])

    @property
    def thresholds(self) -> Dict[str, float]:
        """RETURNS (Dict[str, float]): Label → how probable it must be to hold; empty where classes are exclusive."""
        if self.cfg["exclusive_classes"]:
            return {}
        chosen = self.cfg.get("thresholds", {})  # pipelines of earlier versions have none
        return {label: chosen.get(label, 0.5) for label in self.labels}

    @property
    def label_data(self) -> List[str]:
        """RETURNS (List[str]): What `spacy init labels` writes, and `initialize` takes."""
        return list(self.labels)

    def add_label(self, label: str) -> int:
        """Add a label, before the model is initialised.

        label (str): The label.
        RETURNS (int): 0 if it is there already, else 1.
        """
        if not isinstance(label, str):
            raise ValueError(Errors.E187)
        if label in self.labels:
            return 0
        if self.model.get_ref("output_layer").has_dim("nO"):
            raise ValueError(
                f"'{self.name}' has its labels already. Give new ones to nlp.initialize, and train it anew."
            )
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        return 1

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[List[str]] = None,
    ) -> None:
        """Prepare the model for training. A calibration of weights that there were before is forgotten.

        get_examples (Callable[[], Iterable[Example]]): Gives the training data.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[List[str]]): The labels; without them, those of the data.
        RAISES (ValueError): Exclusive classes of fewer than two labels.
        """
        self.require_own_spans(nlp)
        self.cfg.update(temperatures={}, thresholds=dict(self._thresholds))
        for label in labels or ():
            self.add_label(label)
        sample: List[Doc] = []
        table = table_of(self.model.get_ref("words")) if self.model.has_ref("words") else None
        words = Frequencies(table.read_facts) if table is not None else None
        with_label: Counter = Counter()
        without: Counter = Counter()
        for example in get_examples():
            cats = example.reference.cats
            known = known_labels(example.reference, self.name, cats)
            for label in cats if labels is None else ():
                if label in known:
                    self.add_label(label)
            with_label.update(label for label in known if cats[label] > 0.5)
            without.update(label for label in known if cats[label] <= 0.5)
            if words is not None and known:
                words.add(example.predicted)
            if len(sample) < 10:
                sample.append(example.predicted)
        if self.positive_weight == BALANCED:
            self.cfg["balance"] = {label: balance(with_label[label], without[label]) for label in self.labels}
        self._require_labels()
        self.warn_of_strangers(("thresholds",))
        if self.cfg["exclusive_classes"] and len(self.labels) < 2:
            raise ValueError(
                f"'{self.name}' has one label, '{self.labels[0]}', which always holds where classes are exclusive. Set "
                "exclusive_classes = false, or annotate another label."
            )
        self.model.initialize(X=sample, Y=self.model.ops.alloc2f(1, len(self.labels)))  # type: ignore[arg-type]
        if table is not None and words is not None:
            table.read(words)

    def predict(self, docs: Iterable[Doc]) -> List[Optional[Categories]]:
        """Classify some Docs and their windows, without changing these.

        docs (Iterable[Doc]): The documents.
        RETURNS (List[Optional[Categories]]): One for each; None for those that are not to be classified.
        RAISES (ValueError): No component has given the category that `only_if` names.
        """
        self._require_labels()
        docs = list(docs)
        wanted = [self._applies_to(doc) for doc in docs]
        chosen = [doc for doc, is_wanted in zip(docs, wanted) if is_wanted]
        found = iter(self._predict(chosen, self.cfg["temperatures"]))
        return [next(found) if is_wanted else None for is_wanted in wanted]

    def _applies_to(self, doc: Doc) -> bool:
        if self.only_if is None:
            return True
        if self.only_if not in doc.cats:
            raise ValueError(
                f"'{self.name}' classifies what is {self.only_if}, and no component before it has given this category. Put the one that does "
                "before it, disable this one too, or set only_if = null."
            )
        return doc.cats[self.only_if] >= 0.5

    def _predict(self, docs: List[Doc], temperatures: Dict[str, float]) -> List[Categories]:
        if not docs:
            return []
        scores = self.model.predict(docs)
        given = self._windows(scores)
        # Sums of float32 weights round to a little more than 1.
        notes = numpy.minimum(self._normalised(self.model.get_ref("aggregate").predict(given)), 1)
        notes = apply_temperatures(notes, self.labels, temperatures, self.cfg["exclusive_classes"])
        # A note without windows is nothing, whatever a temperature makes of 0.
        notes[[not len(each) for each in scores.windows]] = 0
        ends = numpy.cumsum([len(each) for each in scores.windows])
        own = numpy.split(self._probabilities(scores.own), ends[:-1])
        return [Categories(*each) for each in zip(notes, own, scores.windows)]

    def set_annotations(self, docs: Iterable[Doc], found: List[Optional[Categories]]) -> None:
        """Write `doc.cats` and the span group of what was classified.

        docs (Iterable[Doc]): The documents.
        found (List[Categories]): As `predict` gave it.
        """
        key = self.cfg["spans_key"]
        for doc, each in zip(docs, found):
            if each is None:
                continue
            note, probabilities, windows = each
            doc.cats.update(zip(self.labels, note.tolist()))
            spans = [Span(doc, start, end) for start, end in windows.tolist()]
            cats = [dict(zip(self.labels, row)) for row in probabilities.tolist()]
            doc.spans[key] = SpanGroup(doc, name=key, spans=spans, attrs={CATS: cats})

    def read_targets(self, examples: List[Example]) -> Optional[Tuple[ndarray, ndarray]]:
        """RETURNS (Optional[Tuple[ndarray, ndarray]]): What the references say, and whether they do; None where none does."""
        truths, known = self._targets(examples)
        return (truths, known) if known.any() else None

    def learn(self, examples: List[Example], targets: Tuple[ndarray, ndarray]) -> float:
        """RETURNS (float): The loss: the cross-entropy."""
        truths, known = targets
        given, notes, backprop = self.begin_update([example.predicted for example in examples])
        # A note without windows has nothing to learn from.
        known = known & (numpy.bincount(given.docs, minlength=given.n_docs) > 0)[:, None]
        loss, d_notes = self._loss(notes, truths, known)
        backprop(d_notes)
        return loss

    def begin_update(self, docs: List[Doc]) -> Tuple[Windows, ndarray, Callable[[ndarray], None]]:
        """Put windows together, with a backward.

        docs (List[Doc]): The predicted Docs of an update.
        RETURNS (Tuple[Windows, ndarray, Callable]): What the aggregator took; what it gave, (n_docs, n_labels), neither normalised nor calibrated; and
            what takes the gradient of that.
        """
        scores, backprop = self.model.begin_update(docs)
        given = self._windows(scores)
        notes, backprop_notes = self.model.get_ref("aggregate").begin_update(given)

        def backprop_windows(d_notes: ndarray) -> None:
            d_probabilities, d_hidden = backprop_notes(d_notes)
            p = given.probabilities
            if self.cfg["exclusive_classes"]:
                d_logits = p * (d_probabilities - (p * d_probabilities).sum(axis=1, keepdims=True))
            else:
                d_logits = d_probabilities * p * (1 - p)
            as_floats: Any = self.model.ops.asarray2f
            backprop((as_floats(d_logits), None if d_hidden is None else as_floats(d_hidden)))  # type: ignore[arg-type]

        return given, notes, backprop_windows

    def score(self, examples: Iterable[Example], **settings: Any) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The scores, see `pipeline.note_scorer.score_notes`."""
        if self.scorer is None:
            return {}
        examples = list(examples)
        truths, known = self._targets(examples)
        return self.scorer(
            examples,
            labels=self.labels,
            truths=truths > 0.5,
            known=known,
            exclusive=self.cfg["exclusive_classes"],
            thresholds=self.thresholds,
            **settings,
        )

    def calibrate(self, examples: Iterable[Example], precision: Optional[float] = None) -> Dict[str, Calibration]:
        """Fit temperatures on notes that it was not trained on: one where classes are exclusive, else one a label, and a threshold a label.

        examples (Iterable[Example]): Their predicted Docs went through the pipeline.
        precision (Optional[float]): What each label's precision is to be at least, on these notes. Without it, thresholds are those of the best F1, for labels that
            enough of the notes have.
        RETURNS (Dict[str, Calibration]): "categories", or labels → how well the probabilities fit before and after.
        """
        examples = list(examples)
        truths, known = self._targets(examples)
        docs = [example.predicted for example in examples]
        self.require_vectors(docs)
        notes = numpy.array([each.note for each in self._predict(docs, {})]).reshape(known.shape)  # also of no notes
        given = (notes, truths > 0.5, known)
        if self.cfg["exclusive_classes"]:
            found = calibrate_classes(*given)
        else:
            found = calibrate_labels(self.labels, *given, precision)
        self.cfg["temperatures"].update({what: each.temperature for what, each in found.items()})
        # A threshold that was chosen by another temperature says nothing any more.
        kept = {label: value for label, value in self.cfg.get("thresholds", {}).items() if label not in found}
        own = {label: value for label, value in self._thresholds.items() if label in found}
        self.cfg["thresholds"] = {**kept, **own}
        for each in found.values():
            self.cfg["thresholds"].update(each.thresholds)
        return found

    def _windows(self, scores: WindowScores) -> Windows:
        """What the aggregator takes."""
        docs = numpy.repeat(numpy.arange(len(scores.windows)), [len(each) for each in scores.windows])
        hidden = self.model.ops.to_numpy(scores.hidden)
        shares = window_shares(scores.windows)
        return Windows(self._probabilities(scores.logits), hidden, shares, docs, len(scores.windows))

    def _probabilities(self, logits: Any) -> ndarray:
        logits = self.model.ops.to_numpy(logits)
        return softmax(logits) if self.cfg["exclusive_classes"] else (1 + numpy.tanh(logits / 2)) / 2  # cannot overflow

    def _normalised(self, notes: ndarray) -> ndarray:
        """Probabilities of exclusive classes add up to 1, which a maximum leaves undone."""
        if not self.cfg["exclusive_classes"]:
            return notes
        return notes / numpy.maximum(notes.sum(axis=1, keepdims=True), LEAST)

    def _loss(self, notes: ndarray, truths: ndarray, known: ndarray) -> Tuple[float, ndarray]:
        """The cross-entropy of the notes' probabilities, and its gradient in what the aggregator gave."""
        notes = numpy.clip(notes, LEAST, 1 - LEAST)
        if self.cfg["exclusive_classes"]:
            total = notes.sum(axis=1, keepdims=True)
            loss = -(known * truths * numpy.log(notes / total)).sum()
            return float(loss), (known * (truths.sum(axis=1, keepdims=True) / total - truths / notes)).astype("f")
        weights = self._weights()
        positive, negative = known * truths * weights[0], known * (1 - truths) * weights[1]
        loss = -(positive * numpy.log(notes) + negative * numpy.log(1 - notes)).sum()
        return float(loss), (negative / (1 - notes) - positive / notes).astype("f")

    def _weights(self) -> ndarray:
        """RETURNS (ndarray): What a label counts for where it holds, and where it does not, (2, n_labels)."""
        if self.positive_weight == BALANCED:
            if set(self.cfg.get("balance", {})) != set(self.labels):
                raise ValueError(
                    f"'{self.name}' was not initialised with positive_weight = \"{BALANCED}\": how many notes have a label is not known. Train it "
                    "anew, or set a number."
                )
            return numpy.array([self.cfg["balance"][label] for label in self.labels]).T
        return numpy.array([[float(self.positive_weight)], [1.0]])

    def _targets(self, examples: Sequence[Example]) -> Tuple[ndarray, ndarray]:
        """What the references say of each label, and whether they do, (n_examples, n_labels) each. Of exclusive classes the one
        that holds says it of all.

        RAISES (ValueError): More than one of them holds.
        """
        truths = numpy.zeros((len(examples), len(self.labels)), dtype="f")
        known = numpy.zeros(truths.shape, dtype=bool)
        for i, example in enumerate(examples):
            cats = example.reference.cats
            own = known_labels(example.reference, self.name, cats)
            for j, label in enumerate(self.labels):
                if label in own:
                    truths[i, j], known[i, j] = cats[label], True
            if self.cfg["exclusive_classes"]:
                known[i] = truths[i].any()
                if truths[i].sum() > 1:
                    raise ValueError(
                        f"Document {i} of the batch has more than one category, and the classes of '{self.name}' are "
                        "exclusive. Correct its doc.cats, or set exclusive_classes = false."
                    )
        return truths, known


def balance(n_with: int, n_without: int) -> Tuple[float, float]:
    """RETURNS (Tuple[float, float]): What each note counts for with a label and without, so that both kinds together count for as much; a note counts for 1 in the mean."""
    n_notes = n_with + n_without
    return n_notes / (2 * max(n_with, 1)), n_notes / (2 * max(n_without, 1))
