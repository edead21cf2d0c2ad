"""The windows of a long document in which an answer is looked for: those that share rare words with the question, by BM25."""

from importlib import import_module
from typing import Any, List, Optional, Sequence

import numpy
from numpy import ndarray
from spacy.lang.en.lex_attrs import like_num
from spacy.lang.en.stop_words import STOP_WORDS

from ..corpora.splits import find_words


def load_bm25() -> Any:
    """RETURNS (module): The package bm25s.
    RAISES (ImportError): It is not installed."""
    try:
        return import_module("bm25s")
    except ImportError:
        raise ImportError(
            "To choose among the windows of a long document the package bm25s is wanted: pip install 'spacy-clinicalbert[questions]'; or set "
            "max_windows = 0 to read all of them."
        ) from None


def content_words(text: str) -> List[str]:
    """Words without those that stand in every text. Numbers stay, which spaCy's list counts among these."""
    return [word for word in find_words(text) if word not in STOP_WORDS or like_num(word)]


class WindowRanker:
    """Ranks texts by how well they match a question (BM25, Robertson et al. 1994, as Lucene computes it).

    texts (Sequence[str]): The texts of windows.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        words = [content_words(text) for text in texts]
        self.n = len(words)
        self._index: Optional[Any] = None
        if any(words):  # bm25s wants a vocabulary
            self._index = load_bm25().BM25(backend="numpy", csc_backend="numpy")
            self._index.index(words, show_progress=False)

    def scores(self, question: str) -> ndarray:
        """RETURNS (ndarray): How well each text matches, (n_texts,); all 0 where none shares a word with it."""
        words = content_words(question)
        if self._index is None or not words:
            return numpy.zeros(self.n, dtype="f")
        return self._index.get_scores(words)

    def rank(self, question: str) -> ndarray:
        """RETURNS (ndarray): The numbers of the texts, best first; of equal ones the first."""
        return numpy.argsort(-self.scores(question), kind="stable")
