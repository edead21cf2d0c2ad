"""Forward passes in training, and their backward."""

from functools import partial
from typing import Callable, Iterable, Tuple

import torch
from thinc.api import Model
from torch.utils.checkpoint import checkpoint as rerun_for_backward

from .engines import Inputs
from .memory import in_halves
from .shim import shim_of


def update_passes(
    model: Model, passes: Iterable[Tuple[Inputs, torch.Tensor, torch.Tensor]], n_rows: int
) -> Tuple[torch.Tensor, Callable[[torch.Tensor], None]]:
    """Run passes with dropout, and give a backward.

    Those beyond max_update_items positions keep no activations: torch runs them again for their backward, with
    the same random state. So a batch of any size trains in bounded memory. Those without gradient are left out.

    passes (Iterable[Tuple[Inputs, torch.Tensor, torch.Tensor]]): What the network takes; the positions in the flattened pass whose vectors
        are used; the rows that these go to.
    n_rows (int): How many rows there are.
    RETURNS (Tuple[torch.Tensor, Callable]): The vectors, (n_rows, width), and the backward, which takes their gradient and may be called once.
    """
    shim = shim_of(model)
    width = shim.checkpoint.width
    rows = torch.empty((n_rows, width), device=shim.device)
    outputs = []
    budget = model.attrs["max_update_items"]
    with shim.training() as encode:
        for inputs, kept, places in passes:
            budget -= inputs[0].numel()
            run = encode if budget >= 0 else partial(rerun_for_backward, encode, use_reentrant=False)
            hidden = in_halves(run, *inputs)
            rows[places] = hidden.detach().reshape(-1, width)[kept]
            outputs.append((hidden, kept, places))

    def backprop(d_rows: torch.Tensor) -> None:
        while outputs:
            hidden, kept, places = outputs.pop()
            d_kept = d_rows[places]
            if hidden.requires_grad and d_kept.any():
                d_hidden = torch.zeros(hidden.shape, dtype=hidden.dtype, device=hidden.device)
                d_hidden.view(-1, width).index_add_(0, kept, d_kept)
                hidden.backward(d_hidden)
                shim.compact_gradient()

    return rows, backprop
