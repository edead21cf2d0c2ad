"""A Hugging Face network as a function of wordpiece ids."""

import inspect
from typing import Any, Optional

import torch
from transformers import AutoModel


def last_hidden_state(
    network: torch.nn.Module, ids: torch.Tensor, mask: torch.Tensor, types: Optional[torch.Tensor] = None
) -> torch.Tensor:
    """Run a Hugging Face network.

    ids, mask (torch.Tensor): int64, (n_windows, length).
    types (Optional[torch.Tensor]): Token types, of the same shape, for a network that has them.
    RETURNS (torch.Tensor): float32, (n_windows, length, width).
    """
    inputs = {"input_ids": ids, "attention_mask": mask}
    if types is not None and takes_types(network):
        inputs["token_type_ids"] = types
    return network(**inputs, return_dict=True).last_hidden_state.float()


def takes_types(network: Any) -> bool:
    """Whether a network tells a first text from a second by token types."""
    has_two = (getattr(network.config, "type_vocab_size", None) or 0) > 1
    return has_two and "token_type_ids" in inspect.signature(network.forward).parameters


def twin(network: Any, attention: Optional[str] = None) -> torch.nn.Module:
    """The same network over the same weights, so that neither mode nor casts reach the one that trains.

    attention (Optional[str]): transformers' attn_implementation. None takes what it takes by default (the one that trains is set for training).
    RETURNS (torch.nn.Module): In the mode for prediction.
    """
    config = type(network.config).from_dict(network.config.to_dict())
    kind = {} if attention is None else {"attn_implementation": attention}
    with torch.device("meta"):
        twin = AutoModel.from_config(config, **kind)
    twin.load_state_dict(network.state_dict(), assign=True)
    # Buffers that are not saved, such as the positions, have no values yet.
    for name, buffer in network.named_buffers():
        owner, _, attribute = name.rpartition(".")
        setattr(twin.get_submodule(owner), attribute, buffer)
    return twin.eval()
