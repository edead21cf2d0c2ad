"""Entities with probabilities: a linear-chain decoder for each label over token vectors."""

import copy
import logging
from collections import Counter
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple, cast

import numpy
from numpy import ndarray
from spacy.attrs import IS_SPACE
from spacy.errors import Errors
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example
from spacy.util import minibatch
from spacy.vocab import Vocab
from thinc.api import Model
from thinc.types import Floats2d

from ..corpora.docs import install_extensions
from ..corpora.missing import known_labels
from .calibration import Calibration
from .confidence import SCORES, install_confidence
from .crf import N_SCORED, OUTSIDE, UNKNOWN, Spans, best_of_overlapping, trim
from .gold import Targets, make_targets, read_gold
from .head import Head
from .modes import MODES, Mode
from .ner_calibration import calibrate_ner, join
from .ner_loss import chain_loss
from .ner_scorer import score_ner
from .token_tags import find_words

logger = logging.getLogger(__name__)

BATCH_SIZE = 128  # Docs at a time in calibrating


class Found(NamedTuple):
    """What was found in one Doc.

    spans (Spans): In the Doc's tokens.
    in_ents (ndarray): bool, (n_spans,): those that go into `doc.ents`.
    """

    spans: Spans
    in_ents: ndarray


class ClinicalNer(Head):
    """Finds entities, overlapping and nested ones of different labels too, and says how probable they are.

    Everything found stands in a span group, in the order of the text, with the probabilities in its `attrs["scores"]`. `doc.ents`
    has the most probable of those that overlap; entities that stand there already stay. `span._.confidence` looks an entity up in the group.

    vocab (Vocab): The pipeline's vocabulary.
    model (Model[List[Doc], List[Floats2d]]): As `pipeline.span_tagger.SpanTagger` makes it.
    name (str): The component's name in the pipeline, and in `doc._.annotated`.
    spans_key (str): The span group that it writes.
    gold_key (str): The span group of a reference that it learns from. References without the group give `doc.ents`.
    mode (str): "independent": labels know nothing of each other; "joint": they exclude each other; "tokens": so do they, and each token
        has the tag that is the most probable for it alone, as Hugging Face's token classifiers have them (see `pipeline.token_tags`).
    threshold (float): How probable a span must be, above 0; in the mode "tokens" 0 leaves out none. Of spans of the same label that
        overlap the most probable is found.
    thresholds (Dict[str, float]): Label → its own threshold.
    temperature (float): Divides the scores: above 1, probabilities are less extreme.
    label_smoothing (float): What share of a token's target goes to the other tags, evenly.
    class_weights (Dict[str, float]): Label → factor on the gradient at its entities' tokens: above 1, more of them are found, and
        more of what is found is wrong.
    scorer (Optional[Callable]): The scoring method.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Doc], List[Floats2d]],
        name: str = "clinical_ner",
        *,
        spans_key: str = "entities",
        gold_key: str = "gold",
        mode: str = "independent",
        threshold: float = 0.5,
        thresholds: Optional[Dict[str, float]] = None,
        temperature: float = 1.0,
        label_smoothing: float = 0.0,
        class_weights: Optional[Dict[str, float]] = None,
        scorer: Optional[Callable] = score_ner,
    ):
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.cfg: Dict[str, Any] = {
            "labels": [],
            "spans_key": spans_key,
            "gold_key": gold_key,
            "mode": mode,
            "threshold": threshold,
            "thresholds": dict(thresholds or {}),
            "temperature": temperature,
            "label_smoothing": label_smoothing,
            "class_weights": dict(class_weights or {}),
        }
        if mode not in MODES:
            raise ValueError(f"mode of '{name}' is '{mode}'; set it to one of {', '.join(MODES)}.")
        for label, value in [("all labels", threshold), *self.cfg["thresholds"].items()]:
            if not (0 < value <= 1 or (value == 0 and mode == "tokens")):
                raise ValueError(f"'{name}' has the threshold {value} for {label}; set it above 0 and to at most 1.")
        if not (temperature > 0 and 0 <= label_smoothing < 1):
            raise ValueError(f"Set the temperature of '{name}' above 0, and its label_smoothing from 0 to below 1.")
        self._as_configured: Dict[str, Any] = {"thresholds": dict(thresholds or {}), "temperature": temperature}
        install_extensions()
        install_confidence()

    @property
    def labels(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): The labels, in the order of the model's columns."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> List[str]:
        """RETURNS (List[str]): What `spacy init labels` writes, and `initialize` takes."""
        return list(self.labels)

    def add_label(self, label: str) -> int:
        """Add a label. What the model gives for the others stays as it is; in modes whose labels exclude each other it gets a little less probable.

        label (str): The label.
        RETURNS (int): 0 if it is there already, else 1.
        """
        if not isinstance(label, str):
            raise ValueError(Errors.E187)
        if label in self.labels:
            return 0
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        if self.model.get_ref("output_layer").has_dim("nO"):
            self.model.attrs["resize_output"](self.model, len(self.labels))
        return 1

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[List[str]] = None,
    ) -> None:
        """Prepare the model for training. The log says how many entities it cannot learn from. A calibration of weights that there were before is forgotten.

        get_examples (Callable[[], Iterable[Example]]): Gives the training data.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[List[str]]): The labels; without them, those of the data that it is annotated for.
        """
        self.require_own_spans(nlp)
        self.cfg.update(copy.deepcopy(self._as_configured))
        for label in labels or ():
            self.add_label(label)
        sample: List[Example] = []
        for example in get_examples():
            gold = read_gold(example.reference, self.cfg["gold_key"])
            if labels is None and gold is not None:
                found = [span.label_ for span in [*gold.spans, *gold.scattered]]
                known = known_labels(example.reference, self.name, found)
                for label in found:
                    if label in known:
                        self.add_label(label)
            if len(sample) < 10:
                sample.append(example)
        self._require_labels()
        self.warn_of_strangers(("thresholds", "class_weights"))
        lost: Counter = Counter()
        for example in get_examples():
            self._targets([example], lost)
        if lost:
            reasons = "; ".join(f"{reason}: {n}" for reason, n in sorted(lost.items()))
            logger.warning("'%s' takes the tokens of these for not annotated: %s", self.name, reasons)
        docs = [example.predicted for example in sample]
        width = N_SCORED * len(self.labels)
        self.model.initialize(X=docs, Y=[self.model.ops.alloc2f(len(doc), width) for doc in docs])

    def predict(self, docs: Iterable[Doc]) -> List[Found]:
        """Find entities, without changing the Docs.

        docs (Iterable[Doc]): The documents.
        RETURNS (List[Found]): One for each.
        """
        self._require_labels()
        docs = list(docs)
        scores, n_words, words = self._scores(docs)
        thresholds = [self.cfg["thresholds"].get(label, self.cfg["threshold"]) for label in self.labels]
        scores = scores / numpy.float32(self.cfg["temperature"])
        spans = self._mode.find(scores, n_words, numpy.array(thresholds, dtype="f"))
        spans = spans._replace(starts=words[spans.starts], ends=1 + words[spans.ends - 1])
        lengths = numpy.array([len(doc) for doc in docs], dtype="int64")
        offsets = numpy.cumsum(lengths) - lengths
        if _any_space(docs, offsets, numpy.concatenate([spans.starts, spans.ends - 1])):
            spans = trim(spans, numpy.concatenate([doc.to_array(IS_SPACE) for doc in docs]) > 0)
        in_ents = best_of_overlapping(spans)
        borders = [*numpy.searchsorted(spans.starts, offsets).tolist(), len(in_ents)]
        found = []
        for offset, *ends in zip(offsets, borders, borders[1:]):
            starts, stops, *rest = (each[slice(*ends)] for each in spans)
            found.append(Found(Spans(starts - offset, stops - offset, *rest), in_ents[slice(*ends)]))
        return found

    def set_annotations(self, docs: Iterable[Doc], found: List[Found]) -> None:
        """Write the span group and `doc.ents`.

        docs (Iterable[Doc]): The documents.
        found (List[Found]): As `predict` gave it.
        """
        key = self.cfg["spans_key"]
        hashes = [self.vocab.strings.add(label) for label in self.labels]
        for doc, (spans, in_ents) in zip(docs, found):
            places = zip(spans.starts.tolist(), spans.ends.tolist(), spans.labels.tolist())
            group = [Span(doc, start, end, label=hashes[label]) for start, end, label in places]
            doc.spans[key] = SpanGroup(doc, name=key, spans=group, attrs={SCORES: spans.probabilities})
            ents = list(doc.ents)
            if ents:
                in_ents = _beside(spans, ents, len(doc))
            doc.set_ents(ents + [group[i] for i in numpy.flatnonzero(in_ents)])

    def read_targets(self, examples: List[Example]) -> Optional[Targets]:
        """RETURNS (Optional[Targets]): What is annotated; None where no example is annotated for any label."""
        targets = self._targets(examples)
        return targets if (targets.active & (targets.tags != UNKNOWN)).any() else None

    def learn(self, examples: List[Example], targets: Targets) -> float:
        """RETURNS (float): The loss: the negative log-likelihood."""
        docs = [example.predicted for example in examples]
        scores, backprop = self.model.begin_update(docs)
        loss, d_scores = self._loss(docs, targets, scores)
        backprop(d_scores)
        return loss

    def get_loss(self, examples: Iterable[Example], scores: List[Floats2d]) -> Tuple[float, List[Floats2d]]:
        """The loss of some examples, and its gradient.

        examples (Iterable[Example]): The examples.
        scores (List[Floats2d]): The model's, for each doc (n_tokens, 4 * n_labels).
        RETURNS (Tuple[float, List[Floats2d]]): The negative log-likelihood, without smoothing and weights, and the gradient: exactly
            0 for labels that a document is not annotated for, and at tokens of which nothing is known.
        """
        examples = list(examples)
        return self._loss([example.predicted for example in examples], self._targets(examples), scores)

    def score(self, examples: Iterable[Example], **settings: Any) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The scores, see `pipeline.ner_scorer.score_ner`."""
        return super().score(examples, name=self.name, **settings)

    def calibrate(self, examples: Iterable[Example], precision: Optional[float] = None) -> Dict[str, Calibration]:
        """Fit the temperature, and thresholds, on notes that it was not trained on.

        examples (Iterable[Example]): Their predicted Docs went through the pipeline, and still have the encoder's vectors.
        precision (Optional[float]): What each label's precision is to be at least, on these notes. Where no threshold reaches it, the
            label is never found. Labels that are not in these notes, and all with None, have the thresholds of the config.
        RETURNS (Dict[str, Calibration]): "entities" → how well the probabilities fit before and after; empty where no note has an entity of its labels.
        """
        scores, lengths, targets = [], [], []
        for batch in minibatch(examples, BATCH_SIZE):
            docs = [example.predicted for example in batch]
            self.require_vectors(docs)
            own, n_words, words = self._scores(docs)
            scores.append(own)
            lengths += n_words.tolist()
            targets.append(Targets(*(each[words] for each in self._targets(batch))))
        n_labels = len(self.labels)
        known = join(scores, lengths, targets, N_SCORED * n_labels, n_labels)
        # Notes of which none has an entity of its labels were annotated for another component, or leave nothing to fit by.
        if not (known.targets.active & ~numpy.isin(known.targets.tags, (UNKNOWN, OUTSIDE))).any():
            return {}
        found = calibrate_ner(known, self.labels, self._mode, self.cfg["threshold"], precision)
        self.cfg["temperature"] = found.temperature
        # Those of an earlier calibration were chosen by another temperature.
        self.cfg["thresholds"] = {**self._as_configured["thresholds"], **found.thresholds}
        return {"entities": found}

    def _scores(self, docs: List[Doc]) -> Tuple[ndarray, ndarray, ndarray]:
        """The scores of the tokens that have tags, how many of each doc these are, and which of all docs' tokens."""
        lengths = numpy.array([len(doc) for doc in docs], dtype="int64")
        scores = numpy.zeros((0, N_SCORED * len(self.labels)), dtype="f")
        if lengths.any():
            scores = self._on_host(self.model.predict(docs))
        n_words, words = self._words(docs, scores)
        return scores[words], n_words, words

    def _words(self, docs: List[Doc], scores: ndarray) -> Tuple[ndarray, ndarray]:
        """How many tokens of each doc have tags, and which of all docs' tokens."""
        lengths = numpy.array([len(doc) for doc in docs], dtype="int64")
        if self.cfg["mode"] != "tokens":
            return lengths, numpy.arange(len(scores))
        bias: Any = self.model.get_ref("output_layer").get_param("b")
        words = find_words(docs, scores, self.model.ops.to_numpy(bias))
        documents = numpy.repeat(numpy.arange(len(docs)), lengths)[words]
        return numpy.bincount(documents, minlength=len(docs)), words

    def _targets(self, examples: Sequence[Example], lost: Optional[Counter] = None) -> Targets:
        counter = Counter() if lost is None else lost
        return make_targets(examples, self.labels, self.name, self.cfg["gold_key"], self._mode.is_joint, counter)

    def _loss(self, docs: List[Doc], targets: Targets, scores: List[Floats2d]) -> Tuple[float, List[Floats2d]]:
        everything = self._on_host(scores)
        lengths, words = self._words(docs, everything)
        known = Targets(*(each[words] for each in targets))
        weights = numpy.array([self.cfg["class_weights"].get(label, 1.0) for label in self.labels], dtype="f")
        gradient = numpy.zeros_like(everything)
        loss, gradient[words] = chain_loss(
            everything[words], lengths, known, self._mode, weights, self.cfg["label_smoothing"]
        )
        d_scores = cast(List[Floats2d], numpy.split(gradient, numpy.cumsum([len(each) for each in scores])[:-1]))
        return loss, [self.model.ops.asarray2f(each) for each in d_scores]

    @property
    def _mode(self) -> Mode:
        return MODES[self.cfg["mode"]]

    def _on_host(self, scores: List[Floats2d]) -> ndarray:
        return self.model.ops.to_numpy(self.model.ops.flatten(scores))


def _any_space(docs: List[Doc], offsets: ndarray, tokens: ndarray) -> bool:
    """RETURNS (bool): Whether one of the tokens, counted over all docs, is white space."""
    places = numpy.searchsorted(offsets, tokens, side="right") - 1
    inside = tokens - offsets[places]
    return any(docs[i][token].is_space for i, token in zip(places.tolist(), inside.tolist()))


def _beside(spans: Spans, ents: List[Span], n_tokens: int) -> ndarray:
    """RETURNS (ndarray): bool, (n_spans,): those that go into `doc.ents` where these entities stand already."""
    taken = numpy.zeros(n_tokens + 1, dtype="int64")  # tokens in entities before each
    for ent in ents:
        taken[ent.start + 1 : ent.end + 1] = 1
    before = numpy.cumsum(taken)
    free = numpy.flatnonzero(before[spans.ends] == before[spans.starts])
    in_ents = numpy.zeros(len(spans.starts), dtype=bool)
    if len(free):
        in_ents[free] = best_of_overlapping(Spans(*(each[free] for each in spans)))
    return in_ents
