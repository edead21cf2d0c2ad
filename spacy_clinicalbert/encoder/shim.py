"""The network as Thinc sees it: its weights, its training, its optimiser step, its bytes."""

import contextlib
import copy
import multiprocessing
import os
import threading
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, cast

import srsly
import torch
from thinc.api import Model, Optimizer, get_torch_default_device, torch2xp, xp2torch
from thinc.shims import Shim
from thinc.types import FloatsXd

from .cache import WindowCache
from .checkpoints import (
    SAVED_PRECISIONS,
    Checkpoint,
    checkpoint_from_files,
    checkpoint_to_files,
    load_saved_checkpoint,
    save_checkpoint,
)
from .conversion import Quantized
from .dropout import replace_dropout
from .engines import ENGINES, PRECISIONS, Engine, autocast, make_engine, settle_in_fork
from .forward import last_hidden_state
from .layers import freeze_layers, layer_scales, reset_layers

INT8_FILES = ("openvino_int8.xml", "openvino_int8.bin")


class EncoderShim(Shim):
    """A Hugging Face network in a Thinc model. It is trained here, and predicts through an `engines.Engine`, which is
    made when it is first wanted and anew when the weights have changed.

    load (Callable[[], Checkpoint]): Gives the pretrained checkpoint, called at most once, when the pipeline is
        initialised; a saved pipeline brings its own.
    precision (str): "float32", "bfloat16", "int8" or "auto"; see `engines.make_engine`. In training the weights are
        float32, and passes in anything but "float32" run under autocast.
    engine (str): "torch", "openvino" or "auto"; see `engines.make_engine`.
    lr_scale (float): Factor on the optimiser's learning rate. (Adam takes no notice of a scaled gradient.)
    n_frozen_layers (int): This many layers from below, and the embeddings under them, do not train.
    layer_decay (float): Factor on the rate of each layer for each layer above it; see `layers.layer_scales`.
    n_fresh_layers (int): This many layers from above begin anew when the pretrained checkpoint is loaded.
    saved_precision (str): "float32" or "float16": of the weights that `to_disk` writes. `to_bytes` keeps every bit.
    """

    def __init__(
        self,
        load: Callable[[], Checkpoint],
        *,
        precision: str = "auto",
        engine: str = "auto",
        lr_scale: float = 1.0,
        n_frozen_layers: int = 0,
        layer_decay: float = 1.0,
        n_fresh_layers: int = 0,
        saved_precision: str = "float32",
    ):
        if precision not in PRECISIONS:
            raise ValueError(f"precision is one of {', '.join(PRECISIONS)}, not '{precision}'.")
        if engine not in ENGINES:
            raise ValueError(f"engine is one of {', '.join(ENGINES)}, not '{engine}'.")
        if saved_precision not in SAVED_PRECISIONS:
            raise ValueError(f"saved_precision is one of {', '.join(SAVED_PRECISIONS)}, not '{saved_precision}'.")
        super().__init__(None)
        self.load = load
        self.precision = precision
        self.engine = engine
        self.lr_scale = lr_scale
        self.n_frozen_layers = self._n_frozen = n_frozen_layers
        self.layer_decay = layer_decay
        self.n_fresh_layers = n_fresh_layers
        self.saved_precision = saved_precision
        self.cache = WindowCache(0)
        self.quantized: Optional[Quantized] = None
        self._checkpoint: Optional[Checkpoint] = None
        self._scales: Dict[str, float] = {}
        self._predictor: Optional[Engine] = None
        self._dense_gradient: Optional[torch.Tensor] = None
        self._has_trained = False
        self._process = os.getpid()
        self._lock = threading.RLock()

    def initialize(self) -> None:
        """Load the pretrained checkpoint, unless there are weights already."""
        if self._checkpoint is None:
            checkpoint = self.load()
            reset_layers(checkpoint.network, self.n_fresh_layers)
            self.checkpoint = checkpoint

    @property
    def checkpoint(self) -> Checkpoint:
        """RAISES (ValueError): Nothing is loaded yet."""
        if self._checkpoint is None:
            raise ValueError(
                "The encoder has no weights yet. Call nlp.initialize() to load the checkpoint that its config "
                "names, or load a saved pipeline with spacy.load()."
            )
        return self._checkpoint

    @checkpoint.setter
    def checkpoint(self, checkpoint: Checkpoint) -> None:
        with self.lock:
            replace_dropout(checkpoint.network)
            freeze_layers(checkpoint.network, self.n_frozen_layers)
            self._n_frozen = self.n_frozen_layers
            self._scales = layer_scales(checkpoint.network, self.layer_decay)
            self._checkpoint = checkpoint
            self._has_trained = False
            self.quantized = None
            self._place(get_torch_default_device())

    def freeze(self, n_layers: int) -> None:
        """Keep this many layers from below, and the embeddings, from training, and no others but those of `n_frozen_layers`; see `layers.freeze_layers`."""
        n_layers = max(n_layers, self.n_frozen_layers)
        if n_layers != self._n_frozen:
            freeze_layers(self.network, n_layers)
            self._n_frozen = n_layers

    def _place(self, device: Any) -> None:
        self.network.to(device)
        # A batch has few of the vocabulary's words: on a CPU the gradient of the others is no array of zeros at each pass.
        self.network.get_input_embeddings().sparse = self.device.type == "cpu"
        self._dense_gradient = None
        self.forget()

    @property
    def network(self) -> Any:
        return self.checkpoint.network

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    @property
    def predictor(self) -> Engine:
        """What predicts with the weights as they are. RAISES (ValueError): The engine set is not to be had."""
        if self._predictor is None:
            # To convert the network for OpenVINO takes seconds, and a network in training changes at each step.
            engine = "torch" if self._has_trained else self.engine
            self._predictor = make_engine(self.network, engine, self.precision, self.quantized)
        return self._predictor

    def make_predictor(self) -> None:
        """Make the predictor now, if there is none: before a thread needs it, for to convert a network touches it."""
        with self.lock:
            _ = self.predictor

    @property
    def lock(self) -> Any:
        """Who uses or changes engine, cache or weights holds it, for `ClinicalBert.pipe` predicts in a thread."""
        self.settle()
        return self._lock

    def settle(self) -> None:
        """In a process that was forked, do not wait for threads of its parent. Called before each use, and first in the
        thread that the process has."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._lock = threading.RLock()
            settle_in_fork()

    def forget(self) -> None:
        """Drop what was computed from weights that have changed."""
        self._predictor = None
        self.cache.clear()

    @contextlib.contextmanager
    def training(self) -> Iterator[Callable[..., torch.Tensor]]:
        """Dropout, and a graph for the backward. YIELDS: The forward pass, as an engine's `encode`."""
        self.network.train()
        with torch.enable_grad(), autocast(self.device.type, self.precision):
            yield partial(last_hidden_state, self.network)

    @property
    def has_dropout(self) -> bool:
        """Whether two passes over the same window differ in training."""
        rates = [value for key, value in self.network.config.to_dict().items() if "dropout" in key]
        return any(isinstance(rate, (int, float)) and rate > 0 for rate in rates)

    @property
    def has_gradient(self) -> bool:
        """Whether a backward has run since the last step."""
        return any(weights.grad is not None for weights in self.network.parameters())

    def finish_update(self, optimizer: Optimizer) -> None:
        if not self.has_gradient:
            return
        with self.lock:
            self._step(optimizer)
            self._has_trained = True
            self.quantized = None  # made from the weights before
            self.forget()

    def _step(self, optimizer: Optimizer) -> None:
        for name, weights in self.network.named_parameters():
            if weights.grad is not None:
                updated, _ = optimizer(
                    (self.id, name),
                    cast(FloatsXd, torch2xp(weights.data)),
                    cast(FloatsXd, torch2xp(self._densify(weights.grad))),
                    lr_scale=self.lr_scale * self._scales.get(name, 1.0),
                )
                # Thinc's Adam works in place. A new tensor around its array would hold the one before alive, and so
                # on for every step.
                result = xp2torch(updated, device=weights.device)
                if result.data_ptr() != weights.data_ptr():
                    weights.data.copy_(result)
                weights.grad = None

    def compact_gradient(self) -> None:
        """Keep the gradient of the embeddings, which has rows of every pass, from outgrowing the embeddings."""
        weights = self.network.get_input_embeddings().weight
        if weights.grad is not None and weights.grad.is_sparse and weights.grad._nnz() > len(weights):
            weights.grad = weights.grad.coalesce()

    def _densify(self, gradient: torch.Tensor) -> torch.Tensor:
        """The optimiser wants the gradient of the embeddings whole; one array serves all steps."""
        if not gradient.is_sparse:
            return gradient
        if self._dense_gradient is None:
            self._dense_gradient = torch.empty(gradient.shape, dtype=gradient.dtype, device=gradient.device)
        self._dense_gradient.zero_().add_(gradient)
        return self._dense_gradient

    @contextlib.contextmanager
    def use_params(self, params: Dict) -> Iterator[None]:
        """Take the optimiser's averages for a while. (Thinc's own shim looks for keys that no optimiser makes.)"""
        named = dict(self.network.named_parameters())
        averaged = {
            name: xp2torch(params[self.id, name], device=weights.device)
            for name, weights in named.items()
            if (self.id, name) in params
        }
        kept = {name: named[name].data for name in averaged}
        self._exchange(averaged)
        try:
            yield
        finally:
            self._exchange(kept)

    def _exchange(self, values: Dict[str, Any]) -> None:
        if not values:  # of heads alone: what was computed by a frozen encoder still holds
            return
        weights = dict(self.network.named_parameters())
        with self.lock:
            for name, value in values.items():
                weights[name].data = value
            self.forget()

    def set_weights(self, weights: Mapping[str, Any]) -> None:
        """Take weights of a network that went on training from this one's. It stays as it is where they are the same.

        weights (Mapping[str, ndarray]): Name → array, for each of the network's `state_dict`.
        RAISES (KeyError): One is missing.
        """
        state = self.network.state_dict()
        values = {name: torch.from_numpy(weights[name]).to(tensor.device) for name, tensor in state.items()}
        if all(torch.equal(tensor, values[name]) for name, tensor in state.items()):
            return
        with self.lock:
            for name, tensor in state.items():
                tensor.copy_(values[name])
            self._has_trained = True
            self.quantized = None
            self.forget()

    def __getstate__(self) -> Dict[str, Any]:
        """For processes that are spawned: an engine is made anew in each."""
        state = {**self.__dict__, "_predictor": None, "_dense_gradient": None}
        del state["_lock"]
        return {**state, "cache": WindowCache(self.cache.max_pieces)}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()
        # Out of a file of an earlier process this one is no worker, whose threads were not there or whose cores are shared.
        if multiprocessing.parent_process() is None:
            self._process = os.getpid()

    def copy(self) -> "EncoderShim":
        """A copy that learns by itself: Thinc's keeps the id, so that an optimiser would mix up the two."""
        copied = copy.copy(self)  # without the engine and what it has cached
        with Shim.global_id_lock:
            Shim.global_id += 1
            copied.id = Shim.global_id
        copied._checkpoint = copy.deepcopy(self._checkpoint)
        return copied

    def to_device(self, device_type: str, device_id: int) -> None:
        if self._checkpoint is not None:
            with self.lock:
                self._place(f"cuda:{device_id}" if device_type == "gpu" else "cpu")

    def to_bytes(self) -> bytes:
        files = checkpoint_to_files(self.checkpoint) if self._checkpoint else {}
        if self.quantized:
            files.update(zip(INT8_FILES, self.quantized))
        return srsly.msgpack_dumps(files)

    def from_bytes(self, data: bytes) -> "EncoderShim":
        files = srsly.msgpack_loads(data)
        if files:
            quantized = [files.pop(name) for name in INT8_FILES if name in files]
            with self.lock:
                self.checkpoint = checkpoint_from_files(files)
                self.quantized = Quantized(*quantized) if quantized else None
        return self

    def to_disk(self, path: Any) -> None:
        save_checkpoint(self.checkpoint, Path(path), self.saved_precision)
        for name, data in zip(INT8_FILES, self.quantized or (None, None)):
            if data is None:
                (Path(path) / name).unlink(missing_ok=True)
            else:
                (Path(path) / name).write_bytes(data)

    def from_disk(self, path: Any) -> "EncoderShim":
        checkpoint = load_saved_checkpoint(Path(path))
        files = [Path(path) / name for name in INT8_FILES]
        there = [file for file in files if file.is_file()]
        if len(there) == 1:
            raise ValueError(
                f"The saved encoder has '{there[0]}' without the other of {' and '.join(INT8_FILES)}. Copy the whole "
                "pipeline folder again, or quantize it anew."
            )
        with self.lock:
            self.checkpoint = checkpoint
            self.quantized = Quantized(*(file.read_bytes() for file in files)) if there else None
        return self


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
