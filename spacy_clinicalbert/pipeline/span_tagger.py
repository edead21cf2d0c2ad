"""The Thinc model of `clinical_ner`: one linear layer over token vectors."""

from itertools import accumulate
from typing import Any, List, Tuple

from spacy.tokens import Doc
from thinc.api import Dropout, Linear, Model, Ops, chain, with_array
from thinc.layers.with_array import forward as forward_joined
from thinc.types import Floats1d, Floats2d

from .crf import BEGIN, N_SCORED, UNIT

# A new layer gives a span's first token this score against 0 for outside: so few tokens begin one that otherwise the first
# steps would go into learning that. (The prior of 0.01 is that of Lin et al. 2017, Focal Loss, section 3.3.)
FIRST_SCORE = -4.6


def SpanTagger(tok2vec: Model[List[Doc], List[Floats2d]]) -> Model[List[Doc], List[Floats2d]]:
    """The registered architecture `spacy-clinicalbert.SpanTagger.v1`: scores of tags at each token.

    tok2vec (Model[List[Doc], List[Floats2d]]): Token vectors, such as `spacy-clinicalbert.Listener.v1`.
    RETURNS (Model[List[Doc], List[Floats2d]]): For each doc an array of shape (n_tokens, 4 * n_labels): the scores of begin, in,
        last and unit, each for all labels. Outside has the score 0.
    """
    output = Linear(init_b=init_bias)
    model: Model[List[Doc], List[Floats2d]] = chain(tok2vec, by_doc(chain(Dropout(), output)))
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", output)
    model.attrs["resize_output"] = resize_output
    return model


def by_doc(layers: Model[Floats2d, Floats2d]) -> Model[List[Floats2d], List[Floats2d]]:
    """Thinc's with_array for layers of which the last is linear and the others do nothing in prediction. There each array has a product of its own: joining them, which
    copies all vectors, takes longer than one product for all saves."""
    model: Any = with_array(layers)  # type: ignore[arg-type]
    model._func = forward
    return model


def forward(model: Any, arrays: List[Floats2d], is_train: bool) -> Any:
    if is_train:
        return forward_joined(model, arrays, is_train)
    output, ends = model.layers[0].layers[-1], list(accumulate(map(len, arrays)))
    weights = output.get_param("W").T
    scores = model.ops.alloc2f(ends[-1] if ends else 0, weights.shape[1])
    rows = [scores[end - len(array) : end] for array, end in zip(arrays, ends)]
    for array, its_scores in zip(arrays, rows):
        # Not Ops.gemm: BLIS, which is behind it, takes three times as long for few rows.
        model.ops.xp.dot(array, weights, out=its_scores)
    scores += output.get_param("b")
    return rows, lambda d_rows: d_rows


def init_bias(ops: Ops, shape: Tuple[int, ...]) -> Floats1d:
    bias = ops.alloc2f(N_SCORED, shape[0] // N_SCORED)
    bias[BEGIN - 1] += FIRST_SCORE
    bias[UNIT - 1] += FIRST_SCORE
    return ops.reshape1f(bias, *shape)


def resize_output(model: Model, n_labels: int) -> None:
    """Make room for more labels; those that are there keep their weights, and all tags of a new one begin as improbable, whatever the vectors. The layer is a
    new one, for in the optimiser the old one has a state of its shape."""
    old, ops = model.get_ref("output_layer"), model.ops
    larger = Linear(N_SCORED * n_labels, old.get_dim("nI"), init_b=init_bias)
    larger.initialize()
    for name in ("W", "b"):
        weights, room = (each.get_param(name) for each in (old, larger))
        for ours, theirs in zip(ops.xp.split(weights, N_SCORED), ops.xp.split(room, N_SCORED)):
            theirs[: len(ours)] = ours  # a view
            theirs[len(ours) :] = 0.0 if name == "W" else FIRST_SCORE
    model.replace_node(old, larger)
    for node in model.walk():
        if larger in node.walk() and node.has_dim("nO"):
            node.set_dim("nO", N_SCORED * n_labels, force=True)
