"""Documents read for questions: each question with each of its windows through the network, and what comes of it."""

from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy
from numpy import ndarray
from spacy.tokens import Doc
from thinc.api import torch2xp

from ..encoder.component import ClinicalBert
from ..encoder.plan import tokenize
from ..encoder.windows import Windower
from .asked import SPAN, Question
from .learning import pool_labels
from .model import Reader, Vectors
from .pairs import Frame, Pair, find_frame, predict_pairs, row_starts
from .passages import Passages, read_passages
from .ranking import WindowRanker
from .spans import Candidate, best_spans, merge


class Limits(NamedTuple):
    """What a document and its questions are cut by.

    windows (Windower): Cuts a document into windows.
    max_question (int): The most wordpieces of a question.
    max_answer (int): The most wordpieces of an answer.
    max_windows (int): The most windows that are read for a question; 0 reads all.
    """

    windows: Windower
    max_question: int
    max_answer: int
    max_windows: int


class Raw(NamedTuple):
    """What the network gives for one question, before calibration.

    question (Question): The question.
    candidates (List[Candidate]): Spans, by tokens of the document, best first. Of a yes/no question the window that says most of it.
    labels (Optional[ndarray]): For a yes/no question the logits of the labels, (n_labels,); None in a document without words.
    """

    question: Question
    candidates: List[Candidate]
    labels: Optional[ndarray]


class Job(NamedTuple):
    """A question and a window.

    doc, question, window (int): Their numbers.
    pair (Pair): Their wordpieces.
    """

    doc: int
    question: int
    window: int
    pair: Pair


class NoteReader:
    """Reads documents with an encoder's network.

    name (str): The component, for errors.
    encoder (ClinicalBert): Its network is used; it must have weights.
    limits (Limits): What is cut.
    """

    def __init__(self, name: str, encoder: ClinicalBert, limits: Limits) -> None:
        self.name = name
        self.encoder = encoder
        self.limits = limits
        self.checkpoint = encoder.shim.checkpoint
        self.frame: Frame = find_frame(self.checkpoint)

    @property
    def max_window(self) -> int:
        """RETURNS (int): The most wordpieces of a window, that the longest question fits beside it.
        RAISES (ValueError): None does."""
        left = self.checkpoint.positions - self.frame.n_special - self.limits.max_question
        if left < 1:
            raise ValueError(
                f"A question of {self.limits.max_question} wordpieces leaves no place for a window: this checkpoint takes "
                f"{self.checkpoint.positions}. Set max_question of '{self.name}' lower."
            )
        return left

    def passages(self, docs: List[Doc]) -> List[Passages]:
        """RETURNS (List[Passages]): The documents' wordpieces and windows."""
        return list(read_passages(self.checkpoint, self.limits.windows, docs, self.max_window))

    def question_ids(self, questions: List[Question]) -> List[ndarray]:
        """RETURNS (List[ndarray]): The wordpieces of each.
        RAISES (ValueError): One is too long, or has none."""
        found = [ids for ids, _, _ in tokenize(self.checkpoint, [each.text for each in questions])]
        for place, ids in enumerate(found):
            if not 0 < len(ids) <= self.limits.max_question:
                raise ValueError(
                    f"Question {place} of the document has {len(ids)} wordpieces, and '{self.name}' takes 1 to {self.limits.max_question}. Shorten "
                    "the question, or set max_question higher."
                )
        return found

    def read(self, model: Reader, docs: List[Doc], asked: List[List[Question]], n_best: int) -> List[List[Raw]]:
        """Read documents. However many and long these are, and however many questions, the vectors of the encoder's max_buffer_items positions are held at a time.

        model (Model[Vectors, Logits]): Says what vectors mean.
        asked (List[List[Question]]): The questions of each document.
        n_best (int): The most candidates of a question that does not want more.
        RETURNS (List[List[Raw]]): What the network gives for each.
        """
        passages = self.passages(docs)
        spans: Dict[Tuple[int, int], List[Candidate]] = {}
        labels: Dict[Tuple[int, int], List[Tuple[ndarray, int]]] = {}
        for jobs in self._chunks(self._jobs(docs, asked, passages)):
            pairs = [job.pair for job in jobs]
            vectors, starts = predict_pairs(self.encoder.model, pairs, self.frame), row_starts(pairs)
            logits = model.predict(Vectors(torch2xp(vectors), starts[:-1]))  # type: ignore[arg-type]
            borders, label_logits = model.ops.to_numpy(logits.borders), model.ops.to_numpy(logits.labels)
            for i, job in enumerate(jobs):
                place, question = (job.doc, job.question), asked[job.doc][job.question]
                if question.kind == SPAN:
                    rows, wanted = borders[starts[i] : starts[i + 1]], max(question.n_answers or 0, n_best)
                    found = self._spans(docs[job.doc], passages[job.doc], job.window, rows, wanted)
                    spans[place] = merge([*spans.get(place, []), *found], wanted)
                else:
                    labels.setdefault(place, []).append((label_logits[i], job.window))
        return [
            [
                Raw(question, spans.get((i, j), []), None)
                if question.kind == SPAN
                else _pool(question, labels.get((i, j), []), passages[i])
                for j, question in enumerate(questions)
            ]
            for i, questions in enumerate(asked)
        ]

    def _jobs(self, docs: List[Doc], asked: List[List[Question]], passages: List[Passages]) -> Iterator[Job]:
        # All are checked before the first is read.
        ids = [self.question_ids(questions) for questions in asked]
        for i, (doc, questions, read) in enumerate(zip(docs, asked, passages)):
            ranker = rank_windows(doc, read) if questions and 0 < self.limits.max_windows < read.n_windows else None
            for j, question in enumerate(questions):
                windows = range(read.n_windows) if ranker is None else ranker.rank(question.text)
                for number in windows[: self.limits.max_windows or None]:
                    yield Job(i, j, int(number), Pair(ids[i][j], read.window_ids(number)))

    def _chunks(self, jobs: Iterator[Job]) -> Iterator[List[Job]]:
        chunk: List[Job] = []
        n_items = 0
        for job in jobs:
            chunk.append(job)
            n_items += self.frame.n_special + len(job.pair.question) + len(job.pair.window)
            if n_items >= self.encoder.cfg["max_buffer_items"]:
                yield chunk
                chunk, n_items = [], 0
        if chunk:
            yield chunk

    def _spans(self, doc: Doc, passages: Passages, window: int, logits: ndarray, n_best: int) -> List[Candidate]:
        """The best spans of a window, by tokens of the document, without white space at their ends."""
        pieces = slice(int(passages.windows.start[window]), int(passages.windows.end[window]))
        firsts, lasts = passages.first_tokens[pieces], passages.last_tokens[pieces]
        in_words = firsts >= 0
        found = []
        for score, first, last in best_spans(logits, in_words, in_words, self.limits.max_answer, n_best):
            start, end = int(firsts[first]), int(lasts[last])
            while start < end and doc[start].is_space:
                start += 1
            while end > start and doc[end].is_space:
                end -= 1
            if not doc[start].is_space:
                found.append(Candidate(score, start, end))
        return found


def rank_windows(doc: Doc, passages: Passages) -> WindowRanker:
    """RETURNS (WindowRanker): Ranks the windows of a document."""
    text = doc.text  # which spaCy puts together at each call
    return WindowRanker([passages.window_text(number, text) for number in range(passages.n_windows)])


def _pool(question: Question, rows: List[Tuple[ndarray, int]], passages: Passages) -> Raw:
    """What the windows say together of a yes/no question."""
    if not rows:
        return Raw(question, [], None)
    logits = numpy.stack([row for row, _ in rows]).astype("float64")
    pooled = pool_labels(logits)
    window = rows[int(logits[:, pooled.argmax()].argmax())][1]
    pieces = slice(int(passages.windows.start[window]), int(passages.windows.end[window]))
    tokens = passages.first_tokens[pieces]
    if (tokens < 0).all():
        return Raw(question, [], None)
    return Raw(question, [Candidate(0.0, int(tokens[tokens >= 0][0]), int(passages.last_tokens[pieces].max()))], pooled)
