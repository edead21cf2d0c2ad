"""What a head's model holds to receive the encoder's vectors."""

from typing import Any, Callable, Iterable, List, Optional, Set, Tuple, cast
from weakref import WeakSet

import numpy
from numpy import ndarray
from spacy.attrs import ORTH
from spacy.tokens import Doc
from spacy_transformers.layers import TransformerListener
from thinc.api import Model, Ops
from thinc.types import Floats2d

from .data import TOKENS, WINDOWS, EncodedDoc, doc_array, encode_doc, window_array

# For each doc the vectors of its windows, (n_windows, width), and the tokens that each of these keeps, (n_windows, 2).
WindowVectors = Tuple[List[Floats2d], List[ndarray]]


def Listener(upstream: str = "*", grad_factor: float = 1.0) -> Model[List[Doc], List[Floats2d]]:
    """The registered architecture `spacy-clinicalbert.Listener.v1`: the vectors of a `clinicalbert` component
    earlier in the pipeline.

    upstream (str): That component's name; "*" takes the nearest before the head.
    grad_factor (float): Factor on this head's gradient. 0 keeps the head from changing the encoder; to let the
        encoder learn more slowly, use its lr_scale.
    RETURNS (Model[List[Doc], List[Floats2d]]): For each doc an array of shape (n_tokens, width).
    """
    return ClinicalBertListener(upstream, grad_factor, forward)


def WindowListener(
    upstream: str = "*", grad_factor: float = 1.0, pooling: str = "first"
) -> Model[List[Doc], WindowVectors]:
    """The registered architecture `spacy-clinicalbert.WindowListener.v1`: as `Listener.v1`, with a vector of each of the encoder's
    windows. It takes gradients of these.

    pooling (str): "first": that at the window's first position, where BERT has [CLS]; "mean": the mean of the tokens that it keeps.
    RETURNS (Model[List[Doc], Tuple[List[Floats2d], List[ndarray]]]): For each doc an array of shape (n_windows, width); and for
        each doc the tokens whose vectors each window gave, first and behind the last, (n_windows, 2). They tile the doc; one
        without wordpieces, as an empty one, has no windows.
    """
    if pooling not in ("first", "mean"):
        raise ValueError(f"pooling of a WindowListener is 'first' or 'mean', not '{pooling}'.")
    listener = ClinicalBertWindowListener(upstream, grad_factor, forward_windows)
    listener.reads = WINDOWS if pooling == "first" else TOKENS
    return listener


def lacks_vectors(model: Model, docs: Iterable[Doc]) -> bool:
    """Whether a model has a listener, the stock one too, and one of some Docs nothing for it: no encoder ran, or its vectors were taken off."""
    listens = any(isinstance(node, TransformerListener) for node in model.walk())
    return listens and any(doc._.trf_data is None for doc in docs)


class Samples(WeakSet):
    """The Docs that a head is initialised with. A copy in another process has none of them: there they would be others."""

    def __reduce__(self) -> Tuple[type, Tuple]:
        return type(self), ()


class ClinicalBertListener(TransformerListener):
    """A listener that knows its upstream: without vectors, or with another encoder's, it raises ValueError, where
    the stock one goes on with zeros or with the wrong vectors.

    reads (str): Which of the published vectors it takes, and gives the gradients of; see `data.EncodedDoc`.
    attrs["encoder"] (str): The name of the encoder that its head has learned from; it is saved with the head.
    upstream_ids (Set[int]): Thinc ids of the encoders that the listener was linked to.
    samples (Samples): The Docs that the head was initialised with. They infer shapes before any encoder has
        run, and alone may go without vectors.
    """

    name = "clinicalbert-listener"
    reads = TOKENS

    def __init__(self, upstream_name: str, grad_factor: float, forward: Callable):
        attrs = {"grad_factor": grad_factor, "encoder": ""}
        Model.__init__(self, self.name, forward, init=init, dims={"nO": None}, attrs=attrs)
        self.upstream_name = upstream_name
        self.upstream_ids: Set[int] = set()
        self.samples = Samples()
        self._batch_id: Optional[int] = None
        self._outputs = None
        self._backprop = None

    @classmethod
    def get_batch_id(cls, inputs: List[Doc]) -> int:
        """A number for the words of some Docs, in their order."""
        return hash(tuple(doc.to_array([ORTH]).tobytes() for doc in inputs))

    def receive(self, batch_id: Any, outputs: Any, backprop: Any) -> None:
        """Take the vectors of a batch in training. Usually internal."""
        super().receive(batch_id, outputs, backprop)
        self.samples.clear()

    def find(self, docs: List[Doc], is_train: bool) -> Tuple[List[EncodedDoc], Callable[[List[Floats2d]], List[Doc]]]:
        """What the encoder has for some Docs, and a backward for the gradients of what this listener reads, an array a Doc.

        RAISES (ValueError): Nothing, or something for other Docs, or of another width than the head's.
        """
        if is_train and self._batch_id is not None:
            if self._batch_id != self.get_batch_id(docs):
                raise ValueError(
                    f"The listener for '{self.upstream_name}' got other documents than its encoder. Update the encoder "
                    "and the heads with the same batch, as nlp.update does."
                )
            factor = self.attrs["grad_factor"]

            def backprop(d_arrays: List[Floats2d]) -> List[Doc]:
                self.backprop_and_clear([d_array * factor for d_array in d_arrays])
                return docs

            return self._of_width(cast(List[EncodedDoc], self._outputs or [])), backprop
        # A frozen encoder is not updated; where it annotates, its vectors stand on the Docs as in prediction.
        datas = [self.find_published(doc, i) for i, doc in enumerate(docs)]
        return self._of_width(datas), lambda d_arrays: docs

    def _of_width(self, datas: List[EncodedDoc]) -> List[EncodedDoc]:
        width = self.get_dim("nO")
        arrays = (data.model_output.get(TOKENS) for data in datas)
        other = next((array.shape[-1] for array in arrays if array is not None and array.shape[-1] != width), None)
        if other is not None:
            raise ValueError(
                f"The listener for '{self.upstream_name}' got vectors of {other} numbers, and its head was made for {width}: they "
                "are another encoder's. Put the right one before the head, or set the listener's upstream to its name."
            )
        return datas

    def find_published(self, doc: Doc, position: int) -> EncodedDoc:
        """What an upstream of this listener published on a Doc; zeros for a sample.

        position (int): The Doc's place in its batch, for the error.
        RAISES (ValueError): Nothing, or the Doc was retokenised since.
        """
        published = data = doc._.trf_data
        if published is None and doc in self.samples:
            tokens, window = (self.ops.alloc2f(n, self.get_dim("nO")) for n in (len(doc), 1))
            return encode_doc(tokens, window, numpy.array([[0, len(doc)]]), encoder_id=-1, n_unread=0)
        while isinstance(data, EncodedDoc) and data.encoder_id not in self.upstream_ids:
            data = data.beneath
        if not isinstance(data, EncodedDoc):
            found = "no vectors" if published is None else "only another encoder's vectors"
            raise ValueError(
                f"The listener for '{self.upstream_name}' found {found} on document {position} of its batch. The "
                "component clinicalbert that it belongs to must run before it, in the same pipeline: enable it "
                "(nlp.enable_pipe), put it before the head, or set the listener's upstream to its name. If the "
                "encoder is frozen in training, name it in [training] annotating_components too."
            )
        if len(data.align.lengths) != len(doc):
            raise ValueError(
                f"Document {position} of the batch had {len(data.align.lengths)} tokens when it was encoded and has "
                f"{len(doc)} now. Move the component that merges or splits tokens before the encoder '"
                f"{self.upstream_name}', or behind the last component that listens to it."
            )
        return data


class ClinicalBertWindowListener(ClinicalBertListener):
    """As `ClinicalBertListener`, for the vectors of windows."""

    name = "clinicalbert-window-listener"
    reads = WINDOWS


def init(model: ClinicalBertListener, X: Optional[Iterable[Doc]] = None, Y: Any = None) -> None:
    if X and model.has_dim("nO") is None:
        raise ValueError(
            f"The listener for '{model.upstream_name}' belongs to no component clinicalbert. Add one to the pipeline before the head, initialise it if it is there, or set the "
            "listener's upstream to its name."
        )
    model.samples.update(X or ())
    model.attrs["encoder"] = ""  # a head that begins anew has learned from none


def forward(
    model: ClinicalBertListener, docs: List[Doc], is_train: bool
) -> Tuple[List[Floats2d], Callable[[List[Floats2d]], List[Doc]]]:
    datas, backprop = model.find(docs, is_train)
    width = model.get_dim("nO")
    return [doc_array(data, width, model.ops) for data in datas], backprop


def forward_windows(
    model: ClinicalBertWindowListener, docs: List[Doc], is_train: bool
) -> Tuple[WindowVectors, Callable[[List[Floats2d]], List[Doc]]]:
    datas, backprop = model.find(docs, is_train)
    width, windows = model.get_dim("nO"), [data.windows for data in datas]
    if model.reads == WINDOWS:
        return ([window_array(data, width, model.ops) for data in datas], windows), backprop
    lengths = [each[:, 1] - each[:, 0] for each in windows]
    arrays = [doc_array(data, width, model.ops) for data in datas]
    means = [mean_rows(array, each, model.ops) for array, each in zip(arrays, lengths)]

    def backprop_means(d_means: List[Floats2d]) -> List[Doc]:
        d_arrays = [array * 0 for array in arrays]
        for d_array, d_mean, each in zip(d_arrays, d_means, lengths):
            if len(d_mean):
                d_array += model.ops.backprop_reduce_mean(d_mean, model.ops.asarray1i(each))
        return backprop(d_arrays)

    return (means, windows), backprop_means


def mean_rows(array: Floats2d, lengths: ndarray, ops: Ops) -> Floats2d:
    """The means of consecutive rows, as many as `lengths` says; zeros for none."""
    if not len(lengths):
        return ops.alloc2f(0, array.shape[1])
    return ops.reduce_mean(array, ops.asarray1i(lengths))  # type: ignore[arg-type]
