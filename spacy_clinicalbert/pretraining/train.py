"""The training loop."""

import logging
import os
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Dict, List, Optional

import numpy
import torch

from ..encoder.engines import autocast
from ..encoder.network_types import usable_positions
from ..folders import step_folders, whole_file
from ..signals import StopSignals
from .batches import Batches, held_out_batches, make_collator, split_batch
from .blocks import Frame
from .card import write_card
from .config import FREE, Pretraining, changes_of_run, read_config
from .log import RunLog
from .masking import IGNORED
from .model import MaskedLM, load_network
from .prepare import Prepared, prepare
from .saving import Progress, load_checkpoint, read_progress, save_checkpoint, save_model
from .schedule import make_optimizer, rate_at
from .tokens import same_text
from .validate import validate
from .vocabulary import piece_characters

logger = logging.getLogger(__name__)


def pretrain(config: Pretraining, output: Path, resume: bool = False, prepare_only: bool = False) -> Optional[int]:
    """Pretrain an encoder: read the text, learn the vocabulary, train, and write `model-last` and `model-best`. On SIGTERM or SIGINT the step is finished,
    and a checkpoint written.

    config (Pretraining): The run; see `config.read_config`.
    output (Path): A folder for the run: its config, log, checkpoints and models.
    resume (bool): Go on from the last checkpoint in it; begin where there is none.
    prepare_only (bool): Learn the vocabulary and fill the cache, and train nothing.
    RETURNS (Optional[int]): The signal that stopped the run; None where it came to its end.
    RAISES (ValueError): The folder holds a run that is not to be resumed, or one with other settings, or a batch has fewer blocks than there
        are processes.
    RAISES (ImportError): accelerate is not installed.
    """
    if prepare_only:
        prepare(config)
        return None
    try:
        from accelerate import Accelerator
    except ImportError:
        raise ImportError("Pretraining wants accelerate: pip install 'spacy-clinicalbert[pretrain]'.") from None
    # Without cpu=True several processes on a CPU each take themselves for the only one.
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    n_wanted = int(os.environ.get("WORLD_SIZE", 1))
    if accelerator.num_processes != n_wanted:
        raise ValueError(f"{n_wanted} processes were started, and {accelerator.num_processes} found each other.")
    if accelerator.is_main_process and n_wanted > 1:
        logger.info("%d processes", n_wanted)
    _check_shares(config, n_wanted)
    _check_output(config, output, resume)
    accelerator.wait_for_everyone()
    with accelerator.main_process_first():
        prepared = prepare(config)
    if accelerator.is_main_process:
        output.mkdir(parents=True, exist_ok=True)
        with whole_file(output / "config.cfg") as part:
            config.to_config().to_disk(part)
    with StopSignals() as stop:
        Run(config, prepared, output, accelerator, resume).train(stop)
    accelerator.end_training()
    return stop.number


def _check_shares(config: Pretraining, n_processes: int) -> None:
    """A process without a block would not join the exchange of gradients, for which the others wait for ever."""
    for name, stage in config.stages.items():
        if stage.batch_size < n_processes:
            raise ValueError(
                f"The stage '{name}' has batches of {stage.batch_size} blocks for {n_processes} processes, each of which wants one. Raise its "
                "batch_size, or start fewer processes."
            )


def _check_output(config: Pretraining, output: Path, resume: bool) -> None:
    before, checkpoints = output / "config.cfg", step_folders(output)
    if not resume and (before.exists() or checkpoints):
        raise ValueError(f"'{output}' holds a run already. Go on with --resume, or name another folder.")
    if not before.is_file():
        if checkpoints:
            raise ValueError(
                f"'{output}' has checkpoints without a config.cfg, so they cannot be resumed. Put it back, or name another folder."
            )
        return
    n_done = read_progress(checkpoints[-1]).step if checkpoints else 0
    changed = changes_of_run(read_config(before), config, n_done)
    if changed:
        raise ValueError(
            f"The run in '{output}' was begun with other settings: {', '.join(changed)}. Resume with its own config.cfg; only "
            f"{', '.join(FREE)} may change, and length and stages of the run as far as that is to come after its {n_done} steps."
        )


class Run:
    """A run in one process of perhaps several.

    config (Pretraining): Its settings.
    prepared (Prepared): Its text and vocabulary.
    output (Path): Its folder.
    accelerator (accelerate.Accelerator): Its processes and device.
    resume (bool): Go on from the last checkpoint, if there is one.
    """

    def __init__(self, config: Pretraining, prepared: Prepared, output: Path, accelerator: Any, resume: bool) -> None:
        self.config = config
        self.prepared = prepared
        self.output = output
        self.accelerator = accelerator
        torch.manual_seed(config.pretraining.seed)  # for heads that are fresh
        tokenizer = prepared.tokenizer
        network, self.rates = load_network(config.encoder, prepared.old, tokenizer, config.objective.next_sentence)
        longest = max([stage.length for stage in config.stages.values()] + [config.validation.length])
        positions = usable_positions(network.config)
        if longest > positions:
            raise ValueError(f"A block of {longest} wordpieces is longer than the network's {positions} positions.")
        tokenizer.model_max_length = positions
        self.network = network.to(accelerator.device)
        optimizer = make_optimizer(self.network, config.optimizer)
        found = {name: tokens.meta for name, tokens in prepared.sources.items()}
        held_out = {name: tokens.meta for name, tokens in prepared.sets.items()}
        self.progress = Progress()
        checkpoints = step_folders(output) if resume else []
        if checkpoints:
            self.progress = load_checkpoint(checkpoints[-1], self.network, optimizer)
            if not same_text(self.progress.sources, found):
                raise ValueError("The text is not that with which the run was begun. Put it back, or begin a new run.")
            if self.progress.sets and not same_text(self.progress.sets, held_out):
                raise ValueError(
                    "The held-out sets are not those with which the run was begun, and their figures cannot be compared. Put them back, or "
                    "begin a new run."
                )
        self.progress.sources, self.progress.sets = found, held_out
        embeddings, decoder = self.network.get_input_embeddings(), self.network.get_output_embeddings()
        if accelerator.device.type == "cpu" and accelerator.num_processes == 1 and decoder is not None:
            # The decoder's gradient is whole; that of the words of a batch is added to it without zeros for the others.
            embeddings.sparse = decoder.weight is embeddings.weight
        # Before the first step there is nothing to save, and what a checkpoint holds is not written once more.
        self._saved_step = self.progress.step
        self.masked_lm = MaskedLM(self.network)
        self.model, self.optimizer = accelerator.prepare(self.masked_lm, optimizer)
        self.batches = Batches(config, prepared.sources, tokenizer, self.progress.cursors)
        self.characters = torch.from_numpy(piece_characters(tokenizer))
        collator, frame = make_collator(config.objective, tokenizer), Frame(tokenizer)
        self.held_out = {
            name: list(held_out_batches(config, tokens, collator, frame)) for name, tokens in prepared.sets.items()
        }

    def train(self, stop: StopSignals) -> None:
        """Train to the last step, or until the held-out sets get no better, or a signal comes."""
        settings, progress = self.config.pretraining, self.progress
        is_main = self.accelerator.is_main_process
        log = RunLog(self.output, progress.step, settings.max_steps, settings.tensorboard, is_main)
        if progress.step == 0:
            self._validate(log)
        saved = logged = time.monotonic()
        lost: List[torch.Tensor] = []
        pieces = 0
        self.model.train()
        while progress.step < settings.max_steps and not self._is_stale() and not self._is_stopped(stop):
            start = time.monotonic()
            batch = self.batches.batch(progress.step)
            loss, norm, rate = self._step(batch)
            progress.step += 1
            progress.pieces += batch["input_ids"].numel()
            progress.seconds += time.monotonic() - start
            pieces += batch["input_ids"].numel()
            lost.append(loss)
            log.advance()
            if progress.step % settings.log_steps == 0:
                mean = float(self.accelerator.reduce(torch.stack(lost).mean(), reduction="sum"))
                now = time.monotonic()
                values = {"loss": mean, "rate": rate, "norm": float(norm), "pieces_per_second": pieces / (now - logged)}
                log.row(progress.step, "train", values)
                lost, pieces, logged = [], 0, now
            if progress.step % self.config.validation.steps == 0 or progress.step == settings.max_steps:
                before = time.monotonic()
                self._validate(log)
                logged += time.monotonic() - before
            if is_main and (time.monotonic() - saved) / 60 >= settings.checkpoint_minutes:
                self._checkpoint()
                saved = time.monotonic()
        if is_main and self._saved_step != progress.step:
            self._checkpoint()
        log.close()
        if is_main and self.held_out and not progress.best_step and stop.number is None:
            logger.info("No round on the held-out sets was better than that of the base: there is no model-best.")
        if is_main and stop.number is not None:
            logger.info("Stopped behind step %d. Go on with --resume.", progress.step)

    def _is_stale(self) -> bool:
        """Whether so many rounds were no better that training stops early."""
        return 0 < self.config.validation.patience <= self.progress.stale

    def _is_stopped(self, stop: StopSignals) -> bool:
        """Whether a signal came, to any process: they get it at different moments, and all have to stop behind the same step."""
        number = torch.tensor(stop.number or 0, device=self.accelerator.device)
        if self.accelerator.num_processes > 1:
            number = self.accelerator.gather(number.reshape(1)).max()
        stop.number = int(number) or None
        return stop.number is not None

    def _step(self, batch: Dict[str, torch.Tensor]) -> Any:
        """One step of the optimiser. RETURNS: This process' share of the loss, the gradient's norm, the learning rate."""
        settings, step, accelerator = self.config.pretraining, self.progress.step, self.accelerator
        rank, n_processes = accelerator.process_index, accelerator.num_processes
        # Random numbers follow from the step: a run that is resumed needs no state of theirs.
        seed = numpy.random.SeedSequence([settings.seed, step, rank]).generate_state(1)[0]
        torch.manual_seed(int(seed))
        rate = rate_at(step, self.config.optimizer, settings.max_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        # All processes' labels: each loss is a mean over the whole batch, however it is shared out.
        n_labels = max(1, int((batch["labels"] != IGNORED).sum()))
        total = torch.zeros((), device=accelerator.device)
        parts = split_batch(batch, rank, n_processes, settings.max_batch_items)
        for number, part in enumerate(parts):
            inputs = {name: values.to(accelerator.device) for name, values in part.items()}
            with nullcontext() if number == len(parts) - 1 else accelerator.no_sync(self.model):
                with autocast(accelerator.device.type, settings.precision):
                    masked, following = self.model(**inputs)
                loss = masked / n_labels + following / len(batch["input_ids"])
                accelerator.backward(loss * n_processes)  # which takes the mean over processes
            total += loss.detach()
        norm = accelerator.clip_grad_norm_(self.model.parameters(), self.config.optimizer.grad_clip)
        if not torch.isfinite(norm):  # nor would be the weights, of this step and all others
            raise ValueError(
                f"The gradient of step {step + 1} is not finite: training diverged. Begin a new run with a lower learn_rate or more warmup_steps."
            )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return total, norm, rate

    def _validate(self, log: RunLog) -> None:
        progress = self.progress
        if not self.held_out:
            return
        for name, batches in self.held_out.items():
            found = validate(
                self.masked_lm, batches, self.characters, self.config.pretraining.precision, self.accelerator
            )
            progress.figures[name] = found
            log.row(progress.step, name, found)
        mean = sum(found["loss"] for found in progress.figures.values()) / len(progress.figures)
        if progress.best is None or mean < progress.best:
            progress.best, progress.best_step, progress.stale = mean, progress.step, 0
            progress.best_figures = {name: dict(found) for name, found in progress.figures.items()}
            if self.accelerator.is_main_process and progress.step:
                self._save("model-best")
        else:
            progress.stale += 1

    def _checkpoint(self) -> None:
        self._save("model-last")  # first: the checkpoint of the last step says that all is written
        self.progress.cursors = self.batches.cursors
        save_checkpoint(self.output, self.network, self.optimizer, self.progress)
        self._saved_step = self.progress.step

    def _save(self, name: str) -> None:
        card = write_card(self.config, self.prepared, self.progress, self.batches.passes())
        precision = self.config.pretraining.save_precision
        save_model(self.output / name, self.network, self.prepared.tokenizer, self.rates, precision, card)
