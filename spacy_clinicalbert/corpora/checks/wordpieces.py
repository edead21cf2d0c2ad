"""How long the notes are for a checkpoint's tokenizer, and how much of them it does not know."""

from array import array
from typing import Any, Iterator, List

import numpy

from .findings import INFO, WARNING, Example, Finding, Kind, Tally
from .notes import Note

POSITIONS = 512  # what BERT's descendants take at most, special tokens included
MAX_UNKNOWN = 0.01  # a vocabulary that fits has hardly any: rare signs, no words
BUFFER = 64  # notes that are tokenised together, on all processors

UNKNOWN = Kind(
    "unknown wordpieces",
    WARNING,
    f"More than {MAX_UNKNOWN:.0%} of the wordpieces of these notes are unknown to the checkpoint",
)


class Wordpieces:
    """See the module.

    checkpoint (str): A folder, hub id or preset; see `encoder.checkpoints.load_tokenizer`.
    RAISES (ValueError): It has no tokenizer, or one that contradicts itself.
    """

    def __init__(self, tally: Tally, checkpoint: str) -> None:
        from ...encoder.checkpoints import load_tokenizer

        self.tally = tally
        tokenizer = load_tokenizer(checkpoint)
        self._tokenizer: Any = tokenizer.backend_tokenizer
        self._tokenizer.encode_special_tokens = True  # as the encoder reads notes
        self._unknown_id = tokenizer.unk_token_id
        self._names: List[str] = []
        self._texts: List[str] = []
        self._lengths, self._n_unknown = array("l"), 0

    def see(self, note: Note) -> None:
        if note.text:
            self._names.append(note.name)
            self._texts.append(note.text)
        if len(self._texts) == BUFFER:
            self._count()

    def _count(self) -> None:
        encodings = self._tokenizer.encode_batch_fast(self._texts, add_special_tokens=False)
        for name, encoding in zip(self._names, encodings):
            n_unknown = encoding.ids.count(self._unknown_id)
            self._lengths.append(len(encoding.ids))
            self._n_unknown += n_unknown
            if n_unknown > MAX_UNKNOWN * len(encoding.ids):
                self.tally.add(UNKNOWN, name, f"{n_unknown} of {len(encoding.ids)}")
        self._names, self._texts = [], []

    def findings(self) -> Iterator[Finding]:
        from ...encoder.windows import note_windows

        self._count()
        if not self._lengths:
            return
        lengths = numpy.array(self._lengths)
        window = note_windows.__defaults__[0]  # type: ignore[index]
        low, middle, high, most = numpy.percentile(lengths, [0, 50, 95, 100], method="lower")
        share = self._n_unknown / max(lengths.sum(), 1)
        details = [
            f"{lengths.sum()} in all; a note has {low} to {most}, half of them up to {middle}, 95 % up to {high}",
            f"{(lengths > window).mean():.1%} of the notes are longer than a window of {window}, the default",
            f"{(lengths > POSITIONS - 2).mean():.1%} are longer than {POSITIONS} positions take",
            f"{share:.3%} are unknown to the checkpoint",
        ]
        yield Finding(
            "wordpieces", INFO, "Wordpieces of the notes", len(lengths), [Example("all", each) for each in details]
        )
        yield from self.tally.findings()
