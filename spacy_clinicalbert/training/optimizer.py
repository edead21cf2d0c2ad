"""Thinc's Adam, with a state that can be saved and loaded in another process."""

import json
from pathlib import Path
from typing import Any, Dict, List, Union, cast

import numpy
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from spacy.language import Language
from thinc.api import Optimizer, get_array_module, get_current_ops
from thinc.optimizers import ADAM_DEFAULTS
from thinc.types import Generator
from thinc.util import to_numpy

from .paths import NodePaths

Rate = Union[float, List[float], Generator]


class ResumableOptimizer(Optimizer):
    """An optimiser of Thinc's that can be saved: its moments, averages, counters, and how far its schedules are. Its arithmetic is
    Thinc's own.

    n_steps (int): How often the schedules have stepped.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.n_steps = 0

    def step_schedules(self) -> None:
        """Take the next value of each schedule, which `spacy train` does after each step."""
        super().step_schedules()
        self.n_steps += 1

    def to_disk(self, path: Union[str, Path], nlp: Language) -> None:
        """Save the state as safetensors, under the paths of `paths.NodePaths`.

        path (Union[str, Path]): The file.
        nlp (Language): The pipeline that it has updated. State of layers that this does not have (any more) is left out.
        """
        paths = NodePaths(nlp)
        names = {key: name for key in self.nr_update if (name := paths.path(key)) is not None}
        arrays: Dict[str, numpy.ndarray] = {}
        for kind, state in self._states().items():
            arrays.update({f"{kind}/{name}": to_numpy(state[key]) for key, name in names.items() if key in state})
        updates = {name: self.nr_update[key] for key, name in names.items()}
        save_file(arrays, path, {"n_steps": str(self.n_steps), "updates": json.dumps(updates)})

    def from_disk(self, path: Union[str, Path], nlp: Language) -> "ResumableOptimizer":
        """Load what `to_disk` saved. The schedules go on from where they were.

        path (Union[str, Path]): The file.
        nlp (Language): The pipeline, with the layers that it had.
        RETURNS (ResumableOptimizer): This one.
        RAISES (ValueError): The pipeline lacks a layer, or this optimiser is further than the saved one.
        """
        paths, ops = NodePaths(nlp), get_current_ops()
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata()
        n_steps, updates = int(metadata["n_steps"]), json.loads(metadata["updates"])
        try:
            keys = {name: paths.key(name) for name in updates}
        except KeyError as err:
            raise ValueError(f"'{path}' has the state of {err}, which the pipeline does not have.") from None
        if n_steps < self.n_steps:
            raise ValueError(f"'{path}' is of step {n_steps}, and this optimiser has taken {self.n_steps} steps.")
        states = self._states()
        for state in states.values():
            state.clear()
        for full, array in load_file(path).items():
            kind, name = full.split("/", 1)
            if kind in states:  # averages may not be wanted any more
                states[kind][keys[name]] = ops.asarray(cast(Any, array))
        self.nr_update.clear()
        self.nr_update.update({keys[name]: n for name, n in updates.items()})
        while self.n_steps < n_steps:
            self.step_schedules()
        for name, (_, param) in keys.items():
            node = paths.nodes.get(name.rsplit("/", 1)[0])
            # Once a layer has had a gradient, Thinc updates it at each step, by its momentum where the gradient is zero.
            if node is not None and node.has_param(param) and not node.has_grad(param):
                weights = node.get_param(param)
                node.set_grad(param, get_array_module(weights).zeros_like(weights))
        return self

    def _states(self) -> Dict[str, Dict[Any, Any]]:
        states: Dict[str, Dict[Any, Any]] = {"mom1": self.mom1, "mom2": self.mom2}
        return states if self.averages is None else {**states, "averages": self.averages}


def adam(
    learn_rate: Rate = ADAM_DEFAULTS["learn_rate"],
    *,
    L2: Rate = ADAM_DEFAULTS["L2"],
    beta1: Rate = ADAM_DEFAULTS["beta1"],
    beta2: Rate = ADAM_DEFAULTS["beta2"],
    eps: Rate = ADAM_DEFAULTS["eps"],
    grad_clip: Rate = ADAM_DEFAULTS["grad_clip"],
    L2_is_weight_decay: bool = cast(bool, ADAM_DEFAULTS["L2_is_weight_decay"]),
    use_averages: bool = True,
) -> ResumableOptimizer:
    """The registered optimiser `spacy-clinicalbert.Adam.v1`: `Adam.v1`, to the bit and with its settings, that checkpoints can hold.

    learn_rate (Union[float, List[float], Generator]): The learning rate, or a schedule.
    L2 (Union[float, List[float], Generator]): Regularisation, or weight decay.
    beta1 (Union[float, List[float], Generator]): Decay of the first moment.
    beta2 (Union[float, List[float], Generator]): Decay of the second moment.
    eps (Union[float, List[float], Generator]): Against division by zero.
    grad_clip (Union[float, List[float], Generator]): The largest norm of a layer's gradient.
    L2_is_weight_decay (bool): As in AdamW.
    use_averages (bool): Evaluate and save moving averages of the weights.
    RETURNS (ResumableOptimizer): The optimiser.
    """
    return ResumableOptimizer(
        learn_rate,
        L2=L2,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        grad_clip=grad_clip,
        L2_is_weight_decay=L2_is_weight_decay,
        use_averages=use_averages,
    )
