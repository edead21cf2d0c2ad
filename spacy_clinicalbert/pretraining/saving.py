"""What a run writes: checkpoints to go on from, and the encoder for use."""

import copy
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Dict, Optional

import torch

from ..folders import keep_latest, step_folder, whole_folder

_KEEP = 2


@dataclass
class Progress:
    """How far a run is.

    step (int): Steps done.
    pieces (int): Wordpieces read, special tokens included.
    seconds (float): Spent in training.
    cursors (Dict[str, Dict[str, int]]): Stage → source → blocks read.
    sources, sets (Dict[str, Any]): What the caches of the training text and of the held-out sets hold: a run must go on with the same text.
    best (Optional[float]): The lowest mean loss on the held-out sets, in `best_step`; since then `stale` rounds.
    figures (Dict[str, Any]): The last round on the held-out sets, by set.
    best_figures (Dict[str, Any]): Those of the best round.
    """

    step: int = 0
    pieces: int = 0
    seconds: float = 0.0
    cursors: Dict[str, Dict[str, int]] = field(default_factory=dict)
    sources: Dict[str, Any] = field(default_factory=dict)
    sets: Dict[str, Any] = field(default_factory=dict)
    best: Optional[float] = None
    best_step: int = 0
    stale: int = 0
    figures: Dict[str, Any] = field(default_factory=dict)
    best_figures: Dict[str, Any] = field(default_factory=dict)


def save_checkpoint(output: Path, network: Any, optimizer: Any, progress: Progress) -> None:
    """Write weights, the optimiser's state and counters, and keep the last two checkpoints. (Random numbers follow from seed and
    step, and have no state.)"""
    with whole_folder(step_folder(output, progress.step)) as part:
        torch.save({"network": network.state_dict(), "optimizer": optimizer.state_dict()}, part / "state.pt")
        (part / "progress.json").write_text(json.dumps(asdict(progress), indent=1), encoding="utf8")
    keep_latest(output, _KEEP)


def load_checkpoint(folder: Path, network: Any, optimizer: Any) -> Progress:
    """Load what `save_checkpoint` wrote into network and optimiser.

    RAISES (ValueError): The folder is damaged.
    """
    progress = read_progress(folder)
    try:
        state = torch.load(folder / "state.pt", map_location="cpu", weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
    except Exception as error:  # torch raises whatever its unpickler does
        raise _unreadable(folder, error) from None
    return progress


def read_progress(folder: Path) -> Progress:
    """The counters of a checkpoint; see `load_checkpoint`."""
    try:
        values = json.loads((folder / "progress.json").read_text(encoding="utf8"))
        values.pop("stopped", None)  # of older ones: it follows from `stale` and the patience that the run has now
        return Progress(**values)
    except (AttributeError, OSError, TypeError, ValueError) as error:
        raise _unreadable(folder, error) from None


def _unreadable(folder: Path, error: Exception) -> ValueError:
    return ValueError(f"The checkpoint '{folder}' cannot be read ({error}). Delete it to go on from the one before.")


def save_model(folder: Path, network: Any, tokenizer: Any, rates: Dict[str, Any], precision: str, card: str) -> None:
    """Write a folder that `AutoModelForMaskedLM`, `AutoModel`, `AutoTokenizer` and the factory `clinicalbert` open.

    network (transformers.PreTrainedModel): The trained one, with its head.
    rates (Dict[str, Any]): The dropout rates that its config had before.
    precision (str): "float32" or "float16", of the weights written.
    card (str): The model card.
    """
    dtype = torch.float16 if precision == "float16" else torch.float32
    saved = copy.deepcopy(network).to(dtype=dtype, device="cpu")
    for name, rate in rates.items():
        setattr(saved.config, name, rate)
    with whole_folder(folder) as part:
        saved.save_pretrained(part, safe_serialization=True)
        tokenizer.save_pretrained(part)
        (part / "README.md").write_text(card, encoding="utf8")
