"""The network that is pretrained: any Hugging Face encoder with its masked-language-model head, computed where there is
something to predict only."""

import logging
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import torch
from torch.nn.functional import cross_entropy
from transformers import AutoConfig, AutoModelForMaskedLM, AutoModelForPreTraining

from ..encoder.checkpoints import resolve_name, without_warnings
from ..encoder.dropout import replace_dropout
from ..encoder.trust import check_layers, check_sizes
from .config import Encoder
from .masking import IGNORED
from .vocabulary import old_pieces

logger = logging.getLogger(__name__)

_DROPOUT = ("hidden_dropout_prob", "dropout", "hidden_dropout", "embedding_dropout", "mlp_dropout")
_ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")


def load_network(
    encoder: Encoder, old: Optional[Any], new: Any, next_sentence: bool = False
) -> Tuple[Any, Dict[str, Any]]:
    """Load the network that training starts from, with rows for the new vocabulary.

    encoder (Encoder): Which one.
    old (Optional[transformers.PreTrainedTokenizerFast]): Its tokenizer; None where it starts from nothing.
    new (transformers.PreTrainedTokenizerFast): The tokenizer to train with.
    next_sentence (bool): With a head for the next sentence.
    RETURNS (Tuple[transformers.PreTrainedModel, Dict[str, Any]]): The network, and the dropout rates of its config, which are not
        those of the pretraining. A head that the checkpoint lacks is fresh, with its decoder tied to the embeddings.
    RAISES (ValueError): The checkpoint is incomplete, or its kind has no head for the objective.
    """
    auto = AutoModelForPreTraining if next_sentence else AutoModelForMaskedLM
    source = ""
    options: Dict[str, Any] = {}
    if encoder.name is not None:
        source, _, options = resolve_name(encoder.name, encoder.revision, encoder.local_files_only)
        options["trust_remote_code"] = False
        config = AutoConfig.from_pretrained(source, **options)
        if Path(source).is_dir():
            check_sizes(config, Path(source))
    else:
        _check_names(encoder.config or {})
        named = {"pad_token_id": new.pad_token_id, "vocab_size": len(new)}
        config = AutoConfig.for_model(**{**(encoder.config or {}), **named})
    rates = {name: getattr(config, name) for name in (*_DROPOUT, *_ATTENTION_DROPOUT) if hasattr(config, name)}
    set_dropout(config, encoder.dropout, encoder.attention_dropout)
    # On CPUs plain products for attention train faster than torch's fused ones (benchmarks/RESULTS.md).
    attention = None if torch.cuda.is_available() else "eager"
    try:
        with without_warnings():
            if encoder.name is None:
                network = auto.from_config(config, attn_implementation=attention)
            else:
                network, info = auto.from_pretrained(
                    source,
                    config=config,
                    attn_implementation=attention,
                    weights_only=True,
                    output_loading_info=True,
                    **options,
                )
                _check(encoder.name, network, info)
    except (OSError, ValueError) as error:
        raise ValueError(f"The encoder '{source or config.model_type}' cannot be pretrained: {error}") from None
    if next_sentence and not hasattr(getattr(network, "cls", None), "seq_relationship"):
        raise ValueError(f"next_sentence = true wants a BERT; a {config.model_type} has no head for the next sentence.")
    if old is not None and old.get_vocab() != new.get_vocab():
        replace_rows(network, old_pieces(old, new))
        network.config.pad_token_id = new.pad_token_id
    replace_dropout(network)
    return network.float(), rates


def set_dropout(config: Any, dropout: Optional[float], attention_dropout: Optional[float]) -> None:
    """Set the rates that a config has, by whatever name; None leaves them."""
    for names, rate in ((_DROPOUT, dropout), (_ATTENTION_DROPOUT, attention_dropout)):
        for name in names:
            if rate is not None and hasattr(config, name):
                setattr(config, name, rate)


def _check_names(config: Dict[str, Any]) -> None:
    """transformers takes any name, and leaves the setting that was meant as it is."""
    known = AutoConfig.for_model(config["model_type"])
    unknown = [name for name in config if not hasattr(known, name)]
    if unknown:
        raise ValueError(f"[encoder.config] has what a {known.model_type} does not know: {', '.join(unknown)}.")


def _check(name: str, network: Any, info: Dict[str, Any]) -> None:
    missing = [key for key in info["missing_keys"] if "position_ids" not in key]
    body = [key for key in missing if key.startswith(network.base_model_prefix + ".") and "pooler" not in key]
    if body or info["mismatched_keys"]:
        raise ValueError(
            f"it lacks, or has in another shape, {len(body) + len(info['mismatched_keys'])} weights. Check that config.json and "
            "the weights belong together"
        )
    check_layers(network, info, name)
    if missing:
        logger.warning("'%s' has no head for masked wordpieces: a fresh one is trained, tied to the embeddings.", name)


def replace_rows(network: Any, pieces: List[List[int]]) -> None:
    """Give a network rows for another vocabulary: each the mean of the rows that its wordpiece was cut into before, or of all rows
    where there is none. The same for the bias of the head's decoder.

    pieces (List[List[int]]): For each new wordpiece the old ids.
    """
    everything = list(range(network.get_input_embeddings().weight.shape[0]))
    flat = torch.tensor([i for row in pieces for i in (row or everything)])
    lengths = torch.tensor([len(row or everything) for row in pieces])
    offsets = torch.cumsum(lengths, 0) - lengths

    def means(weights: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.embedding_bag(flat, weights, offsets, mode="mean")

    inputs, outputs = network.get_input_embeddings(), network.get_output_embeddings()
    with torch.no_grad():
        rows = means(inputs.weight.detach())
        tied = outputs is None or outputs.weight is inputs.weight
        decoder = None if tied else means(outputs.weight.detach())
        bias = None if outputs is None or outputs.bias is None else means(outputs.bias.detach()[:, None])[:, 0]
        network.resize_token_embeddings(len(pieces), mean_resizing=False)
        network.tie_weights()
        network.get_input_embeddings().weight.copy_(rows)
        outputs = network.get_output_embeddings()
        if decoder is not None:
            outputs.weight.copy_(decoder)
        if bias is not None:
            outputs.bias.copy_(bias)


class MaskedLM(torch.nn.Module):
    """A network whose head sees the positions with a label only: its scores over the vocabulary cost as much as six layers
    of MiniLM, and 85 % of them would be thrown away. The encoder's output is cut by a hook, so that any head may follow.

    network (transformers.PreTrainedModel): With a masked-language-model head.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self._positions: Optional[torch.Tensor] = None
        network.base_model.register_forward_hook(self._select)

    def _select(self, _module: Any, _inputs: Any, output: Any) -> Any:
        if self._positions is not None:
            hidden = output.last_hidden_state
            output.last_hidden_state = hidden.reshape(-1, hidden.shape[-1])[self._positions][None]
        return output

    def predict(
        self, input_ids: torch.Tensor, labels: torch.Tensor, **inputs: torch.Tensor
    ) -> Tuple[torch.Tensor, Any]:
        """RETURNS (Tuple[torch.Tensor, Any]): Scores of shape (n_labels, n_vocabulary), and all that the network puts out."""
        self._positions = (labels.reshape(-1) != IGNORED).nonzero()[:, 0]
        try:
            output = self.network(input_ids=input_ids, return_dict=True, **inputs)
        finally:
            positions, self._positions = self._positions, None
        logits = output["prediction_logits" if "prediction_logits" in output else "logits"]
        if logits.shape[:2] != (1, len(positions)):
            raise ValueError(
                f"The head of a {self.network.config.model_type} does not follow its encoder's last hidden state."
            )
        return logits[0], output

    def forward(
        self,
        input_ids: torch.Tensor,
        labels: torch.Tensor,
        next_labels: Optional[torch.Tensor] = None,
        **inputs: torch.Tensor,
    ) -> Tuple[torch.Tensor, torch.Tensor]:
        """RETURNS (Tuple[torch.Tensor, torch.Tensor]): Sums, over labels and over blocks, of the losses of masked wordpieces and
        next sentences."""
        logits, output = self.predict(input_ids, labels, **inputs)
        loss = cross_entropy(logits.float(), labels[labels != IGNORED], reduction="sum")
        if next_labels is None:
            return loss, torch.zeros_like(loss)
        scores = output.seq_relationship_logits.float()
        return loss, cross_entropy(scores, next_labels, reduction="sum")
