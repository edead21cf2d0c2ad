"""A record on its way through the checks, with what several of them want to know of it."""

import re
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any, List, Optional

from numpy import ndarray
from spacy.language import Language
from spacy.tokens import Doc

from ..docs import Record
from ..splits import find_words
from .shingles import hash_words

_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass
class Note:
    """One record, held only while the checks look at it.

    record (Record): See `corpora/docs.py`.
    name (str): How findings name it, "train/n1".
    corpus (str): The public corpus that it is of; "" for others.
    split (str): "train", "dev", "test" or another name; "" where nobody said.
    nlp (Language): Gives the tokenizer.
    damage (str): Why the record cannot be used, if it cannot.
    stays_out (bool): Whether assets/splits.json says that it stays out of joint training.
    """

    record: Record
    name: str
    corpus: str
    split: str
    nlp: Language
    damage: str = ""
    stays_out: bool = False

    @cached_property
    def text(self) -> str:
        """The text; halves of characters, which JSON can hold and nothing can write, are replaced one by one."""
        text = self.record.get("text") or ""
        return text if text.isascii() else _SURROGATES.sub("\ufffd", text)

    @cached_property
    def words(self) -> List[str]:
        return find_words(self.text)

    @cached_property
    def word_hashes(self) -> ndarray:
        return hash_words(self.words)

    @cached_property
    def text_key(self) -> bytes:
        """The same for texts that are the same word for word, whatever their case, spaces and punctuation."""
        return blake2b(self.word_hashes.tobytes(), digest_size=12).digest()

    @cached_property
    def doc(self) -> Doc:
        """The tokens."""
        return self.nlp.make_doc(self.text)

    @property
    def spans(self) -> List[Any]:
        """Entities and the spans of all groups, [start, end, label, ...]."""
        groups = self.record.get("spans", {}).values()
        return [*self.record.get("entities", []), *(span for group in groups for span in group)]

    @property
    def patient(self) -> Optional[str]:
        patient = self.record.get("patient")
        return None if patient in (None, "") else str(patient)  # tables of patients have "" where nobody is known
