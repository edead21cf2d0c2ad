"""How words are written, beside the encoder's vectors: an uncased encoder does not see it."""

from typing import Any, Callable, List, Optional, Tuple

from spacy.ml.models.tok2vec import MaxoutWindowEncoder, MultiHashEmbed
from spacy.tokens import Doc
from thinc.api import Model, chain, with_array
from thinc.types import Floats2d

# Attribute of tokens → rows of its table, as in spaCy's small English pipelines.
ROWS = {"NORM": 5000, "PREFIX": 1000, "SUFFIX": 2500, "SHAPE": 2500}


def Orthography(tok2vec: Model[List[Doc], List[Floats2d]], width: int = 64) -> Model[List[Doc], List[Floats2d]]:
    """The registered architecture `spacy-clinicalbert.Orthography.v1`: token vectors, and behind the columns of each some more of how the word and the two beside it are
    written: "MTX" in capitals, "IL-6", "-mycin". They are learned with the head, by spaCy's `MultiHashEmbed` and `MaxoutWindowEncoder`, and cost no pass of the encoder.

    tok2vec (Model[List[Doc], List[Floats2d]]): Token vectors, such as `spacy-clinicalbert.Listener.v1`.
    width (int): How many columns are added.
    RETURNS (Model[List[Doc], List[Floats2d]]): For each doc an array of shape (n_tokens, width of tok2vec + width).
    """
    embed = MultiHashEmbed(width, list(ROWS), list(ROWS.values()), include_static_vectors=False)
    # pad=1: between two docs, so that none reads the other's words.
    encode: Any = MaxoutWindowEncoder(width, window_size=1, maxout_pieces=3, depth=1)
    words: Any = chain(embed, with_array(encode, pad=1))
    return Model("orthography", forward, init=init, layers=[tok2vec, words], attrs={"width": width})


def init(model: Model, X: Optional[List[Doc]] = None, Y: Optional[List[Floats2d]] = None) -> None:
    for layer in model.layers:
        layer.initialize(X=X)


# Thinc's concatenate adds up the gradients of both layers' inputs, which for Docs are none, and fails on spacy-transformers' listener.
def forward(model: Model, docs: List[Doc], is_train: bool) -> Tuple[List[Floats2d], Callable]:
    """RETURNS (Tuple[List[Floats2d], Callable]): For each doc both layers' columns side by side, and the backward."""
    tok2vec, words = model.layers
    vectors, backprop_vectors = tok2vec(docs, is_train)
    if not any(map(len, docs)):  # which Thinc's layers do not take
        empty = model.ops.alloc2f(0, model.attrs["width"])
        return [model.ops.xp.hstack((each, empty)) for each in vectors], lambda d_both: docs
    columns, backprop_columns = words(docs, is_train)
    widths = [each.shape[1] for each in vectors]

    def backprop(d_both: List[Floats2d]) -> List[Doc]:
        contiguous = model.ops.xp.ascontiguousarray
        backprop_vectors([contiguous(each[:, :width]) for each, width in zip(d_both, widths)])
        backprop_columns([contiguous(each[:, width:]) for each, width in zip(d_both, widths)])
        return docs

    return [model.ops.xp.hstack(both) for both in zip(vectors, columns)], backprop
