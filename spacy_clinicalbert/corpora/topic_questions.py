"""Questions of MedQuAD: what is asked about a topic, put to the answers to all questions about it, so that a reader learns which of these answers which. The
answer is the first sentence of its own."""

import itertools
import random
from typing import Any, Dict, Iterable, Iterator, List, Optional

from ..encoder.borders import find_borders
from .docs import GOLD, Record
from .questions import ABOUT
from .squad import ANSWER

MIN_WORDS, MAX_WORDS = 4, 30  # of an answer: it must be whole in a window
MAX_CHARACTERS = 130  # of a question, that it fits into the wordpieces that one may have
MAX_ANSWERS = 6  # of a text
MAX_TEXT = 1200  # characters of one answer


def topic_records(records: Iterable[Record], rng: random.Random) -> Iterator[Record]:
    """Join pairs of questions and answers.

    records (Iterable[Record]): With "focus", "question" and "answer" in their "meta".
    rng (random.Random): Draws the topics, and the order of the answers of each.
    YIELDS (Record): For each topic with several questions a text, its questions with their answers, and under "about" the topic.
    """
    topics: Dict[str, Dict[str, str]] = {}
    for record in records:
        row = record["meta"]
        if all(isinstance(value, str) and value.strip() for value in row.values()):
            topics.setdefault(row["focus"], {}).setdefault(" ".join(row["question"].split()), row["answer"])
    names = [name for name, rows in topics.items() if len(rows) > 1]
    for name in rng.sample(names, len(names)):
        joined = _join(name, topics[name], rng)
        if joined is not None:
            yield joined


def _join(topic: str, rows: Dict[str, str], rng: random.Random) -> Optional[Record]:
    text = ""
    questions: List[Dict[str, Any]] = []
    spans: List[List[Any]] = []
    for question, answer in rng.sample(list(rows.items()), min(len(rows), MAX_ANSWERS)):
        piece = _shorten(answer.strip())
        place = _first_sentence(piece)
        if place is not None and len(question) <= MAX_CHARACTERS:
            name = f"{topic} topic {len(questions)}"
            questions.append({"id": name, "question": question, ABOUT: [topic]})
            spans.append([len(text) + place[0], len(text) + place[1], ANSWER, {"question": name}])
        text += f"{piece}\n\n"
    if not questions:
        return None
    return {"id": topic, "text": text.rstrip(), "questions": questions, "spans": {GOLD: spans}, "widen": True}


def _shorten(answer: str) -> str:
    starts = [start for start in find_borders(answer).starts.tolist() if start <= MAX_TEXT]
    return answer if len(answer) <= MAX_TEXT else answer[: starts[-1] if starts else MAX_TEXT].rstrip()


def _first_sentence(answer: str) -> Optional[List[int]]:
    """Its characters, without a question that the answer begins with."""
    borders = [0, *find_borders(answer).starts.tolist(), len(answer)]
    for start, end in itertools.pairwise(borders):
        piece = answer[start:end].rstrip()
        if MIN_WORDS <= len(piece.split()) <= MAX_WORDS and piece.endswith("."):
            return [start, start + len(piece)]
    return None
