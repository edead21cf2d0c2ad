"""The Thinc model of `clinical_textcat`: the head of BERT and its kin, over the vector of each window."""

from typing import Any, Callable, List, Optional, Tuple

import numpy
from numpy import ndarray
from spacy.tokens import Doc
from thinc.api import Dropout, Linear, Model, chain
from thinc.types import Floats2d

from ..encoder.listener import WindowVectors

ACTIVATIONS = ("tanh", "relu", "gelu")


def WindowClassifier(
    tok2vec: Model[List[Doc], WindowVectors], activation: str = "tanh"
) -> Model[List[Doc], Tuple[Floats2d, List[ndarray]]]:
    """The registered architecture `spacy-clinicalbert.WindowClassifier.v1`: scores of categories for each window of the encoder. A
    dense layer of the vectors' width, then a linear one.

    tok2vec (Model[List[Doc], Tuple[List[Floats2d], List[ndarray]]]): Window vectors, `spacy-clinicalbert.WindowListener.v1`.
    activation (str): Of the dense layer: "tanh" as BERT and RoBERTa have it, "relu" (DistilBERT), or "gelu" (ELECTRA, DeBERTa).
    RETURNS (Model[List[Doc], Tuple[Floats2d, List[ndarray]]]): The logits of all docs' windows, one doc's behind the other's,
        (n_windows, n_labels); and for each doc the tokens that each of its windows keeps, (n_windows, 2).
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation is one of {', '.join(ACTIVATIONS)}, not '{activation}'.")
    dense, output = Linear(), Linear()
    activate: Model[Floats2d, Floats2d] = Model("activate", activate_forward, attrs={"function": activation})
    return Model(
        "window-classifier",
        forward,
        init=init,
        layers=[tok2vec, chain(dense, activate, Dropout(), output)],
        refs={"tok2vec": tok2vec, "dense": dense, "output_layer": output},
    )


def init(model: Model, X: Optional[List[Doc]] = None, Y: Optional[Floats2d] = None) -> None:
    tok2vec, scorer = model.layers
    tok2vec.initialize(X=X)
    width = tok2vec.get_dim("nO")
    model.get_ref("dense").set_dim("nO", width)
    scorer.initialize(X=model.ops.alloc2f(1, width), Y=Y)


def forward(model: Model, docs: List[Doc], is_train: bool) -> Tuple[Tuple[Floats2d, List[ndarray]], Callable]:
    tok2vec, scorer = model.layers
    (vectors, windows), backprop_tok2vec = tok2vec(docs, is_train)
    logits, backprop_scorer = scorer(model.ops.xp.concatenate(vectors), is_train)

    def backprop(d_logits: Floats2d) -> List[Doc]:
        ends = numpy.cumsum([len(each) for each in windows])
        return backprop_tok2vec(model.ops.xp.split(backprop_scorer(d_logits), ends[:-1]))

    return (logits, windows), backprop


def activate_forward(model: Model, X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    ops: Any = model.ops
    if model.attrs["function"] == "gelu":
        return ops.gelu(X), lambda dY: ops.backprop_gelu(dY, X)
    if model.attrs["function"] == "relu":
        Y = ops.relu(X)
        return Y, lambda dY: ops.backprop_relu(dY, Y)
    Y = ops.xp.tanh(X)
    return Y, lambda dY: dY * ops.dtanh(Y)
