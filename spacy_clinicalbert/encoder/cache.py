"""Vectors of windows that were encoded before."""

import random
from typing import Callable, Dict, List, Optional

import torch
from spacy.language import Language


class WindowCache:
    """Kept vectors by the key of their window (see `batches.Work`), for text that comes again: notes copied forward,
    and every epoch of training heads on a frozen encoder.

    max_pieces (int): The most wordpieces whose vectors are held. What is beyond replaces others at random: the least
        recently used would be just the ones that an epoch over a larger corpus comes to next.
    """

    def __init__(self, max_pieces: int):
        self.max_pieces = max_pieces
        self.clear()

    def clear(self) -> None:
        self.n_pieces = 0
        self._vectors: Dict[bytes, torch.Tensor] = {}
        self._keys: List[bytes] = []
        self._random = random.Random(0)

    def get(self, key: bytes) -> Optional[torch.Tensor]:
        return self._vectors.get(key)

    def put(self, key: bytes, vectors: torch.Tensor) -> None:
        """vectors (torch.Tensor): (n_kept, width); a copy is held."""
        if key in self._vectors or len(vectors) > self.max_pieces:
            return
        while self.n_pieces + len(vectors) > self.max_pieces:
            place = self._random.randrange(len(self._keys))
            self._keys[place], self._keys[-1] = self._keys[-1], self._keys[place]
            self.n_pieces -= len(self._vectors.pop(self._keys.pop()))
        self._keys.append(key)
        self._vectors[key] = vectors.clone()
        self.n_pieces += len(vectors)


def keep_vectors(max_items: int, component: str = "clinicalbert") -> Callable[[Language], Language]:
    """The registered callback `spacy-clinicalbert.keep_vectors.v1`, for `[initialize.after_init]`: while heads train on a frozen encoder, its vectors are made in the
    first pass and kept for those that follow. The pipeline that is saved keeps its own `max_cache_items`.

    max_items (int): The most wordpieces whose vectors are held, each of 4 bytes times the encoder's width. More than the corpus has is no use.
    component (str): The encoder's name in the pipeline.
    RETURNS (Callable[[Language], Language]): What spaCy calls when the pipeline is initialised.
    """
    if max_items < 0:
        raise ValueError(f"max_items of keep_vectors.v1 is {max_items}; set it to 0 or more.")

    def keep(nlp: Language) -> Language:
        from .shim import shim_of

        shim_of(nlp.get_pipe(component).model).cache = WindowCache(max_items)  # type: ignore[attr-defined]
        return nlp

    return keep
