"""`spacy train`, with checkpoints."""

import shutil
import sys
import time
from pathlib import Path
from typing import IO, Any, Dict, Iterator, Optional, cast

from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import (
    DIR_MODEL_BEST,
    DIR_MODEL_LAST,
    clean_output_dir,
    create_before_to_disk_callback,
    create_evaluation_callback,
    train_while_improving,
    update_meta,
)
from spacy.util import registry, resolve_dot_names
from thinc.api import Config, ConfigValidationError, fix_random_seed, set_gpu_allocator
from wasabi import Printer

from ..encoder.component import ClinicalBert
from ..folders import step_folders, whole_folder
from ..signals import StopSignals
from .checkpoint import Checkpoint, Evaluation, Progress, RunError, save_checkpoint
from .optimizer import ResumableOptimizer
from .replay import DataOrder, Replay


def train(
    config: Config,
    output: Path,
    *,
    resume: bool = False,
    checkpoint_minutes: float = 15.0,
    use_gpu: int = -1,
    stdout: IO = sys.stdout,
    stderr: IO = sys.stderr,
) -> Optional[int]:
    """Train a pipeline as `spacy train` does, to the bit, and write checkpoints from which the run can go on to the weights that it would
    have reached. On SIGTERM or SIGINT the step is finished, and a checkpoint written.

    config (Config): spaCy's, without its variables filled in. Its optimiser is `spacy-clinicalbert.Adam.v1`.
    output (Path): Gets `model-best`, `model-last` and `checkpoints`.
    resume (bool): Go on from the checkpoint in it; begin where there is none.
    checkpoint_minutes (float): How often to write one; 0 writes one at each step.
    use_gpu (int): The GPU's number, or -1.
    stdout (IO): Gets the log.
    stderr (IO): Gets the logger's progress bar.
    RETURNS (Optional[int]): The signal that stopped the run; None where it came to its end.
    RAISES (RunError): The output holds a run already, the checkpoint is of another config or other data, or the run cannot begin.
    """
    found = step_folders(output)
    if found and not resume:
        raise RunError(f"'{output}' holds a run already. Go on with --resume, or name another folder.")
    checkpoint = Checkpoint(found[-1]) if found else None
    if checkpoint is not None:
        checkpoint.check_config(config)
    try:
        nlp = init_nlp(config, use_gpu=use_gpu)
        begun = Run(nlp, config, output, checkpoint, use_gpu, stdout)
    except ConfigValidationError:
        raise
    except ValueError as error:  # a path that is not there, a checkpoint that cannot be had, notes without labels
        raise RunError(str(error)) from error
    return begun.train(checkpoint_minutes * 60, stdout, stderr)


class Run:
    """A run of training; see `train`."""

    def __init__(
        self, nlp: Language, config: Config, output: Path, checkpoint: Optional[Checkpoint], use_gpu: int, stdout: IO
    ) -> None:
        self.nlp = nlp
        self.config = config
        self.output = output
        self.checkpoint = checkpoint
        filled = nlp.config.interpolate()
        if filled["training"]["seed"] is not None:
            fix_random_seed(filled["training"]["seed"])
        if use_gpu >= 0 and filled["training"]["gpu_allocator"]:
            set_gpu_allocator(filled["training"]["gpu_allocator"])
        self.settings: Dict[str, Any] = registry.resolve(filled["training"], schema=ConfigSchemaTraining)
        self.train_corpus, self.dev_corpus = resolve_dot_names(
            filled, [self.settings["train_corpus"], self.settings["dev_corpus"]]
        )
        self.optimizer = self.settings["optimizer"]
        if not isinstance(self.optimizer, ResumableOptimizer):
            raise RunError(
                'The state of this optimiser cannot be saved. Set @optimizers = "spacy-clinicalbert.Adam.v1" in [training.optimizer]; '
                "its settings are those of Adam.v1."
            )
        self.before_to_disk = create_before_to_disk_callback(self.settings["before_to_disk"])
        self.replay = Replay(nlp, checkpoint)
        self.order = DataOrder(checkpoint)
        self.progress = Progress()
        self._earlier = 0  # seconds of processes before this one
        self._message = Printer(no_print=True)
        self._stdout = stdout

    def train(self, checkpoint_seconds: float, stdout: IO, stderr: IO) -> Optional[int]:
        """Train to the end, or until a signal."""
        frozen = self.settings["frozen_components"]
        steps = self._steps()
        if self.checkpoint is None:
            clean_output_dir(self.output)
        self._say(self._message.info(f"Pipeline: {self.nlp.pipe_names}"))
        if frozen:
            self._say(self._message.info(f"Frozen components: {frozen}"))
        if self.checkpoint is not None:
            self._say(self._message.info(f"Going on behind step {self.checkpoint.progress.step}"))
        with self.nlp.select_pipes(disable=frozen):
            log_step, finalize_logger = self.settings["logger"](self.nlp, stdout, stderr)
        # A checkpoint that is there is not written once more: a kill between its old and its new folder would leave none.
        saved_at, saved_step = time.monotonic(), -1 if self.checkpoint is None else self.checkpoint.progress.step
        with StopSignals() as stop:
            try:
                for _, info, is_best in steps:
                    was_live = self.replay.live
                    if was_live:
                        self._finish_put_off_updates()
                    self._follow(info, is_best is not None)
                    if is_best is not None:
                        with self.nlp.select_pipes(disable=frozen):
                            update_meta(self.settings, self.nlp, info)
                        if was_live:
                            self._save_model(is_best)
                            info["output_path"] = str(self.output / DIR_MODEL_LAST)
                    log_step(info if is_best is not None else None)
                    if was_live and time.monotonic() - saved_at >= checkpoint_seconds:
                        self._save_checkpoint()
                        saved_at, saved_step = time.monotonic(), info["step"]
                    if stop.number is not None:
                        break
                if not self.replay.live and stop.number is None:
                    self._never_reached()
                if self.replay.live and saved_step != self.progress.step:
                    self._save_checkpoint()
            finally:
                finalize_logger()
                if self.replay.live:
                    self._save_model(False)
        if stop.number is None:
            self._say(self._message.good("Saved pipeline to output directory", self.output / DIR_MODEL_LAST))
        else:
            self._say(self._message.warn(f"Stopped behind step {self.progress.step}. Go on with --resume."))
        return stop.number

    def _finish_put_off_updates(self) -> None:
        """An encoder's step that waits for a head which stayed silent belongs to this step: a checkpoint has no gradients."""
        for _, pipe in self.nlp.pipeline:
            if isinstance(pipe, ClinicalBert):
                pipe.finish_put_off_update()

    def _steps(self) -> Any:
        settings, nlp, replay = self.settings, self.nlp, self.replay
        before_update = settings["before_update"]
        return train_while_improving(
            cast(Language, replay),
            self.optimizer,
            self.order.batches(nlp, self.train_corpus, settings["batcher"], settings["max_epochs"]),
            create_evaluation_callback(
                cast(Language, replay),
                lambda _: self._dev_examples() if replay.live else (),
                settings["score_weights"],
            ),
            dropout=settings["dropout"],
            accumulate_gradient=settings["accumulate_gradient"],
            patience=settings["patience"],
            max_steps=settings["max_steps"],
            eval_frequency=settings["eval_frequency"],
            exclude=settings["frozen_components"],
            annotating_components=settings["annotating_components"],
            before_update=None if before_update is None else lambda _, state: before_update(nlp, state),
        )

    def _dev_examples(self) -> Iterator[Example]:
        try:
            yield from self.dev_corpus(self.nlp)
        except ValueError as error:  # damaged notes, which training has not read
            raise RunError(str(error)) from error

    def _follow(self, info: Dict[str, Any], is_evaluation: bool) -> None:
        """Behind a step: write down how far the run is, or, at the checkpoint's step, take the state that it holds."""
        progress = self.progress
        if not self.replay.live:
            assert self.checkpoint is not None
            self.replay.fill(info, is_evaluation)
            saved = self.checkpoint.progress
            if info["step"] == saved.step:
                if self.order.digest != saved.digest:
                    raise RunError(
                        f"The training data or their order are not those of the checkpoint '{self.checkpoint.folder}'. Put them back, or "
                        "begin a new run in another folder. (A corpus that draws random numbers while it is read cannot be resumed.)"
                    )
                info["losses"].update(saved.losses)
                self._earlier = saved.seconds - info["seconds"]
                self.checkpoint.restore(self.nlp, self.optimizer)
                self.replay.live = True
        else:
            info["seconds"] += self._earlier
        if is_evaluation:
            losses = {name: float(loss) for name, loss in info["losses"].items()}
            progress.evaluations.append(Evaluation(info["other_scores"], losses, info["seconds"]))
        progress.step, progress.seconds, progress.digest = info["step"], info["seconds"], self.order.digest
        progress.losses = {name: float(loss) for name, loss in info["losses"].items()}

    def _never_reached(self) -> None:
        assert self.checkpoint is not None
        raise RunError(
            f"The checkpoint '{self.checkpoint.folder}' is of step {self.checkpoint.progress.step}, and training now ends at step "
            f"{self.progress.step}. Raise max_steps, max_epochs or patience again, and put back training data that were taken away."
        )

    def _save_checkpoint(self) -> None:
        save_checkpoint(self.output, self.nlp, self.optimizer, self.config, self.progress, self.order.epochs)

    def _save_model(self, is_best: bool) -> None:
        last, best = self.output / DIR_MODEL_LAST, self.output / DIR_MODEL_BEST
        with whole_folder(last) as part, self.nlp.use_params(self.optimizer.averages):
            self.before_to_disk(self.nlp).to_disk(part)
        if is_best:
            with whole_folder(best) as part:
                shutil.copytree(last, part, dirs_exist_ok=True)

    def _say(self, line: str) -> None:
        self._stdout.write(f"{line}\n")
