"""The head of a fine-tuned Hugging Face checkpoint: what it is, its weights, its labels."""

from dataclasses import dataclass
from typing import Any, Dict, List, NamedTuple, Optional

import numpy
import torch
from numpy import ndarray
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

from .checkpoints import Checkpoint, load_checkpoint, resolve_name

CLASSES = {
    "ForTokenClassification": AutoModelForTokenClassification,
    "ForSequenceClassification": AutoModelForSequenceClassification,
}


class Parts(NamedTuple):
    """Where a sequence classifier of an architecture has its two layers, and what is between them.

    activation (str): As `pipeline.note_classifier_model.NoteClassifier` takes it; None: the config says it.
    """

    dense: str
    activation: Optional[str]
    output: str = "classifier"


_POOLER = Parts("{base}.pooler.dense", "tanh")
_OWN = Parts("classifier.dense", "tanh", "classifier.out_proj")
# By config.model_type. All read the vector at the first position, and their token classifiers are one layer, "classifier".
PARTS: Dict[str, Parts] = {
    "bert": _POOLER,
    "camembert": _OWN,
    "deberta": Parts("pooler.dense", None),
    "deberta-v2": Parts("pooler.dense", None),
    "distilbert": Parts("pre_classifier", "relu"),
    "electra": _OWN._replace(activation="gelu"),
    "megatron-bert": _POOLER,
    "mpnet": _OWN,
    "roberta": _OWN,
    "xlm-roberta": _OWN,
}


class Layer(NamedTuple):
    """A linear layer: W is (width out, width in), b (width out,), float32."""

    W: ndarray
    b: ndarray


@dataclass
class Head:
    """A checkpoint with its head.

    checkpoint (Checkpoint): What is beneath the head.
    network (transformers.PreTrainedModel): All of it, as Hugging Face's class has it, in float32.
    labels (List[str]): The names of the outputs.
    output (Layer): The last layer.
    dense (Optional[Layer]): The one before, of a classifier of texts; None for one of tokens.
    activation (str): What is between the two.
    exclusive (bool): Whether one label of a text holds, or any number.
    """

    checkpoint: Checkpoint
    network: Any
    labels: List[str]
    output: Layer
    dense: Optional[Layer] = None
    activation: str = "tanh"
    exclusive: bool = True

    def logits(self, text: str) -> ndarray:
        """What Hugging Face's own forward gives for one text.

        RETURNS (ndarray): (n_labels,), or (n_wordpieces, n_labels), special tokens included.
        """
        inputs = self.checkpoint.tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            logits = self.network(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
        return logits[0].numpy()


def load_head(name: str) -> Head:
    """Load a fine-tuned checkpoint.

    name (str): A folder as the hub has it, or a hub id; see `checkpoints.load_checkpoint`.
    RETURNS (Head): Of a token classifier or a sequence classifier.
    RAISES (ValueError): It is not a whole one, or another one than it says; or of an architecture that is not known here.
    """
    checkpoint = load_checkpoint(name)
    config = checkpoint.network.config
    architecture = (config.architectures or ["nothing"])[0]
    ending = next((ending for ending in CLASSES if architecture.endswith(ending)), None)
    if ending is None:
        raise ValueError(
            f"'{name}' has no head that can be imported: as architectures, its config.json has {architecture}, not one that ends "
            f"in {' or '.join(CLASSES)}. If it has such a head, say so there."
        )
    if config.model_type not in PARTS:
        raise ValueError(
            f"The head of '{name}' is one of a '{config.model_type}' network, which cannot be imported yet. Those of "
            f"{', '.join(PARTS)} can."
        )
    network = _load_network(name, architecture, CLASSES[ending])
    labels = [network.config.id2label.get(i) for i in range(network.config.num_labels)]
    if None in labels or len(set(labels)) < len(labels):
        raise ValueError(
            f"'{name}' contradicts itself: id2label in its config.json should have a name of its own for each number from 0 to "
            f"{len(labels) - 1}, and has {', '.join(f'{i}: {label}' for i, label in network.config.id2label.items())}."
        )
    if ending == "ForTokenClassification":
        return Head(checkpoint, network, labels, _layer(network, "classifier"))
    parts = PARTS[config.model_type]
    return Head(
        checkpoint,
        network,
        labels,
        output=_layer(network, parts.output),
        dense=_layer(network, parts.dense.format(base=network.base_model_prefix)),
        activation=parts.activation or config.pooler_hidden_act,
        exclusive=_is_exclusive(name, network.config),
    )


def _load_network(name: str, architecture: str, auto: Any) -> Any:
    source, _, options = resolve_name(name, None, False)
    network, info = auto.from_pretrained(
        source,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # they are told below, by name
        weights_only=True,
        trust_remote_code=False,
        **options,
    )
    if type(network).__name__ != architecture:
        raise ValueError(
            f"'{name}' contradicts itself: its config.json says {architecture}, and that its model_type is "
            f"'{network.config.model_type}', whose head is {type(network).__name__}. A head with code of its own cannot be imported."
        )
    # transformers has had keys alone, and keys with shapes.
    mismatched = [key if isinstance(key, str) else key[0] for key in info["mismatched_keys"]]
    if mismatched:
        raise ValueError(
            f"'{name}' contradicts itself: config.json names {network.config.num_labels} labels, and '{sorted(mismatched)[0]}' of its "
            "weights has another shape. Give id2label in config.json a name for each output of the classifier."
        )
    missing = [key for key in info["missing_keys"] if "position_ids" not in key]
    if missing:
        raise ValueError(
            f"'{name}' is not a whole {architecture}: {len(missing)} weights are missing, such as '{missing[0]}'. A checkpoint that "
            "was only pretrained has no head. Take the one that was fine-tuned, and check that config.json and the weights belong "
            "together."
        )
    # A token classifier does not read its base's pooler.
    strange = [key for key in info["unexpected_keys"] if "pooler" not in key and "position_ids" not in key]
    if strange:
        raise ValueError(
            f"'{name}' has weights that no {architecture} has, such as '{strange[0]}': it would give other results without them. "
            "It is not what its config.json says, and cannot be imported."
        )
    return network.float().eval()


def _layer(network: Any, path: str) -> Layer:
    layer = network.get_submodule(path)
    W, b = (each.detach().cpu().numpy().astype("f") for each in (layer.weight, layer.bias))
    return Layer(numpy.ascontiguousarray(W), b)


def _is_exclusive(name: str, config: Any) -> bool:
    if config.problem_type == "regression" or (config.problem_type is None and config.num_labels == 1):
        raise ValueError(
            f"The head of '{name}' gives a number (regression), not probabilities of categories, and cannot be imported. If it is one "
            'category that was trained with a sigmoid, set problem_type = "multi_label_classification" in its config.json.'
        )
    return config.problem_type != "multi_label_classification"
