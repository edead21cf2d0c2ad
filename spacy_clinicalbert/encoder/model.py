"""The Thinc model of the encoder: plan the windows, run them, pool wordpieces into tokens, and back."""

from functools import partial
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy
import torch
from numpy import ndarray
from spacy.attrs import IS_SPACE
from spacy.tokens import Doc
from spacy_transformers import FullTransformerBatch, TransformerData
from spacy_transformers.layers import TransformerListener, trfs2arrays
from thinc.api import Model, chain, torch2xp, xp2torch
from thinc.types import Floats2d, Ragged
from torch.utils.checkpoint import checkpoint as rerun_for_backward

from .alignment import align, token_offsets
from .batches import make_passes
from .checkpoints import load_checkpoint
from .data import doc_array, encode_docs, gradient_arrays
from .engines import TorchEngine
from .listener import ClinicalBertListener
from .windows import Windower, Windows, check_windows

InT = List[Doc]


class Plan(NamedTuple):
    """What is to be computed for some docs, in flat arrays over all of them.

    ids (ndarray): Wordpiece ids, (n_pieces,).
    windows (Windows): Windows over the wordpieces.
    token_pieces (ndarray): The wordpieces of every token, one token's behind the other's.
    token_lengths (ndarray): How many wordpieces each token has, (n_tokens,).
    n_unread (List[int]): For each doc its tokens, white space apart, that have none.
    """

    ids: ndarray
    windows: Windows
    token_pieces: ndarray
    token_lengths: ndarray
    n_unread: List[int]


def Encoder(
    name: str,
    windows: Windower,
    revision: Optional[str] = None,
    local_files_only: bool = False,
    lowercase: Optional[bool] = None,
    precision: str = "auto",
    lr_scale: float = 1.0,
) -> Model[InT, FullTransformerBatch]:
    """The registered architecture `spacy-clinicalbert.Encoder.v1`: a pretrained encoder over notes of any length.

    name (str): A preset ("bio-clinicalbert"), a hub id ("emilyalsentzer/Bio_ClinicalBERT") or a folder.
    windows (Windower): Cuts a note's wordpieces into windows.
    revision (Optional[str]): Branch, tag or commit on the hub.
    local_files_only (bool): Take the checkpoint from the hub's local cache, never from the network.
    lowercase (Optional[bool]): Whether the tokenizer lower-cases. None: as the checkpoint was trained.
    precision (str): "float32", "bfloat16", or "auto": bfloat16 where the processor multiplies in it.
    lr_scale (float): Factor on the optimiser's learning rate for the encoder's weights.
    RETURNS (Model[List[Doc], FullTransformerBatch]): Publishes one vector a token: `doc_data[i]` has
        `last_hidden_state` of shape (1, n_tokens, width). Empty docs publish `TransformerData.empty()`.
    """
    load = partial(load_checkpoint, name, revision=revision, local_files_only=local_files_only, lowercase=lowercase)
    return Model(
        "clinicalbert-encoder",
        forward,
        init=init,
        dims={"nO": None},
        attrs={
            "windows": windows,
            "max_batch_items": 4096,
            "max_update_items": 8192,
            "replace_listener": replace_listener,
            "replace_listener_cfg": replace_listener_cfg,
        },
        shims=[TorchEngine(load, precision=precision, lr_scale=lr_scale)],
    )


def Tok2VecEncoder(
    name: str,
    windows: Windower,
    revision: Optional[str] = None,
    local_files_only: bool = False,
    lowercase: Optional[bool] = None,
    precision: str = "auto",
    lr_scale: float = 1.0,
    grad_factor: float = 1.0,
    pooling: Optional[Model[Ragged, Floats2d]] = None,
) -> Model[InT, List[Floats2d]]:
    """The registered architecture `spacy-clinicalbert.Tok2VecEncoder.v1`: an encoder that one component has for
    itself, as `nlp.replace_listeners` makes it.

    grad_factor (float): Factor on the gradient that reaches the encoder.
    pooling (Optional[Model[Ragged, Floats2d]]): Only where a stock TransformerListener with this pooling was
        replaced.
    RETURNS (Model[List[Doc], List[Floats2d]]): For each doc an array of shape (n_tokens, width).
    """
    encoder = Encoder(name, windows, revision, local_files_only, lowercase, precision, lr_scale)
    if pooling is not None:
        return chain(with_doc_data(encoder), trfs2arrays(pooling, grad_factor))
    return with_arrays(encoder, grad_factor)


def engine_of(model: Model) -> TorchEngine:
    """The engine of a model that `Encoder` made.

    RAISES (ValueError): Another architecture made it.
    """
    for shim in model.shims:
        if isinstance(shim, TorchEngine):
            return shim
    raise ValueError(
        "This component wants the architecture spacy-clinicalbert.Encoder.v1 as its model. In a config that had the "
        "factory transformer, delete its [components.*.model] block, or write one as configs/ner.cfg has it."
    )


def init(model: Model, X: Any = None, Y: Any = None) -> None:
    engine = engine_of(model)
    engine.initialize()
    model.set_dim("nO", engine.checkpoint.width)
    # Windows that do not fit show now, not at the first long note.
    n_pieces = 2 * engine.checkpoint.positions
    offsets = numpy.arange(n_pieces + 1)
    trial = model.attrs["windows"]("a" * n_pieces, offsets[:-1], offsets[1:])
    check_windows(trial, n_pieces, engine.checkpoint.max_window)


def forward(model: Model, docs: InT, is_train: bool) -> Tuple[FullTransformerBatch, Callable]:
    engine = engine_of(model)
    plan = make_plan(docs, engine.checkpoint, model.attrs["windows"])
    if is_train:
        pieces, backprop_pieces = update_pieces(model, plan)
    else:
        pieces, backprop_pieces = predict_pieces(model, plan), None
    lengths = torch.from_numpy(plan.token_lengths).to(pieces.device)
    token_pieces = torch.from_numpy(plan.token_pieces).to(pieces.device)
    if len(plan.ids):
        # A token's vector is the mean of its wordpieces', and zeros where it has none.
        starts = torch.cumsum(lengths, 0) - lengths
        tokens = torch.nn.functional.embedding_bag(token_pieces, pieces, starts, mode="mean")
    else:
        tokens = pieces.new_zeros((len(lengths), pieces.shape[1]))
    borders = numpy.cumsum([len(doc) for doc in docs])[:-1]
    # Copies, or one Doc that is kept would keep the vectors of its whole batch.
    arrays = [array.copy() for array in model.ops.xp.split(torch2xp(tokens), borders)]
    Y = encode_docs(docs, arrays, model.id, plan.n_unread)

    def backprop(d_arrays: List[Floats2d]) -> InT:
        """d_arrays (List[Floats2d]): For each doc the gradient of its tokens' vectors, (n_tokens, width)."""
        if backprop_pieces is not None and len(plan.ids):
            d_tokens = xp2torch(model.ops.xp.concatenate(d_arrays), device=pieces.device)
            d_means = (d_tokens / lengths.clamp(min=1)[:, None]).repeat_interleave(lengths, 0)
            backprop_pieces(torch.zeros_like(pieces).index_add_(0, token_pieces, d_means))
        return docs

    return Y, backprop


def make_plan(docs: InT, checkpoint: Any, windower: Windower) -> Plan:
    """Tokenise each text once, cut it into windows and align its wordpieces with its tokens."""
    tokenizer = checkpoint.tokenizer
    ids: List[ndarray] = [numpy.zeros(0, dtype="int64")]
    windows: List[Windows] = [Windows(*([ids[0]] * 4))]
    token_pieces, token_lengths, n_unread, n_pieces = [ids[0]], [ids[0]], [], 0
    encodings = tokenizer.backend_tokenizer.encode_batch([doc.text for doc in docs], add_special_tokens=False)
    for doc, encoding in zip(docs, encodings):
        starts, ends = numpy.array(encoding.offsets, dtype="int64").reshape(-1, 2).T
        doc_windows = windower(doc.text, starts, ends)
        check_windows(doc_windows, len(starts), checkpoint.max_window)
        doc_pieces, doc_lengths = align(*token_offsets(doc), starts, ends)
        ids.append(numpy.array(encoding.ids, dtype="int64"))
        windows.append(Windows(*(array + n_pieces for array in doc_windows)))
        token_pieces.append(doc_pieces + n_pieces)
        token_lengths.append(doc_lengths)
        n_unread.append(int(((doc_lengths == 0) & (doc.to_array(IS_SPACE) == 0)).sum()))
        n_pieces += len(starts)
    return Plan(
        numpy.concatenate(ids),
        Windows(*map(numpy.concatenate, zip(*windows))),
        numpy.concatenate(token_pieces),
        numpy.concatenate(token_lengths),
        n_unread,
    )


def plan_passes(model: Model, plan: Plan) -> Iterator[Tuple[torch.Tensor, ...]]:
    """YIELDS (Tuple[torch.Tensor, ...]): `batches.Pass` as tensors on the network's device."""
    engine = engine_of(model)
    checkpoint = engine.checkpoint
    passes = make_passes(
        plan.ids,
        plan.windows,
        prefix=checkpoint.prefix,
        suffix=checkpoint.suffix,
        pad=checkpoint.tokenizer.pad_token_id or 0,
        max_items=model.attrs["max_batch_items"],
    )
    for arrays in passes:
        yield tuple(torch.from_numpy(array).to(engine.device) for array in arrays)


def predict_pieces(model: Model, plan: Plan) -> torch.Tensor:
    """RETURNS (torch.Tensor): One vector a wordpiece, (n_pieces, width)."""
    engine = engine_of(model)
    width = engine.checkpoint.width
    with engine.predicting():
        pieces = torch.empty((len(plan.ids), width), device=engine.device)
        for ids, mask, kept, places in plan_passes(model, plan):
            pieces[places] = engine.encode(ids, mask).view(-1, width)[kept]
    return pieces


def update_pieces(model: Model, plan: Plan) -> Tuple[torch.Tensor, Callable[[torch.Tensor], None]]:
    """As `predict_pieces`, with dropout and a backward.

    Passes beyond max_update_items positions keep no activations: torch runs them again for their backward, with
    the same random state. So a batch of any size trains in bounded memory. Those without gradient are left out.
    """
    engine = engine_of(model)
    width = engine.checkpoint.width
    pieces = torch.empty((len(plan.ids), width), device=engine.device)
    outputs = []
    budget = model.attrs["max_update_items"]
    with engine.training():
        for ids, mask, kept, places in plan_passes(model, plan):
            budget -= ids.numel()
            if budget >= 0:
                hidden = engine.encode(ids, mask)
            else:
                hidden = rerun_for_backward(engine.encode, ids, mask, use_reentrant=False)
            pieces[places] = hidden.detach().view(-1, width)[kept]
            outputs.append((hidden, kept, places))

    def backprop(d_pieces: torch.Tensor) -> None:
        while outputs:
            hidden, kept, places = outputs.pop()
            d_kept = d_pieces[places]
            if d_kept.any():
                d_hidden = torch.zeros_like(hidden)
                d_hidden.view(-1, width)[kept] = d_kept
                hidden.backward(d_hidden)

    return pieces, backprop


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
    if isinstance(listener, ClinicalBertListener):
        return with_arrays(model, listener.attrs["grad_factor"])
    return with_doc_data(model)


def replace_listener_cfg(encoder_cfg: Dict, listener_cfg: Dict) -> Dict:
    """For `nlp.replace_listeners`: the config that makes the model of `replace_listener`."""
    kept = {key: listener_cfg[key] for key in ("grad_factor", "pooling") if key in listener_cfg}
    return {**encoder_cfg, **kept, "@architectures": "spacy-clinicalbert.Tok2VecEncoder.v1"}
