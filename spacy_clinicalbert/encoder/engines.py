"""Wordpiece ids → vectors, in prediction: PyTorch everywhere, OpenVINO on CPUs, and the number formats of both."""

import contextlib
import logging
import os
from collections import deque
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Deque, Iterable, Iterator, List, Optional, Protocol, Tuple

import torch

from .batches import Grid
from .conversion import NotConvertible, Quantized, read_openvino, to_openvino
from .forward import last_hidden_state, takes_types, twin
from .memory import in_halves
from .openvino_core import INSTALL_OPENVINO, Compiled, has_openvino

logger = logging.getLogger(__name__)

ENGINES = ("auto", "torch", "openvino")
PRECISIONS = ("auto", "float32", "bfloat16", "int8")
HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}
# Where a matrix product is compiled for each shape it is met with, that takes longer than the product.
FEW_SHAPES = Grid(length=8, windows=4)


# Ids and mask of a padded forward pass, int64, (n_windows, length) each; then token types of that shape, if any.
Inputs = Tuple[torch.Tensor, ...]


class Engine(Protocol):
    """What runs the network in prediction.

    n_parallel (int): How many passes it works on at a time.
    grid (Grid): Of the shapes of passes that it is fast with.
    """

    name: str
    precision: str
    grid: Grid

    @property
    def n_parallel(self) -> int: ...

    def encode(self, passes: Iterable[Inputs]) -> Iterator[torch.Tensor]:
        """YIELDS (torch.Tensor): For each pass its vectors, float32, (n_windows, length, width), to be read before the
        next are asked for."""


class TorchEngine:
    """PyTorch, on the network's device.

    network (torch.nn.Module): float32; it is not changed.
    precision (str): "float32", "bfloat16" or "float16".
    """

    name = "torch"
    n_parallel = 1

    def __init__(self, network: torch.nn.Module, precision: str):
        self.precision = precision
        self.grid = grid_of(next(network.parameters()).device.type, precision)
        self.network = twin(network)
        if precision in HALF:
            # What autocast would cast at each call is cast once here.
            for module in self.network.modules():
                if isinstance(module, torch.nn.Linear):
                    module.weight = _frozen(module.weight.to(HALF[precision]))
                    module.bias = module.bias if module.bias is None else _frozen(module.bias.to(HALF[precision]))

    def encode(self, passes: Iterable[Inputs]) -> Iterator[torch.Tensor]:
        for inputs in passes:
            with torch.inference_mode(), autocast(inputs[0].device.type, self.precision):
                hidden = in_halves(partial(last_hidden_state, self.network), *inputs)
            yield hidden


class OpenVinoEngine:
    """OpenVINO, on the CPU, with a pass on every thread: that is faster than all threads on one pass, and takes the
    activations of so many passes. The network is compiled at the first pass, in the process that makes it: a compiled one
    does not outlive a fork.

    network (torch.nn.Module): float32, on the CPU.
    precision (str): "float32", "bfloat16" or "int8".
    quantized (Optional[Quantized]): The network in int8.
    """

    name = "openvino"

    def __init__(self, network: torch.nn.Module, precision: str, quantized: Optional[Quantized] = None):
        self.precision = precision
        self.grid = Grid()
        self.takes_types = takes_types(network)
        if precision == "int8":
            assert quantized is not None
            self.model = read_openvino(quantized)
        else:
            self.model = to_openvino(network)
        self._process: Optional[int] = None
        self._compiled: Optional[Compiled] = None

    @property
    def n_parallel(self) -> int:
        return torch.get_num_threads()

    def encode(self, passes: Iterable[Inputs]) -> Iterator[torch.Tensor]:
        if self._compiled is None or self._process != os.getpid():
            self._compiled, self._process = self._compile(), os.getpid()
        free: Deque[Any] = deque(self._compiled.requests)
        running: Deque[Tuple[Any, Inputs]] = deque()
        try:
            for inputs in passes:
                if not free:
                    yield self._result(*running[0])
                    free.append(running.popleft()[0])
                running.append((free.popleft(), inputs))
                running[-1][0].start_async(self._arrays(*inputs), share_inputs=True)
            while running:
                yield self._result(*running[0])
                running.popleft()
        finally:  # who reads has broken off, or a pass has failed: none may still run when the next ones come
            for request, _ in running:
                with contextlib.suppress(RuntimeError):
                    request.wait()

    def _result(self, request: Any, inputs: Inputs) -> torch.Tensor:
        started = True

        def run(*part: torch.Tensor) -> torch.Tensor:
            nonlocal started
            if started:  # the whole pass, which need not be copied
                started = False
                request.wait()
                return torch.from_numpy(request.get_output_tensor(0).data)
            # Not shared, they would be copied into the arrays of the pass before, which are these windows' own.
            request.infer(self._arrays(*part), share_inputs=True)
            return torch.from_numpy(request.get_output_tensor(0).data.copy())

        return in_halves(run, *inputs)

    def _arrays(self, ids: torch.Tensor, mask: torch.Tensor, types: Optional[torch.Tensor] = None) -> List[Any]:
        inputs = [ids, mask]
        if self.takes_types:
            inputs.append(torch.zeros_like(ids) if types is None else types)
        return [array.numpy() for array in inputs]

    def _compile(self) -> Compiled:
        n_threads = torch.get_num_threads()
        options = {
            "NUM_STREAMS": n_threads,
            "INFERENCE_NUM_THREADS": n_threads,
            "INFERENCE_PRECISION_HINT": "f32" if self.precision == "float32" or not has_bfloat16() else "bf16",
        }
        return Compiled(self.model, options)


def settle_in_fork() -> None:
    """Keep to one thread in a process that was forked, as by `nlp.pipe(n_process=2)`: the threads of the parent are not
    there, so that work shared out to them would wait for ever; and the cores are shared by the processes already."""
    torch.set_num_threads(1)
    logger.debug("The encoder runs in a forked process, on one thread.")


def make_engine(network: torch.nn.Module, engine: str, precision: str, quantized: Optional[Quantized] = None) -> Engine:
    """Choose what predicts.

    engine (str): "torch", "openvino", or "auto": OpenVINO on a CPU where it is installed and takes the network.
    precision (str): "float32"; "bfloat16"; "int8", which wants a quantized network and OpenVINO, and is as "auto"
        without them; or "auto": bfloat16 where the device multiplies matrices in it, else float16 on CUDA (both
        not run on a GPU yet) and float32 on a CPU.
    quantized (Optional[Quantized]): What `python -m spacy clinicalbert quantize` has made.
    RAISES (ValueError): The engine that is asked for is not there, or does not take the network.
    """
    is_asked = engine == "openvino"
    device = next(network.parameters()).device.type
    if engine == "openvino" and device != "cpu":
        raise ValueError(
            f"The engine openvino predicts on CPUs, and the network is on '{device}'. Set engine = 'auto'."
        )
    if engine == "openvino" and not has_openvino():
        raise ValueError(f"engine = 'openvino', but OpenVINO is not installed. {INSTALL_OPENVINO}")
    if engine == "auto":
        engine = "openvino" if device == "cpu" and has_openvino() else "torch"
    if precision == "int8" and (quantized is None or engine == "torch"):
        logger.warning(
            "precision = 'int8' is not to be had here, because %s; the encoder goes on in its best other format.",
            "the pipeline has no int8 network (python -m spacy clinicalbert quantize makes it)"
            if quantized is None
            else f"OpenVINO is not used. {INSTALL_OPENVINO}",
        )
        precision = "auto"
    if precision == "auto":
        precision = "bfloat16" if has_bfloat16(device) else "float16" if device == "cuda" else "float32"
    if engine == "openvino":
        try:
            made = OpenVinoEngine(network, precision, quantized)
            logger.debug("The encoder predicts with openvino in %s.", precision)
            return made
        except NotConvertible as err:
            if is_asked:
                raise
            _tell_once(str(err))
    logger.debug("The encoder predicts with torch in %s.", precision)
    return TorchEngine(network, precision)


@lru_cache
def _tell_once(reason: str) -> None:
    logger.warning("%s The encoder predicts with torch now; this is said once.", reason)


def autocast(device: str, precision: str) -> torch.autocast:
    """The context in which a float32 network computes in a number format, "auto" being the best of the device to train in
    (float16 would want its gradients scaled)."""
    precision = _as_trained(device, precision)
    return torch.autocast(device, dtype=HALF.get(precision, torch.bfloat16), enabled=precision in HALF)


def grid_of(device: str, precision: str) -> Grid:
    """RETURNS (Grid): Of the shapes that torch is fast with. In bfloat16 and on a CPU oneDNN multiplies, which compiles each."""
    return FEW_SHAPES if device == "cpu" and _as_trained(device, precision) in HALF else Grid()


def _as_trained(device: str, precision: str) -> str:
    if precision in ("auto", "int8"):
        return "bfloat16" if has_bfloat16(device) else "float32"
    return precision


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


def _frozen(weights: torch.Tensor) -> torch.nn.Parameter:
    return torch.nn.Parameter(weights.detach(), requires_grad=False)
