"""The Thinc model of the encoder: run the planned windows, pool wordpieces into tokens, and back."""

from collections import deque
from functools import partial
from typing import Any, Callable, Deque, Iterator, List, Optional, Sequence, Tuple, cast

import numpy
import torch
from spacy.tokens import Doc
from spacy_transformers import FullTransformerBatch, TransformerData
from spacy_transformers.layers import trfs2arrays
from thinc.api import Model, chain, torch2xp, xp2torch
from thinc.types import Floats2d, Ragged

from .checkpoints import load_checkpoint
from .data import encode_doc, encode_docs
from .engines import Inputs, grid_of
from .plan import MAX_UPDATE_PADDING, DocPlan, Plan, make_plan, plan_docs, plan_passes
from .replaced import replace_listener, replace_listener_cfg, with_arrays, with_doc_data
from .shim import EncoderShim, shim_of
from .updates import update_passes
from .windows import Windower, check_windows

InT = List[Doc]
POOLINGS = ("mean", "first")


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
    layer_decay: float = 1.0,
    n_fresh_layers: int = 0,
    pooling: str = "mean",
    saved_precision: str = "float32",
) -> Model[InT, FullTransformerBatch]:
    """The registered architecture `spacy-clinicalbert.Encoder.v1`: a pretrained encoder over notes of any length.

    name (str): A preset ("bio-clinicalbert"), a hub id ("emilyalsentzer/Bio_ClinicalBERT") or a folder.
    windows (Windower): Cuts a note's wordpieces into windows.
    revision (Optional[str]): Branch, tag or commit on the hub.
    local_files_only (bool): Take the checkpoint from the hub's local cache, never from the network.
    lowercase (Optional[bool]): Whether the tokenizer lower-cases. None: as the checkpoint was trained.
    precision (str): "float32", "bfloat16", "int8" (of a pipeline that was quantized), or "auto": bfloat16 where the
        processor multiplies in it, else float32; see `engines.make_engine`.
    engine (str): What predicts: "torch", "openvino", or "auto": OpenVINO on a CPU where it is installed.
    distinct (bool): Encode windows that are equal once. In training too, where the network has no dropout.
    lr_scale (float): Factor on the optimiser's learning rate for the encoder's weights.
    n_frozen_layers (int): This many layers from below, and the embeddings under them, do not train.
    attention_dropout (Optional[float]): What share of the attention weights training drops. None: what the checkpoint
        says, 0.1 for most; 0 trains the network a third faster on a CPU. Other dropout is as the checkpoint says.
    layer_decay (float): Factor on the rate of each layer for each layer above it: 0.9 lets the lower ones learn more slowly.
    n_fresh_layers (int): This many layers from above begin anew, instead of with what they learned in pretraining.
    pooling (str): A token's vector is the "mean" of its wordpieces', or that of the "first", which heads of Hugging Face's
        token classifiers read.
    saved_precision (str): What a saved pipeline holds the weights in, "float32" or "float16": half the size, for packages. They are float32
        again when it is loaded.
    RETURNS (Model[List[Doc], FullTransformerBatch]): Publishes one vector a token, and one a window: `doc_data[i]` is an
        `EncodedDoc`. Empty docs publish `TransformerData.empty()`.
    """
    if pooling not in POOLINGS:
        raise ValueError(f"pooling is one of {', '.join(POOLINGS)}, not '{pooling}'.")
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
            "max_batch_items": 1024,
            "max_update_items": 8192,
            "distinct": distinct,
            "pooling": pooling,
            "replace_listener": replace_listener,
            "replace_listener_cfg": replace_listener_cfg,
        },
        shims=[
            EncoderShim(
                load,
                precision=precision,
                engine=engine,
                lr_scale=lr_scale,
                n_frozen_layers=n_frozen_layers,
                layer_decay=layer_decay,
                n_fresh_layers=n_fresh_layers,
                saved_precision=saved_precision,
            )
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
    layer_decay: float = 1.0,
    n_fresh_layers: int = 0,
    pooling: str = "mean",
    saved_precision: str = "float32",
    grad_factor: float = 1.0,
    listener_pooling: Optional[Model[Ragged, Floats2d]] = None,
) -> Model[InT, List[Floats2d]]:
    """The registered architecture `spacy-clinicalbert.Tok2VecEncoder.v1`: an encoder that one component has for
    itself, as `nlp.replace_listeners` makes it.

    grad_factor (float): Factor on the gradient that reaches the encoder.
    listener_pooling (Optional[Model[Ragged, Floats2d]]): Only where a stock TransformerListener with this pooling was
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
        layer_decay,
        n_fresh_layers,
        pooling,
        saved_precision,
    )
    if listener_pooling is not None:
        return chain(with_doc_data(encoder), trfs2arrays(listener_pooling, grad_factor))
    return with_arrays(encoder, grad_factor)


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

    def backprop(d_arrays: Sequence[Floats2d], d_windows: Sequence[Floats2d] = ()) -> InT:
        """d_arrays (Sequence[Floats2d]): For each doc the gradient of its tokens' vectors, (n_tokens, width); or none at all.
        d_windows (Sequence[Floats2d]): The same of its windows' vectors, (n_windows, width)."""
        if len(rows):
            backprop_rows(unpublish(plan, rows, d_arrays, d_windows))
        return docs

    return publish(model, docs, plan, rows), backprop


def publish(model: Model, docs: InT, plan: Plan, rows: torch.Tensor) -> FullTransformerBatch:
    """Pool the vectors of wordpieces into what the Docs get.

    rows (torch.Tensor): float32, (n_rows, width).
    """
    datas: List[TransformerData] = []
    # Those of all docs at once, for there are few; a doc gets a copy, and so holds no more than its own.
    places = torch.from_numpy(plan.work.window_rows).to(rows.device)
    firsts = cast(Floats2d, torch2xp(rows[places]))
    n_done = 0
    for doc_plan, token_rows in zip(plan.docs, plan.token_rows):
        if len(token_rows):
            # A token's vector is the mean of its wordpieces', and zeros where it has none.
            lengths = torch.from_numpy(doc_plan.token_lengths).to(rows.device)
            places = torch.from_numpy(token_rows).to(rows.device)
            array = torch.nn.functional.embedding_bag(places, rows, torch.cumsum(lengths, 0) - lengths, mode="mean")
        else:
            array = rows.new_zeros((len(doc_plan.token_lengths), rows.shape[1]))
        n_windows = len(doc_plan.token_windows)
        windows = firsts[n_done : n_done + n_windows].copy()
        n_done += n_windows
        datas.append(
            encode_doc(
                cast(Floats2d, torch2xp(array)),
                windows,
                doc_plan.token_windows,
                encoder_id=model.id,
                n_unread=doc_plan.n_unread,
            )
        )
    return encode_docs(docs, datas)


def unpublish(
    plan: Plan, rows: torch.Tensor, d_arrays: Sequence[Floats2d], d_windows: Sequence[Floats2d] = ()
) -> torch.Tensor:
    """The backward of `publish`.

    d_arrays (Sequence[Floats2d]): For each doc the gradient of its tokens' vectors, (n_tokens, width); or none at all.
    d_windows (Sequence[Floats2d]): The same of its windows' vectors, (n_windows, width).
    RETURNS (torch.Tensor): The gradient of the wordpieces' vectors, (n_rows, width).
    """
    d_rows = torch.zeros_like(rows)
    for d_array, token_rows, doc_plan in zip(d_arrays, plan.token_rows, plan.docs):
        lengths = torch.from_numpy(doc_plan.token_lengths).to(rows.device)
        d_means = xp2torch(d_array, device=rows.device) / lengths.clamp(min=1)[:, None]
        d_rows.index_add_(0, torch.from_numpy(token_rows).to(rows.device), d_means.repeat_interleave(lengths, 0))
    for d_array, window_rows in zip(d_windows, plan.window_rows):
        places = torch.from_numpy(window_rows).to(rows.device)
        d_rows.index_add_(0, places, xp2torch(d_array, device=rows.device))
    return d_rows


def predict_rows(
    model: Model, docs: List[DocPlan], is_wanted: Callable[[], bool] = lambda: True
) -> Tuple[Plan, torch.Tensor]:
    """Encode Docs that were planned. It may run in a thread of its own: one at a time has the engine and the cache.

    is_wanted (Callable[[], bool]): Asked before each pass; if not, RuntimeError is raised.
    RETURNS (Tuple[Plan, torch.Tensor]): The plan, and its vectors, float32, (n_rows, width).
    """
    shim = shim_of(model)
    plan = make_plan(docs, model.attrs["distinct"])
    work, cache = plan.work, shim.cache
    width = shim.checkpoint.width
    rows = torch.empty((work.n_rows, width), device=shim.device)
    slices = [slice(*ends) for ends in zip(work.row_starts.tolist(), [*work.row_starts[1:].tolist(), work.n_rows])]
    missed = []
    with shim.lock:
        for i, (key, part) in enumerate(zip(work.keys, slices)):
            vectors = cache.get(key) if cache.max_pieces else None
            if vectors is None:
                missed.append(i)
            else:
                rows[part] = vectors
        if missed:
            engine = shim.predictor
            targets: Deque[Tuple[torch.Tensor, ...]] = deque()

            def inputs() -> Iterator[Inputs]:
                for ids, mask, *target in plan_passes(
                    model, plan, numpy.array(missed), n_parallel=engine.n_parallel, grid=engine.grid
                ):
                    if not is_wanted():
                        raise RuntimeError("Nobody reads these vectors any more.")
                    targets.append(tuple(target))
                    yield ids, mask

            for hidden in engine.encode(inputs()):
                kept, places = targets.popleft()
                rows[places] = hidden.reshape(-1, width)[kept]
        if cache.max_pieces:
            for i in missed:
                cache.put(work.keys[i], rows[slices[i]])
    return plan, rows


def update_rows(model: Model, plan: Plan) -> Tuple[torch.Tensor, Callable[[torch.Tensor], None]]:
    """As `predict_rows`, with dropout and a backward."""
    shim = shim_of(model)
    grid = grid_of(shim.device.type, shim.precision)
    passes = plan_passes(model, plan, numpy.arange(len(plan.work.keys)), max_padding=MAX_UPDATE_PADDING, grid=grid)
    return update_passes(model, (((ids, mask), kept, places) for ids, mask, kept, places in passes), plan.work.n_rows)
