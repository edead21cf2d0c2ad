"""A head as a function of the encoder's vectors, with a gradient: what is explained."""

import copy
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

import numpy
from numpy import ndarray
from spacy.language import Language
from spacy.tokens import Doc, Span
from thinc.api import Model, set_dropout_rate

from ..encoder.component import ClinicalBert
from ..encoder.data import TOKENS, EncodedDoc
from ..encoder.listener import ClinicalBertListener
from ..pipeline.assertion import ClinicalAssertion
from ..pipeline.assertion_model import as_ragged
from ..pipeline.note_classifier import LEAST, ClinicalNoteClassifier
from ..pipeline.note_words import table_of, word_scores

Place = Tuple[int, int]
NO_WORDS = numpy.zeros(0, dtype="f")


class Head(NamedTuple):
    """A component of which one label is explained, apart from the pipeline: nothing of that changes.

    pipe (Any): A copy of the component, over a copy of its model.
    listener (ClinicalBertListener): What its model receives vectors by.
    encoder (ClinicalBert): The encoder that it listens to.
    label (str): The label.
    words (Optional[Model]): Of a note classifier that reads words too, the layer that does; the copy is told what they say.
    """

    pipe: Any
    listener: ClinicalBertListener
    encoder: ClinicalBert
    label: str
    words: Optional[Model] = None


def find_head(nlp: Language, component: str, label: str) -> Head:
    """Find a component, and copy it.

    nlp (Language): The pipeline.
    component (str): The component's name.
    label (str): One of its labels; of an assertion "axis:label".
    RETURNS (Head): The copy.
    RAISES (ValueError): There is no such component or label, or it is none that can be explained.
    """
    if component not in nlp.pipe_names:
        raise ValueError(f"The pipeline has no component '{component}'; it has {', '.join(nlp.pipe_names)}.")
    pipe = nlp.get_pipe(component)
    if not isinstance(pipe, (ClinicalNoteClassifier, ClinicalAssertion)):
        raise ValueError(
            f"'{component}' cannot be explained: clinical_note_classifier and clinical_assertion can, by the names that they have in the pipeline."
        )
    if label not in pipe.labels:
        raise ValueError(f"'{component}' has no label '{label}'; it has {', '.join(pipe.labels)}.")
    listener: Any = pipe.model.get_ref("tok2vec")
    encoders = [
        each
        for _, each in nlp.pipeline
        if isinstance(each, ClinicalBert)
        and isinstance(listener, ClinicalBertListener)
        and each.model.id in listener.upstream_ids
    ]
    if not encoders:
        raise ValueError(
            f"'{component}' does not listen to a clinicalbert of the pipeline through spacy-clinicalbert.Listener.v1 or WindowListener.v1, and only that can be "
            "explained."
        )
    copied = copy.copy(pipe)
    copied.model, fed = _copy_model(pipe.model, listener)
    words = None
    if isinstance(pipe, ClinicalNoteClassifier) and pipe.model.has_ref("words"):
        words = pipe.model.get_ref("words")
        told: Model = Model("told-words", _tell)
        told.ops = copied.model.ops
        copied.model.replace_node(copied.model.get_ref("words"), told)
    return Head(copied, fed, encoders[0], label, words)


def _tell(model: Model, docs: Any, is_train: bool) -> Tuple[Any, Callable]:
    """In place of the layer that reads words: the one note says `attrs["scores"]`. The gradient of that goes to `attrs["gradient"]`."""
    as_floats: Any = model.ops.asarray2f
    scores = as_floats(model.attrs["scores"][None])

    def backprop(d_scores: Any) -> None:
        model.attrs["gradient"] = model.ops.to_numpy(d_scores[0])

    return scores, backprop


def _copy_model(model: Model, listener: ClinicalBertListener) -> Tuple[Model, ClinicalBertListener]:
    """A copy that takes no gradient to the pipeline's weights, with a listener that hands on all of its own."""
    copied = model.copy()
    twins = {one.id: other for one, other in zip(model.walk(), copied.walk())}
    fed = type(listener)(listener.upstream_name, 1.0, listener._func)
    fed.reads = listener.reads
    fed.set_dim("nO", listener.get_dim("nO"))
    copied.replace_node(twins[listener.id], fed)
    twins[listener.id] = fed
    for node in model.walk():  # Thinc's copies have no references
        for name in node.ref_names:
            if node.has_ref(name):
                twins[node.id].set_ref(name, twins[node.get_ref(name).id])
    set_dropout_rate(copied, 0.0)
    return copied, fed


def spans_of(head: Head, doc: Doc) -> Optional[List[Span]]:
    """RETURNS (Optional[List[Span]]): The spans that the component classifies; None of one that classifies the note."""
    if isinstance(head.pipe, ClinicalNoteClassifier):
        return None
    return list(doc.ents if head.pipe.spans_key is None else doc.spans.get(head.pipe.spans_key, ()))


def read_tokens(head: Head, doc: Doc, span: Optional[Span]) -> Place:
    """RETURNS (Tuple[int, int]): The tokens whose vectors decide, first and behind the last."""
    if span is None:
        return 0, len(doc)
    (context,) = [node for node in head.pipe.model.walk() if node.name == "span_context"]
    around = context.attrs["window"]
    return max(0, span.start - around), min(len(doc), span.end + around)


def words_of(head: Head, doc: Doc, data: EncodedDoc) -> ndarray:
    """RETURNS (ndarray): What each token adds to the scores of the note, as a word, (n_tokens, n_labels); (n_tokens, 0) of a component that reads vectors alone."""
    if head.words is None:
        return numpy.zeros((len(doc), 0), dtype="f")
    return word_scores(table_of(head.words), doc)


def score(
    head: Head, doc: Doc, data: EncodedDoc, span: Optional[Span], words: ndarray = NO_WORDS
) -> Tuple[float, Callable[[], Tuple[ndarray, ndarray]]]:
    """The log-odds of the label, after calibration.

    data (EncodedDoc): The vectors that it is to read.
    span (Optional[Span]): What is classified; None of a component that classifies the note.
    words (ndarray): What the words of the note say, (n_labels,), where the component reads them.
    RETURNS (Tuple[float, Callable[[], Tuple[ndarray, ndarray]]]): The log-odds, and what gives their gradients in what the listener reads, (n_tokens or
        n_windows, width), and in words.
    """
    told = head.pipe.model.get_ref("words") if head.words else None
    if told is not None:
        told.attrs["scores"] = words
    gradients: List[ndarray] = []
    batch = head.listener.get_batch_id([doc])
    head.listener.receive(batch, [data], lambda d_arrays: gradients.extend(d_arrays))
    value, backprop = (_score_note if span is None else _score_span)(head, doc, span)

    def gradient() -> Tuple[ndarray, ndarray]:
        backprop()
        d_words = words if told is None else told.attrs["gradient"]
        return head.pipe.model.ops.to_numpy(gradients[0]), d_words

    return value, gradient


def reads_tokens(head: Head) -> bool:
    """Whether the listener reads vectors of tokens, and not of windows."""
    return head.listener.reads == TOKENS


def _score_note(head: Head, doc: Doc, span: Any) -> Tuple[float, Callable[[], None]]:
    pipe: ClinicalNoteClassifier = head.pipe
    _, notes, backprop = pipe.begin_update([doc])
    number, temperatures = pipe.labels.index(head.label), pipe.cfg["temperatures"]
    inside = numpy.clip(notes[0], LEAST, 1 - LEAST)
    d_notes = numpy.zeros_like(notes)
    if pipe.cfg["exclusive_classes"]:
        value, d_logs = log_odds(numpy.log(inside), number, temperatures.get("categories", 1.0))
        d_notes[0] = d_logs / inside
    else:
        p = inside[number]
        logits = numpy.array([numpy.log(p / (1 - p)), 0.0])
        value, (d_logit, _) = log_odds(logits, 0, temperatures.get(head.label, 1.0))
        d_notes[0, number] = d_logit / (p * (1 - p))
    return value, lambda: backprop(d_notes)


def _score_span(head: Head, doc: Doc, span: Any) -> Tuple[float, Callable[[], None]]:
    pipe: ClinicalAssertion = head.pipe
    scores, backprop = pipe.model.begin_update(([doc], as_ragged([[(span.start, span.end)]], pipe.model)))
    axis = head.label.partition(":")[0]
    columns = [i for i, label in enumerate(pipe.labels) if label.partition(":")[0] == axis]
    logits = pipe.model.ops.to_numpy(scores)[0]
    number = columns.index(pipe.labels.index(head.label))
    value, d_logits = log_odds(logits[columns], number, pipe.cfg["temperatures"].get(axis, 1.0))
    d_scores = numpy.zeros_like(logits[None])
    d_scores[0, columns] = d_logits
    as_floats: Any = pipe.model.ops.asarray2f
    return value, lambda: backprop(as_floats(d_scores)) and None


def log_odds(logits: ndarray, number: int, temperature: float) -> Tuple[float, ndarray]:
    """The log-odds of one class of a softmax over logits / temperature, and their gradient in the logits: log p / (1 - p) = z - log Σ exp(other z)."""
    scaled = logits.astype("float64") / temperature
    others = numpy.delete(scaled, number)
    peak = others.max()
    rest = peak + numpy.log(numpy.exp(others - peak).sum())
    gradient = -numpy.exp(scaled - rest)
    gradient[number] = 1.0
    return float(scaled[number] - rest), gradient / temperature
