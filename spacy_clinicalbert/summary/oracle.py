"""The sentences of a note that together come closest to a reference summary: what the trained scorer learns."""

import itertools
import re
from collections import Counter
from typing import List, Sequence, Tuple

_WORD = re.compile(r"[a-z0-9]+")
Grams = Tuple[Counter, Counter]


def find_grams(text: str) -> Grams:
    """RETURNS (Tuple[Counter, Counter]): The words and the pairs of words of a text."""
    words = _WORD.findall(text.lower())
    return Counter(words), Counter(itertools.pairwise(words))


def overlap(given: Grams, wanted: Grams) -> float:
    """The sum of the F1 of words and of pairs, which are ROUGE-1 and ROUGE-2 without stemming."""
    total = 0.0
    for own, other in zip(given, wanted):
        n = own.total() + other.total()
        total += 2 * (own & other).total() / n if n else 0.0
    return total


def find_oracle(sentences: Sequence[str], reference: str, words: Sequence[int], max_words: int) -> List[int]:
    """Choose sentences greedily, each time the one that raises the overlap with the reference most (Nallapati et al. 2017, arXiv 1611.04230, section
    3), until none does or the budget is used up. A first sentence is chosen even if it is longer than that.

    sentences (Sequence[str]): Those of the note.
    reference (str): The reference summary.
    words (Sequence[int]): The length of each sentence.
    max_words (int): The budget.
    RETURNS (List[int]): Their numbers, in the order of the note; none where no sentence shares a word with the reference.
    """
    wanted = find_grams(reference)
    grams = {i: each for i, each in enumerate(map(find_grams, sentences)) if each[0] & wanted[0]}
    chosen: List[int] = []
    have: Grams = Counter(), Counter()
    best, left = 0.0, max_words
    while grams:
        values = {
            i: overlap((have[0] + own[0], have[1] + own[1]), wanted)
            for i, own in grams.items()
            if words[i] <= left or not chosen
        }
        top = max(values, key=lambda i: (values[i], -i), default=None)
        if top is None or values[top] <= best:
            break
        best = values[top]
        own = grams.pop(top)
        have = have[0] + own[0], have[1] + own[1]
        left -= words[top]
        chosen.append(top)
    return sorted(chosen)
