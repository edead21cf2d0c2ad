"""What is asked of a document: `doc._.questions`."""

from collections.abc import Hashable
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from spacy.tokens import Doc
from spacy.training import Example

from ..corpora.docs import GOLD, span_attributes
from ..corpora.missing import may_learn
from ..corpora.questions import LABEL, UNANSWERABLE
from ..corpora.squad import ANSWER

SPAN, YES_NO = "span", "yes_no"  # kinds of questions

Place = Tuple[int, int]  # characters, first and behind the last


class Question(NamedTuple):
    """A question about a document.

    id (Any): What tells it from the others of the document; its place where nobody named one.
    text (str): The question.
    kind (str): `SPAN`, answered by spans of the document, or `YES_NO`, answered by a label.
    n_answers (Optional[int]): The most answers; None takes the component's.
    """

    id: Any
    text: str
    kind: str = SPAN
    n_answers: Optional[int] = None


class Known(NamedTuple):
    """What a reference knows of a question.

    question (Question): The question.
    places (List[Place]): Where the document answers it; empty if it does not.
    label (Optional[str]): The answer of a yes/no question.
    made (Optional[str]): The rule that took its answer away, see `corpora.questions`.
    """

    question: Question
    places: List[Place]
    label: Optional[str]
    made: Optional[str]


def read_questions(asked: Sequence[Any]) -> List[Question]:
    """Check what stands in `doc._.questions`.

    asked (Sequence[Union[str, Dict[str, Any]]]): Questions, or dicts of the fields of `Question`, with "question" for its text.
    RETURNS (List[Question]): All of them.
    RAISES (ValueError): One is empty, of no kind, or has no id of its own.
    """
    if isinstance(asked, (str, dict)):
        raise ValueError("doc._.questions is a list of questions, also where there is one.")
    found: List[Question] = []
    ids = set()
    for place, row in enumerate(asked):
        fields: Dict[str, Any] = row if isinstance(row, dict) else {"question": row}
        text, kind = fields.get("question"), fields.get("kind", SPAN)
        n_answers, name = fields.get("n_answers"), fields.get("id", place)
        if not isinstance(text, str) or not text.strip():
            raise ValueError(
                f"Question {place} of the document is empty. In doc._.questions are texts, or dicts with a text under 'question'."
            )
        if kind not in (SPAN, YES_NO):
            raise ValueError(f"Question {place} of the document has the kind '{kind}': say '{SPAN}' or '{YES_NO}'.")
        if n_answers is not None and (not isinstance(n_answers, int) or n_answers < 1):
            raise ValueError(f"Question {place} of the document has n_answers = {n_answers}: ask for 1 or more.")
        if not isinstance(name, Hashable) or isinstance(name, tuple):  # of which .spacy files make lists
            raise ValueError(f"Question {place} of the document has an id that is neither text nor number.")
        if name in ids:
            raise ValueError(f"Question {place} of the document has the id of another one. Give each an id of its own.")
        ids.add(name)
        found.append(Question(name, text, kind, n_answers))
    return found


def read_known(example: Example, component: str) -> List[Known]:
    """What a reference says of its questions. A yes/no question without a label is not known, and is left out.

    example (Example): Has `doc._.questions` and answers in its reference, as `corpora.squad` gives them.
    component (str): Whose annotation it is.
    RETURNS (List[Known]): None where nothing is annotated.
    """
    reference = example.reference
    if not reference._.questions or not may_learn(example, component):
        return []
    places: Dict[Any, List[Place]] = {}
    group = reference.spans.get(GOLD, [])
    for span, row in zip(group, span_attributes(reference) if group else []):
        if span.label_ == ANSWER:
            places.setdefault(row.get("question"), []).append((span.start_char, span.end_char))
    known = []
    for question, row in zip(read_questions(reference._.questions), reference._.questions):
        fields = row if isinstance(row, dict) else {}
        label = fields.get(LABEL)
        if question.kind == SPAN or label is not None:
            known.append(Known(question, places.get(question.id, []), label, fields.get(UNANSWERABLE)))
    return known


def questions_of(doc: Doc, default: Sequence[str]) -> Optional[List[Question]]:
    """The questions of a document, or else those that are asked of every document.

    RETURNS (Optional[List[Question]]): None where nothing is asked.
    """
    asked = doc._.questions
    if asked is None:
        asked = default or None
    return None if asked is None else read_questions(asked)
