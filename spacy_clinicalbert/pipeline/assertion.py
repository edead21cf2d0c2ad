"""The component `clinical_assertion`: whether what a span speaks of is there, when it was, and whose it is."""

import logging
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example
from spacy.util import minibatch
from spacy.vocab import Vocab
from thinc.api import Model
from thinc.types import Floats2d, Ragged

from ..corpora.docs import GOLD, install_extensions
from .assertion_axes import AXES, Axes, add_attributes
from .assertion_gold import MISSING, GoldSpan, gold_spans, known_axes, targets
from .assertion_model import as_ragged
from .assertion_scorer import assertion_score
from .calibration import Calibration, calibrate, softmax, threshold_for_precision
from .head import Head

logger = logging.getLogger(__name__)

ASSERTION = "assertion"  # in a span group's attrs: for each of its spans axis → [label, probability]
BATCH_SIZE = 128  # Docs at a time where spaCy says no number

Assertions = Dict[str, List[Any]]


def install_getter() -> None:
    """Declare `span._.assertion`."""
    if not Span.has_extension("assertion"):
        Span.set_extension("assertion", getter=find_assertion)


def find_assertion(span: Span) -> Optional[Assertions]:
    """What stands behind `span._.assertion`: searches the Doc's span groups for a span of the same place and label. Who wants
    those of many spans takes `find_assertions`, or reads `doc.spans["assertions"].attrs["assertion"]`, which is parallel to that group's spans.

    span (Span): An entity, or any other span.
    RETURNS (Optional[Dict[str, List]]): Axis → [label, probability]; None where no component has classified the span.
    """
    key = (span.start, span.end, span.label)
    for group in span.doc.spans.values():
        for other, assertions in zip(group, group.attrs.get(ASSERTION, ())):
            if (other.start, other.end, other.label) == key:
                return assertions
    return None


def find_assertions(doc: Doc) -> Dict[Tuple[int, int, int], Assertions]:
    """RETURNS (Dict[Tuple[int, int, int], Dict[str, List]]): Start, end and label of each span that was classified → what `find_assertion` gives of it."""
    found: Dict[Tuple[int, int, int], Assertions] = {}
    for group in doc.spans.values():
        for span, assertions in zip(group, group.attrs.get(ASSERTION, ())):
            found.setdefault((span.start, span.end, span.label), assertions)
    return found


class ClinicalAssertion(Head):
    """Classifies given spans on independent axes, each with labels of which one holds. Writes `doc.spans[assertions_key]`, the spans in
    their order, with `attrs["assertion"]` parallel to them: for each axis → [label, probability].

    vocab (Vocab): The shared vocabulary.
    model (Model[Tuple[List[Doc], Ragged], Floats2d]): As `assertion_model.Assertion` makes it.
    name (str): The component's name. Where `doc._.annotated` of a reference has it, it may learn the axes that stand there alone.
    axes (Dict[str, List[str]]): Axis → labels. It learns those that occur in training, and leaves out an axis with fewer than two.
    attributes (Dict[str, Dict[str, Dict[str, str]]]): What attributes of gold spans mean, attribute → value → axis → label, beside
        `assertion_axes.ATTRIBUTE_LABELS`.
    spans_key (Optional[str]): The span group to classify; None takes doc.ents.
    assertions_key (str): Where the results go. It can be `spans_key`: then that group gets them.
    gold_key (str): The references' group of gold spans, whose attributes are in its attrs (see `corpora.docs.span_attributes`).
    scorer (Optional[Callable]): Called with the examples and what `score` adds.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[Tuple[List[Doc], Ragged], Floats2d],
        name: str = "clinical_assertion",
        *,
        axes: Axes = AXES,
        attributes: Mapping[str, Mapping[str, Mapping[str, str]]] = {},
        spans_key: Optional[str] = None,
        assertions_key: str = "assertions",
        gold_key: str = GOLD,
        scorer: Optional[Callable] = assertion_score,
    ) -> None:
        install_extensions()
        install_getter()
        self.vocab = vocab
        self.model = model
        self.name = name
        self.axes = axes
        self.attributes = add_attributes(attributes)
        self.spans_key = spans_key
        self.assertions_key = assertions_key
        self.gold_key = gold_key
        self.scorer = scorer
        # What training and calibration found out; the settings stand in the config alone.
        self.cfg: Dict[str, Any] = {"axes": {}, "temperatures": {}, "thresholds": {}}

    @property
    def label_data(self) -> Axes:
        """The axes that the model has learned, with their labels in the order of its output."""
        return self.cfg["axes"]

    @property
    def labels(self) -> Tuple[str, ...]:  # type: ignore[override]
        """Every label, as "certainty:absent"."""
        return tuple(f"{axis}:{label}" for axis, labels in self.label_data.items() for label in labels)

    def _columns(self) -> Iterator[Tuple[str, List[str], slice]]:
        """Each axis with its labels and their columns in the model's output."""
        start = 0
        for axis, labels in self.label_data.items():
            yield axis, labels, slice(start, start + len(labels))
            start += len(labels)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Axes] = None,
    ) -> None:
        """Find the axes and labels that occur, and make the model's weights.

        get_examples (Callable[[], Iterable[Example]]): Gives examples for training.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Dict[str, List[str]]]): Axis → labels, instead of those that occur.
        RAISES (ValueError): No axis has two labels.
        """
        seen: Dict[str, set] = {axis: set() for axis in self.axes}
        sample: List[Doc] = []
        for example in get_examples():
            if len(sample) < 10 and len(example.predicted):
                sample.append(example.predicted)
            for span in self._gold(example) if labels is None else ():
                for axis, label in span.known.items():
                    seen[axis].add(label)
            if labels is not None and len(sample) == 10:
                break
        found = labels or {axis: [label for label in self.axes[axis] if label in seen[axis]] for axis in self.axes}
        self.cfg.update(axes={axis: list(each) for axis, each in found.items() if len(each) > 1})
        self.cfg.update(temperatures={}, thresholds={})
        for axis in found.keys() - self.label_data.keys():
            level = logging.WARNING if found[axis] else logging.INFO  # none is a corpus that does not annotate it
            logger.log(level, "%s leaves out '%s': training has %d labels on it", self.name, axis, len(found[axis]))
        if not self.label_data:
            raise ValueError(
                f"The component '{self.name}' found no axis with two labels. Gold spans are read from the references' "
                f"doc.spans['{self.gold_key}'] with their attributes (corpora.docs.span_attributes): the readers write these, and the "
                "settings gold_key and attributes say where others stand and what they mean."
            )
        one = as_ragged([[(0, 1)] for _ in sample], self.model)
        Y = self.model.ops.alloc2f(len(sample), len(self.labels))
        self.model.initialize(X=(sample, one) if sample else None, Y=Y)

    def predict(self, docs: Iterable[Doc]) -> List[numpy.ndarray]:
        """Classify the spans of some Docs without changing these.

        docs (Iterable[Doc]): The Docs.
        RETURNS (List[ndarray]): For each Doc the logits of its spans, (n_spans, n_labels).
        """
        docs = list(docs)
        return self._logits(docs, [[(span.start, span.end) for span in self._spans(doc)] for doc in docs])

    def set_annotations(self, docs: Iterable[Doc], scores: List[numpy.ndarray]) -> None:
        """Write the assertions of some Docs.

        docs (Iterable[Doc]): The Docs.
        scores (List[ndarray]): As `predict` gives them.
        """
        for doc, logits in zip(docs, scores):
            kept = doc.spans[self.spans_key].attrs if self.assertions_key == self.spans_key in doc.spans else {}
            doc.spans[self.assertions_key] = SpanGroup(
                doc,
                name=self.assertions_key,
                spans=self._spans(doc),
                attrs={**kept, ASSERTION: self._assertions(logits)},
            )

    def read_targets(self, examples: List[Example]) -> Optional[List[List[GoldSpan]]]:
        """RETURNS (Optional[List[List[GoldSpan]]]): The gold spans of each example of which anything is known; None without any."""
        gold = [[span for span in self._gold(example) if span.known] for example in examples]
        return gold if any(gold) else None

    def learn(self, examples: List[Example], gold: List[List[GoldSpan]]) -> float:
        """RETURNS (float): The loss: the cross-entropy. What is not annotated on an axis gives no gradient there."""
        spans = as_ragged([[(span.start, span.end) for span in each] for each in gold], self.model)
        scores, backprop = self.model.begin_update(([example.predicted for example in examples], spans))
        loss, d_scores = self._loss(self.model.ops.to_numpy(scores), targets(gold, self.label_data))
        backprop(self.model.ops.asarray2f(d_scores))  # type: ignore[arg-type]
        return loss

    def score(self, examples: Iterable[Example], **kwargs: Any) -> Dict[str, Any]:
        """Score on gold spans, which the component classifies for it, and end to end, as the Docs have been annotated.

        examples (Iterable[Example]): Their predicted Docs went through the pipeline, and still have the encoder's vectors.
        RETURNS (Dict[str, Any]): As `assertion_scorer.assertion_score` gives it.
        RAISES (ValueError): The vectors are gone.
        """
        if self.scorer is None:
            return {}
        examples = list(examples)
        gold = [self._gold(example) for example in examples]
        given = [self._assertions(logits) for logits in self._gold_logits(examples, gold)]
        return self.scorer(
            examples,
            gold=gold,
            given=given,
            known=known_axes(examples, gold, self.gold_key, self.label_data, self.name),
            assertions_key=self.assertions_key,
            axes=self.label_data,
            name=self.name,
            **kwargs,
        )

    def calibrate(self, examples: Iterable[Example], precision: Optional[float] = None) -> Dict[str, Calibration]:
        """Fit a temperature for each axis, and thresholds, on notes that it was not trained on. With thresholds, a label is given if it is the
        most probable of those that reach theirs; the first label of an axis has none.

        examples (Iterable[Example]): Their predicted Docs went through the pipeline.
        precision (Optional[float]): What a label's precision is to be at least, on these notes. Where no threshold reaches it, the label
            is never given; a label that is not in these notes gets none. None sets no thresholds.
        RETURNS (Dict[str, Calibration]): Axis → how well its probabilities fit before and after. An axis without gold is not here.
        """
        examples = list(examples)
        gold = [self._gold(example) for example in examples]
        logits = numpy.concatenate([*self._gold_logits(examples, gold), numpy.zeros((0, len(self.labels)), "f")])
        numbers = targets(gold, self.label_data)
        groups = numpy.repeat(numpy.arange(len(gold)), [len(each) for each in gold])
        found: Dict[str, Calibration] = {}
        for i, (axis, labels, columns) in enumerate(self._columns()):
            known = numbers[:, i] != MISSING
            if known.any():
                truth, own = numbers[known, i], logits[known, columns]
                found[axis] = calibrate(own, truth, groups[known])
                self.cfg["temperatures"][axis] = found[axis].temperature
                self.cfg["thresholds"].pop(axis, None)  # chosen by another temperature
                if precision is not None:
                    probabilities = softmax(own / found[axis].temperature)
                    thresholds = {
                        label: threshold_for_precision(probabilities[:, j], truth == j, precision)
                        for j, label in enumerate(labels)
                        if j > 0 and (truth == j).any()
                    }
                    found[axis] = found[axis]._replace(thresholds=thresholds)
                    self.cfg["thresholds"][axis] = thresholds
        return found

    def _spans(self, doc: Doc) -> Sequence[Span]:
        return doc.ents if self.spans_key is None else list(doc.spans.get(self.spans_key, ()))

    def _logits(self, docs: List[Doc], spans: List[List[Tuple[int, int]]]) -> List[numpy.ndarray]:
        sizes = [len(each) for each in spans]
        if not any(sizes):
            return [numpy.zeros((0, len(self.labels)), dtype="f") for _ in docs]
        logits = self.model.ops.to_numpy(self.model.predict((docs, as_ragged(spans, self.model))))
        return numpy.split(logits, numpy.cumsum(sizes)[:-1])

    def _gold_logits(self, examples: List[Example], gold: List[List[GoldSpan]]) -> Iterator[numpy.ndarray]:
        for batch in minibatch(zip(examples, gold), BATCH_SIZE):
            docs = [example.predicted for example, _ in batch]
            self.require_vectors(doc for doc, (_, spans) in zip(docs, batch) if spans)
            yield from self._logits(docs, [[(span.start, span.end) for span in each] for _, each in batch])

    def _assertions(self, logits: numpy.ndarray) -> List[Assertions]:
        """What the logits of a Doc's spans, (n_spans, n_labels), say."""
        found: List[Assertions] = [{} for _ in logits]
        for axis, labels, columns in self._columns():
            probabilities = softmax(logits[:, columns] / self.cfg["temperatures"].get(axis, 1.0))
            own = self.cfg["thresholds"].get(axis, {})
            thresholds = numpy.array([own.get(label, 0.0) for label in labels])
            chosen = numpy.where(probabilities >= thresholds, probabilities, -1.0).argmax(axis=1)
            rows = numpy.arange(len(logits))
            for each, label, value in zip(found, chosen.tolist(), probabilities[rows, chosen].tolist()):
                each[axis] = [labels[label], value]
        return found

    def _gold(self, example: Example) -> List[GoldSpan]:
        return gold_spans(example, self.gold_key, self.axes, self.attributes, self.name)

    def _loss(self, logits: numpy.ndarray, numbers: numpy.ndarray) -> Tuple[float, numpy.ndarray]:
        """The cross-entropy, summed over spans and axes, and its gradient, which is zero where nothing is known."""
        d_logits = numpy.zeros_like(logits)
        loss = 0.0
        for i, (_, _, columns) in enumerate(self._columns()):
            rows = numpy.flatnonzero(numbers[:, i] != MISSING)
            probabilities = softmax(logits[rows, columns])
            own = (numpy.arange(len(rows)), numbers[rows, i])
            loss -= float(numpy.log(numpy.maximum(probabilities[own], 1e-30)).sum())
            probabilities[own] -= 1.0
            d_logits[rows, columns] = probabilities
        return loss, d_logits
