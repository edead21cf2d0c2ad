"""What is peculiar to some of transformers' types of networks."""

from typing import Any

# Position embeddings of these start behind the padding index (fairseq's habit), so that fewer can be used.
_OFFSET_POSITIONS = {
    "camembert",
    "data2vec-text",
    "esm",
    "ibert",
    "lilt",
    "longformer",
    "luke",
    "mpnet",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
}
# Padding comes in by a convolution, or counts among the landmarks and hashes of approximate attention.
_SEE_PADDING = {"convbert", "nystromformer", "yoso"}


def usable_positions(config: Any) -> int:
    """RETURNS (int): The longest input of a network in wordpieces, special tokens included."""
    positions = getattr(config, "max_position_embeddings", None) or 512
    if config.model_type in _OFFSET_POSITIONS:
        positions -= (config.pad_token_id or 0) + 1
    return positions


def sees_padding(config: Any) -> bool:
    """RETURNS (bool): Whether the vectors of a window depend on the padding beside it, for all its mask: then a pass must have none."""
    return config.model_type in _SEE_PADDING
