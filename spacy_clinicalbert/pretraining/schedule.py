"""The optimiser and its learning rate."""

import math
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from .config import Optimizer


def make_optimizer(network: Any, settings: "Optimizer") -> torch.optim.Optimizer:
    """AdamW; biases and the scales of layer norms do not decay."""
    weights = [each for each in network.parameters() if each.requires_grad]
    groups = [
        {"params": [each for each in weights if each.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [each for each in weights if each.ndim <= 1], "weight_decay": 0.0},
    ]
    betas = (settings.beta1, settings.beta2)
    return torch.optim.AdamW(groups, lr=settings.learn_rate, betas=betas, eps=settings.eps, fused=True)


def rate_at(step: int, settings: "Optimizer", n_steps: int) -> float:
    """The learning rate of a step, from 0. It depends on nothing else, so it has no state."""
    if step < settings.warmup_steps:
        return settings.learn_rate * (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(1, n_steps - settings.warmup_steps)
    if settings.schedule == "constant":
        return settings.learn_rate * min(1.0, (n_steps - step) / max(1, settings.decay_steps))
    if settings.schedule == "linear":
        return settings.learn_rate * (1 - done)
    return settings.learn_rate * (1 + math.cos(math.pi * done)) / 2
