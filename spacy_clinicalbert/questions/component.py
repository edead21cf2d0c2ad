"""The component `clinical_qa`: questions about a note, answered by spans of it."""

import logging
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Union

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import torch2xp, xp2torch

from ..corpora.docs import install_extensions
from ..encoder.component import ClinicalBert
from ..encoder.windows import Windower
from ..pipeline.calibration import Calibration
from ..pipeline.head import Head
from .answers import Answer, Found, install_getter, make_answers, read_found, write_answers
from .asked import Known, Question, questions_of, read_known, read_questions
from .calibration import UNIT, calibrate_questions, calibrated
from .lessons import loss_of_lessons, make_lessons
from .model import Logits, Reader, Vectors
from .pairs import predict_pairs, row_starts, update_pairs
from .reading import Limits, NoteReader, Raw
from .scorer import score_questions

logger = logging.getLogger(__name__)

N_CANDIDATES = 5  # at least so many spans are kept of each question, for hit@5
Asked = Union[str, Dict[str, Any]]


class ClinicalQA(Head):
    """Answers questions about a document by spans of it. Each question goes with each window of the document through the network of the pipeline's own
    `clinicalbert`, as [CLS] question [SEP] window [SEP]. That network stays the encoder's: it is saved with it, stepped with it, and frozen with it.

    Questions stand in `doc._.questions`, texts or dicts (see `asked.Question`). `doc._.answers` has what came of them, `doc.spans["answers"]` the same as spans, with
    `attrs["answers"]` parallel to them, and in `attrs["questions"]` each question with its candidates, also those below the threshold.

    vocab (Vocab): The pipeline's vocabulary.
    model (Model[Vectors, Logits]): As `model.QuestionReader` makes it.
    name (str): The component's name.
    windows (Windower): Cuts a document into the windows that stand beside a question. An answer is found if it is whole in one.
    upstream (str): The name of the encoder; "*" takes the nearest before.
    questions (Sequence[str]): Asked of every document that has no questions of its own.
    n_answers (int): The most answers to a question that does not say how many.
    threshold (float): The least score of an answer; `calibrate` can set another one.
    labels (Sequence[str]): The answers to yes/no questions.
    max_question (int): The most wordpieces of a question; a longer one is an error.
    max_answer (int): The most wordpieces of an answer.
    max_windows (int): The most windows to read for a question, chosen by BM25; 0 reads all.
    train_windows (int): The most to read for a question in an update.
    scorer (Optional[Callable]): The scoring method.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Reader,
        name: str = "clinical_qa",
        *,
        windows: Windower,
        upstream: str = "*",
        questions: Sequence[str] = (),
        n_answers: int = 1,
        threshold: float = 0.5,
        labels: Sequence[str] = ("yes", "no", "maybe"),
        max_question: int = 64,
        max_answer: int = 80,
        max_windows: int = 20,
        train_windows: int = 4,
        scorer: Optional[Callable] = score_questions,
    ) -> None:
        given = {"n_answers": n_answers, "max_question": max_question, "max_answer": max_answer}
        given["train_windows"] = train_windows
        wrong = [key for key, value in given.items() if value < 1] + ["max_windows"] * (max_windows < 0)
        if wrong:
            raise ValueError(f"'{name}' has {wrong[0]} = {given.get(wrong[0], max_windows)}: set it higher.")
        if len(set(labels)) != len(labels) or len(labels) < 2:
            raise ValueError(f"'{name}' wants two labels or more, each another, for yes/no questions.")
        read_questions(list(questions))
        install_extensions()
        install_getter()
        self.vocab = vocab
        self.model = model
        self.name = name
        self.limits = Limits(windows, max_question, max_answer, max_windows)
        self.upstream = upstream
        self.questions = list(questions)
        self.n_answers = n_answers
        self.train_windows = train_windows
        self.scorer = scorer
        self.encoder: Optional[ClinicalBert] = None
        self.cfg: Dict[str, Any] = dict(UNIT)
        self._labels = tuple(labels)
        self._threshold = threshold
        self._warned = False

    @property
    def threshold(self) -> float:
        """RETURNS (float): The least score of an answer."""
        return self._threshold if self.cfg["threshold"] is None else self.cfg["threshold"]

    def bind_encoder(self, encoder: ClinicalBert) -> None:
        """Take the network of an encoder before this component; of several the nearest. Usually internal: `ClinicalBert.find_listeners` calls it."""
        if self.upstream in ("*", encoder.name):
            self.encoder = encoder

    @property
    def reader(self) -> NoteReader:
        """RETURNS (NoteReader): Reads documents with the encoder's network.
        RAISES (ValueError): There is no encoder, or it has no weights."""
        if self.encoder is None:
            raise ValueError(
                f"'{self.name}' reads with the network of a component clinicalbert, and found none that is called '{self.upstream}' before it. Put one before it, or set "
                "upstream. It may be disabled, not excluded."
            )
        return NoteReader(self.name, self.encoder, self.limits)

    def initialize(
        self, get_examples: Callable[[], Iterable[Example]], *, nlp: Optional[Language] = None, labels: Any = None
    ) -> None:
        """Make the model's weights.

        get_examples (Callable[[], Iterable[Example]]): Is not used.
        nlp (Optional[Language]): The pipeline.
        labels (Any): Is not used: the labels of yes/no questions are a setting.
        RAISES (ValueError): No window fits beside a question.
        """
        self.cfg = dict(UNIT)  # what new weights give was never calibrated
        reader, ops = self.reader, self.model.ops
        # Windows that do not fit show now, not at the first long document.
        reader.passages([Doc(self.vocab, words=["a"] * reader.checkpoint.positions)])
        rows = Vectors(ops.alloc2f(1, reader.checkpoint.width), numpy.zeros(1, dtype="int64"))
        self.model.initialize(X=rows, Y=Logits(ops.alloc2f(1, 2), ops.alloc2f(1, len(self._labels))))

    def ask(self, doc: Doc, questions: Union[Asked, Sequence[Asked]]) -> List[Answer]:
        """Ask about a document, which stays as it is.

        doc (Doc): The document.
        questions (Union[str, Dict, Sequence]): One question or several, as in `doc._.questions`.
        RETURNS (List[Answer]): The answers, question by question, of each the best first. A question without an answer has none.
        """
        asked = read_questions([questions] if isinstance(questions, (str, dict)) else questions)
        (found,) = self._find([doc], [asked])
        return [answer for each in found for answer in make_answers(doc, each, self.n_answers, self.threshold)]

    def predict(self, docs: Iterable[Doc]) -> List[Optional[List[Found]]]:
        """Answer the questions of some Docs, without changing these.

        docs (Iterable[Doc]): The documents, with `doc._.questions`.
        RETURNS (List[Optional[List[Found]]]): For each document what was found for each of its questions; None where nothing is asked.
        """
        docs = list(docs)
        asked = [questions_of(doc, self.questions) for doc in docs]
        found = self._find(docs, [each or [] for each in asked])
        return [None if questions is None else each for questions, each in zip(asked, found)]

    def set_annotations(self, docs: Iterable[Doc], found: Sequence[Optional[List[Found]]]) -> None:
        """Write the span group.

        docs (Iterable[Doc]): The documents.
        found (Sequence[Optional[List[Found]]]): As `predict` gave it.
        """
        for doc, each in zip(docs, found):
            if each is not None:
                write_answers(doc, each, self.n_answers, self.threshold)

    def read_targets(self, examples: List[Example]) -> Optional[List[List[Known]]]:
        """RETURNS (Optional[List[List[Known]]]): What each reference knows of its questions; None where none has any."""
        known = [read_known(example, self.name) for example in examples]
        return known if any(known) else None

    def learn(self, examples: List[Example], targets: List[List[Known]]) -> float:
        """Unless the encoder is frozen, its network learns too: the backward runs here, and its gradient waits with those of the other heads for the
        encoder's step. (The head has no dropout of its own, and the network's is in its config.)

        examples (List[Example]): The batch.
        targets (List[List[Known]]): As `read_targets` gave it.
        RETURNS (float): The loss, see `lessons.loss_of_lessons`.
        """
        reader, docs = self.reader, [example.predicted for example in examples]
        lessons, pairs, n_lost = make_lessons(reader, docs, targets, self._labels, self.train_windows)
        self._warn(n_lost)
        if not pairs:
            return 0.0
        encoder = reader.encoder
        trains = encoder.trains_on(docs)
        if trains:
            vectors, backprop_vectors = update_pairs(encoder.model, pairs, reader.frame)
        else:
            vectors = predict_pairs(encoder.model, pairs, reader.frame)
        starts = row_starts(pairs)
        logits, backprop = self.model.begin_update(Vectors(torch2xp(vectors), starts[:-1]))  # type: ignore[arg-type]
        loss, d_logits = loss_of_lessons(logits, starts, lessons, self.model.ops)
        d_vectors: Any = backprop(d_logits)
        if trains:
            backprop_vectors(xp2torch(d_vectors, device=vectors.device))
            encoder.take_gradient(float((d_vectors**2).sum()))
        return loss

    def score(self, examples: Iterable[Example], **settings: Any) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The scores, see `scorer.score_questions`. What was not asked of the predicted Docs is asked here."""
        if self.scorer is None:
            return {}
        examples = list(examples)
        known = [read_known(example, self.name) for example in examples]
        done = [read_found(example.predicted) for example in examples]
        asked = [
            [one.question for one in rows if (one.question.id, one.question.text) not in each]
            for rows, each in zip(known, done)
        ]
        for each, new in zip(done, self._find([example.predicted for example in examples], asked)):
            each.update({(one.question.id, one.question.text): one for one in new})
        found = [[each[one.question.id, one.question.text] for one in rows] for rows, each in zip(known, done)]
        return self.scorer(examples, known=known, found=found, threshold=self.threshold, **settings)

    def calibrate(self, examples: Iterable[Example], precision: Optional[float] = None) -> Dict[str, Calibration]:
        """Fit scores to questions that it was not trained on, some of which have no answer in their document.

        examples (Iterable[Example]): With the questions in their references.
        precision (Optional[float]): Set the threshold at which this share of the questions that are answered has an answer. None takes that of the config, for one
            that was chosen by another temperature says nothing any more.
        RETURNS (Dict[str, Calibration]): What was done, see `calibration.calibrate_questions`.
        """
        examples = list(examples)
        known = [read_known(example, self.name) for example in examples]
        raw = self._read(
            [example.predicted for example in examples], [[one.question for one in each] for each in known]
        )
        found, self.cfg = calibrate_questions(raw, known, self._labels, precision, self.cfg)
        return found

    def _find(self, docs: List[Doc], asked: List[List[Question]]) -> List[List[Found]]:
        return [[calibrated(one, self.cfg, self._labels) for one in rows] for rows in self._read(docs, asked)]

    def _read(self, docs: List[Doc], asked: List[List[Question]]) -> List[List[Raw]]:
        found: List[List[Raw]] = [[] for _ in docs]
        chosen = [i for i, questions in enumerate(asked) if questions]
        if chosen:
            n_best = max(self.n_answers, N_CANDIDATES)
            rows = self.reader.read(self.model, [docs[i] for i in chosen], [asked[i] for i in chosen], n_best)
            for i, each in zip(chosen, rows):
                found[i] = each
        return found

    def _warn(self, n_lost: int) -> None:
        if n_lost and not self._warned:
            self._warned = True
            logger.warning(
                "'%s' cannot learn from %d questions of a batch: their answers are longer than what two windows share, and whole in none. Give its windows more "
                "context. This is said once.",
                self.name,
                n_lost,
            )
