"""What the service answers to a note: a row for each endpoint, with what the client sends and what is made of the Doc."""

from typing import Annotated, Any, Callable, Dict, List, NamedTuple, Optional, Type, Union

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, StrictStr
from pydantic_core import PydanticCustomError
from spacy.language import Language
from spacy.tokens import Doc

from ..questions.answers import answer_rows
from ..questions.asked import read_questions
from ..summary.render import to_dict
from .records import RECORD_VERSION, to_record


def _whole(value: str) -> str:
    try:
        value.encode("utf8")
    except UnicodeEncodeError:
        # JSON can write it ("\\ud800"), and no answer could repeat it.
        raise PydanticCustomError(
            "half_of_a_surrogate_pair", "This is half of a surrogate pair, no character."
        ) from None
    return value


QA = "clinical_qa"
MAX_QUESTIONS = 100  # of a note: each is a pass over its windows
Text = Annotated[StrictStr, AfterValidator(_whole)]


class NoteIn(BaseModel):
    """A note. `id` and `patient` come back in its record."""

    model_config = ConfigDict(extra="forbid")
    text: Text
    id: Union[StrictInt, Text, None] = None
    patient: Optional[Text] = None


def _asks(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("empty_question", "A question has words.")
    return value


class QuestionsIn(NoteIn):
    """A note, and what is asked about it."""

    questions: Annotated[List[Annotated[Text, AfterValidator(_asks)]], Field(min_length=1, max_length=MAX_QUESTIONS)]


class Answer(NamedTuple):
    """An endpoint.

    path (str): Where it is.
    factory (Optional[str]): It is there for pipelines with a component of this factory; None: for all.
    about (str): What it says, for the description.
    say (Callable[[Doc, Any], Any]): Makes the answer of the Doc, behind the pipeline and with the encoder's vectors, and of what the client sent.
    body (Type[NoteIn]): What the client sends.
    prepare (Optional[Callable[[Doc, Any], Any]]): Writes on the Doc, before the pipeline, what its components read of what was sent.
    check (Optional[Callable[[Language, Any], None]]): Raises ValueError for what the pipeline cannot take of what was sent, beside the note. It runs beside
        the pipeline's thread.
    """

    path: str
    factory: Optional[str]
    about: str
    say: Callable[[Doc, Any], Any]
    body: Type[NoteIn] = NoteIn
    prepare: Optional[Callable[[Doc, Any], Any]] = None
    check: Optional[Callable[[Language, Any], None]] = None


def _record(doc: Doc, note: NoteIn) -> Any:
    return to_record(doc)


def _named(note: NoteIn, said: Dict[str, Any]) -> Dict[str, Any]:
    """As the record begins."""
    patient = {} if note.patient is None else {"patient": note.patient}
    return {"version": RECORD_VERSION, "id": note.id, **patient, **said}


def _summary(doc: Doc, note: NoteIn) -> Dict[str, Any]:
    return _named(note, {"summary": [], **to_dict(doc)})


def _pathology(doc: Doc, note: NoteIn) -> Dict[str, Any]:
    record = doc._.pathology  # None of an empty note, which no component has seen
    return _named(note, {"pathology": {} if record is None else record.model_dump(mode="json", exclude_defaults=True)})


def _check_questions(nlp: Language, note: QuestionsIn) -> None:
    for name in nlp.pipe_names:
        if nlp.get_pipe_meta(name).factory == QA:
            component: Any = nlp.get_pipe(name)
            component.reader.question_ids(read_questions(note.questions))


def _ask(doc: Doc, note: QuestionsIn) -> None:
    doc._.questions = list(note.questions)


def _answers(doc: Doc, note: QuestionsIn) -> Dict[str, Any]:
    # None of an empty note, which no component has seen.
    said = {row["id"]: row["answers"] for row in answer_rows(doc) or ()}
    rows = [{"question": text, "answers": said.get(place, [])} for place, text in enumerate(note.questions)]
    return _named(note, {"questions": rows})


ANSWERS = (
    Answer(
        "/annotate",
        None,
        "What the pipeline finds in a note: the record that the command `annotate` writes, without `position`.",
        _record,
    ),
    Answer("/summarize", "clinical_summary", "The sentences that say most of a note, and its case summary.", _summary),
    Answer(
        "/pathology",
        "clinical_pathology",
        "What a pathology report states, field by field, with its places.",
        _pathology,
    ),
    Answer(
        "/ask",
        QA,
        "What a note says to each question, the best answer first, with its place; none where it does not say.",
        _answers,
        QuestionsIn,
        _ask,
        _check_questions,
    ),
)


def find_answers(nlp: Language) -> List[Answer]:
    """RETURNS (List[Answer]): Those of `ANSWERS` that a pipeline has the component for."""
    factories = {nlp.get_pipe_meta(name).factory for name in nlp.pipe_names}
    return [answer for answer in ANSWERS if answer.factory is None or answer.factory in factories]
