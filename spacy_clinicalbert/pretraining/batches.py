"""The batches of a run: which blocks a step has, and what of them is to be predicted. All follows from seed and step, so that
each process makes the whole batch and takes its part of it."""

from typing import Any, Dict, Iterator, List, Optional

import numpy
import torch

from .blocks import Frame, Mixture, pack
from .config import Objective, Pretraining
from .masking import UnitCollator
from .pairs import make_pairs
from .tokens import TokenCache

Batch = Dict[str, torch.Tensor]


def make_collator(objective: Objective, tokenizer: Any) -> UnitCollator:
    return UnitCollator(
        tokenizer=tokenizer,
        mlm_probability=objective.rate,
        units=objective.units,
        concept_weight=objective.concept_weight,
    )


class Batches:
    """Gives the batches of one stage after the other.

    config (Pretraining): The run's.
    sources (Dict[str, TokenCache]): The wordpieces of the training text.
    tokenizer (transformers.PreTrainedTokenizerFast): Knows the special tokens.
    cursors (Dict[str, Dict[str, int]]): Stage → source → blocks given, to go on from.
    """

    def __init__(
        self,
        config: Pretraining,
        sources: Dict[str, TokenCache],
        tokenizer: Any,
        cursors: Optional[Dict[str, Dict[str, int]]] = None,
    ) -> None:
        self.config = config
        self.collator = make_collator(config.objective, tokenizer)
        self.frame = Frame(tokenizer)
        self.stages = list(config.stages.items())
        weights = {name: source.weight for name, source in config.corpus.sources.items()}
        pairs = int(config.objective.next_sentence)  # room for a separator
        self.mixtures = {
            name: Mixture(
                sources,
                weights,
                stage.length - pairs,
                self.frame,
                (config.pretraining.seed, number),
                (cursors or {}).get(name),
            )
            for number, (name, stage) in enumerate(self.stages)
        }

    def stage(self, step: int) -> int:
        """The number of the stage that a step (from 0) belongs to."""
        return next(number for number, end in enumerate(self.config.stage_ends()) if step < end)

    @property
    def cursors(self) -> Dict[str, Dict[str, int]]:
        return {name: dict(mixture.cursors) for name, mixture in self.mixtures.items()}

    def passes(self) -> Dict[str, float]:
        """How often each source was read so far."""
        passes: Dict[str, float] = {}
        for mixture in self.mixtures.values():
            for name, blocks in mixture.blocks.items():
                passes[name] = passes.get(name, 0.0) + mixture.cursors[name] / len(blocks)
        return passes

    def batch(self, step: int) -> Batch:
        """The batch of a step; steps are to be asked for in their order.

        RETURNS (Batch): "input_ids" and "labels" of shape (batch_size, length); for next sentences also "token_type_ids" and
            "next_labels".
        """
        number = self.stage(step)
        name, stage = self.stages[number]
        ids, flags = self.mixtures[name].batch(step, stage.batch_size)
        random = numpy.random.default_rng([self.config.pretraining.seed, number, step, 2])
        self.collator.random = random
        if not self.config.objective.next_sentence:
            return self.collator.mask(ids, flags)
        ids, flags, types, answers = make_pairs(ids, flags, self.frame.separator, random)
        extra = {"token_type_ids": torch.from_numpy(types), "next_labels": torch.from_numpy(answers)}
        return {**self.collator.mask(ids, flags), **extra}


def split_batch(batch: Batch, rank: int, n_processes: int, max_items: int) -> List[Batch]:
    """The part of a batch that is a process', in passes of at most `max_items` positions."""
    part = {name: values[rank::n_processes] for name, values in batch.items()}
    n_blocks, length = part["input_ids"].shape
    size = max(1, max_items // length)
    return [{name: values[i : i + size] for name, values in part.items()} for i in range(0, n_blocks, size)]


def held_out_batches(
    config: Pretraining, tokens: TokenCache, collator: UnitCollator, frame: Frame
) -> Iterator[Dict[str, Any]]:
    """The batches of a held-out set, the same in each round: notes in an order that follows from the seed, packed into blocks, the
    last of which is shorter, with masks that follow from it too.

    YIELDS (Dict[str, Any]): "input_ids" and "labels", and the blocks' "flags".
    """
    random = numpy.random.default_rng([config.pretraining.seed, 3])
    collator.random = random
    ids, flags = pack(tokens, random.permutation(len(tokens)), frame.separator, config.validation.max_pieces)
    body = frame.body(config.validation.length)
    n_whole = len(ids) // body * body
    size = max(1, config.pretraining.max_batch_items // config.validation.length)
    rows = [(ids[:n_whole].reshape(-1, body), flags[:n_whole].reshape(-1, body))] if n_whole else []
    rows += [(ids[n_whole:][None], flags[n_whole:][None])] if n_whole < len(ids) else []
    for some_ids, some_flags in rows:
        for start in range(0, len(some_ids), size):
            closed = frame.close(some_ids[start : start + size], some_flags[start : start + size])
            yield {**collator.mask(*closed), "flags": torch.from_numpy(closed[1])}
