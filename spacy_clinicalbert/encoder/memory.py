"""A forward pass that memory does not hold runs in halves."""

import logging
from functools import lru_cache
from typing import Callable, Tuple

import torch

logger = logging.getLogger(__name__)

# As PyTorch's allocator for CPUs and OpenVINO say it in a RuntimeError; CUDA and Python have types of their own.
_SAID = ("can't allocate memory", "not enough memory", "bad_alloc", "bad alloc", "could not allocate")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(each in str(error).lower() for each in _SAID)


def in_halves(run: Callable[..., torch.Tensor], *inputs: torch.Tensor) -> torch.Tensor:
    """Run a forward pass; where memory runs out, each half of its windows alone, down to a single window.

    run (Callable[..., torch.Tensor]): Gives vectors, (n_windows, length, width), that later calls leave alone.
    inputs (torch.Tensor): Its arguments, (n_windows, length) each.
    RETURNS (torch.Tensor): The vectors of all windows.
    RAISES: What `run` raises, if it is something else, or for one window alone.
    """
    n_windows = len(inputs[0])
    try:
        return run(*inputs)
    except Exception as error:
        if n_windows < 2 or not is_out_of_memory(error):
            raise
    # Outside the handler, which holds the frames of the pass that failed, and all their arrays.
    _tell_once()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = n_windows // 2
    parts: Tuple[torch.Tensor, ...] = tuple(
        in_halves(run, *(each[rows] for each in inputs)) for rows in (slice(half), slice(half, None))
    )
    return torch.cat(parts)


@lru_cache
def _tell_once() -> None:
    logger.warning(
        "Memory does not hold a forward pass of the encoder, which goes on with half of its windows at a time. "
        "A lower max_batch_items makes smaller passes from the start."
    )
