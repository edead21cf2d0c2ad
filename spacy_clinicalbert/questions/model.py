"""The Thinc model of `clinical_qa`: what the vectors of a question and a window say. The network that makes these vectors is the component `clinicalbert`'s,
and no part of this model."""

from typing import Any, Callable, NamedTuple, Optional, Tuple

from numpy import ndarray
from thinc.api import Linear, Model
from thinc.types import Floats2d


class Vectors(NamedTuple):
    """The vectors of questions and windows, as `pairs.row_starts` orders them.

    rows (Floats2d): (n_rows, width).
    firsts (ndarray): Which rows are those of first positions, (n_pairs,).
    """

    rows: Floats2d
    firsts: ndarray


class Logits(NamedTuple):
    """borders (Floats2d): How well an answer starts and ends at each row, (n_rows, 2); at a first position, how well there is none.
    labels (Floats2d): How well each label answers each pair's yes/no question, (n_pairs, n_labels).
    """

    borders: Floats2d
    labels: Floats2d


Reader = Model[Vectors, Logits]


def QuestionReader() -> Reader:
    """The registered architecture `spacy-clinicalbert.QuestionReader.v1`: one linear layer for the borders of answers, which is that of BERT's on SQuAD 2 (Devlin et al. 2019), and
    one over the first position for yes/no questions.

    RETURNS (Model[Vectors, Logits]): Its backward takes the gradients in both, and gives that in the rows.
    """
    layers = {"borders": Linear(2), "labels": Linear()}
    return Model("question-reader", forward, init=init, layers=list(layers.values()), refs=layers)  # type: ignore[arg-type]


def init(model: Reader, X: Optional[Vectors] = None, Y: Optional[Logits] = None) -> None:
    if X is not None and Y is not None:
        model.get_ref("borders").initialize(X=X.rows, Y=Y.borders)
        model.get_ref("labels").initialize(X=X.rows, Y=Y.labels)


def forward(model: Reader, X: Vectors, is_train: bool) -> Tuple[Logits, Callable[[Logits], Any]]:
    borders, backprop_borders = model.get_ref("borders")(X.rows, is_train)
    firsts: Any = model.ops.asarray1i(X.firsts)  # type: ignore[arg-type]
    labels, backprop_labels = model.get_ref("labels")(X.rows[firsts], is_train)

    def backprop(d_logits: Logits) -> Floats2d:
        d_rows: Any = backprop_borders(d_logits.borders) if d_logits.borders.any() else model.ops.alloc2f(*X.rows.shape)
        # A layer that no question of the batch concerns gets no gradient, not one of zeros, by which Adam would go on.
        if d_logits.labels.any():
            d_rows[firsts] += backprop_labels(d_logits.labels)
        return d_rows

    return Logits(borders, labels), backprop
