"""The gradients of one batch, added up until the encoder's backward."""

from typing import Any, Callable, Dict, List, Optional

from thinc.api import Optimizer
from thinc.types import Floats2d

from .data import TOKENS, WINDOWS


class PendingUpdate:
    """An update of the encoder whose backward is still to come.

    backprop (Callable): The backward of the batch, as `model.forward` gives it.
    n_readers (int): How many may give gradients: listeners, and components that run the network by themselves.
    batch_id (int): The documents, see `ClinicalBertListener.get_batch_id`.
    losses (Dict[str, float]): Of the batch.
    had_gradient (bool): Whether gradients of an earlier batch waited for a step when this one went forward.

    gradients (Dict[str, List[Floats2d]]): What was added up so far: of the vectors of `data.TOKENS`, of those of `data.WINDOWS`.
    n_silent (int): How many have not given theirs.
    is_fed (bool): Whether any has.
    sgd (Optional[Optimizer]): The optimiser of a step that was put off until they have.
    """

    def __init__(
        self, backprop: Callable[..., Any], n_readers: int, had_gradient: bool, batch_id: int, losses: Dict[str, float]
    ):
        self.had_gradient = had_gradient
        self.gradients: Dict[str, List[Floats2d]] = {}
        self.n_silent = n_readers
        self.batch_id = batch_id
        self.losses = losses
        self.is_fed = False
        self.sgd: Optional[Optimizer] = None
        self._backprop = backprop

    def add(self, d_arrays: List[Floats2d], reads: str) -> float:
        """Add one head's gradient, an array for each Doc.

        reads (str): What it is the gradient of.
        RETURNS (float): Its squared norm.
        """
        self.count()
        if reads not in self.gradients:
            self.gradients[reads] = [d_array.copy() for d_array in d_arrays]
        else:
            for total, d_array in zip(self.gradients[reads], d_arrays):
                total += d_array
        return sum(float((d_array**2).sum(axis=(0, 1))) for d_array in d_arrays)

    def count(self) -> None:
        """Note that one of the readers has given its gradient, here or, by a backward of its own, to the weights."""
        self.n_silent -= 1
        self.is_fed = True

    def backprop(self) -> None:
        """Run the backward, if any head has given a gradient."""
        if self.gradients:
            self._backprop(self.gradients.get(TOKENS, ()), self.gradients.get(WINDOWS, ()))
