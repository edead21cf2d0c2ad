"""A pipeline over some notes: what it makes of each, and the notes that it fails on, alone."""

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model

from ..corpora.docs import install_extensions
from .notes import Note, is_utf8
from .records import Record, Unwritable, to_record

if TYPE_CHECKING:
    from ..encoder.shim import EncoderShim

Convert = Callable[[Doc, Note], Any]


def annotate(texts: Iterable[str], nlp: Language) -> Iterator[Record]:
    """Annotate texts as the command annotates notes. A text that the pipeline fails on goes to its error handler, which raises if nobody
    has set another.

    texts (Iterable[str]): The texts, any number of them.
    nlp (Language): The pipeline.
    YIELDS (Record): What was found in each, in their order; `id` and `position` are its number, from 0. See `records.Record`.
    RAISES (ValueError): One text was given in place of several: its characters would be the texts.
    """
    if isinstance(texts, str):
        raise ValueError("annotate takes a list of texts, also where there is one.")
    install_extensions()
    for doc, number in nlp.pipe(((text, number) for number, text in enumerate(texts)), as_tuples=True):
        doc._.note_id = number
        yield to_record(doc, position=number)


class Failure(NamedTuple):
    """A note that was not annotated.

    position (int), id (Union[str, int, None]): The note.
    reason (str): Why. Never text of the note.
    """

    position: int
    id: Any
    reason: str


class Annotator:
    """Annotates slices of a source, each as if there were no others: what becomes of a note depends on its slice alone, to the last bit.

    nlp (Language): The pipeline. Its error handler becomes the annotator's.
    convert (Callable[[Doc, Note], Any]): What is made of a Doc. What it returns may not hold the Doc.
    prepare (Optional[Callable[[Doc, Note], Any]]): Writes on a Doc what the pipeline shall read there.
    remember (bool): Keep the encoders' caches from slice to slice, so that text that comes again is not encoded again. The last bits of what becomes of a note then depend on what
        came before it.
    """

    def __init__(self, nlp: Language, convert: Convert, prepare: Optional[Convert] = None, *, remember: bool = False):
        install_extensions()
        self.nlp = nlp
        self.convert = convert
        self.prepare = prepare
        self.remember = remember
        self._found: Dict[int, Any] = {}
        self._reasons: Dict[int, str] = {}
        self._handle_errors()

    def __call__(self, notes: List[Note]) -> Tuple[List[Any], List[Failure]]:
        """Annotate a slice.

        RETURNS (Tuple[List[Any], List[Failure]]): What `convert` gave for the notes that could be annotated, in their order, and
            the notes that could not.
        """
        self._found, self._reasons = {}, {}
        with self.nlp.memory_zone():  # the vocabulary does not grow with the notes
            # A patient's notes together: what was copied from one to another is then encoded once.
            self._pipe(sorted(notes, key=lambda note: note.patient or ""))
            for note in notes:
                # Not every component can tell which note of a batch it fails on.
                if note.position not in self._found and note.position not in self._reasons:
                    self._pipe([note])
        missed = "the pipeline gave nothing back for it"
        failures = [
            Failure(note.position, note.id, self._reasons.get(note.position, missed))
            for note in notes
            if note.position not in self._found
        ]
        return [self._found[note.position] for note in notes if note.position in self._found], failures

    def _handle_errors(self) -> None:
        """What `nlp.set_error_handler` does. That stops at spaCy's `ner` and `parser`, which have no place for a handler: what they raise ends
        `nlp.pipe`, and `_pipe` catches it."""
        self.nlp.default_error_handler = self._note_error  # type: ignore[assignment]
        for _, pipe in self.nlp.pipeline:
            if hasattr(pipe, "set_error_handler"):
                try:
                    pipe.set_error_handler(self._note_error)
                except AttributeError:
                    continue

    def _pipe(self, notes: List[Note]) -> None:
        if not self.remember:
            forget_vectors(self.nlp)
        try:
            for doc, note in self.nlp.pipe(self._docs(notes), as_tuples=True):
                if note is not None:  # a component that makes a new Doc loses whose it is
                    self._keep(doc, note)
        except Exception as error:  # whatever a component without an error handler raises
            if len(notes) == 1:
                self._reasons[notes[0].position] = describe(error)

    def _docs(self, notes: List[Note]) -> Iterator[Tuple[Doc, Note]]:
        """Docs as they are wanted: a list of them would hold their vectors."""
        for note in notes:
            doc = self._make_doc(note)
            if doc is not None and len(doc):
                yield doc, note
            elif doc is not None:  # of an empty note a component could still say something
                self._keep(doc, note)

    def _make_doc(self, note: Note) -> Optional[Doc]:
        reason = note.reason or self._reason_against(note.text)
        if not reason:
            try:
                doc = self.nlp.make_doc(note.text)
            except Exception as error:  # whatever a tokenizer raises, it is this note's alone
                reason = f"the tokenizer: {describe(error)}"
            else:
                doc._.note_id, doc._.patient = note.id, note.patient
                if self.prepare is not None:
                    self.prepare(doc, note)
                return doc
        self._reasons[note.position] = reason
        return None

    def _reason_against(self, text: str) -> str:
        if len(text) > self.nlp.max_length:
            return f"it has {len(text)} characters, and the pipeline takes {self.nlp.max_length}: see --max-length"
        if not is_utf8(text):
            return "it is not UTF-8, or has half of a surrogate pair, which is no character"
        return ""

    def _keep(self, doc: Doc, note: Note) -> None:
        if note.position in self._reasons:  # a component has failed on it, and handed it on
            return
        try:
            self._found[note.position] = self.convert(doc, note)
        except Unwritable as error:
            self._reasons[note.position] = str(error)
        except Exception as error:  # whatever it is, it is this note's alone
            self._reasons[note.position] = f"it could not be written: {describe(error)}"

    def _note_error(self, name: str, component: Any, docs: List[Doc], error: Exception) -> None:
        if len(docs) == 1 and isinstance(docs[0]._context, Note):
            self._reasons[docs[0]._context.position] = f"the component '{name}': {describe(error)}"


def describe(error: Exception) -> str:
    """RETURNS (str): What an error is and where it was raised. Its message could hold the note."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


def forget_vectors(nlp: Language) -> None:
    """Empty the caches of a pipeline's encoders. Vectors that were made in another batch can differ in their last bits."""
    for shim in _encoders(nlp):
        with shim.lock:  # a thread of a pipe that was broken off may still be at it
            shim.cache.clear()


def make_predictors(nlp: Language) -> None:
    """Make the engines of a pipeline's encoders now: one that this machine does not have is not to be found out note by note.

    RAISES (ValueError): An engine cannot be had.
    """
    for shim in _encoders(nlp):
        shim.make_predictor()


def _encoders(nlp: Language) -> Iterator["EncoderShim"]:
    from ..encoder.shim import EncoderShim

    for _, pipe in nlp.pipeline:
        model = getattr(pipe, "model", None)
        for node in model.walk() if isinstance(model, Model) else ():
            yield from (shim for shim in node.shims if isinstance(shim, EncoderShim))
