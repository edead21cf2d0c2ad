"""Notes that are there twice, the same word for word or nearly so."""

from collections import Counter
from typing import Any, Dict, Iterator, List, Tuple

from .findings import ERROR, WARNING, Finding, Kind, Tally
from .notes import Note
from .shingles import shingles

# Near duplicates share this part of their runs of three words (Jaccard), as 64 permutations estimate it: the standard error is
# 0.05 there. Eight bands of eight rows find 77 % of the pairs at 0.8 and 99 % at 0.9 (1 - (1 - J^8)^8).
SHINGLE_WORDS = 3
THRESHOLD = 0.8
PERMUTATIONS, BANDS = 64, (8, 8)
MAX_GROUP = 20  # of a note that stands there a thousand times in variants, so many are compared with

EXACT = Kind("exact duplicate", WARNING, "Notes that are the same word for word: they count twice")
EXACT_SPLITS = Kind("exact duplicate across splits", ERROR, "The same note in two splits: leave it out of one")
NEAR = Kind("near duplicate", WARNING, f"Notes that share {THRESHOLD:.0%} of their runs of {SHINGLE_WORDS} words")
NEAR_SPLITS = Kind("near duplicate across splits", ERROR, "Nearly the same note in two splits: leave it out of one")


def differ(split: str, other: str) -> bool:
    """Whether two splits are known not to be the same."""
    return bool(split and other and split != other)


class Duplicates:
    """See the module. What is kept of each different note is its name, a digest and 64 numbers; no text."""

    def __init__(self, tally: Tally) -> None:
        from datasketch import MinHash, MinHashLSH

        self.tally = tally
        self._first: Dict[bytes, Tuple[str, str]] = {}  # a text's digest → name and split of the first note with it
        self._kept: List[Tuple[str, str, Any, int]] = []  # name, split, signature, and the first of the group
        self._sizes: Counter = Counter()  # the first of a group → how many of it are kept
        self._blank = MinHash(num_perm=PERMUTATIONS, hashfunc=int)  # int: what it gets are hashes
        self._index = MinHashLSH(num_perm=PERMUTATIONS, params=BANDS)

    def see(self, note: Note) -> None:
        if not note.words:
            return
        if note.text_key in self._first:
            name, split = self._first[note.text_key]
            self.tally.add(EXACT_SPLITS if differ(split, note.split) else EXACT, note.name, f"as {name}")
        else:
            self._first[note.text_key] = (note.name, note.split)
            self._see_near(note)

    def _see_near(self, note: Note) -> None:
        from datasketch import LeanMinHash

        runs = shingles(note.word_hashes, SHINGLE_WORDS)
        if not len(runs):
            return
        signature = self._blank.copy()
        signature.update_batch((runs >> 32).tolist())
        shares = {number: signature.jaccard(self._kept[number][2]) for number in self._index.query(signature)}
        near = [number for number, share in shares.items() if share >= THRESHOLD]
        place = group = len(self._kept)
        if near:
            # A pair across splits matters more than one within.
            best = max(near, key=lambda i: (differ(self._kept[i][1], note.split), shares[i], -i))
            name, split, _, group = self._kept[best]
            kind = NEAR_SPLITS if differ(split, note.split) else NEAR
            self.tally.add(kind, note.name, f"as {name}, about {shares[best]:.0%}")
        if self._sizes[group] < MAX_GROUP:
            self._sizes[group] += 1
            self._kept.append((note.name, note.split, LeanMinHash(signature), group))
            self._index.insert(place, signature)

    def findings(self) -> Iterator[Finding]:
        return self.tally.findings()
