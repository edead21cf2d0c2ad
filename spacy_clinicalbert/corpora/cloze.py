"""Questions made of plain text: a sentence with a term left out, answered by where the rest of the text has that term (Dhingra et al., NAACL 2018). The
sentence itself is taken out of the text, for else its words would be found and nothing would be learned."""

import itertools
import random
from typing import Callable, Dict, Iterable, List, Optional, Tuple

import spacy
from spacy.matcher import PhraseMatcher
from spacy.util import filter_spans

from ..encoder.borders import find_borders
from .docs import GOLD, Record
from .squad import ANSWER

Place = Tuple[int, int]
Finder = Callable[[str], List[Place]]
MIN_WORDS, MAX_WORDS = 6, 40  # of a sentence
AROUND = 10  # words of it that are kept on both sides of the term
MAX_CHARACTERS = 130  # of a question, that it fits into the wordpieces that one may have
PER_QUESTION = 2000  # characters of text: a long text gives more questions


def term_finder(terms: Iterable[str]) -> Finder:
    """RETURNS (Callable[[str], List[Tuple[int, int]]]): Finds terms in a text, in any case, by whole words, the longest first; gives their characters, in order."""
    nlp = spacy.blank("en")
    matcher = PhraseMatcher(nlp.vocab, attr="LOWER")
    matcher.add("TERM", [nlp.make_doc(term) for term in terms])

    def find(text: str) -> List[Place]:
        spans = filter_spans(matcher(nlp.make_doc(text), as_spans=True))
        return [(span.start_char, span.end_char) for span in spans]

    return find


def cloze_record(record: Record, find: Finder, rng: random.Random) -> Optional[Record]:
    """Make questions of a text.

    record (Record): Its "id" and "text".
    find (Callable[[str], List[Tuple[int, int]]]): As `term_finder` makes it.
    rng (random.Random): Draws the sentences.
    RETURNS (Optional[Record]): The text without these sentences, and a question for each; None where no term stands in two sentences.
    """
    text = record["text"]
    borders = [0, *find_borders(text).starts.tolist(), len(text)]
    sentences = list(itertools.pairwise(borders))
    terms: Dict[str, List[Tuple[int, Place]]] = {}  # its places, with the numbers of their sentences
    number = 0
    for start, end in find(text):
        while sentences[number][1] <= start:
            number += 1
        if end <= sentences[number][1]:
            terms.setdefault(" ".join(text[start:end].lower().split()), []).append((number, (start, end)))
    found = [
        (term, number, place)
        for term, rows in terms.items()
        for number, place in rows
        if len({each for each, _ in rows}) > 1
        and MIN_WORDS <= len(text[slice(*sentences[number])].split()) <= MAX_WORDS
    ]
    rng.shuffle(found)
    chosen: Dict[str, Tuple[int, Place]] = {}
    for term, number, place in found:
        if len(chosen) > len(text) // PER_QUESTION:
            break
        if term not in chosen and number not in [each for each, _ in chosen.values()]:
            chosen[term] = number, place
    removed = sorted(number for number, _ in chosen.values())
    questions: List[Record] = []
    spans: List[list] = []
    for term, (number, place) in chosen.items():
        question = _question(text, sentences[number], place)
        left = [each for other, each in terms[term] if other not in removed]
        if left and len(question) <= MAX_CHARACTERS:
            name = f"{record['id']} cloze {len(questions)}"
            questions.append({"id": name, "question": question})
            shifts = [sum(end - start for start, end in (sentences[i] for i in removed) if end <= at) for at, _ in left]
            spans += [
                [start - shift, end - shift, ANSWER, {"question": name}] for (start, end), shift in zip(left, shifts)
            ]
    if not questions:
        return None
    kept = "".join(text[slice(*each)] for i, each in enumerate(sentences) if i not in removed)
    return {"id": record["id"], "text": kept, "questions": questions, "spans": {GOLD: spans}, "widen": True}


def _question(text: str, sentence: Place, place: Place) -> str:
    """ "The fever began on Monday." → "the what began on Monday?" """
    before, after = text[sentence[0] : place[0]].split(), text[place[1] : sentence[1]].split()
    words = [*before[-AROUND:], "what", *after[:AROUND]]
    return " ".join(words).rstrip(" .,;:?!") + "?"
