"""A network of PyTorch → one of OpenVINO, for inputs of any length, or a reason why not."""

import itertools
import logging
import textwrap
import warnings
from typing import Any, Iterator, NamedTuple, Optional, Tuple

import torch

from .forward import last_hidden_state, takes_types, twin
from .openvino_core import core, import_openvino


class Quantized(NamedTuple):
    """An int8 network as OpenVINO writes it: the graph, and its weights."""

    graph: bytes
    weights: bytes


class NotConvertible(ValueError):
    """OpenVINO does not take a network."""


def to_openvino(network: torch.nn.Module) -> Any:
    """Convert a network to an `openvino.Model` with inputs of any shape (n_windows, length) and one output.

    RAISES (NotConvertible): It cannot be converted, or only for one length.
    """
    openvino = import_openvino()
    said = logging.getLogger("transformers.modeling_utils")
    level = said.level
    said.setLevel(logging.ERROR)  # the tracer asks for every attribute, and one of them warns that it has no value
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the tracer's, on what transformers' masks do
            # A pass can change a network for good: BigBird gives up its sparse attention at the first short one.
            copied = twin(network, "eager")
            traced, other = (_trace(copied, shape) for shape in ((2, 8), (3, 21)))
            is_general = _is_same(traced, other)
            model = openvino.convert_model(traced) if is_general else None
    except Exception as err:  # its text can have all of the graph, and so can that of its cause
        reason = textwrap.shorten(f"{type(err).__name__}: {err}", 150, placeholder=" …")
        raise NotConvertible(_refusal(network, f"fails on it ({reason})")) from None
    finally:
        said.setLevel(level)
    if model is None:
        raise NotConvertible(_refusal(network, "would fix what it does to the length of one example"))
    model.reshape({i: [-1, -1] for i in range(len(model.inputs))})
    return model


def _trace(network: torch.nn.Module, shape: Tuple[int, int]) -> Any:
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    example = torch.full(shape, 3)
    inputs: Tuple[torch.Tensor, ...] = (example, torch.ones_like(example))
    if takes_types(network):
        inputs += (torch.zeros_like(example),)
    # The tracer's own check would trace the same shape twice.
    return TorchScriptPythonDecoder(_Traced(network), example_input=inputs, trace_kwargs={"check_trace": False})


def _is_same(one: Any, other: Any) -> bool:
    """Whether two traces have the same operations with the same constants. Longformer's padding, for one, is a constant that
    differs by length: another length would be cut off where it is longer than its window, without an error."""

    def recorded(decoder: Any) -> Iterator[Tuple[str, Any]]:
        blocks = [decoder.pt_module.inlined_graph]
        for block in blocks:
            for node in block.nodes():
                yield node.kind(), node.output().toIValue() if node.kind() == "prim::Constant" else None
                blocks.extend(node.blocks())

    pairs = list(itertools.zip_longest(recorded(one), recorded(other), fillvalue=("", None)))
    return all(kind == kind_ and _is_equal(value, value_) for (kind, value), (kind_, value_) in pairs)


def _is_equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.shape == other.shape and torch.equal(one, other)
    return type(one) is type(other) and bool(one == other)


def _refusal(network: Any, reason: str) -> str:
    kind = network.config.model_type
    return f"OpenVINO does not take a network of the type '{kind}': the conversion {reason}. Set engine = 'torch'."


def read_openvino(quantized: Quantized) -> Any:
    """RETURNS (openvino.Model): An int8 network."""
    import numpy

    openvino = import_openvino()
    weights = openvino.Tensor(numpy.frombuffer(quantized.weights, dtype="uint8"))
    return core().read_model(quantized.graph, weights)


class _Traced(torch.nn.Module):
    def __init__(self, network: torch.nn.Module):
        super().__init__()
        self.network = network

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: Optional[torch.Tensor] = None) -> torch.Tensor:
        return last_hidden_state(self.network, ids, mask, types)
