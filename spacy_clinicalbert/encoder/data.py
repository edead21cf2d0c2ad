"""What the encoder publishes on a Doc, in spacy-transformers' form."""

from dataclasses import dataclass, replace
from typing import List, Optional, cast

import numpy
from numpy import ndarray
from spacy.tokens import Doc
from spacy_transformers import FullTransformerBatch, TransformerData
from thinc.api import Ops
from thinc.types import Floats2d, Ints1d, Ragged
from transformers.modeling_outputs import BaseModelOutput

# What heads read of `EncodedDoc.model_output`, and give gradients of.
TOKENS, WINDOWS = "last_hidden_state", "window_vectors"


@dataclass
class EncodedDoc(TransformerData):
    """The vectors of a Doc's tokens, and of the encoder's windows over it. `align` is the identity; `wordpieces` stays empty, for
    the alignment refers to tokens. A Doc without tokens has an empty `model_output`, of others it has:

    last_hidden_state (Floats3d): The tokens' vectors, (1, n_tokens, width).
    window_vectors (Floats2d): The vector at the first position of each window, where BERT has [CLS], (n_windows, width).
    windows (ndarray): The tokens whose vectors each window gave, first and behind the last, (n_windows, 2). They tile
        the Doc; one without wordpieces has no windows.

    A Doc that was serialised keeps these alone, as plain TransformerData.

    encoder_id (int): The Thinc id of the model that made the vectors; our listeners take no others'.
    n_unread (int): Tokens of characters that the tokenizer deletes, such as control characters: like white space
        they have no wordpieces, and zeros as their vector.
    beneath (Optional[TransformerData]): What an encoder earlier in the pipeline published.
    """

    encoder_id: int = -1
    n_unread: int = 0
    beneath: Optional[TransformerData] = None

    @property
    def windows(self) -> ndarray:
        """As `model_output.windows`, of a Doc without tokens too."""
        return self.model_output["windows"] if self.model_output else numpy.zeros((0, 2), dtype="int64")


def encode_doc(
    array: Floats2d, window_vectors: Floats2d, windows: ndarray, *, encoder_id: int, n_unread: int
) -> EncodedDoc:
    """Wrap the vectors of a Doc and its windows; see `EncodedDoc`.

    array (Floats2d): The tokens' vectors, (n_tokens, width).
    """
    empty = TransformerData.empty()
    if not len(array):
        return EncodedDoc(empty.wordpieces, empty.model_output, empty.align, encoder_id, n_unread)
    indices, ones = numpy.arange(len(array), dtype="int32"), numpy.ones(len(array), dtype="int32")
    identity = Ragged(cast(Ints1d, indices), cast(Ints1d, ones))
    output = BaseModelOutput(last_hidden_state=array.reshape((1, *array.shape)))  # type: ignore[arg-type]
    output[WINDOWS], output["windows"] = window_vectors, windows
    return EncodedDoc(empty.wordpieces, output, identity, encoder_id, n_unread)


def encode_docs(docs: List[Doc], datas: List[TransformerData]) -> FullTransformerBatch:
    """Put what `encode_doc` wrapped into the form that spacy-transformers' component hands on."""
    return replace(
        FullTransformerBatch.empty(len(docs)),
        spans=[[doc[:]] if len(doc) else [] for doc in docs],
        cached_doc_data=datas,
    )


def without_encoder(data: Optional[TransformerData], encoder_id: int) -> Optional[TransformerData]:
    """What other encoders have published on a Doc, without what one of them left there in an earlier run."""
    if not isinstance(data, EncodedDoc):
        return data
    data.beneath = without_encoder(data.beneath, encoder_id)
    return data.beneath if data.encoder_id == encoder_id else data


def doc_array(data: TransformerData, width: int, ops: Ops) -> Floats2d:
    """The vectors that `encode_doc` wrapped, (n_tokens, width)."""
    return data.model_output[TOKENS][0] if TOKENS in data.model_output else ops.alloc2f(0, width)


def window_array(data: TransformerData, width: int, ops: Ops) -> Floats2d:
    """The vectors of its windows, (n_windows, width)."""
    return data.model_output[WINDOWS] if WINDOWS in data.model_output else ops.alloc2f(0, width)


def gradient_arrays(docs: List[Doc], d_datas: List[TransformerData], width: int, ops: Ops) -> List[Floats2d]:
    """The gradient that a stock listener gives, which leaves out Docs without tokens, as one array a Doc."""
    given = iter(d_datas)
    return [doc_array(next(given), width, ops) if len(doc) else ops.alloc2f(0, width) for doc in docs]
