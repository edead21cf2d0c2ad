"""Several corpora, each annotated for some components and labels only, as one stream of examples."""

import random
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Union

from spacy.language import Language
from spacy.training import Example

from .missing import Annotated, Stated

Source = Callable[[Language], Iterable[Example]]


class MixedCorpora:
    """The registered reader `spacy-clinicalbert.mixed_corpora.v1`: mixes named corpora note by note, so that each batch has notes of
    several, in the shares that the weights state. What a corpus is not annotated for is missing in it, for every component.

    Each call is one round: it ends when each corpus has been read whole at least once; a corpus that is small for its weight comes
    round several times, in another order each. The next note is always from the corpus that is furthest behind its share. The order
    follows from the seed and the number of the round alone, and the random state of nobody else. Corpora are held in memory.

    corpora (Dict[str, Callable]): Name → another reader, `spacy.Corpus.v1` as well as those here.
    annotated (Dict[str, Dict[str, Union[str, List[str]]]]): Name → component in the pipeline → the labels that this corpus annotates for
        it, or "*" for all that the corpus itself claims. A component that is not named learns nothing from the corpus.
    weights (Optional[Dict[str, float]]): Name → its share of the words (spaCy's tokens), in any unit. None reads each corpus once, one
        behind the other: for development.
    seed (int): What the order follows from.
    RAISES (ValueError): The three name different corpora.
    """

    def __init__(
        self,
        corpora: Dict[str, Any],  # a config is checked before the readers in it are made
        annotated: Dict[str, Dict[str, Union[str, List[str]]]],
        weights: Optional[Dict[str, float]] = None,
        seed: int = 0,
    ) -> None:
        for what, names in (("annotated", set(annotated)), ("weights", set(corpora if weights is None else weights))):
            if names != set(corpora):
                differing = ", ".join(sorted(names.symmetric_difference(corpora)))
                raise ValueError(f"'{what}' of mixed corpora names others than 'corpora' does: {differing}.")
        wrong = [name for name, weight in (weights or {}).items() if weight <= 0]
        if wrong:
            raise ValueError(
                f"The weight of {', '.join(wrong)} is not above 0. Leave a corpus out that is not to be read."
            )
        self.corpora: Dict[str, Source] = corpora
        self.annotated: Dict[str, Stated] = annotated
        self.weights = weights
        self.seed = seed
        self._round = 0
        self._held: Optional[Dict[str, List[Example]]] = None
        self._vocab: object = None

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Read one round.

        nlp (Language): The pipeline.
        YIELDS (Example): The examples, with `doc._.annotated` set in their references.
        RAISES (ValueError): A component cannot learn from these corpora (see `missing.Annotated`), or a corpus is empty.
        """
        if self.weights is None:
            yield from self.whole(nlp)
            return
        if self._held is None or self._vocab is not nlp.vocab:
            self._held, self._vocab = self._load(nlp), nlp.vocab
        number, self._round = self._round, self._round + 1
        yield from mix(self._held, self.weights, f"{self.seed}-{number}")

    def whole(self, nlp: Language, names: Optional[Iterable[str]] = None) -> Iterator[Example]:
        """Read each corpus once, one behind the other.

        nlp (Language): The pipeline.
        names (Optional[Iterable[str]]): Of these corpora; None is of all.
        YIELDS (Example): As when called.
        """
        annotated = Annotated(nlp, self.annotated)
        for name in self.corpora if names is None else names:
            yield from self._read(nlp, name, annotated)

    def _load(self, nlp: Language) -> Dict[str, List[Example]]:
        annotated = Annotated(nlp, self.annotated)
        held = {name: list(self._read(nlp, name, annotated)) for name in self.corpora}
        for name, examples in held.items():
            annotated.warn_of_absent(name, examples)
        return held

    def _read(self, nlp: Language, name: str, annotated: Annotated) -> Iterator[Example]:
        is_empty = True
        for example in self.corpora[name](nlp):
            annotated.mark(name, example)
            is_empty = False
            yield example
        if is_empty:
            raise ValueError(f"The corpus '{name}' has no notes.")


def mix(corpora: Dict[str, List[Example]], weights: Dict[str, float], seed: str) -> Iterator[Example]:
    """Mix corpora until each has been read whole at least once.

    corpora (Dict[str, List[Example]]): Name → its notes, at least one.
    weights (Dict[str, float]): Name → its share of the words.
    seed (str): What the order follows from.
    YIELDS (Example): The notes.
    """
    streams = {name: _endless(examples, f"{seed}-{name}") for name, examples in corpora.items()}
    read = dict.fromkeys(corpora, 0.0)
    left = {name: len(examples) for name, examples in corpora.items()}
    while any(n > 0 for n in left.values()):
        name = min(read, key=lambda each: read[each] / weights[each])
        example = next(streams[name])
        read[name] += len(example.predicted) or 1
        left[name] -= 1
        yield example


def _endless(examples: List[Example], seed: str) -> Iterator[Example]:
    number = 0
    while True:
        order = list(range(len(examples)))
        random.Random(f"{seed}-{number}").shuffle(order)
        for i in order:
            yield examples[i]
        number += 1
