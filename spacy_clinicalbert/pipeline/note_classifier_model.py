"""The Thinc model of `clinical_note_classifier`: scores for each of the encoder's windows, and how they are put together."""

from typing import Any, Callable, List, NamedTuple, Optional, Tuple

import numpy
from numpy import ndarray
from spacy.tokens import Doc
from thinc.api import Dropout, Linear, Model, chain
from thinc.types import Floats2d

from ..encoder.listener import WindowVectors
from .aggregators import Aggregator, Windows
from .note_words import FactReader, NoteWords, table_of, window_scores

ACTIVATIONS = ("tanh", "relu", "gelu")


class WindowScores(NamedTuple):
    """Of all docs' windows, one doc's behind the other's.

    logits (Floats2d): What the note's probabilities are made of, (n_windows, n_labels): of the window's vector and of all words of the note.
    own (Floats2d): Of the window's vector and of its own words alone, (n_windows, n_labels); in training as `logits`.
    hidden (Floats2d): What the vectors became before they were scored, (n_windows, width).
    windows (List[ndarray]): For each doc the tokens that each of its windows keeps, (n_windows, 2).
    """

    logits: Floats2d
    own: Floats2d
    hidden: Floats2d
    windows: List[ndarray]


def NoteClassifier(
    tok2vec: Model[List[Doc], WindowVectors],
    aggregate: Aggregator,
    activation: str = "tanh",
    words: int = 0,
    facts: Optional[FactReader] = None,
) -> Model[List[Doc], WindowScores]:
    """The registered architecture `spacy-clinicalbert.NoteClassifier.v1`: scores of categories for each window of the encoder. A
    dense layer of the vectors' width, then a linear one; to that, what the note's words say by themselves, as spaCy's own text categorizer has it.

    tok2vec (Model[List[Doc], Tuple[List[Floats2d], List[ndarray]]]): Window vectors, `spacy-clinicalbert.WindowListener.v1`.
    aggregate (Model[Windows, Floats2d]): What the component makes the note's probabilities with, one of `pipeline.aggregators`. It is saved
        and trained with the rest.
    activation (str): Of the dense layer: "tanh" as BERT and RoBERTa have it, "relu" (DistilBERT), or "gelu" (ELECTRA, DeBERTa).
    words (int): How many words and pairs of words have a weight a category, at most: those that most training notes have; see `pipeline.note_words`. 0: none.
    facts (Optional[Callable[[Doc], List[Fact]]]): Finds facts of a note, which have a weight a category too: `spacy-clinicalbert.pathology_facts.v1`. None: none.
    RETURNS (Model[List[Doc], WindowScores]): Its backward takes the gradients in logits and, or None, in hidden.
    """
    if words < 0:
        raise ValueError(f"words is {words}; set it to 0 or more.")
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation is one of {', '.join(ACTIVATIONS)}, not '{activation}'.")
    dense, output = Linear(), Linear()
    table = NoteWords(words, facts) if words or facts else None
    activate: Model[Floats2d, Floats2d] = Model("activate", activate_forward, attrs={"function": activation})
    return Model(
        "note-classifier",
        forward,
        init=init,
        layers=[tok2vec, chain(dense, activate), chain(Dropout(), output), aggregate, *([table] if table else [])],
        refs={
            "tok2vec": tok2vec,
            "dense": dense,
            "output_layer": output,
            "aggregate": aggregate,
            **({"words": table} if table else {}),
        },
    )


def init(model: Model, X: Optional[List[Doc]] = None, Y: Optional[Floats2d] = None) -> None:
    tok2vec, hide, score, aggregate = model.layers[:4]
    tok2vec.initialize(X=X)
    width = tok2vec.get_dim("nO")
    model.get_ref("dense").set_dim("nO", width)
    one = model.ops.alloc2f(1, width)
    hide.initialize(X=one)
    score.initialize(X=one, Y=Y)
    if model.has_ref("words"):
        model.get_ref("words").initialize(Y=Y)
    n_labels = model.get_ref("output_layer").get_dim("nO")
    first = numpy.zeros(1, dtype="int64")
    nothing = numpy.zeros((1, n_labels), dtype="f"), numpy.zeros((1, width), dtype="f")
    aggregate.initialize(X=Windows(*nothing, numpy.ones(1, dtype="f"), first, 1))


def forward(model: Model, docs: List[Doc], is_train: bool) -> Tuple[WindowScores, Callable]:
    tok2vec, hide, score = model.layers[:3]
    (vectors, windows), backprop_tok2vec = tok2vec(docs, is_train)
    hidden, backprop_hidden = hide(model.ops.xp.concatenate(vectors), is_train)
    logits, backprop_logits = score(hidden, is_train)
    own, backprop_words = logits, None
    lengths = [len(each) for each in windows]
    if model.has_ref("words"):
        words = model.get_ref("words")
        said, backprop_words = words(docs, is_train)
        if not is_train:
            alone = [window_scores(table_of(words), doc, each) for doc, each in zip(docs, windows)]
            own = logits + model.ops.asarray2f(numpy.concatenate(alone))  # type: ignore[arg-type]
        # What is said in one window holds for the note, and so for each: a mean of probabilities would drown it.
        logits = logits + model.ops.xp.repeat(said, lengths, axis=0)

    def backprop(gradients: Tuple[Floats2d, Optional[Floats2d]]) -> List[Doc]:
        d_logits, d_hidden = gradients
        if backprop_words is not None:
            ops: Any = model.ops
            of_notes = (
                ops.reduce_sum(d_logits, ops.asarray1i(lengths))
                if len(d_logits)
                else ops.alloc2f(len(docs), d_logits.shape[1])
            )
            backprop_words(of_notes)
        d_hidden = backprop_logits(d_logits) + (0.0 if d_hidden is None else d_hidden)
        ends = numpy.cumsum([len(each) for each in windows])
        return backprop_tok2vec(model.ops.xp.split(backprop_hidden(d_hidden), ends[:-1]))

    return WindowScores(logits, own, hidden, windows), backprop


def window_shares(windows: List[ndarray]) -> ndarray:
    """RETURNS (ndarray): The share of its doc's tokens that each window keeps, float32, (n_windows,)."""
    n_tokens = [each[:, 1] - each[:, 0] for each in windows]
    return numpy.concatenate([each / max(each.sum(), 1) for each in n_tokens]).astype("f")


def activate_forward(model: Model, X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    ops: Any = model.ops
    if model.attrs["function"] == "gelu":
        return ops.gelu(X), lambda dY: ops.backprop_gelu(dY, X)
    if model.attrs["function"] == "relu":
        Y = ops.relu(X)
        return Y, lambda dY: ops.backprop_relu(dY, Y)
    Y = ops.xp.tanh(X)
    return Y, lambda dY: dY * ops.dtanh(Y)
