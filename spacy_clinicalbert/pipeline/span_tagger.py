"""The Thinc model of `clinical_ner`: one linear layer over token vectors."""

from typing import List, Tuple

from spacy.tokens import Doc
from thinc.api import Dropout, Linear, Model, Ops, chain, resizable, with_array
from thinc.types import Floats1d, Floats2d

from .crf import N_SCORED

# A new layer gives a span's first token this score against 0 for outside: so few tokens begin one that otherwise the first
# steps would go into learning that. (The prior of 0.01 is that of Lin et al. 2017, Focal Loss, section 3.3.)
FIRST_SCORE = -4.6


def SpanTagger(tok2vec: Model[List[Doc], List[Floats2d]]) -> Model[List[Doc], List[Floats2d]]:
    """The registered architecture `spacy-clinicalbert.SpanTagger.v1`: scores of tags at each token.

    tok2vec (Model[List[Doc], List[Floats2d]]): Token vectors, such as `spacy-clinicalbert.Listener.v1`.
    RETURNS (Model[List[Doc], List[Floats2d]]): For each doc an array of shape (n_tokens, 4 * n_labels): the scores of begin, in,
        last and unit, each for all labels. Outside has the score 0.
    """
    output: Model[Floats2d, Floats2d] = resizable(Linear(init_b=init_bias), resize_layer=resize)
    dropped = chain(Dropout(), output)
    by_doc: Model[List[Floats2d], List[Floats2d]] = with_array(dropped)  # type: ignore[arg-type]
    model = chain(tok2vec, by_doc)
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", output)
    model.attrs["resize_output"] = resize_output
    return model


def init_bias(ops: Ops, shape: Tuple[int, ...]) -> Floats1d:
    bias = ops.alloc1f(*shape)
    n_labels = len(bias) // N_SCORED
    bias[:n_labels] = bias[-n_labels:] = FIRST_SCORE
    return bias


def resize_output(model: Model, n_labels: int) -> None:
    """Make room for more labels. The layer is a new one, for the optimiser's state of the old has the old shape."""
    output = model.get_ref("output_layer")
    old = output.layers[0]
    output.layers[0] = resize(old, N_SCORED * n_labels)
    for node in model.walk():
        if output in node.walk() and node.has_dim("nO"):
            node.set_dim("nO", N_SCORED * n_labels, force=True)


def resize(layer: Model, n_out: int) -> Model:
    """RETURNS (Model): A layer whose first labels have the weights of the given one."""
    larger = Linear(n_out, layer.get_dim("nI"), init_b=init_bias)
    larger.initialize()
    for name in ("W", "b"):
        old, new = (each.get_param(name) for each in (layer, larger))
        old, new = (each.reshape(N_SCORED, len(each) // N_SCORED, -1) for each in (old, new))
        new[:, : old.shape[1]] = old
        larger.set_param(name, new.reshape(larger.get_param(name).shape))
    return larger
