"""The model of `clinical_assertion`."""

from typing import Any, List, Optional, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Dropout, Linear, Maxout, Model, chain, list2ragged, with_getitem
from thinc.types import Floats2d, Ragged

from .span_context import SpanContext


def Assertion(
    tok2vec: Model[List[Doc], List[Floats2d]],
    n_heads: int = 4,
    window: int = 20,
    hidden_width: int = 128,
    nO: Optional[int] = None,
) -> Model[Tuple[List[Doc], Ragged], Floats2d]:
    """The registered architecture `spacy-clinicalbert.Assertion.v1`: a span's vectors and those around it, through a hidden layer, to logits.

    tok2vec (Model[List[Doc], List[Floats2d]]): Gives the token vectors, usually `spacy-clinicalbert.Listener.v1`.
    n_heads (int): Weighted means of the tokens around a span; see `span_context.SpanContext`.
    window (int): Tokens on each side of a span.
    hidden_width (int): Of the hidden layer.
    nO (Optional[int]): Labels of all axes together; the component sets it.
    RETURNS (Model[Tuple[List[Doc], Ragged], Floats2d]): Takes Docs and their spans, pairs of start and end; gives (n_spans, nO).
    """
    with Model.define_operators({">>": chain}):
        model: Model[Tuple[List[Doc], Ragged], Floats2d] = (
            with_getitem(0, tok2vec >> list2ragged())
            >> SpanContext(n_heads, window)
            >> Dropout()
            >> Maxout(hidden_width, nP=3, normalize=True)
            >> Dropout()
            >> Linear(nO)
        )
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", model.layers[-1])
    return model


def as_ragged(spans: List[List[Tuple[int, int]]], model: Model) -> Ragged:
    """The spans of some Docs as Thinc has them.

    spans (List[List[Tuple[int, int]]]): For each Doc pairs of start and end.
    model (Model): Says where arrays live.
    RETURNS (Ragged): (n_spans, 2), with the spans of each Doc.
    """
    pairs: Any = numpy.array([pair for each in spans for pair in each], dtype="int32").reshape(-1, 2)
    return Ragged(model.ops.asarray2i(pairs), model.ops.asarray1i([len(each) for each in spans]))
