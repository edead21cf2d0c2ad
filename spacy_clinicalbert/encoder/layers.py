"""What fine-tuning does with a network's layers: freezes the lower ones, lets them learn more slowly, begins the upper ones anew."""

from functools import partial
from typing import Any, Callable, Dict, List

import torch
from spacy.language import Language


def find_layers(network: Any, wanted: str, n_layers: int) -> Any:
    """The layers of a network, the lowest first.

    wanted (str): The setting that wants them, for the error.
    n_layers (int): How many it wants.
    RETURNS (torch.nn.ModuleList): All layers.
    RAISES (ValueError): There are fewer.
    """
    stacks = [module for module in network.modules() if isinstance(module, torch.nn.ModuleList)]
    layers = next((stack for stack in stacks if len(stack) == network.config.num_hidden_layers), None)
    if layers is None or not 0 <= n_layers <= len(layers):
        raise ValueError(
            f"{wanted} = {n_layers}, and the network has {0 if layers is None else len(layers)} layers. To freeze the whole "
            "encoder, name the component in [training] frozen_components."
        )
    return layers


def freeze_layers(network: Any, n_layers: int) -> None:
    """Keep the lowest layers of a network, and the embeddings under them, from training; the others train.

    n_layers (int): How many; 0 trains everything.
    RAISES (ValueError): The network has fewer.
    """
    network.requires_grad_(True)
    if n_layers == 0:
        return
    layers = find_layers(network, "n_frozen_layers", n_layers)
    for module in [*_embeddings(network, layers), *layers[:n_layers]]:
        module.requires_grad_(False)


def reset_layers(network: Any, n_layers: int) -> None:
    """Begin the uppermost layers anew, as Zhang et al. (ICLR 2021, "Revisiting Few-sample BERT Fine-tuning") do: what they learned in
    pretraining is close to its objective, and can be in the way of another.

    n_layers (int): How many.
    RAISES (ValueError): The network has fewer.
    """
    if n_layers == 0:
        return
    layers = find_layers(network, "n_fresh_layers", n_layers)
    # What BERT and its kin begin with, where a config names no other.
    spread = getattr(network.config, "initializer_range", 0.02)
    for layer in layers[len(layers) - n_layers :]:
        for module in layer.modules():
            if isinstance(module, torch.nn.Linear):
                torch.nn.init.normal_(module.weight, std=spread)
                if module.bias is not None:
                    torch.nn.init.zeros_(module.bias)
            elif isinstance(module, torch.nn.LayerNorm):
                module.reset_parameters()


def layer_scales(network: Any, decay: float) -> Dict[str, float]:
    """Factors on the learning rate, less for lower layers: decay to the power of the layers above (Howard and Ruder, ACL 2018).

    decay (float): 1 for the same rate everywhere.
    RETURNS (Dict[str, float]): Name of a parameter → factor; 1 where it is not here. The embeddings are below the lowest layer.
    RAISES (ValueError): The layers cannot be found.
    """
    if decay == 1:
        return {}
    layers = find_layers(network, "layer_decay, layers", 1)
    factors = {
        id(weights): decay ** len(layers) for module in _embeddings(network, layers) for weights in module.parameters()
    }
    for below, layer in enumerate(reversed(layers)):
        factors.update({id(weights): decay**below for weights in layer.parameters()})
    return {name: factors[id(weights)] for name, weights in network.named_parameters() if id(weights) in factors}


def _embeddings(network: Any, layers: Any) -> List[Any]:
    """What every layer reads: the embeddings beneath, and, beside the layers, those of relative positions with their norm
    (DeBERTa, MPNet). A norm alone beside the layers is above them (Megatron, XLM-RoBERTa-XL)."""
    beneath = [module for name, module in network.named_children() if name.startswith("embed")]
    holder = next(module for module in network.modules() if any(child is layers for child in module.children()))
    beside = [child for child in holder.children() if child is not layers]
    if holder is not network and any(isinstance(child, torch.nn.Embedding) for child in beside):
        beneath.extend(beside)
    return beneath


def unfreeze_gradually(
    steps_per_layer: int, component: str = "clinicalbert"
) -> Callable[[Language, Dict[str, Any]], None]:
    """The registered callback `spacy-clinicalbert.unfreeze_gradually.v1`, for `[training.before_update]`: all layers begin frozen, and
    from the uppermost down one more learns every so many steps (Howard and Ruder, ACL 2018); the embeddings with the lowest. Those that
    the encoder's `n_frozen_layers` freezes stay so.

    steps_per_layer (int): Updates before the next layer learns.
    component (str): The encoder's name in the pipeline.
    RETURNS (Callable[[Language, Dict[str, Any]], None]): What spaCy calls before each update.
    """
    if steps_per_layer < 1:
        raise ValueError(f"steps_per_layer is at least 1, not {steps_per_layer}.")
    return partial(_unfreeze, steps_per_layer, component)


def _unfreeze(steps_per_layer: int, component: str, nlp: Language, state: Dict[str, Any]) -> None:
    from .shim import shim_of

    shim = shim_of(nlp.get_pipe(component).model)  # type: ignore[attr-defined]
    n_layers = shim.network.config.num_hidden_layers
    shim.freeze(max(0, n_layers - state["step"] // steps_per_layer))
