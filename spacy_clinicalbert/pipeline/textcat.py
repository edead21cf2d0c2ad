"""Categories of notes of any length: each window is classified, and their probabilities are averaged."""

from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from numpy import ndarray
from spacy.errors import Errors
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.scorer import Scorer
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example, validate_examples
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer, set_dropout_rate
from thinc.types import Floats2d

from ..corpora.docs import install_extensions
from .calibration import softmax
from .gold import annotated_labels

CATS = "cats"  # in a span group's attrs: for each of its spans label → probability


class Categories(NamedTuple):
    """What was found in one Doc.

    probabilities (ndarray): Of each of the encoder's windows, (n_windows, n_labels).
    windows (ndarray): The tokens that each window keeps, first and behind the last, (n_windows, 2).
    """

    probabilities: ndarray
    windows: ndarray


class ClinicalTextcat(TrainablePipe):
    """Classifies notes by their windows. `doc.cats` has the mean of the windows' probabilities, each window weighing as many
    tokens as it keeps; `doc.spans[spans_key]` has the windows, with their own in `attrs["cats"]`. A Doc without wordpieces has no
    window, and 0 for all labels.

    In training each window learns what its note is annotated with, with the same weight.

    vocab (Vocab): The pipeline's vocabulary.
    model (Model[List[Doc], Tuple[Floats2d, List[ndarray]]]): As `window_classifier.WindowClassifier` makes it.
    name (str): The component's name in the pipeline, and in `doc._.annotated`.
    exclusive_classes (bool): One label holds (softmax), or any number (sigmoid).
    spans_key (str): The span group of the windows.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Doc], Tuple[Floats2d, List[ndarray]]],
        name: str = "clinical_textcat",
        *,
        exclusive_classes: bool = True,
        spans_key: str = "windows",
    ):
        self.vocab = vocab
        self.model = model
        self.name = name
        self.cfg: Dict[str, Any] = {"labels": [], "exclusive_classes": exclusive_classes, "spans_key": spans_key}
        install_extensions()

    @property
    def labels(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): The labels, in the order of the model's columns."""
        return tuple(self.cfg["labels"])

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
        """Prepare the model for training.

        get_examples (Callable[[], Iterable[Example]]): Gives the training data.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[List[str]]): The labels; without them, those of the data.
        RAISES (ValueError): Exclusive classes of fewer than two labels.
        """
        for label in labels or ():
            self.add_label(label)
        sample: List[Doc] = []
        for example in get_examples():
            for label in example.reference.cats if labels is None else ():
                self.add_label(label)
            if len(sample) < 10:
                sample.append(example.predicted)
        self._require_labels()
        if self.cfg["exclusive_classes"] and len(self.labels) < 2:
            raise ValueError(
                f"'{self.name}' has one label, '{self.labels[0]}', which always holds where classes are exclusive. Set "
                "exclusive_classes = false, or annotate another label."
            )
        sizes: Any = self.model.ops.alloc2f(1, len(self.labels))
        self.model.initialize(X=sample, Y=sizes)

    def predict(self, docs: Iterable[Doc]) -> List[Categories]:
        """Classify the windows of some Docs, without changing these.

        docs (Iterable[Doc]): The documents.
        RETURNS (List[Categories]): One for each.
        """
        self._require_labels()
        docs = list(docs)
        if not docs:
            return []
        logits, windows = self.model.predict(docs)
        probabilities = self._probabilities(self.model.ops.to_numpy(logits))
        ends = numpy.cumsum([len(each) for each in windows])
        return [Categories(*each) for each in zip(numpy.split(probabilities, ends[:-1]), windows)]

    def set_annotations(self, docs: Iterable[Doc], found: List[Categories]) -> None:
        """Write `doc.cats` and the span group.

        docs (Iterable[Doc]): The documents.
        found (List[Categories]): As `predict` gave it.
        """
        key = self.cfg["spans_key"]
        for doc, (probabilities, windows) in zip(docs, found):
            doc.cats.update(zip(self.labels, (_weights(windows) @ probabilities).tolist()))
            spans = [Span(doc, start, end) for start, end in windows.tolist()]
            cats = [dict(zip(self.labels, row)) for row in probabilities.tolist()]
            doc.spans[key] = SpanGroup(doc, name=key, spans=spans, attrs={CATS: cats})

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn from examples. Where none is annotated nothing changes.

        examples (Iterable[Example]): A batch.
        drop (float): The dropout rate.
        sgd (Optional[Optimizer]): Called after the backward.
        losses (Optional[Dict[str, float]]): Takes the loss under the component's name: the cross-entropy.
        RETURNS (Dict[str, float]): The losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "ClinicalTextcat.update")
        truths, known = self._targets(examples)
        if not known.any():
            return losses
        set_dropout_rate(self.model, drop)
        (logits, windows), backprop = self.model.begin_update([example.predicted for example in examples])
        n_windows = [len(each) for each in windows]
        truths, known = numpy.repeat(truths, n_windows, axis=0), numpy.repeat(known, n_windows, axis=0)
        weights = known * numpy.concatenate([_weights(each) for each in windows])[:, None]
        probabilities = self._probabilities(self.model.ops.to_numpy(logits))
        # Cross-entropy, of softmax or sigmoid, has this gradient in the logits.
        backprop(self.model.ops.asarray2f((probabilities - truths) * weights))  # type: ignore[arg-type]
        if sgd is not None:
            self.finish_update(sgd)
        log_likelihood = truths * numpy.log(numpy.maximum(probabilities, 1e-30))
        if not self.cfg["exclusive_classes"]:
            log_likelihood += (1 - truths) * numpy.log(numpy.maximum(1 - probabilities, 1e-30))
        losses[self.name] -= float((weights * log_likelihood).sum())
        return losses

    def score(self, examples: Iterable[Example], **settings: Any) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The scores, see `spacy.scorer.Scorer.score_cats`."""
        exclusive = self.cfg["exclusive_classes"]
        return Scorer.score_cats(examples, "cats", labels=self.labels, multi_label=not exclusive, **settings)

    def _probabilities(self, logits: ndarray) -> ndarray:
        if self.cfg["exclusive_classes"]:
            return softmax(logits)
        return (1 + numpy.tanh(logits / 2)) / 2  # the sigmoid, that cannot overflow

    def _targets(self, examples: Sequence[Example]) -> Tuple[ndarray, ndarray]:
        """What the references say of each label, and whether they do, (n_examples, n_labels) each. Of exclusive classes the one
        that holds says it of all.

        RAISES (ValueError): More than one of them holds.
        """
        truths = numpy.zeros((len(examples), len(self.labels)), dtype="f")
        known = numpy.zeros(truths.shape, dtype=bool)
        for i, example in enumerate(examples):
            cats, stated = example.reference.cats, annotated_labels(example.reference, self.name)
            for j, label in enumerate(self.labels):
                if label in cats and (stated is None or label in stated):
                    truths[i, j], known[i, j] = cats[label], True
            if self.cfg["exclusive_classes"]:
                known[i] = truths[i].any()
                if truths[i].sum() > 1:
                    raise ValueError(
                        f"Document {i} of the batch has more than one category, and the classes of '{self.name}' are "
                        "exclusive. Correct its doc.cats, or set exclusive_classes = false."
                    )
        return truths, known


def _weights(windows: ndarray) -> ndarray:
    """What share of a Doc's tokens each window keeps, float32, (n_windows,)."""
    n_tokens = windows[:, 1] - windows[:, 0]
    return (n_tokens / max(n_tokens.sum(), 1)).astype("f")
