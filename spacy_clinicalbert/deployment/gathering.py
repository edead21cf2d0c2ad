"""Notes of many clients, gathered into batches for one thread that owns the pipeline."""

import logging
import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import Any, Callable, Deque, List, NamedTuple, Optional, Union

from spacy.language import Language
from spacy.tokens import Doc

from .annotator import Annotator, describe
from .forms import dump
from .notes import Note
from .records import to_record

logger = logging.getLogger(__name__)
Say = Callable[[Doc], Any]


class QueueFull(RuntimeError):
    """As many notes wait as may."""


class Closed(RuntimeError):
    """No more notes are taken: the service is shutting down."""


class NoteFailed(ValueError):
    """The pipeline failed on the note. Why stands in the log: its message may go to whoever sent the note."""

    def __init__(self) -> None:
        super().__init__("The pipeline failed on the note.")


class _Waiting(NamedTuple):
    note: Note
    say: Say
    prepare: Optional[Say]
    future: "Future[str]"


class Gatherer:
    """Annotates notes as they come, several in a batch where several wait. A note that fails fails alone.

    nlp (Language): The pipeline. From now on it is the gatherer's thread's alone.
    max_waiting (int): Notes that may wait; one more is refused.
    max_notes (int), max_characters (int): Of a batch. A longer note has a batch of its own.
    gathering (float): Seconds to wait for further notes behind the first of a batch.
    observe (Optional[Callable[[int], Any]]): Gets the number of notes of each batch.
    """

    def __init__(
        self,
        nlp: Language,
        *,
        max_waiting: int = 256,
        max_notes: int = 32,
        max_characters: int = 200_000,
        gathering: float = 0.005,
        observe: Optional[Callable[[int], Any]] = None,
    ):
        self.max_waiting = max_waiting
        self.max_notes = max_notes
        self.max_characters = max_characters
        self.gathering = gathering
        self._observe = observe
        self._annotator = Annotator(nlp, self._say, self._prepare, remember=True)
        self._batch: List[_Waiting] = []
        self._waiting: Deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="clinicalbert-pipeline", daemon=True)
        self._thread.start()

    def submit(
        self,
        text: str,
        id: Union[str, int, None] = None,
        patient: Optional[str] = None,
        say: Say = to_record,
        prepare: Optional[Say] = None,
    ) -> "Future[str]":
        """Hand in a note. Cancel the future to take it back, while it waits.

        say (Callable[[Doc], Any]): What is answered, made of the Doc in the pipeline's thread.
        prepare (Optional[Callable[[Doc], Any]]): Writes on the Doc what the pipeline shall read there.
        RETURNS (Future[str]): The answer as JSON, or the error `NoteFailed`.
        RAISES (QueueFull): Too many wait.
        RAISES (Closed): `close` was called.
        """
        future: Future[str] = Future()
        with self._changed:
            if self._closed:
                raise Closed("The service is shutting down.")
            if self._n_waiting() >= self.max_waiting:
                raise QueueFull("Too many notes wait.")
            self._waiting.append(_Waiting(Note(0, id, text, patient), say, prepare, future))
            self._changed.notify()
        return future

    @property
    def ready(self) -> bool:
        """Whether notes are taken."""
        return not self._closed and self._thread.is_alive()

    def __len__(self) -> int:
        with self._changed:
            return self._n_waiting()

    def _n_waiting(self) -> int:
        """Forget what was taken back, and count what waits; under the lock."""
        if any(each.future.cancelled() for each in self._waiting):
            self._waiting = deque(each for each in self._waiting if not each.future.cancelled())
        return len(self._waiting)

    def close(self) -> None:
        """Take no more notes, finish those that were taken, and return then."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            batch = self._gather()
            if batch is None:
                return
            running = [each for each in batch if each.future.set_running_or_notify_cancel()]
            if not running:
                continue
            try:
                self._answer(running)
            except Exception as error:  # whatever it is, the thread goes on, and nobody waits for ever
                logger.error("A batch of %d notes failed: %s", len(running), describe(error))
                for each in running:
                    if not each.future.done():
                        each.future.set_exception(NoteFailed())

    def _gather(self) -> Optional[List[_Waiting]]:
        with self._changed:
            while not self._n_waiting():
                if self._closed:
                    return None
                self._changed.wait()
            end = time.monotonic() + self.gathering
            while not self._closed and self._n_waiting() < self.max_notes:
                left = end - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            self._n_waiting()
            batch: List[_Waiting] = []
            characters = 0
            while self._waiting and len(batch) < self.max_notes:
                characters += len(self._waiting[0].note.text)
                if batch and characters > self.max_characters:
                    break
                batch.append(self._waiting.popleft())
            return batch

    def _answer(self, batch: List[_Waiting]) -> None:
        if self._observe is not None:
            self._observe(len(batch))
        # The annotator knows notes by their position, and clients' ids may be equal.
        self._batch = batch
        found, failures = self._annotator([each.note._replace(position=number) for number, each in enumerate(batch)])
        failed = {failure.position for failure in failures}
        for failure in failures:
            logger.error("A note failed: %s", failure.reason)
        lines = iter(found)
        for number, each in enumerate(batch):
            if number in failed:
                each.future.set_exception(NoteFailed())
            else:
                each.future.set_result(next(lines))

    def _say(self, doc: Doc, note: Note) -> str:
        return dump(self._batch[note.position].say(doc))

    def _prepare(self, doc: Doc, note: Note) -> None:
        prepare = self._batch[note.position].prepare
        if prepare is not None:
            prepare(doc)
