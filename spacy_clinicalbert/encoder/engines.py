"""Wordpiece ids → vectors: the network, the number format it computes in, its optimiser step and its bytes."""

import contextlib
import copy
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional, cast

import srsly
import torch
from thinc.api import Optimizer, get_torch_default_device, torch2xp, xp2torch
from thinc.shims import Shim
from thinc.types import FloatsXd

from .checkpoints import (
    Checkpoint,
    checkpoint_from_files,
    checkpoint_to_files,
    load_saved_checkpoint,
    save_checkpoint,
)

PRECISIONS = ("auto", "float32", "bfloat16")


class TorchEngine(Shim):
    """A Hugging Face network as Thinc sees it.

    load (Callable[[], Checkpoint]): Gives the pretrained checkpoint, called at most once, when the pipeline is
        initialised; a saved pipeline brings its own.
    precision (str): "float32", "bfloat16", or "auto": bfloat16 where the device multiplies matrices in it. The
        weights stay float32; the passes run under autocast.
    lr_scale (float): Factor on the optimiser's learning rate. (Adam takes no notice of a scaled gradient.)
    """

    def __init__(self, load: Callable[[], Checkpoint], *, precision: str = "auto", lr_scale: float = 1.0):
        if precision not in PRECISIONS:
            raise ValueError(f"precision is one of {', '.join(PRECISIONS)}, not '{precision}'.")
        super().__init__(None)
        self.load = load
        self.precision = precision
        self.lr_scale = lr_scale
        self._checkpoint: Optional[Checkpoint] = None

    def initialize(self) -> None:
        """Load the pretrained checkpoint, unless there are weights already."""
        if self._checkpoint is None:
            self.checkpoint = self.load()

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
        checkpoint.network.to(get_torch_default_device())
        self._checkpoint = checkpoint

    @property
    def network(self) -> torch.nn.Module:
        return self.checkpoint.network

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    def encode(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """One forward pass, inside `predicting` or `training`.

        ids, mask (torch.Tensor): int64, (n_windows, length).
        RETURNS (torch.Tensor): float32, (n_windows, length, width).
        """
        return self.network(input_ids=ids, attention_mask=mask, return_dict=True).last_hidden_state.float()

    @contextlib.contextmanager
    def predicting(self) -> Iterator[None]:
        """No dropout and no graph. The network's mode is put back, for a backward may still wait."""
        was_training = self.network.training
        self.network.eval()
        try:
            with torch.inference_mode(), self._autocast():
                yield
        finally:
            self.network.train(was_training)

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Dropout, and a graph for the backward."""
        self.network.train()
        with torch.enable_grad(), self._autocast():
            yield

    def _autocast(self) -> torch.autocast:
        device = self.device.type
        enabled = self.precision == "bfloat16" or (self.precision == "auto" and has_bfloat16(device))
        return torch.autocast(device, dtype=torch.bfloat16, enabled=enabled)

    @property
    def has_gradient(self) -> bool:
        """Whether a backward has run since the last step."""
        return any(weights.grad is not None for weights in self.network.parameters())

    def finish_update(self, optimizer: Optimizer) -> None:
        for name, weights in self.network.named_parameters():
            if weights.grad is not None:
                updated, _ = optimizer(
                    (self.id, name),
                    cast(FloatsXd, torch2xp(weights.data)),
                    cast(FloatsXd, torch2xp(weights.grad)),
                    lr_scale=self.lr_scale,
                )
                # Thinc's Adam works in place. A new tensor around its array would hold the one before alive, and so
                # on for every step.
                result = xp2torch(updated, device=weights.device)
                if result.data_ptr() != weights.data_ptr():
                    weights.data.copy_(result)
                weights.grad = None

    @contextlib.contextmanager
    def use_params(self, params: Dict) -> Iterator[None]:
        """Take the optimiser's averages for a while. (Thinc's own shim looks for keys that no optimiser makes.)"""
        named = dict(self.network.named_parameters())
        averaged = {name: params[self.id, name] for name in named if (self.id, name) in params}
        kept = {name: named[name].data for name in averaged}
        try:
            for name, value in averaged.items():
                named[name].data = xp2torch(value, device=kept[name].device)
            yield
        finally:
            for name, value in kept.items():
                named[name].data = value

    def copy(self) -> "TorchEngine":
        """A copy that learns by itself: Thinc's keeps the id, so that an optimiser would mix up the two."""
        copied = copy.copy(self)
        with Shim.global_id_lock:
            Shim.global_id += 1
            copied.id = Shim.global_id
        copied._checkpoint = copy.deepcopy(self._checkpoint)
        return copied

    def to_device(self, device_type: str, device_id: int) -> None:
        if self._checkpoint is not None:
            self.network.to(f"cuda:{device_id}" if device_type == "gpu" else "cpu")

    def to_bytes(self) -> bytes:
        return srsly.msgpack_dumps(checkpoint_to_files(self.checkpoint) if self._checkpoint else {})

    def from_bytes(self, data: bytes) -> "TorchEngine":
        files = srsly.msgpack_loads(data)
        if files:
            self.checkpoint = checkpoint_from_files(files)
        return self

    def to_disk(self, path: Any) -> None:
        save_checkpoint(self.checkpoint, Path(path))

    def from_disk(self, path: Any) -> "TorchEngine":
        self.checkpoint = load_saved_checkpoint(Path(path))
        return self


@lru_cache
def has_bfloat16(device: str = "cpu") -> bool:
    """Whether a device multiplies matrices in bfloat16 faster than in float32: CUDA from Ampere on, x86 with
    AVX512-BF16 or AMX. (torch computes in bfloat16 everywhere, elsewhere by slow emulation.)"""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    cpuinfo = Path("/proc/cpuinfo")
    if device != "cpu" or not cpuinfo.exists():
        return False
    flags = cpuinfo.read_text(encoding="utf8").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags
