"""A note through the encoder as a function of its wordpieces' embeddings, in float32, by torch."""

from functools import partial
from typing import Any, List, NamedTuple

import numpy
import torch
from spacy.tokens import Doc
from thinc.api import Model
from torch.utils.checkpoint import checkpoint as rerun_for_backward

from ..encoder.batches import Pass, make_passes
from ..encoder.engines import twin
from ..encoder.model import publish
from ..encoder.plan import Plan, allow_padding, make_plan, plan_docs
from ..encoder.shim import shim_of


class Encoding(NamedTuple):
    """A note that can be encoded from embeddings.

    model (Model): The encoder's.
    network (torch.nn.Module): In float32, over the encoder's weights, for prediction.
    plan (Plan): The note's wordpieces and windows.
    """

    model: Model
    network: Any
    plan: Plan


def make_encoding(model: Model, doc: Doc) -> Encoding:
    """Plan a note.

    model (Model): The encoder's.
    doc (Doc): The note.
    RETURNS (Encoding): The note.
    RAISES (ValueError): Its text has no wordpieces.
    """
    plan = make_plan(plan_docs(model, [doc]), distinct=False)
    if not len(plan.ids):
        raise ValueError("The note has no words that the encoder reads.")
    network = twin(shim_of(model).network, "eager").requires_grad_(False)
    return Encoding(model, network, plan)


def embed(encoding: Encoding) -> torch.Tensor:
    """RETURNS (torch.Tensor): The embeddings of the note's wordpieces, (n_pieces, width of embeddings)."""
    return _lookup(encoding, encoding.plan.ids.tolist())


def embed_masks(encoding: Encoding) -> torch.Tensor:
    """RETURNS (torch.Tensor): Of as many masks, which the network knows as words that it cannot see; of padding where it has no mask."""
    tokenizer = shim_of(encoding.model).checkpoint.tokenizer
    token = tokenizer.mask_token_id if tokenizer.mask_token_id is not None else tokenizer.pad_token_id or 0
    return _lookup(encoding, [token] * len(encoding.plan.ids))


def _lookup(encoding: Encoding, ids: List[int]) -> torch.Tensor:
    device = shim_of(encoding.model).device
    return encoding.network.get_input_embeddings()(torch.tensor(ids, dtype=torch.int64, device=device)).detach()


def find_windows(encoding: Encoding, first: int, last: int) -> numpy.ndarray:
    """RETURNS (ndarray): The numbers of the windows that give vectors of tokens from `first` to before `last`."""
    tokens = encoding.plan.docs[0].token_windows
    return numpy.flatnonzero((tokens[:, 0] < last) & (tokens[:, 1] > first))


def make_window_passes(encoding: Encoding, numbers: numpy.ndarray) -> List[Pass]:
    """Passes over some windows whose `ids` are rows of the embeddings: the note's wordpieces, then the special tokens as `special_ids` has them."""
    n_pieces = len(encoding.plan.ids)
    checkpoint = shim_of(encoding.model).checkpoint
    n_before, n_behind = len(checkpoint.prefix), len(checkpoint.suffix)
    special = list(range(n_pieces, n_pieces + n_before + n_behind + 1))
    max_items = encoding.model.attrs["max_batch_items"]
    passes = make_passes(
        numpy.arange(n_pieces),
        encoding.plan.work,
        numbers,
        prefix=special[:n_before],
        suffix=special[n_before:-1],
        pad=special[-1],
        max_items=max_items,
        max_padding=allow_padding(checkpoint, max_items)[0],
    )
    return list(passes)


def special_ids(encoding: Encoding) -> List[int]:
    checkpoint = shim_of(encoding.model).checkpoint
    return [*checkpoint.prefix, *checkpoint.suffix, checkpoint.tokenizer.pad_token_id or 0]


def encode(encoding: Encoding, embeddings: torch.Tensor, passes: List[Pass], rows: torch.Tensor) -> torch.Tensor:
    """Encode the windows of some passes. Where these are more than the encoder's max_update_items, they keep no activations, and are run again for the
    backward.

    embeddings (torch.Tensor): Of the note's wordpieces, in so many versions, (n_versions, n_pieces, width of embeddings).
    passes (List[Pass]): As `make_window_passes` gives them.
    rows (torch.Tensor): The vectors of the windows that are in no pass, (n_rows, width).
    RETURNS (torch.Tensor): All vectors, (n_versions, n_rows, width).
    """
    n_versions = len(embeddings)
    special = _lookup(encoding, special_ids(encoding)).expand(n_versions, -1, -1)
    table = torch.cat([embeddings, special], dim=1)
    n_positions = n_versions * sum(each.ids.size for each in passes)
    run: Any = partial(_run, encoding.network)
    if torch.is_grad_enabled() and n_positions > encoding.model.attrs["max_update_items"]:
        run = partial(rerun_for_backward, run, use_reentrant=False)
    result = rows.expand(n_versions, -1, -1)
    for each in passes:
        ids, mask, kept, places = (torch.from_numpy(array).to(rows.device) for array in each)
        hidden = run(table[:, ids].flatten(0, 1), mask.repeat(n_versions, 1))
        vectors = hidden.reshape(n_versions, ids.numel(), -1)[:, kept]
        result = result.index_copy(1, places, vectors)
    return result


def _run(network: Any, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return network(inputs_embeds=embeddings, attention_mask=mask, return_dict=True).last_hidden_state.float()


def encode_note(encoding: Encoding) -> torch.Tensor:
    """RETURNS (torch.Tensor): The vectors of the note as it is, (n_rows, width)."""
    width = shim_of(encoding.model).checkpoint.width
    rows = torch.zeros((encoding.plan.work.n_rows, width), device=shim_of(encoding.model).device)
    with torch.no_grad():
        passes = make_window_passes(encoding, numpy.arange(len(encoding.plan.work.keys)))
        return encode(encoding, embed(encoding)[None], passes, rows)[0]


def published(encoding: Encoding, doc: Doc, rows: torch.Tensor) -> Any:
    """RETURNS (EncodedDoc): What heads read of vectors, (n_rows, width)."""
    return publish(encoding.model, [doc], encoding.plan, rows).doc_data[0]
