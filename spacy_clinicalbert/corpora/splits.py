"""Which notes are held out of training, fixed once for all benchmarks in assets/splits.json, and how to find their text elsewhere.

`scripts/make_splits.py` writes that file: official splits where there are any, else `docs.split_of`, by patient or
document. Besides dev and test it names the "copies": training texts, of any corpus, that hold text of a held-out one.
"""

import json
import re
from collections import Counter
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, Dict, FrozenSet, Iterable, List, Optional, Set

from .docs import split_of

# Split by the id itself; NegEx is split by sentence, which its ids do not give, and the others officially.
HASHED = ("maccrobat2020", "mtsamples", "covid_qa", "tcga_tnm")
# Of a held-out text, how much in how long pieces makes another text a copy. Below eight words clinical phrases repeat by themselves.
PIECE_WORDS = 8
MIN_SHARE = 0.5
MIN_OWN_PIECES = 5
MIN_PIECES = 50  # of two long texts a part is enough
_RANGE = re.compile(r"(.*-)(\d+)\.\.(\d+)")  # "devel-1..4581"


def fingerprint(text: str) -> str:
    """What is the same for texts that are the same word for word, whatever their case, spaces and punctuation."""
    return sha256(" ".join(find_words(text)).encode()).hexdigest()[:10]


def find_words(text: str) -> List[str]:
    return re.findall(r"\w+", text.lower())


@lru_cache
def load_splits() -> Dict[str, Dict[str, FrozenSet[str]]]:
    """Read assets/splits.json.

    RETURNS (Dict[str, Dict[str, FrozenSet[str]]]): Corpus → "dev", "test" and "copies" → ids, as strings.
    """
    corpora = json.loads(_file().read_text(encoding="utf8"))["corpora"]
    return {
        corpus: {part: frozenset(one for each in ids for one in _expand(str(each))) for part, ids in parts.items()}
        for corpus, parts in corpora.items()
    }


@lru_cache
def mtsamples_ids() -> Dict[str, int]:
    """RETURNS (Dict[str, int]): Fingerprint → sample_id of the notes of MTSamples, for copies of the corpus without these ids."""
    return json.loads(_file().read_text(encoding="utf8"))["mtsamples_ids"]


@lru_cache
def splits_digest() -> str:
    """What changes when other notes are held out."""
    return sha256(_file().read_bytes()).hexdigest()


def _file() -> Any:
    return files("spacy_clinicalbert.assets") / "splits.json"


def _expand(name: str) -> List[str]:
    found = _RANGE.fullmatch(name)
    return [f"{found[1]}{i}" for i in range(int(found[2]), int(found[3]) + 1)] if found else [name]


def note_split(corpus: str, note_id: object) -> str:
    """The split of a note of a benchmark.

    corpus (str): As the folders of the corpora are named: "ncbi_disease", "maccrobat2020", ….
    note_id (object): As its reader gives it; for TCGA the case, for NegEx the item's, for COVID-QA the article's.
    RETURNS (str): "train", "dev" or "test". Notes of hashed corpora that are not in the file have the split that their id gives.
    RAISES (KeyError): The corpus has no splits.
    """
    parts = load_splits()[corpus]
    for split in ("dev", "test"):
        if str(note_id) in parts[split]:
            return split
    return split_of(note_id) if corpus in HASHED else "train"


def stays_out(corpus: str, note_id: object) -> bool:
    """Whether a text must stay out of all that trains on more than its own corpus' training set (pretraining, vocabularies, joint
    training): because it is held out, or because it holds text of one that is.

    corpus (str): As the folders of the corpora are named, also those that are no benchmark, such as "medquad".
    note_id (object): As its reader gives it.
    RETURNS (bool): True for dev, test and copies.
    """
    parts = load_splits().get(corpus, {})
    known = any(str(note_id) in ids for ids in parts.values())
    return known or (corpus in HASHED and split_of(note_id) != "train")


class HeldOut:
    """Finds text of held-out notes in other texts, for sources that `stays_out` does not know by id.

    texts (Iterable[str]): The held-out texts; those of fewer than `PIECE_WORDS` words cannot be found.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._where: Dict[int, List[int]] = {}  # a piece → the texts that it is in
        self._sizes: List[int] = []
        for number, text in enumerate(texts):
            pieces = self._pieces(text)
            self._sizes.append(len(pieces))
            for piece in pieces:
                self._where.setdefault(piece, []).append(number)

    def find(self, text: str) -> Optional[int]:
        """Find a held-out text that shares pieces with this one: `MIN_SHARE` of the pieces of the held-out text, or (at least
        `MIN_OWN_PIECES`) of this one, or `MIN_PIECES`.

        text (str): The other text.
        RETURNS (Optional[int]): The number of the held-out text; None where there is none.
        """
        pieces = self._pieces(text)
        hits: Counter = Counter()
        for piece in pieces:
            hits.update(self._where.get(piece, ()))
        for number, count in hits.most_common():
            held_in_it = count >= MIN_SHARE * self._sizes[number]
            it_in_held = count >= max(MIN_SHARE * len(pieces), MIN_OWN_PIECES)
            if held_in_it or it_in_held or count >= MIN_PIECES:
                return number
        return None

    def _pieces(self, text: str) -> Set[int]:
        words = find_words(text)
        return {hash(tuple(words[i : i + PIECE_WORDS])) for i in range(len(words) - PIECE_WORDS + 1)}
