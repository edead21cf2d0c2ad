"""Batches for training."""

from functools import lru_cache
from typing import Any, Callable, Dict, Iterable, List, Optional

from spacy.training import Example
from spacy.training.batchers import minibatch_by_words

Batcher = Callable[[Iterable[Example]], Iterable[List[Example]]]


def batch_by_wordpieces(
    name: str,
    size: int = 2000,
    tolerance: float = 0.2,
    revision: Optional[str] = None,
    local_files_only: bool = False,
    lowercase: Optional[bool] = None,
) -> Batcher:
    """The registered batcher `spacy-clinicalbert.batch_by_wordpieces.v1`: batches of about the same work for
    the encoder. A document that is longer than a batch makes one of its own; none is left out.

    name (str): The checkpoint whose tokenizer counts; this and the last three as `Encoder` takes them.
    size (int): Wordpieces a batch.
    tolerance (float): How far a batch may go over its size, as a share of it.
    revision (Optional[str]): The checkpoint's revision on the hub.
    local_files_only (bool): Never ask the hub.
    lowercase (Optional[bool]): Whether the tokenizer lower-cases.
    RETURNS (Batcher): Cuts a stream of Examples into batches.
    """

    @lru_cache
    def tokenizer() -> Any:
        # Here, for transformers is heavy, and a config is read more often than trained from.
        from ..encoder.checkpoints import load_tokenizer

        return load_tokenizer(name, revision=revision, local_files_only=local_files_only, lowercase=lowercase)

    lengths: Dict[int, int] = {}  # the same documents come back each epoch

    def count(example: Example) -> int:
        text = example.reference.text
        if hash(text) not in lengths:
            lengths[hash(text)] = len(tokenizer()(text, add_special_tokens=False, verbose=False)["input_ids"])
        return lengths[hash(text)]

    return lambda examples: minibatch_by_words(examples, size=size, tolerance=tolerance, get_length=count)
