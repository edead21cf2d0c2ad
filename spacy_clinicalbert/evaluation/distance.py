"""How far corpora are from each other, by their words.

Two symmetric measures over content words (of letters, lower-cased, no stop words):

- "word_divergence": the Jensen-Shannon divergence of the two distributions of words, base 2 (Lin, IEEE Transactions on Information
  Theory 37, 1991): 0 for the same distribution, 1 for no word in common. Plank and van Noord (ACL 2011) choose training
  texts by it.
- "proxy_a_distance": 2 (1 - 2 e), where e is the error of a linear classifier that tells pieces of the two corpora apart (Ben-David
  et al., NIPS 2006): 0 where it cannot, 2 where it always can. Its pieces have TF-IDF weights, and e is the mean over a
  cross-validation, each fold of which is a run of neighbouring pieces, so that a note is not in both halves.

Both depend on how much text there is, so that all corpora give the same amount: as many pieces of 50 words, at equal distances, as half of
the smallest corpus has. On the diagonal stands the distance between the first and the second half of a corpus, which is what the measure
gives without any change of domain.
"""

from collections import Counter
from sys import intern
from typing import Any, Callable, Dict, List, Optional

import numpy
from spacy.tokens import Doc

PIECE_WORDS = 50
MAX_PIECES = 2000
N_FOLDS = 5

Pieces = List[List[str]]


def content_words(doc: Doc) -> List[str]:
    """The words of a Doc that the measures look at."""
    # spaCy makes a new string at each call: those of all notes are held.
    return [intern(token.lower_) for token in doc if token.is_alpha and not token.is_stop]


def corpus_distances(words: Dict[str, Pieces]) -> Dict[str, Any]:
    """Measure every two corpora.

    words (Dict[str, Pieces]): Corpus → the content words of each note.
    RETURNS (Dict[str, Any]): "pieces", how many were taken on each side, and for each measure corpus → corpus → value; None
        where the smallest corpus is too small.
    """
    pieces = {name: _cut(notes) for name, notes in words.items()}
    n_pieces = min(MAX_PIECES, *(len(each) // 2 for each in pieces.values()))
    measures: Dict[str, Callable[[Pieces, Pieces], float]] = {
        "word_divergence": word_divergence,
        "proxy_a_distance": proxy_a_distance,
    }
    distances: Dict[str, Any] = {"pieces": n_pieces, "words_per_piece": PIECE_WORDS}
    for measure_name, measure in measures.items():
        table: Dict[str, Dict[str, Optional[float]]] = {name: dict.fromkeys(pieces) for name in pieces}
        for i, one in enumerate(pieces):
            for other in list(pieces)[i:]:
                # The folds of the cross-validation want a piece each.
                if n_pieces >= N_FOLDS:
                    sides = _sides(pieces[one], pieces[other], one == other, n_pieces)
                    table[one][other] = table[other][one] = measure(*sides)
        distances[measure_name] = table
    return distances


def word_divergence(one: Pieces, other: Pieces) -> float:
    """The Jensen-Shannon divergence of two distributions of words, in bits, 0 to 1."""
    from scipy.spatial.distance import jensenshannon

    counts = [Counter(word for piece in pieces for word in piece) for pieces in (one, other)]
    vocabulary = sorted(counts[0] | counts[1])
    rows = [[count[word] for word in vocabulary] for count in counts]
    return float(jensenshannon(*rows, base=2) ** 2)  # scipy gives its square root


def proxy_a_distance(one: Pieces, other: Pieces) -> float:
    """How well a linear classifier tells pieces apart, 0 (not at all, or worse than by chance) to 2 (always).

    one, other (Pieces): Equally many, at least one for each fold.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline

    classifier = make_pipeline(TfidfVectorizer(analyzer=list), LogisticRegression())
    sides = [0] * len(one) + [1] * len(other)
    accuracy = cross_val_score(classifier, [*one, *other], sides, cv=StratifiedKFold(N_FOLDS)).mean()
    return max(0.0, float(2 * (1 - 2 * (1 - accuracy))))


def _cut(notes: Pieces) -> Pieces:
    words = [word for note in notes for word in note]
    return [words[i : i + PIECE_WORDS] for i in range(0, len(words) - PIECE_WORDS + 1, PIECE_WORDS)]


def _sides(one: Pieces, other: Pieces, same: bool, n_pieces: int) -> List[Pieces]:
    sides = [one[: len(one) // 2], one[len(one) // 2 :]] if same else [one, other]
    return [[side[i] for i in numpy.linspace(0, len(side) - 1, n_pieces).astype(int)] for side in sides]
