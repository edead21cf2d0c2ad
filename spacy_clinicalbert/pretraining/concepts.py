"""Which spans of a text are clinical concepts: terms of a list, or the entities that a pipeline finds."""

import json
from bisect import bisect
from hashlib import sha256
from typing import Any, List, Tuple

import spacy
from spacy.matcher import PhraseMatcher

from ..corpora.files import text_lines
from .config import Concepts
from .tokens import FindConcepts, Span


def make_finder(concepts: Concepts) -> Tuple[FindConcepts, str]:
    """Make what finds concepts.

    concepts (Concepts): `terms` is a file with one term a line, found in any case, by whole words, longest first; `pipeline` is a
        saved pipeline, or an installed one, whose entities are concepts.
    RETURNS (Tuple[FindConcepts, str]): Texts → their spans in characters, sorted, without overlap; and what says in a cache's name
        which concepts these are.
    RAISES (ValueError): There is no term in the file, or the pipeline cannot be loaded.
    """
    if not concepts.terms and not concepts.pipeline:
        return lambda texts: [[] for _ in texts], ""
    nlp = spacy.blank("en")
    tokenizer: Any = nlp.tokenizer
    matcher = PhraseMatcher(nlp.vocab, attr="LOWER")
    key = []
    if concepts.terms:
        terms = [line.strip() for _, line in text_lines(concepts.terms) if line.strip()]
        if not terms:
            raise ValueError(f"'{concepts.terms}' has no terms. Write one a line.")
        matcher.add("TERM", list(tokenizer.pipe(terms)))
        key.append(sha256("\n".join(terms).encode()).hexdigest())
    tagger = nlp
    if concepts.pipeline:
        try:
            tagger = spacy.load(concepts.pipeline)
        except OSError as error:
            raise ValueError(
                f"The pipeline '{concepts.pipeline}' of [corpus.concepts] cannot be loaded: {error}"
            ) from None
        key.append(sha256(tagger.to_bytes()).hexdigest())

    def find(texts: List[str]) -> List[List[Span]]:
        docs = tagger.pipe(texts) if concepts.pipeline else tokenizer.pipe(texts)
        found = []
        for text, doc in zip(texts, docs):
            words = nlp.make_doc(text) if concepts.pipeline and concepts.terms else doc
            spans = [*doc.ents, *(matcher(words, as_spans=True) if concepts.terms else ())]
            offsets = sorted({(span.start_char, span.end_char) for span in spans}, key=lambda each: each[0] - each[1])
            found.append(_apart(offsets))
        return found

    return find, json.dumps(key)


def _apart(offsets: List[Span]) -> List[Span]:
    """Those of some spans, longest first, that overlap none before them."""
    kept: List[Span] = []  # sorted
    for start, end in offsets:
        place = bisect(kept, (start, end))
        if (not place or kept[place - 1][1] <= start) and (place == len(kept) or end <= kept[place][0]):
            kept.insert(place, (start, end))
    return kept
