"""What a checkpoint from elsewhere must not do: declare more than its weights hold, or less."""

import re
from pathlib import Path
from typing import Any, Dict

_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_LAYER = re.compile(r"(?:^|\.)layers?\.(\d+)\.")


def check_sizes(config: Any, folder: Path) -> None:
    """Refuse, before memory is taken for it, a network that is larger than its weights.

    config (transformers.PretrainedConfig): The network's.
    folder (Path): Where its weights are.
    RAISES (ValueError): The sizes in config.json ask for more weights than the files have bytes.
    """
    n_bytes = sum(path.stat().st_size for pattern in _WEIGHTS for path in folder.glob(pattern) if path.is_file())
    declared = least_weights(config)
    if n_bytes and declared > n_bytes:
        raise ValueError(
            f"'{folder}' contradicts itself: the sizes in its config.json make a network of at least {declared:,} weights, and its "
            f"files of weights have {n_bytes:,} bytes. Take the config.json that belongs to these weights."
        )


def least_weights(config: Any) -> int:
    """A lower bound of a network's weights: its words, positions, and the layers' attention and feed-forward part.

    config (transformers.PretrainedConfig): ALBERT's layers, which share weights, are counted once a group.
    """
    width = config.hidden_size
    words = getattr(config, "embedding_size", width)
    n_layers = getattr(config, "num_hidden_groups", config.num_hidden_layers)
    inner = getattr(config, "intermediate_size", 0) or getattr(config, "hidden_dim", 0)
    types = getattr(config, "type_vocab_size", 0)
    positions = getattr(config, "max_position_embeddings", 0) if has_position_table(config) else 0
    return (config.vocab_size + types + positions) * words + n_layers * (4 * width * width + 2 * width * inner)


def has_position_table(config: Any) -> bool:
    """Whether a network learns a vector for each position; others rotate, or know distances alone."""
    if hasattr(config, "rope_theta") or hasattr(config, "global_rope_theta"):
        return False
    return bool(getattr(config, "position_biased_input", True))


def check_layers(network: Any, info: Dict[str, Any], source: str) -> None:
    """Refuse weights of layers that the network does not have: it would run, with a part of itself.

    network (transformers.PreTrainedModel): As it was loaded.
    info (Dict[str, Any]): What loading said, with `output_loading_info`.
    source (str): The checkpoint's name, for the error.
    RAISES (ValueError): config.json declares fewer layers than the weights have.
    """
    parts = {name for name, _ in network.base_model.named_children()}
    keys = [key.removeprefix(f"{network.base_model_prefix}.") for key in info["unexpected_keys"]]
    n_layers = network.config.num_hidden_layers
    found = [(key, _LAYER.search(key)) for key in keys if key.split(".")[0] in parts]
    lost = [key for key, layer in found if layer and int(layer[1]) >= n_layers]
    if lost:
        raise ValueError(
            f"'{source}' contradicts itself: its config.json declares {n_layers} layers, its weights have more, "
            f"such as '{lost[0]}'. Take the config.json that belongs to these weights; to use fewer layers on purpose, save such a network first."
        )
