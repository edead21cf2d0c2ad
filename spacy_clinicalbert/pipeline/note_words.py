"""What the words of a note say of its categories by themselves: a linear model over words and pairs of neighbouring words, beside the encoder's vectors.

A vector says what a text means; which words stand in it says much of what kind of note it is, and is learned from few notes. spaCy's own text categorizer joins the two
too (`spacy.TextCatEnsemble.v2`). Facts that rules find in the note, "tumour_size > 20", can have weights too: no number of training notes teaches words that 2.3 cm is more than 20 mm.
"""

from collections import Counter
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy
import srsly
from numpy import ndarray
from spacy.attrs import IS_SPACE, LOWER
from spacy.strings import get_string_id
from spacy.tokens import Doc
from thinc.api import Model, Optimizer
from thinc.shims import Shim
from thinc.types import Floats2d

# Large and odd: the order of a pair matters, and no bit of its first word is lost.
PAIR = numpy.uint64(0x9E3779B97F4A7C15)
MIN_NOTES = 2  # a word of one note says nothing of others
MAX_COUNTED = 4_000_000  # words and pairs that are counted at a time; then the rarer half is forgotten
# The table's rate, for one of the optimiser: notes' vectors of words are of length 1, where a category wants weights of tens.
RATE = 2000.0
# The longest step. The first one moves the scores of all notes, by their common words, and beyond 17 a probability is 0 or 1 in float32, from which nothing is learned.
MAX_STEP = 10.0
MOMENT = 0.999  # of the second moments, as Adam has it
# What a fact counts for, where all words of the note together are a vector of length 1. By cross-validation on TCGA's training reports, of 0.2, 0.3 and 0.5.
FACT = 0.3


class Fact(NamedTuple):
    """Something that rules found in a note. One that stands at several places counts once.

    name (str): What tells it from others. It has a space, which no word has.
    start (int): The first token of a place where it stands.
    end (int): The one behind the last.
    """

    name: str
    start: int
    end: int


FactReader = Callable[[Doc], List[Fact]]


class Keys(NamedTuple):
    """The words of a note without its white space, and its facts, as numbers that are the same in every process.

    tokens (ndarray): The tokens of the words, (n,).
    words (ndarray): uint64, (n,).
    pairs (ndarray): Of each with the next, uint64, (n - 1,).
    facts (ndarray): uint64, (n_facts,).
    places (ndarray): The first and the last token of each fact, (n_facts, 2).
    """

    tokens: ndarray
    words: ndarray
    pairs: ndarray
    facts: ndarray
    places: ndarray


class Rows(NamedTuple):
    """As `Keys`, with the rows of the table in the place of the numbers; -1 for what has none."""

    tokens: ndarray
    words: ndarray
    pairs: ndarray
    facts: ndarray
    places: ndarray


class Words(NamedTuple):
    """Each time that a word, a pair of them, or a fact, that has a row stands in a stretch of a text.

    rows (ndarray): Its row of the table, (n,).
    values (ndarray): What it counts for, float32, (n,). Together those of a word's row are log(1 + how often) times what the row is worth, scaled so that the vector of all
        words and pairs is 1 long; those of a fact's row are `FACT`.
    tokens (ndarray): The token of it, the first and the second of the pair, or the first and the last of the fact, (n, 2).
    """

    rows: ndarray
    values: ndarray
    tokens: ndarray


class Frequencies:
    """In how many notes each word, each pair, and each fact stands.

    read_facts (Optional[FactReader]): Finds facts; None for words alone.
    """

    def __init__(self, read_facts: Optional[FactReader] = None) -> None:
        self.read_facts = read_facts
        self.counts: Counter = Counter()
        self.facts: Counter = Counter()
        self.n_notes = 0

    def add(self, doc: Doc) -> None:
        """doc (Doc): One more note."""
        found = keys_of(doc, self.read_facts)
        self.counts.update(numpy.unique(numpy.concatenate([found.words, found.pairs])).tolist())
        self.facts.update(numpy.unique(found.facts).tolist())
        self.n_notes += 1
        if len(self.counts) > MAX_COUNTED:
            self.counts = Counter(dict(self.counts.most_common(MAX_COUNTED // 2)))


class WordTable(Shim):
    """Weights of words, of pairs and of facts, a category each.

    It takes steps of its own. Adam's are as large for the weight of a rare word as for that of a frequent one, so that what stands beside rare words is learned by heart. Here a
    step is the gradient by a second moment for each category, as NovoGrad has one for each layer (Ginsburg et al. 2019, arXiv:1905.11286): on MTSamples' development
    notes, words alone, AUPRC 86.5 in place of 80.2, and a logistic regression has 86.9.

    n_rows (int): How many words and pairs it has at most; facts come on top.
    read_facts (Optional[FactReader]): Finds facts; None for words alone.
    """

    def __init__(self, n_rows: int, read_facts: Optional[FactReader] = None) -> None:
        super().__init__(None)
        self.n_rows = n_rows
        self.read_facts = read_facts
        self.clear(0)

    def clear(self, n_labels: int) -> None:
        """Forget all words; n_labels (int) is how many categories they are to have weights for."""
        self.keys = numpy.zeros(0, dtype="uint64")  # sorted
        self.worth = numpy.zeros(0, dtype="f")
        self.weights = numpy.zeros((0, n_labels), dtype="f")
        self.moments = numpy.zeros(n_labels)
        self.n_steps = 0
        self.gradient: Optional[ndarray] = None

    def read(self, found: Frequencies) -> None:
        """Take the words of most notes, and all facts, with the weight 0. What each is worth is log((1 + n) / (1 + n_word)) + 1, as in scikit-learn's TfidfVectorizer.

        found (Frequencies): Those of the training notes.
        """
        common = [(-n, key) for key, n in found.counts.items() if n >= MIN_NOTES]
        facts = [(key, n) for key, n in found.facts.items() if n >= MIN_NOTES]
        chosen = sorted([*((key, -n) for n, key in sorted(common)[: self.n_rows]), *facts])
        n_labels = self.weights.shape[1]
        self.clear(n_labels)
        self.keys = numpy.array([key for key, _ in chosen], dtype="uint64")
        in_notes = numpy.array([n for _, n in chosen], dtype="float64")
        self.worth = (numpy.log((1 + found.n_notes) / (1 + in_notes)) + 1).astype("f")
        self.weights = numpy.zeros((len(chosen), n_labels), dtype="f")

    def look_up(self, doc: Doc) -> Rows:
        """RETURNS (Rows): Those of a note."""
        found = keys_of(doc, self.read_facts)
        words, pairs, facts = map(self._find, (found.words, found.pairs, found.facts))
        return Rows(found.tokens, words, pairs, facts, found.places)

    def _find(self, keys: ndarray) -> ndarray:
        if not len(self.keys):
            return numpy.full(len(keys), -1)
        rows = numpy.minimum(numpy.searchsorted(self.keys, keys), len(self.keys) - 1)
        return numpy.where(self.keys[rows] == keys, rows, -1)

    def count(self, note: Rows, start: int, end: int) -> Words:
        """note (Rows): A note's. start (int): The first token of a stretch of it. end (int): The one behind the last. RETURNS (Words): What stands in that stretch."""
        first, last = numpy.searchsorted(note.tokens, [start, end])
        places = note.tokens[first:last]
        words = _in_table(
            numpy.concatenate([note.words[first:last], note.pairs[first : max(last - 1, first)]]),
            numpy.concatenate([numpy.stack([places, places], axis=1), numpy.stack([places[:-1], places[1:]], axis=1)]),
        )
        own, inverse, counts = numpy.unique(words.rows, return_inverse=True, return_counts=True)
        values = numpy.log1p(counts) * self.worth[own]
        values /= max(numpy.linalg.norm(values), 1e-6)
        words = words._replace(values=(values / counts)[inverse].astype("f"))
        if not len(note.facts):
            return words
        inside = (note.places[:, 0] >= start) & (note.places[:, 1] < end)
        facts = _in_table(note.facts[inside], note.places[inside])
        _, inverse, counts = numpy.unique(facts.rows, return_inverse=True, return_counts=True)
        facts = facts._replace(values=(FACT / counts)[inverse].astype("f"))
        return Words(*(numpy.concatenate(each) for each in zip(words, facts)))

    def __call__(self, docs: List[Doc], is_train: bool) -> Tuple[ndarray, Callable[[ndarray], None]]:
        """docs (List[Doc]): The notes. RETURNS (Tuple[ndarray, Callable]): (n_docs, n_labels), and the backward."""
        found = [self.count(self.look_up(doc), 0, len(doc)) for doc in docs]
        scores = numpy.array([self.sum_up(each) for each in found]).reshape(len(docs), self.weights.shape[1])

        def backprop(d_scores: ndarray) -> None:
            if self.gradient is None:
                self.gradient = numpy.zeros_like(self.weights)
            for each, d_row in zip(found, d_scores):
                numpy.add.at(self.gradient, each.rows, each.values[:, None] * d_row)

        return scores, backprop

    def sum_up(self, found: Words) -> ndarray:
        """RETURNS (ndarray): (n_labels,)."""
        return found.values @ self.weights[found.rows]

    def finish_update(self, optimizer: Optimizer) -> None:
        """Take a step, at `RATE` times the optimiser's rate, or `MAX_STEP`."""
        if self.gradient is None:
            return
        self.n_steps += 1
        self.moments += (1 - MOMENT) * ((self.gradient.astype("float64") ** 2).sum(axis=0) - self.moments)
        scale = numpy.sqrt(self.moments / (1 - MOMENT**self.n_steps))
        rate = min(RATE * optimizer.learn_rate, MAX_STEP)
        self.weights -= (rate * self.gradient / numpy.maximum(scale, 1e-12)).astype("f")
        self.gradient = None

    def to_device(self, device_type: str, device_id: int) -> None:
        """It stays in the memory of the CPU: what a note has of it is small."""

    def to_bytes(self) -> bytes:
        """RETURNS (bytes): Words, weights, and how far training is."""
        return srsly.msgpack_dumps({name: getattr(self, name) for name in _STATE})

    def from_bytes(self, data: bytes) -> "WordTable":
        """data (bytes): As `to_bytes` gave it. RETURNS (WordTable): This one."""
        state: Dict[str, Any] = srsly.msgpack_loads(data)
        for name in _STATE:
            value = state[name]
            setattr(self, name, value.copy() if isinstance(value, ndarray) else value)  # msgpack's cannot be written
        self.gradient = None
        return self


_STATE = ("keys", "worth", "weights", "moments", "n_steps")


def _in_table(rows: ndarray, tokens: ndarray) -> Words:
    """Those that have a row; what they count for is still to be said."""
    has_row = rows >= 0
    return Words(rows[has_row], numpy.zeros(has_row.sum(), dtype="f"), tokens[has_row])


def NoteWords(n_rows: int, read_facts: Optional[FactReader] = None) -> Model[List[Doc], Floats2d]:
    """Scores of categories by the words of each note.

    n_rows (int): How many words and pairs have weights at most; `WordTable.read` gives it them.
    read_facts (Optional[FactReader]): Finds facts, which have weights too.
    RETURNS (Model[List[Doc], Floats2d]): To (n_docs, n_labels). Its one shim is a `WordTable`.
    """
    return Model("note-words", forward, init=init, dims={"nO": None}, shims=[WordTable(n_rows, read_facts)])


def init(model: Model, X: Optional[List[Doc]] = None, Y: Optional[Floats2d] = None) -> None:
    if Y is not None:
        model.set_dim("nO", Y.shape[1])
    table_of(model).clear(model.get_dim("nO"))


def forward(model: Model, docs: List[Doc], is_train: bool) -> Tuple[Floats2d, Callable]:
    scores, backprop = table_of(model)(docs, is_train)
    as_floats: Any = model.ops.asarray2f
    return as_floats(scores), lambda d_scores: backprop(model.ops.to_numpy(d_scores))


def table_of(model: Model[List[Doc], Floats2d]) -> WordTable:
    """RETURNS (WordTable): The table of a layer that `NoteWords` made."""
    (table,) = model.shims
    return table  # type: ignore[return-value]


def window_scores(table: WordTable, doc: Doc, windows: ndarray) -> ndarray:
    """What the words of each window would say if it were the note.

    windows (ndarray): The tokens of each, first and behind the last, (n_windows, 2).
    RETURNS (ndarray): (n_windows, n_labels).
    """
    note = table.look_up(doc)
    scores = [table.sum_up(table.count(note, start, end)) for start, end in windows.tolist()]
    return numpy.array(scores, dtype="f").reshape(len(windows), table.weights.shape[1])


def word_scores(table: WordTable, doc: Doc) -> ndarray:
    """What each token adds to the scores of its note; a pair is shared between its two, a fact between its first and its last.

    RETURNS (ndarray): (n_tokens, n_labels).
    """
    found = table.count(table.look_up(doc), 0, len(doc))
    scores = numpy.zeros((len(doc), table.weights.shape[1]), dtype="f")
    for tokens in found.tokens.T:
        numpy.add.at(scores, tokens, table.weights[found.rows] * found.values[:, None] / 2)
    return scores


def keys_of(doc: Doc, read_facts: Optional[FactReader] = None) -> Keys:
    """RETURNS (Keys): The words of a note, lower-cased, and the pairs of neighbours; white space is no word, and stands between no two. And its facts.
    RAISES (ValueError): A fact is named as a word could be, or stands at no token."""
    ids, spaces = doc.to_array([LOWER, IS_SPACE]).T if len(doc) else numpy.zeros((2, 0), dtype="uint64")
    tokens = numpy.flatnonzero(spaces == 0)
    words = ids[tokens]
    facts: Sequence[Fact] = read_facts(doc) if read_facts else ()
    for each in facts:
        if " " not in each.name or not 0 <= each.start < each.end <= len(doc):
            raise ValueError(
                "A fact that the classifier's function 'facts' found has no space in its name, which tells facts from words, or no token in the Doc. Name it as "
                "'temperature > 38', and give the tokens where it stands, the first and the one behind the last."
            )
    found = [(get_string_id(each.name), each.start, each.end - 1) for each in facts]
    names = numpy.array([name for name, *_ in found], dtype="uint64")
    places = numpy.array([place for _, *place in found], dtype="int64").reshape(-1, 2)
    return Keys(tokens, words, words[:-1] * PAIR + words[1:], names, places)
