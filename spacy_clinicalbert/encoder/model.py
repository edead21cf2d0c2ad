"""The Thinc model of the encoder: plan the windows, run them, pool wordpieces into tokens, and back."""

from functools import partial
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple, cast

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
from .batches import Work, make_passes, make_work
from .checkpoints import load_checkpoint
from .data import doc_array, encode_doc, encode_docs, gradient_arrays
from .listener import ClinicalBertListener
from .shim import EncoderShim
from .windows import Windower, Windows, check_windows

InT = List[Doc]


class DocPlan(NamedTuple):
    """The wordpieces of one doc.

    ids (ndarray): Their ids, (n_pieces,).
    windows (Windows): Windows over them.
    token_pieces (ndarray): Those of every token, one token's behind the other's.
    token_lengths (ndarray): How many each token has, (n_tokens,).
    token_windows (ndarray): The tokens whose vectors each window gives, first and behind the last, (n_windows, 2).
    n_unread (int): Tokens, white space apart, that have none.
    """

    ids: ndarray
    windows: Windows
    token_pieces: ndarray
    token_lengths: ndarray
    token_windows: ndarray
    n_unread: int


class Plan(NamedTuple):
    """What is to be computed for some docs.

    docs (List[DocPlan]): Their wordpieces.
    ids (ndarray): The wordpiece ids of all, one doc's behind the other's, (n_pieces,).
    work (Work): Which windows to encode, and whose vectors each wordpiece gets.
    token_rows (List[ndarray]): For each doc its `DocPlan.token_pieces`, as rows of the vectors.
    """

    docs: List[DocPlan]
    ids: ndarray
    work: Work
    token_rows: List[ndarray]


def Encoder(
    name: str,
    windows: Windower,
    revision: Optional[str] = None,
    local_files_only: bool = False,
    lowercase: Optional[bool] = None,
    precision: str = "auto",
    engine: str = "auto",
    distinct: bool = True,
    lr_scale: float = 1.0,
    n_frozen_layers: int = 0,
    attention_dropout: Optional[float] = None,
) -> Model[InT, FullTransformerBatch]:
    """The registered architecture `spacy-clinicalbert.Encoder.v1`: a pretrained encoder over notes of any length.

    name (str): A preset ("bio-clinicalbert"), a hub id ("emilyalsentzer/Bio_ClinicalBERT") or a folder.
    windows (Windower): Cuts a note's wordpieces into windows.
    revision (Optional[str]): Branch, tag or commit on the hub.
    local_files_only (bool): Take the checkpoint from the hub's local cache, never from the network.
    lowercase (Optional[bool]): Whether the tokenizer lower-cases. None: as the checkpoint was trained.
    precision (str): "float32", "bfloat16", "int8" (of a pipeline that was quantized), or "auto": bfloat16 where the
        processor multiplies in it, else float32.
    engine (str): What predicts: "torch", "openvino", or "auto": OpenVINO on a CPU where it is installed.
    distinct (bool): Encode windows that are equal once. In training too, where the network has no dropout.
    lr_scale (float): Factor on the optimiser's learning rate for the encoder's weights.
    n_frozen_layers (int): This many layers from below, and the embeddings under them, do not train.
    attention_dropout (Optional[float]): What share of the attention weights training drops. None: what the checkpoint
        says, 0.1 for most; 0 trains a quarter faster on a CPU. Other dropout is as the checkpoint says.
    RETURNS (Model[List[Doc], FullTransformerBatch]): Publishes one vector a token: `doc_data[i]` has
        `last_hidden_state` of shape (1, n_tokens, width). Empty docs publish `TransformerData.empty()`.
    """
    load = partial(
        load_checkpoint,
        name,
        revision=revision,
        local_files_only=local_files_only,
        lowercase=lowercase,
        attention_dropout=attention_dropout,
    )
    return Model(
        "clinicalbert-encoder",
        forward,
        init=init,
        dims={"nO": None},
        attrs={
            "windows": windows,
            "max_batch_items": 2048,
            "max_update_items": 8192,
            "distinct": distinct,
            "replace_listener": replace_listener,
            "replace_listener_cfg": replace_listener_cfg,
        },
        shims=[
            EncoderShim(load, precision=precision, engine=engine, lr_scale=lr_scale, n_frozen_layers=n_frozen_layers)
        ],
    )


def Tok2VecEncoder(
    name: str,
    windows: Windower,
    revision: Optional[str] = None,
    local_files_only: bool = False,
    lowercase: Optional[bool] = None,
    precision: str = "auto",
    engine: str = "auto",
    distinct: bool = True,
    lr_scale: float = 1.0,
    n_frozen_layers: int = 0,
    attention_dropout: Optional[float] = None,
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
    encoder = Encoder(
        name,
        windows,
        revision,
        local_files_only,
        lowercase,
        precision,
        engine,
        distinct,
        lr_scale,
        n_frozen_layers,
        attention_dropout,
    )
    if pooling is not None:
        return chain(with_doc_data(encoder), trfs2arrays(pooling, grad_factor))
    return with_arrays(encoder, grad_factor)


def shim_of(model: Model) -> EncoderShim:
    """The shim of a model that `Encoder` made.

    RAISES (ValueError): Another architecture made it.
    """
    for shim in model.shims:
        if isinstance(shim, EncoderShim):
            return shim
    raise ValueError(
        "This component wants the architecture spacy-clinicalbert.Encoder.v1 as its model. In a config that had the "
        "factory transformer, delete its [components.*.model] block, or write one as configs/ner.cfg has it."
    )


def init(model: Model, X: Any = None, Y: Any = None) -> None:
    shim = shim_of(model)
    shim.initialize()
    model.set_dim("nO", shim.checkpoint.width)
    # Windows that do not fit show now, not at the first long note.
    n_pieces = 2 * shim.checkpoint.positions
    offsets = numpy.arange(n_pieces + 1)
    trial = model.attrs["windows"]("a" * n_pieces, offsets[:-1], offsets[1:])
    check_windows(trial, n_pieces, shim.checkpoint.max_window)


def forward(model: Model, docs: InT, is_train: bool) -> Tuple[FullTransformerBatch, Callable]:
    plans = plan_docs(model, docs)
    if not is_train:
        return publish(model, docs, *predict_rows(model, plans)), lambda d_arrays: docs
    plan = make_plan(plans, model.attrs["distinct"] and not shim_of(model).has_dropout)
    rows, backprop_rows = update_rows(model, plan)

    def backprop(d_arrays: List[Floats2d]) -> InT:
        """d_arrays (List[Floats2d]): For each doc the gradient of its tokens' vectors, (n_tokens, width)."""
        if len(rows):
            d_rows = torch.zeros_like(rows)
            for d_array, token_rows, doc_plan in zip(d_arrays, plan.token_rows, plans):
                lengths = torch.from_numpy(doc_plan.token_lengths).to(rows.device)
                d_means = xp2torch(d_array, device=rows.device) / lengths.clamp(min=1)[:, None]
                d_rows.index_add_(
                    0, torch.from_numpy(token_rows).to(rows.device), d_means.repeat_interleave(lengths, 0)
                )
            backprop_rows(d_rows)
        return docs

    return publish(model, docs, plan, rows), backprop


def plan_docs(model: Model, docs: InT) -> List[DocPlan]:
    """Tokenise each text once, cut it into windows and align its wordpieces with its tokens."""
    checkpoint, windower = shim_of(model).checkpoint, model.attrs["windows"]
    texts = [doc.text for doc in docs]
    encodings = checkpoint.tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=False)
    plans = []
    for doc, text, encoding in zip(docs, texts, encodings):
        starts, ends = numpy.array(encoding.offsets, dtype="int64").reshape(-1, 2).T
        windows = windower(text, starts, ends)
        check_windows(windows, len(starts), checkpoint.max_window)
        token_starts, token_ends = token_offsets(doc)
        token_pieces, token_lengths = align(token_starts, token_ends, starts, ends)
        # A token belongs to the window that keeps its first wordpiece.
        inner = numpy.searchsorted(token_starts, starts[windows.keep_start[1:]])
        borders = numpy.concatenate([[0], inner, [len(doc)]]) if len(windows.start) else numpy.zeros(1, dtype="int64")
        is_unread = (token_lengths == 0) & (doc.to_array(IS_SPACE) == 0)
        plans.append(
            DocPlan(
                ids=numpy.array(encoding.ids, dtype="int64"),
                windows=windows,
                token_pieces=token_pieces,
                token_lengths=token_lengths,
                token_windows=numpy.stack([borders[:-1], borders[1:]], 1),
                n_unread=int(is_unread.sum()),
            )
        )
    return plans


def make_plan(docs: List[DocPlan], distinct: bool) -> Plan:
    """Put the docs of a batch together.

    distinct (bool): Let one window stand for all that are equal to it.
    """
    ids = numpy.concatenate([doc.ids for doc in docs]) if docs else numpy.zeros(0, dtype="int64")
    firsts = numpy.cumsum([0] + [len(doc.ids) for doc in docs])
    windows = [Windows(*(array + first for array in doc.windows)) for doc, first in zip(docs, firsts)]
    work = make_work(ids, Windows(*map(numpy.concatenate, zip(*windows))) if docs else Windows(*[ids] * 4), distinct)
    token_rows = [work.rows[doc.token_pieces + first] for doc, first in zip(docs, firsts)]
    return Plan(docs, ids, work, token_rows)


def publish(model: Model, docs: InT, plan: Plan, rows: torch.Tensor) -> FullTransformerBatch:
    """Pool the vectors of wordpieces into what the Docs get.

    rows (torch.Tensor): float32, (n_rows, width).
    """
    datas: List[TransformerData] = []
    for doc_plan, token_rows in zip(plan.docs, plan.token_rows):
        if len(token_rows):
            # A token's vector is the mean of its wordpieces', and zeros where it has none.
            lengths = torch.from_numpy(doc_plan.token_lengths).to(rows.device)
            places = torch.from_numpy(token_rows).to(rows.device)
            array = torch.nn.functional.embedding_bag(places, rows, torch.cumsum(lengths, 0) - lengths, mode="mean")
        else:
            array = rows.new_zeros((len(doc_plan.token_lengths), rows.shape[1]))
        datas.append(encode_doc(cast(Floats2d, torch2xp(array)), model.id, doc_plan.n_unread, doc_plan.token_windows))
    return encode_docs(docs, datas)


def plan_passes(model: Model, plan: Plan, numbers: ndarray) -> Iterator[Tuple[torch.Tensor, ...]]:
    """YIELDS (Tuple[torch.Tensor, ...]): `batches.Pass` over the numbered windows, on the network's device."""
    shim = shim_of(model)
    checkpoint = shim.checkpoint
    passes = make_passes(
        plan.ids,
        plan.work,
        numbers,
        prefix=checkpoint.prefix,
        suffix=checkpoint.suffix,
        pad=checkpoint.tokenizer.pad_token_id or 0,
        max_items=model.attrs["max_batch_items"],
    )
    for arrays in passes:
        yield tuple(torch.from_numpy(array).to(shim.device) for array in arrays)


def predict_rows(model: Model, docs: List[DocPlan]) -> Tuple[Plan, torch.Tensor]:
    """RETURNS (Tuple[Plan, torch.Tensor]): The plan, and its vectors, float32, (n_rows, width)."""
    shim = shim_of(model)
    shim.settle()
    plan = make_plan(docs, model.attrs["distinct"])
    work, cache = plan.work, shim.cache
    width = shim.checkpoint.width
    rows = torch.empty((work.n_rows, width), device=shim.device)
    slices = [slice(*ends) for ends in zip(work.row_starts.tolist(), [*work.row_starts[1:].tolist(), work.n_rows])]
    missed = []
    for i, (key, part) in enumerate(zip(work.keys, slices)):
        vectors = cache.get(key) if cache.max_pieces else None
        if vectors is None:
            missed.append(i)
        else:
            rows[part] = vectors
    engine = shim.predictor if missed else None
    for ids, mask, kept, places in plan_passes(model, plan, numpy.array(missed, dtype="int64")):
        assert engine is not None
        rows[places] = engine.encode(ids, mask).view(-1, width)[kept]
    if cache.max_pieces:
        for i in missed:
            cache.put(work.keys[i], rows[slices[i]])
    return plan, rows


def update_rows(model: Model, plan: Plan) -> Tuple[torch.Tensor, Callable[[torch.Tensor], None]]:
    """As `predict_rows`, with dropout and a backward.

    Passes beyond max_update_items positions keep no activations: torch runs them again for their backward, with
    the same random state. So a batch of any size trains in bounded memory. Those without gradient are left out.
    """
    shim = shim_of(model)
    width = shim.checkpoint.width
    rows = torch.empty((plan.work.n_rows, width), device=shim.device)
    outputs = []
    budget = model.attrs["max_update_items"]
    with shim.training() as encode:
        for ids, mask, kept, places in plan_passes(model, plan, numpy.arange(len(plan.work.keys))):
            budget -= ids.numel()
            run = encode if budget >= 0 else partial(rerun_for_backward, encode, use_reentrant=False)
            hidden = run(ids, mask)
            rows[places] = hidden.detach().view(-1, width)[kept]
            outputs.append((hidden, kept, places))

    def backprop(d_rows: torch.Tensor) -> None:
        while outputs:
            hidden, kept, places = outputs.pop()
            d_kept = d_rows[places]
            if hidden.requires_grad and d_kept.any():
                d_hidden = torch.zeros_like(hidden)
                d_hidden.view(-1, width)[kept] = d_kept
                hidden.backward(d_hidden)

    return rows, backprop


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
