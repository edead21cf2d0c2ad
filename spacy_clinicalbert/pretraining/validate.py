"""How well the network predicts masked wordpieces of held-out notes, with the same masks each time."""

import math
from typing import Any, Dict, List

import torch
from torch.nn.functional import cross_entropy

from ..encoder.engines import autocast
from .masking import IGNORED
from .model import MaskedLM
from .tokens import CONCEPT, WORD

_SUMS = ("loss", "targets", "correct", "terms", "terms_correct", "characters", "words")


def validate(
    model: MaskedLM, batches: List[Dict[str, Any]], characters: torch.Tensor, precision: str, accelerator: Any
) -> Dict[str, float]:
    """Measure one held-out set, shared out to the processes.

    model (MaskedLM): Not wrapped for several processes.
    batches (List[Dict[str, Any]]): Of `batches.held_out_batches`.
    characters (torch.Tensor): Of each wordpiece, of shape (n_vocabulary,).
    precision (str): As in training.
    accelerator (accelerate.Accelerator): Sums up what the processes find.
    RETURNS (Dict[str, float]): "loss" (nats a masked wordpiece), "perplexity" (its exponential), "accuracy", "term_accuracy" (of
        wordpieces in clinical concepts, nan where the set has none), and, to compare vocabularies by, "bits_per_character" of what was
        masked and "loss_per_word"; "targets", how many wordpieces were masked.
    """
    was_training = model.training
    model.eval()
    sums = torch.zeros(len(_SUMS), dtype=torch.float64)
    for batch in batches[accelerator.process_index :: accelerator.num_processes]:
        ids, labels = batch["input_ids"].to(accelerator.device), batch["labels"].to(accelerator.device)
        with torch.no_grad(), autocast(accelerator.device.type, precision):
            logits, _ = model.predict(ids, labels)
        targets = batch["labels"][batch["labels"] != IGNORED]
        flags = batch["flags"][batch["labels"] != IGNORED]
        logits = logits.float().cpu()
        correct = logits.argmax(-1) == targets
        term = flags & CONCEPT > 0
        sums += torch.tensor(
            [
                float(cross_entropy(logits, targets, reduction="sum")),
                len(targets),
                int(correct.sum()),
                int(term.sum()),
                int((correct & term).sum()),
                int(characters[targets].sum()),
                int((flags & WORD > 0).sum()),
            ],
            dtype=torch.float64,
        )
    model.train(was_training)
    found = dict(zip(_SUMS, accelerator.reduce(sums.to(accelerator.device), reduction="sum").tolist()))
    loss = found["loss"] / max(found["targets"], 1)
    return {
        "loss": loss,
        "perplexity": math.exp(loss) if loss < 700 else math.inf,  # beyond, Python raises
        "accuracy": found["correct"] / max(found["targets"], 1),
        "term_accuracy": found["terms_correct"] / found["terms"] if found["terms"] else math.nan,
        "bits_per_character": found["loss"] / math.log(2) / max(found["characters"], 1),
        "loss_per_word": found["loss"] / max(found["words"], 1),
        "targets": found["targets"],
    }
