"""The config of a pretraining run, in spaCy's form; docs/pretraining.md explains it section by section."""

from pathlib import Path
from typing import Any, Dict, List, Literal, Optional, Union

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from thinc.api import Config

from ..loading import open_config
from ..settings import changed_settings
from .schedule import rate_at


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Training(_Section):
    """[pretraining]: `max_steps` steps of the optimiser; a pass is cut into parts of at most `max_batch_items` positions."""

    max_steps: int = Field(ge=1)
    seed: int = Field(default=0, ge=0)
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    max_batch_items: int = Field(default=4096, ge=1)
    checkpoint_minutes: float = Field(default=15.0, ge=0)
    log_steps: int = Field(default=20, ge=1)
    tensorboard: bool = False
    save_precision: Literal["float32", "float16"] = "float32"


class Encoder(_Section):
    """[encoder]: what training starts from: `name` (preset, hub id or folder), or nothing but `config`, as
    `transformers.AutoConfig.for_model` takes it. Dropout rates hold during pretraining; what is saved keeps the base's."""

    name: Optional[str] = None
    revision: Optional[str] = None
    local_files_only: bool = False
    lowercase: Optional[bool] = None
    config: Optional[Dict[str, Any]] = None
    dropout: Optional[float] = Field(default=None, ge=0, lt=1)
    attention_dropout: Optional[float] = Field(default=None, ge=0, lt=1)

    @model_validator(mode="after")
    def _one_start(self) -> "Encoder":
        if (self.name is None) == (self.config is None):
            raise ValueError("set either name, a pretrained encoder, or config, to start from nothing")
        if self.config is not None and ("model_type" not in self.config or self.lowercase is None):
            raise ValueError("to start from nothing, config wants a model_type, and lowercase must be true or false")
        return self


class Vocabulary(_Section):
    """[vocabulary]: wordpieces learned from the training text, of which `size` replace the base's or are added to them."""

    mode: Literal["keep", "replace", "add"] = "keep"
    size: int = Field(default=16000, ge=1)
    min_frequency: int = Field(default=2, ge=1)


class Source(_Section):
    """[corpus.sources.NAME] and [validation.sets.NAME]: where text comes from; see `texts.read_notes`."""

    path: str
    format: Optional[Literal["jsonl", "parquet", "txt", "spacy", "public"]] = None
    corpus: Optional[str] = None
    split: Optional[str] = None
    weight: float = Field(default=1.0, gt=0)
    hole: Optional[str] = None
    licence: Optional[str] = None


class Concepts(_Section):
    """[corpus.concepts]: which spans are clinical concepts: those of a list of terms, or of a pipeline's entities."""

    terms: Optional[str] = None
    pipeline: Optional[str] = None


class Corpus(_Section):
    """[corpus]: the training text; `cache` is the folder of its wordpieces."""

    cache: str
    sources: Dict[str, Source] = Field(min_length=1)
    concepts: Concepts = Concepts()


class Objective(_Section):
    """[objective]: what is masked. A concept is chosen `concept_weight` times as often as a word."""

    units: Literal["wordpieces", "words", "concepts"] = "words"
    rate: float = Field(default=0.15, gt=0, lt=1)
    concept_weight: float = Field(default=3.0, gt=0)
    next_sentence: bool = False


class Stage(_Section):
    """[stages.NAME]: a share of the steps, with blocks of one length in wordpieces, special tokens included."""

    length: int = Field(ge=8)
    batch_size: int = Field(ge=1)
    share: float = Field(gt=0, le=1)


class Optimizer(_Section):
    """[optimizer]: AdamW, with a rate that rises over `warmup_steps` and then falls to zero at the last step; a constant one falls
    over the last `decay_steps` only."""

    learn_rate: float = Field(default=5e-4, gt=0)
    warmup_steps: int = Field(default=0, ge=0)
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    decay_steps: int = Field(default=0, ge=0)
    weight_decay: float = Field(default=0.01, ge=0)
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.98, ge=0, lt=1)
    eps: float = Field(default=1e-6, gt=0)
    grad_clip: float = Field(default=1.0, gt=0)


class Validation(_Section):
    """[validation]: held-out sets, of each the first `max_pieces` wordpieces, every `steps` steps. After `patience` rounds
    without a better mean loss training stops; 0 goes on."""

    sets: Dict[str, Source] = {}
    steps: int = Field(default=500, ge=1)
    length: int = Field(default=128, ge=8)
    max_pieces: int = Field(default=20000, ge=1)
    patience: int = Field(default=0, ge=0)


class Pretraining(_Section):
    """A whole config."""

    paths: Dict[str, Any] = {}
    pretraining: Training
    encoder: Encoder
    vocabulary: Vocabulary = Vocabulary()
    corpus: Corpus
    objective: Objective = Objective()
    stages: Dict[str, Stage] = Field(min_length=1)
    optimizer: Optimizer = Optimizer()
    validation: Validation = Validation()

    @model_validator(mode="after")
    def _consistent(self) -> "Pretraining":
        total = sum(stage.share for stage in self.stages.values())
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the shares of [stages] must add up to 1, not {total:g}")
        concepts = self.corpus.concepts
        if self.objective.units == "concepts" and not (concepts.terms or concepts.pipeline):
            raise ValueError("units = concepts wants terms or a pipeline in [corpus.concepts]")
        if self.optimizer.decay_steps and self.optimizer.schedule != "constant":
            raise ValueError("decay_steps is for the schedule 'constant'; the others fall all the way")
        alone = [name for name, stage in self.stages.items() if self.objective.next_sentence and stage.batch_size < 2]
        if alone:
            raise ValueError(
                f"next_sentence pairs the blocks of a batch: raise batch_size of stages.{alone[0]} to 2 at least"
            )
        return self

    def stage_ends(self) -> List[int]:
        """The step at which each stage is over, in their order."""
        ends, share = [], 0.0
        for stage in self.stages.values():
            share += stage.share
            ends.append(round(share * self.pretraining.max_steps))
        return ends

    def to_config(self) -> Config:
        """The config with all its defaults, to be written down."""
        return Config(self.model_dump())


# What may differ when a run is resumed: it changes neither batches nor weights. (Whether the text is the same is asked of the caches.)
FREE = (
    "paths",
    "corpus.cache",
    "corpus.sources.*.path",
    "validation.sets.*.path",
    "pretraining.checkpoint_minutes",
    "pretraining.log_steps",
    "pretraining.tensorboard",
    "validation.patience",
)
# And these, where the steps that are done would not have been others.
_PLAN = ("pretraining.max_steps", "optimizer.decay_steps", "stages.")


def read_config(path: Union[str, Path], overrides: Optional[Dict[str, Any]] = None) -> Pretraining:
    """Read and check a config.

    path (Union[str, Path]): The .cfg file.
    overrides (Optional[Dict[str, Any]]): Dotted names → values in place of the file's.
    RETURNS (Pretraining): The config with all defaults.
    RAISES (ValueError): Names each setting that is missing, unknown or out of range.
    """
    return check_config(open_config(path, overrides or {}, interpolate=True), str(path))


def check_config(config: Dict[str, Any], where: str) -> Pretraining:
    """See `read_config`."""
    try:
        return Pretraining.model_validate(dict(config))
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, each['loc'])) or 'config'}: {_plain(each)}" for each in error.errors()]
    raise ValueError("\n".join([f"'{where}' is no config of a pretraining run:", *lines]))


def _plain(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such setting"
    if error["input"] is None:
        return "it has no value; set it, or the [paths] that it takes, as by --paths.notes PATH"
    return error["msg"]


def changes_of_run(old: Pretraining, new: Pretraining, n_done: int = 0) -> List[str]:
    """The settings, as dotted names, by which a run would not be the one that it resumes.

    old (Pretraining): As the run was begun.
    new (Pretraining): As it is to go on.
    n_done (int): Steps that are done: length and stages of the run may change if these would have been the same.
    RETURNS (List[str]): Empty where it is the same run.
    """
    names = changed_settings(old.to_config(), new.to_config(), FREE)
    if all(name.startswith(_PLAN) for name in names) and _plan(old, n_done) == _plan(new, n_done):
        return []
    return names


def _plan(config: Pretraining, n_done: int) -> List[Any]:
    """Stage and learning rate of the first steps."""
    if n_done > config.pretraining.max_steps:
        return []
    stages, ends = list(config.stages.items()), config.stage_ends()
    plan: List[Any] = []
    for step in range(n_done):
        number = next(number for number, end in enumerate(ends) if step < end)
        name, stage = stages[number]
        rate = rate_at(step, config.optimizer, config.pretraining.max_steps)
        plan.append((number, name, stage.length, stage.batch_size, rate))
    return plan or ["nothing done"]
