"""Text of one split that stands in a longer text of another, or of another corpus: a section of a note, for instance.

The rule is that of `splits.HeldOut`, over runs of eight words. All runs of all texts are kept as numbers as long as they are
no more than `MAX_PIECES`; beyond that only those whose number is small, which are the same in every text, so that shares
stay comparable (FracMinHash: Irber et al. 2022, doi 10.1101/2022.01.11.475838).
"""

from collections import Counter
from typing import Dict, Iterator, List, NamedTuple, Set, Tuple

import numpy
from numpy import ndarray

from ..splits import MIN_OWN_PIECES, MIN_PIECES, MIN_SHARE, PIECE_WORDS, find_words
from .duplicates import differ
from .findings import ERROR, INFO, WARNING, Finding, Kind, Tally
from .notes import Note
from .shingles import hash_words, shingles
from .sources import UnusableCorpus

MAX_PIECES = 2**25  # 268 MB, and once more while they are sorted
MAX_PLACES = 200  # a run that stands in more texts is a phrase of the trade, and no sign of a copy
TEXT_BITS = numpy.uint64(24)  # the lower ones of a piece number its text, the others its run of words
TEXT_MASK = numpy.uint64((1 << 24) - 1)

LEAKED = Kind(
    "held-out text in another split", ERROR, "Texts that share text with a text of another split: leave one out"
)
KNOWN = Kind(
    "known copy of held-out text",
    WARNING,
    "Texts that share text with a held-out one, as assets/splits.json says: corpora.public.training_records leaves them out",
)
REPEATS = Kind("corpus that repeats another", INFO, "")
TOO_SHORT = Kind("too short to look up", INFO, "Texts too short to be looked for in other splits or corpora")


class Unit(NamedTuple):
    """A text of a note: its text, or its summary."""

    name: str
    corpus: str
    split: str
    stays_out: bool


class HeldOutTexts:
    """See the module. Notes of no known split are compared with those of other corpora alone."""

    def __init__(self, tally: Tally, max_pieces: int = MAX_PIECES) -> None:
        self.tally = tally
        self.max_pieces = max_pieces
        self._units: List[Unit] = []
        self._pieces: List[ndarray] = []
        self._n_pieces = 0
        self._halvings = 0  # one run in 2 ** this is kept

    def see(self, note: Note) -> None:
        if not (note.split or note.corpus):
            return
        summary = note.record.get("summary")
        for hashes in filter(len, [note.word_hashes, hash_words(find_words(summary or ""))]):
            number = len(self._units)
            if number > TEXT_MASK:
                raise UnusableCorpus(f"More than {number} texts cannot be compared at once. Check the corpus in parts.")
            self._units.append(Unit(note.name, note.corpus, note.split, note.stays_out))
            runs = shingles(hashes, PIECE_WORDS)
            pieces = self._thin((runs & ~TEXT_MASK) | numpy.uint64(number))
            self._pieces.append(pieces)
            self._n_pieces += len(pieces)
        while self._n_pieces > self.max_pieces:
            self._halvings += 1
            self._pieces = [self._thin(pieces) for pieces in self._pieces]
            self._n_pieces = sum(map(len, self._pieces))

    def _thin(self, pieces: ndarray) -> ndarray:
        return pieces[pieces <= numpy.uint64((1 << (64 - self._halvings)) - 1)] if self._halvings else pieces

    def findings(self) -> Iterator[Finding]:
        leaks: Set[str] = set()
        repeated: Dict[Tuple[str, str], Dict[str, str]] = {}
        sizes = numpy.array([len(pieces) for pieces in self._pieces], dtype="int64")
        for name in dict.fromkeys(self._units[number].name for number in numpy.flatnonzero(sizes == 0)):
            self.tally.add(TOO_SHORT, name)
        for one, other, count in self._shared(sizes):
            for inner, outer in ((one, other), (other, one)):
                inside, around = self._units[inner], self._units[outer]
                if inside.corpus != around.corpus and count >= max(MIN_SHARE * sizes[inner], MIN_OWN_PIECES):
                    repeated.setdefault((inside.corpus, around.corpus), {})[inside.name] = around.name
            # The text that may be trained on comes first, as in `splits.HeldOut`.
            first, second = sorted((one, other), key=lambda number: self._units[number].split != "train")
            text, held = self._units[first], self._units[second]
            apart = differ(text.split, held.split) and (text.split == "train" or text.corpus == held.corpus)
            if apart and text.name not in leaks and self._is_copy(count, sizes[first], sizes[second]):
                leaks.add(text.name)
                known = text.split == "train" and text.stays_out
                self.tally.add(KNOWN if known else LEAKED, text.name, f"as {held.name}")
        yield from self.tally.findings()
        yield from self._repeats(repeated)

    def _is_copy(self, count: int, size: int, held_size: int) -> bool:
        """Whether a text that shares so many pieces with a held-out one holds it, is held by it, or shares much."""
        scale = 2**self._halvings
        own = count >= MIN_SHARE * size and count * scale >= MIN_OWN_PIECES
        return count >= MIN_SHARE * held_size or own or count * scale >= MIN_PIECES

    def _repeats(self, repeated: Dict[Tuple[str, str], Dict[str, str]]) -> Iterator[Finding]:
        totals = Counter(corpus for corpus, _ in {(unit.corpus, unit.name) for unit in self._units})
        for (corpus, other), names in sorted(repeated.items(), key=lambda pair: -len(pair[1])):
            tally = Tally(self.tally.max_examples)
            message = (
                f"{len(names)} of {totals[corpus]} notes of {corpus} have a text of which half stands in one of {other}"
            )
            for name, where in names.items():
                tally.add(REPEATS._replace(message=message), name, f"in {where}")
            yield from tally.findings()

    def _shared(self, sizes: ndarray) -> Iterator[Tuple[int, int, int]]:
        """Pairs of texts of different splits or corpora that share half of the pieces of one, or many, and how many they share.

        sizes (ndarray): The pieces of each text, (n_texts,).
        """
        runs, units = self._common_pieces()
        starts = numpy.flatnonzero(numpy.r_[True, runs[1:] != runs[:-1]]) if len(runs) else numpy.empty(0, dtype=int)
        lengths = numpy.diff(numpy.r_[starts, len(runs)])
        run_of = numpy.repeat(numpy.arange(len(starts)), lengths)  # each piece's place in starts and lengths
        order = numpy.argsort(units, kind="stable")
        firsts = numpy.searchsorted(units[order], numpy.arange(len(self._units) + 1))
        groups = {pair: number for number, pair in enumerate(dict.fromkeys((u.corpus, u.split) for u in self._units))}
        group = numpy.array([groups[unit.corpus, unit.split] for unit in self._units], dtype="int64")
        several = len({unit.corpus for unit in self._units}) > 1
        asked = numpy.array([several or unit.split != "train" for unit in self._units], dtype=bool)
        for number in numpy.flatnonzero(asked).tolist():
            mine = run_of[order[firsts[number] : firsts[number + 1]]]
            if len(mine):
                counts = lengths[mine]
                offsets = numpy.arange(counts.sum()) - numpy.repeat(numpy.cumsum(counts) - counts, counts)
                others = units[numpy.repeat(starts[mine], counts) + offsets]
                others = others[(group[others] != group[number]) & ((others > number) | ~asked[others])]
                found, shared = numpy.unique(others, return_counts=True)
                least = MIN_SHARE * numpy.minimum(sizes[found], sizes[number])
                much = shared >= numpy.minimum(least, MIN_PIECES / 2**self._halvings)
                for other, count in zip(found[much].tolist(), shared[much].tolist()):
                    yield number, other, count

    def _common_pieces(self) -> Tuple[ndarray, ndarray]:
        """RETURNS (Tuple[ndarray, ndarray]): The run and the text of each piece that stands in more than one text, sorted by run."""
        pieces = numpy.concatenate(self._pieces) if self._pieces else numpy.empty(0, dtype="uint64")
        self._pieces = []
        pieces.sort()
        runs = pieces >> TEXT_BITS
        borders = numpy.flatnonzero(numpy.r_[True, runs[1:] != runs[:-1], True]) if len(runs) else numpy.zeros(1, int)
        lengths = numpy.diff(borders)
        pieces = pieces[numpy.repeat((lengths > 1) & (lengths <= MAX_PLACES), lengths)]
        return pieces >> TEXT_BITS, (pieces & TEXT_MASK).astype("int64")
