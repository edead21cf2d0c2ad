"""The encoder in a head's own model, where `nlp.replace_listeners` puts it."""

from typing import Any, Callable, Dict, List, Tuple

from spacy.tokens import Doc
from spacy_transformers import TransformerData
from spacy_transformers.layers import TransformerListener
from thinc.api import Model
from thinc.types import Floats2d

from .data import doc_array, gradient_arrays
from .listener import ClinicalBertListener

InT = List[Doc]


def with_arrays(encoder: Model, grad_factor: float) -> Model[InT, List[Floats2d]]:
    """The encoder with arrays as output, instead of what it publishes on Docs."""

    def arrays_forward(model: Model, docs: InT, is_train: bool) -> Tuple[List[Floats2d], Callable]:
        batch, backprop = model.layers[0](docs, is_train)
        width = model.layers[0].get_dim("nO")
        arrays = [doc_array(data, width, model.ops) for data in batch.doc_data]
        return arrays, lambda d_arrays: backprop([d_array * grad_factor for d_array in d_arrays])

    return Model("clinicalbert-arrays", arrays_forward, init=init_layer, layers=[encoder], dims={"nO": None})


def with_doc_data(encoder: Model) -> Model[InT, List[TransformerData]]:
    """The encoder with the form of output that spacy-transformers' own layers read."""

    def doc_data_forward(model: Model, docs: InT, is_train: bool) -> Tuple[List[TransformerData], Callable]:
        batch, backprop = model.layers[0](docs, is_train)
        width = model.layers[0].get_dim("nO")
        return batch.doc_data, lambda d_datas: backprop(gradient_arrays(docs, d_datas, width, model.ops))

    return Model("clinicalbert-doc-data", doc_data_forward, init=init_layer, layers=[encoder], dims={"nO": None})


def init_layer(model: Model, X: Any = None, Y: Any = None) -> None:
    model.layers[0].initialize(X, Y)
    model.set_dim("nO", model.layers[0].get_dim("nO"))


def replace_listener(model: Model, listener: TransformerListener, component: Any) -> Model:
    """For `nlp.replace_listeners`: the encoder's copy in the form that the listener had given its vectors in."""
    if component.finish_put_off_update():  # the copy was made before the step
        model = component.model.copy()
    if isinstance(listener, ClinicalBertListener):
        return with_arrays(model, listener.attrs["grad_factor"])
    return with_doc_data(model)


def replace_listener_cfg(encoder_cfg: Dict, listener_cfg: Dict) -> Dict:
    """For `nlp.replace_listeners`: the config that makes the model of `replace_listener`.

    RAISES (ValueError): The listener reads windows, which only a `clinicalbert` component publishes.
    """
    # spaCy gives what stands at model.tok2vec, whatever the listener's place in it (Orthography.v1).
    while "tok2vec" in listener_cfg:
        listener_cfg = listener_cfg["tok2vec"]
    if listener_cfg["@architectures"] == "spacy-clinicalbert.WindowListener.v1":
        raise ValueError(
            "A head that reads windows cannot have an encoder of its own: what a window keeps is published by the component "
            "clinicalbert. Leave its listener, and keep both components in the pipeline."
        )
    kept = {"grad_factor": listener_cfg["grad_factor"]} if "grad_factor" in listener_cfg else {}
    if "pooling" in listener_cfg:
        kept["listener_pooling"] = listener_cfg["pooling"]
    return {**encoder_cfg, **kept, "@architectures": "spacy-clinicalbert.Tok2VecEncoder.v1"}
