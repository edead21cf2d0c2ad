"""`spacy_clinicalbert.attention`: what a head of a layer attends to, for teaching. What a layer attends to is no explanation of what comes out."""

from typing import List, NamedTuple, Optional

import numpy
import torch
from numpy import ndarray
from spacy.language import Language
from spacy.tokens import Doc

from ..encoder.component import ClinicalBert
from .network import make_encoding, make_window_passes, special_ids


class Attention(NamedTuple):
    """What one head of a layer attends to in one window.

    pieces (List[str]): The window's wordpieces as the tokenizer writes them, with the special tokens around them.
    weights (ndarray): The attention of each piece (row) to each (column); rows add up to 1, (n_pieces, n_pieces).
    """

    pieces: List[str]
    weights: ndarray


def attention(
    doc: Doc, nlp: Language, layer: int, head: int, *, window: int = 0, encoder: Optional[str] = None
) -> Attention:
    """Say what a head of a layer attends to in a window of the encoder.

    doc (Doc): A document; it needs no vectors.
    nlp (Language): The pipeline.
    layer (int), head (int): From 0; negative ones count from the last.
    window (int): Which of the document's windows, from 0.
    encoder (Optional[str]): The name of the component; None takes the first clinicalbert.
    RETURNS (Attention): The weights, in float32.
    RAISES (ValueError): There is no such encoder, window, layer or head, or the network gives no attention.
    """
    found = [each for name, each in nlp.pipeline if isinstance(each, ClinicalBert) and encoder in (None, name)]
    if not found:
        raise ValueError(
            f"The pipeline has no clinicalbert{f' with the name {encoder!r}' if encoder else ''}, or it is disabled."
        )
    encoding = make_encoding(found[0].model, doc)
    n_windows = len(encoding.plan.work.keys)
    if not 0 <= window < n_windows:
        raise ValueError(f"The note has {n_windows} windows, numbered from 0; {window} is none of them.")
    ((ids, mask, *_),) = make_window_passes(encoding, numpy.array([window]))
    device = found[0].shim.device
    piece_ids = numpy.concatenate([encoding.plan.ids, special_ids(encoding)])[ids[0]]
    checkpoint = found[0].shim.checkpoint
    with torch.no_grad():
        lookup = encoding.network.get_input_embeddings()
        inputs = lookup(torch.from_numpy(piece_ids[None]).to(device))
        output = encoding.network(
            inputs_embeds=inputs,
            attention_mask=torch.from_numpy(mask).to(device),
            output_attentions=True,
            return_dict=True,
        )
    layers = output.attentions
    if not layers or layers[0] is None:
        raise ValueError(f"The network, {type(encoding.network).__name__}, does not give its attention.")
    n_layers, n_heads = len(layers), layers[0].shape[1]
    if not (-n_layers <= layer < n_layers and -n_heads <= head < n_heads):
        raise ValueError(
            f"The network has {n_layers} layers of {n_heads} heads, numbered from 0; {layer}:{head} is none of them."
        )
    weights = layers[layer][0, head].float().cpu().numpy()
    return Attention(checkpoint.tokenizer.convert_ids_to_tokens(piece_ids.tolist()), weights)
