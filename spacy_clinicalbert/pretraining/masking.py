"""Dynamic masking: which wordpieces of a batch are to be predicted, and what the network sees in their place."""

from dataclasses import dataclass, field
from typing import Any, Dict, List

import numpy
import torch
from transformers import DataCollatorForLanguageModeling

from .tokens import CONCEPT, CONCEPT_START, HOLE, SPECIAL, WORD

IGNORED = -100  # the label of what is not to be predicted


@dataclass
class UnitCollator(DataCollatorForLanguageModeling):
    """Hugging Face's collator, choosing whole units: wordpieces, words, or words and clinical concepts. Of what is chosen 80 %
    becomes [MASK], 10 % another wordpiece, 10 % stays (Devlin et al. 2019, arXiv 1810.04805). Its own choice is of
    wordpieces alone, and DataCollatorForWholeWordMask's loops in Python over the words of BERT's vocabulary only.

    units (str): "wordpieces", "words" or "concepts".
    concept_weight (float): How many times as often a concept is chosen as a word.
    random (numpy.random.Generator): Makes the choices.
    """

    mlm_probability: float = 0.15
    units: str = "words"
    concept_weight: float = 3.0
    random: numpy.random.Generator = field(default_factory=numpy.random.default_rng)

    def __post_init__(self) -> None:
        super().__post_init__()
        special = set(self.tokenizer.all_special_ids)
        self._ordinary = numpy.array([i for i in range(len(self.tokenizer)) if i not in special])

    def torch_call(self, examples: List[Any]) -> Dict[str, torch.Tensor]:
        """Make a batch of blocks of one length.

        examples (List[Any]): Dicts, each with "input_ids" and "flags".
        RETURNS (Dict[str, torch.Tensor]): "input_ids" and "labels".
        """
        ids = numpy.stack([example["input_ids"] for example in examples])
        return self.mask(ids, numpy.stack([example["flags"] for example in examples]))

    def mask(self, ids: numpy.ndarray, flags: numpy.ndarray) -> Dict[str, torch.Tensor]:
        """See `torch_call`; ids and flags are of shape (n_blocks, length)."""
        targets = choose_targets(flags, self.mlm_probability, self.units, self.concept_weight, self.random)
        labels = numpy.where(targets, ids, IGNORED)
        fate = self.random.random(ids.shape)
        ids = numpy.where(targets & (fate < 0.8), self.tokenizer.mask_token_id, ids)
        others = self._ordinary[self.random.integers(len(self._ordinary), size=ids.shape)]
        ids = numpy.where(targets & (fate >= 0.9), others, ids)
        return {"input_ids": torch.from_numpy(ids), "labels": torch.from_numpy(labels)}


def unit_starts(flags: numpy.ndarray, units: str) -> numpy.ndarray:
    """Where units begin, of the flags' shape (n_blocks, length). A unit ends at its block's end."""
    if units == "wordpieces":
        return numpy.ones(flags.shape, dtype=bool)
    starts = flags & WORD > 0
    if units == "concepts":
        inside = flags & CONCEPT > 0
        starts = (starts & ~inside) | (flags & CONCEPT_START > 0)
        starts[:, 1:] |= inside[:, :-1] & ~inside[:, 1:]
    starts[:, 0] = True
    starts[:, 1:] |= flags[:, :-1] & SPECIAL > 0  # a word that goes on from the block before
    return starts


def choose_targets(
    flags: numpy.ndarray,
    rate: float,
    units: str,
    concept_weight: float,
    random: numpy.random.Generator,
) -> numpy.ndarray:
    """Choose units until a share of each block's wordpieces is chosen, as near as whole units come to it.

    flags (numpy.ndarray): Of shape (n_blocks, length). Units with a special token or a hole are never chosen.
    rate (float): The share, of wordpieces that could be chosen.
    units (str): "wordpieces", "words" or "concepts".
    concept_weight (float): Weight of a concept in drawing without replacement (Efraimidis and Spirakis 2006).
    random (numpy.random.Generator): Makes the choice.
    RETURNS (numpy.ndarray): True for the wordpieces to predict, of the flags' shape.
    """
    n_blocks, length = flags.shape
    unit = numpy.cumsum(unit_starts(flags, units)) - 1  # of each wordpiece, counted over all blocks
    first = numpy.flatnonzero(numpy.diff(unit, prepend=-1))
    row = first // length
    size = numpy.bincount(unit)
    barred = numpy.bincount(unit, weights=(flags & (SPECIAL | HOLE) > 0).ravel()) > 0
    size[barred] = 0
    weight: Any = 1.0
    if units == "concepts":
        weight = numpy.where(flags.ravel()[first] & CONCEPT > 0, concept_weight, 1.0)
    key = numpy.log(random.random(len(first))) / weight
    key[barred] = -numpy.inf
    order = numpy.lexsort((-key, row))
    ends = numpy.cumsum(size[order])
    per_block = numpy.bincount(row, weights=size, minlength=n_blocks)
    before = (
        ends - size[order] - numpy.repeat(numpy.cumsum(per_block) - per_block, numpy.bincount(row, minlength=n_blocks))
    )
    chosen = numpy.zeros(len(first), dtype=bool)
    chosen[order] = before + size[order] / 2 <= rate * per_block[row[order]]
    return (chosen & ~barred)[unit].reshape(flags.shape)
