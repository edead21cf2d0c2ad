"""Names for the weights of a pipeline. Thinc keys them by ids, which are others in every process."""

from hashlib import sha256
from typing import Any, Dict, Optional, Tuple, cast

import numpy
from spacy.language import Language
from thinc.api import Model
from thinc.shims import Shim

from ..encoder.shim import EncoderShim

Key = Tuple[int, str]  # as an optimiser gets it: id of a node or shim, and the parameter's name


class NodePaths:
    """The nodes of a pipeline's models by paths that are the same in every process: the component's name, and the node's place in the
    walk of its model, "clinical_ner/3"; for a shim, which of the node's it is too, "clinicalbert/0.0".

    nlp (Language): The pipeline, initialised.
    """

    def __init__(self, nlp: Language) -> None:
        self.nodes: Dict[str, Model] = {}
        self.shims: Dict[str, Shim] = {}
        for name, pipe in nlp.components:
            model = getattr(pipe, "model", None)
            for i, node in enumerate(model.walk() if isinstance(model, Model) else ()):
                self.nodes[f"{name}/{i}"] = node
                self.shims.update({f"{name}/{i}.{j}": shim for j, shim in enumerate(node.shims)})
        self._by_node = {node.id: path for path, node in self.nodes.items()}
        self._by_shim = {shim.id: path for path, shim in self.shims.items()}

    def path(self, key: Key) -> Optional[str]:
        """The path of a parameter, "clinical_ner/3/W"; None where the pipeline does not have it (any more)."""
        number, name = key
        node = self._by_node.get(number)
        # Nodes and shims count their ids apart.
        if node is None or name not in self.nodes[node].param_names:
            node = self._by_shim.get(number)
        return None if node is None else f"{node}/{name}"

    def key(self, path: str) -> Key:
        """The key of a parameter in this process.

        RAISES (KeyError): The pipeline has no such node.
        """
        node, name = path.rsplit("/", 1)
        return (self.nodes[node].id if node in self.nodes else self.shims[node].id), name

    def weights(self) -> Dict[str, numpy.ndarray]:
        """RETURNS (Dict[str, ndarray]): Path → what the models have learned. They can share memory with the models."""
        found: Dict[str, numpy.ndarray] = {}
        for path, node in self.nodes.items():
            found.update(
                {f"{path}/{n}": node.ops.to_numpy(node.get_param(n)) for n in node.param_names if node.has_param(n)}
            )
        for path, shim in self.shims.items():
            if isinstance(shim, EncoderShim):
                tensors: Dict[str, Any] = shim.network.state_dict()
                found.update({f"{path}/{name}": tensor.cpu().numpy() for name, tensor in tensors.items()})
            else:
                found[f"{path}/bytes"] = numpy.frombuffer(shim.to_bytes(), dtype="uint8")
        return found

    def tokenizers(self) -> Dict[str, str]:
        """RETURNS (Dict[str, str]): Path of each encoder → a digest of its tokenizer: what the wordpieces are that its weights know."""
        return {
            path: sha256(shim.checkpoint.tokenizer.backend_tokenizer.to_str().encode()).hexdigest()[:16]
            for path, shim in self.shims.items()
            if isinstance(shim, EncoderShim)
        }

    def set_weights(self, weights: Dict[str, numpy.ndarray]) -> None:
        """Give the models what `weights` gave, in the memory that they have: results can differ in the last bit with how an array
        lies in it.

        weights (Dict[str, ndarray]): Path → array.
        RAISES (KeyError, ValueError): The pipeline's weights are others, or of other shapes.
        """
        for path, node in self.nodes.items():
            for name in node.param_names:
                if node.has_param(name):
                    own: Any = node.get_param(name)
                    given = weights[f"{path}/{name}"]
                    if given.shape != own.shape:  # one row would be copied to all
                        raise ValueError(f"{path}/{name} is of shape {own.shape}, not {given.shape}")
                    own[...] = node.ops.asarray(cast(Any, given))
        for path, shim in self.shims.items():
            if isinstance(shim, EncoderShim):
                prefix = f"{path}/"
                shim.set_weights({key[len(prefix) :]: weights[key] for key in weights if key.startswith(prefix)})
            else:
                shim.from_bytes(weights[f"{path}/bytes"].tobytes())
