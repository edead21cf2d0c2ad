"""Dropout for training on CPUs. torch draws a number for each element there, one after the other: a tenth of the time of a
training step, and a third with dropout on the attention weights (benchmarks/RESULTS.md)."""

import torch

_LEVELS = 2**16  # a rate is rounded to one of these


class Dropout(torch.nn.Dropout):
    """torch's dropout with four decisions from each random number. On other devices it is torch's own."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n_dropped = round(self.p * _LEVELS)
        if not self.training or n_dropped in (0, _LEVELS) or x.device.type != "cpu":
            return super().forward(x)
        bits = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device).random_(-(2**63), None)
        is_kept = bits.view(torch.int16)[: x.numel()].view(x.shape) >= n_dropped - _LEVELS // 2
        return x * is_kept * (_LEVELS / (_LEVELS - n_dropped))


def replace_dropout(network: torch.nn.Module) -> None:
    """Put this dropout where a network has torch's."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is torch.nn.Dropout:
                setattr(module, name, Dropout(child.p).train(child.training))
