"""What a training run needs to go on as if nothing had happened: weights, optimiser, random numbers, the order of the data, and what
has been measured."""

import json
import random
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Dict, List

import numpy
import srsly
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from spacy.language import Language
from spacy.util import load_config
from thinc.api import Config

from ..folders import keep_latest, step_folder, whole_folder
from ..settings import changed_settings
from .optimizer import ResumableOptimizer
from .paths import NodePaths

CONFIG, PROGRESS, RANDOM = "config.cfg", "progress.json", "random.msgpack"
WEIGHTS, OPTIMIZER = "weights.safetensors", "optimizer.safetensors"
# What may differ when a run is resumed: it changes no step that was done, or (paths) shows in the data and in the tokenizers.
FREE = ("paths", "training.max_steps", "training.max_epochs", "training.patience", "training.logger")


class RunError(ValueError):
    """A run that cannot begin or go on, for a reason that its user can mend."""


@dataclass
class Evaluation:
    """One evaluation: what was measured, and the losses since the one before.

    scores (Dict[str, Any]): As spaCy's `nlp.evaluate` gives them, without those that are None.
    losses (Dict[str, float]): Component → loss.
    seconds (int): Since the run began.
    """

    scores: Dict[str, Any]
    losses: Dict[str, float]
    seconds: int


@dataclass
class Progress:
    """How far a run is.

    step (int): The last step that was done; the first is 0.
    seconds (int): Spent until then.
    losses (Dict[str, float]): Component → loss since the last evaluation.
    evaluations (List[Evaluation]): All of them.
    digest (int): Of all batches, in their order.
    """

    step: int = -1
    seconds: int = 0
    losses: Dict[str, float] = field(default_factory=dict)
    evaluations: List[Evaluation] = field(default_factory=list)
    digest: int = 0


def save_checkpoint(
    output: Path, nlp: Language, optimizer: ResumableOptimizer, config: Config, progress: Progress, epochs: List[Any]
) -> None:
    """Write a checkpoint, and then delete the one before.

    output (Path): The run's folder.
    nlp (Language): The pipeline, behind a step.
    optimizer (ResumableOptimizer): Its optimiser.
    config (Config): The run's, without its variables filled in.
    progress (Progress): How far it is.
    epochs (List[Any]): `random.getstate()` at the beginning of each epoch, for spaCy shuffles with it.
    """
    with whole_folder(step_folder(output, progress.step)) as part:
        (part / CONFIG).write_text(config.to_str(interpolate=False), encoding="utf8")
        save_file(NodePaths(nlp).weights(), part / WEIGHTS)
        optimizer.to_disk(part / OPTIMIZER, nlp)
        srsly.write_msgpack(part / RANDOM, {"epochs": epochs, "now": random_state()})
        values = {**asdict(progress), "tokenizers": NodePaths(nlp).tokenizers(), "labels": digest_labels(nlp)}
        (part / PROGRESS).write_text(json.dumps(values, default=_as_json), encoding="utf8")
    keep_latest(output, 1)


def _as_json(score: Any) -> Any:
    """A score that JSON does not know: numpy's numbers count in `score_weights`, others are only shown again."""
    return score.item() if isinstance(score, numpy.generic) else str(score)


class Checkpoint:
    """A checkpoint that was saved.

    folder (Path): Its folder.
    RAISES (RunError): It cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            values = json.loads((folder / PROGRESS).read_text(encoding="utf8"))
            evaluations = [Evaluation(**each) for each in values.pop("evaluations")]
            # Which older ones do not have.
            self.tokenizers: Dict[str, str] = values.pop("tokenizers", {})
            self.labels: Dict[str, str] = values.pop("labels", {})
            self.progress = Progress(**values, evaluations=evaluations)
            self.random = srsly.read_msgpack(folder / RANDOM)
            self.config = load_config(folder / CONFIG, interpolate=False)
        except (OSError, KeyError, TypeError, ValueError) as err:
            raise RunError(self._damage(err)) from None

    def check_config(self, config: Config) -> None:
        """RAISES (RunError): Names the settings by which a run would not be the one that it resumes."""
        changed = changed_settings(self.config, config, FREE)
        if changed:
            raise RunError(
                f"The run was begun with other settings: {', '.join(changed)}. Go on with those of '{self.folder / CONFIG}'; only "
                f"{', '.join(FREE)} may change."
            )

    def restore(self, nlp: Language, optimizer: ResumableOptimizer) -> None:
        """Give pipeline, optimiser and random numbers the state that they had.

        nlp (Language): The pipeline, initialised with the same config and data.
        optimizer (ResumableOptimizer): Its optimiser, no further than the saved one.
        RAISES (RunError): The pipeline has other weights, another tokenizer or other labels, or a file is damaged.
        """
        found = NodePaths(nlp).tokenizers()
        for path, digest in self.tokenizers.items():
            if found.get(path) != digest:
                raise RunError(
                    f"The encoder '{path.partition('/')[0]}' has another tokenizer than the checkpoint '{self.folder}': its weights would get "
                    "other wordpieces than they have learned. Put back the encoder that the run was begun with, or begin a new run."
                )
        labels = digest_labels(nlp)
        for name, digest in self.labels.items():
            if labels.get(name) != digest:
                raise RunError(
                    f"The component '{name}' has other labels than in the checkpoint '{self.folder}', or has them in another order: its weights "
                    "would answer for the wrong ones. Put back the file of labels that the run was begun with, or begin a new run in another folder."
                )
        try:
            NodePaths(nlp).set_weights(load_file(self.folder / WEIGHTS))
            optimizer.from_disk(self.folder / OPTIMIZER, nlp)
        except (OSError, KeyError, RuntimeError, SafetensorError, ValueError) as err:
            raise RunError(self._damage(err)) from None
        set_random_state(self.random["now"])

    def _damage(self, err: Exception) -> str:
        return (
            f"The checkpoint '{self.folder}' does not fit the pipeline, or is damaged ({err}). Use the config and the data that it was made "
            "with, or begin a new run in another folder."
        )


def digest_labels(nlp: Language) -> Dict[str, str]:
    """RETURNS (Dict[str, str]): Trainable component → a digest of its labels in their order: what the columns of its weights mean."""
    trainable = [(name, pipe) for name, pipe in nlp.components if getattr(pipe, "is_trainable", False)]
    labels = {name: tuple(getattr(pipe, "labels", ())) for name, pipe in trainable}
    return {name: sha256(repr(own).encode()).hexdigest()[:16] for name, own in labels.items() if own}


def random_state() -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The state of all random numbers that training draws, but for CuPy's, which cannot be had."""
    state = {
        "python": random.getstate(),
        "numpy": numpy.random.get_state(),
        "torch": torch.get_rng_state().numpy(),
        "cuda": [],
    }
    if torch.cuda.is_available():
        state["cuda"] = [each.numpy() for each in torch.cuda.get_rng_state_all()]
    return state


def set_random_state(state: Dict[str, Any]) -> None:
    """Take the state that `random_state` gave."""
    random.setstate(as_random_state(state["python"]))
    numpy.random.set_state(tuple(state["numpy"]))
    torch.set_rng_state(torch.from_numpy(numpy.array(state["torch"])))
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([torch.from_numpy(numpy.array(each)) for each in state["cuda"]])


def as_random_state(state: Any) -> Any:
    """A state of `random`, whose tuples became lists in a file."""
    version, numbers, rest = state
    return version, tuple(numbers), rest
