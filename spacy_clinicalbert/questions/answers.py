"""What comes of questions: `doc._.answers`."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from spacy.tokens import Doc, Span, SpanGroup

from .asked import SPAN, Question

ANSWERS = "answers"  # the span group; in its attrs, a dict for each of its spans
QUESTIONS = "questions"  # in its attrs: a dict for each question that was asked
DIGITS = 6  # of scores, in plain values


class Answer(NamedTuple):
    """An answer to a question about a document.

    question (str): The question.
    id (Any): Its id.
    span (Span): The answer; of a yes/no question the window that says most of it.
    start, end (int): Its characters.
    score (float): How probable it is, after calibration, that the document answers the question so; of a yes/no question, that its label holds.
    label (Optional[str]): The answer to a yes/no question.
    """

    question: str
    id: Any
    span: Span
    start: int
    end: int
    score: float
    label: Optional[str] = None


class Found(NamedTuple):
    """What was found for one question.

    question (Question): The question.
    candidates (List[Tuple[int, int, float]]): Spans by their tokens, with their scores, that do not overlap, best first: also those below the threshold.
    labels (Dict[str, float]): For a yes/no question the probability of each label; else, or in a document without words, empty.
    """

    question: Question
    candidates: List[Tuple[int, int, float]]
    labels: Dict[str, float]


def make_answers(doc: Doc, found: Found, n_answers: int, threshold: float) -> List[Answer]:
    """The answers to a question among what was found.

    n_answers (int): The most for a question that does not say how many.
    threshold (float): The least score of a span.
    RETURNS (List[Answer]): The best first; none where the document does not say.
    """
    question = found.question
    if question.kind != SPAN:
        label = max(found.labels, key=lambda each: found.labels[each], default=None)
        rows = [(start, end, found.labels[label]) for start, end, _ in found.candidates[:1]] if label else []
    else:
        label = None
        rows = [row for row in found.candidates if row[2] >= threshold][: question.n_answers or n_answers]
    answers = []
    for start, end, score in rows:
        span = Span(doc, start, end)
        answers.append(Answer(question.text, question.id, span, span.start_char, span.end_char, score, label))
    return answers


def write_answers(doc: Doc, found: List[Found], n_answers: int, threshold: float) -> None:
    """Write the span group `doc.spans["answers"]`, in the order of the questions."""
    answers = [answer for each in found for answer in make_answers(doc, each, n_answers, threshold)]
    rows = [{"question": each.id, "score": each.score, "label": each.label} for each in answers]
    questions = [
        {
            "id": each.question.id,
            "question": each.question.text,
            "kind": each.question.kind,
            "candidates": [list(row) for row in each.candidates],
            "labels": dict(each.labels),
        }
        for each in found
    ]
    spans = [each.span for each in answers]
    attrs = {ANSWERS: rows, QUESTIONS: questions}
    doc.spans[ANSWERS] = SpanGroup(doc, name=ANSWERS, spans=spans, attrs=attrs)


def find_answers(doc: Doc) -> Optional[List[Answer]]:
    """What stands behind `doc._.answers`.

    RETURNS (Optional[List[Answer]]): None where nothing was asked.
    """
    if ANSWERS not in doc.spans or QUESTIONS not in doc.spans[ANSWERS].attrs:  # or a group of another component's
        return None
    group = doc.spans[ANSWERS]
    texts = {row["id"]: row["question"] for row in group.attrs[QUESTIONS]}
    return [
        Answer(
            texts[row["question"]],
            row["question"],
            span,
            span.start_char,
            span.end_char,
            row["score"],
            row["label"],
        )
        for span, row in zip(group, group.attrs[ANSWERS])
    ]


def answer_rows(doc: Doc) -> Optional[List[Dict[str, Any]]]:
    """What was asked of a document, and its answers, in plain values.

    RETURNS (Optional[List[Dict[str, Any]]]): For each question {"id", "question", "kind", "answers": [{"start", "end", "text", "score"}, ...]}, where the answer to a
        yes/no question has its "label" too; the best answer first, none where the document does not say. None where nothing was asked.
    """
    answers = find_answers(doc)
    if answers is None:
        return None
    rows = [{name: row[name] for name in ("id", "question", "kind")} for row in doc.spans[ANSWERS].attrs[QUESTIONS]]
    of_question: Dict[Any, List[Dict[str, Any]]] = {row["id"]: row.setdefault("answers", []) for row in rows}
    for answer in answers:
        place: Dict[str, Any] = {"start": answer.start, "end": answer.end, "text": answer.span.text}
        label = {} if answer.label is None else {"label": answer.label}
        of_question[answer.id].append({**place, "score": round(float(answer.score), DIGITS), **label})
    return rows


def install_getter() -> None:
    """Declare `doc._.answers`."""
    if not Doc.has_extension("answers"):
        Doc.set_extension("answers", getter=find_answers)


def read_found(doc: Doc) -> Dict[Tuple[Any, str], Found]:
    """RETURNS (Dict[Tuple[Any, str], Found]): For each question that was asked, by its id and text, what `write_answers` wrote."""
    if find_answers(doc) is None:
        return {}
    return {
        (row["id"], row["question"]): Found(
            Question(row["id"], row["question"], row["kind"]),
            [(start, end, score) for start, end, score in row["candidates"]],
            row["labels"],
        )
        for row in doc.spans[ANSWERS].attrs[QUESTIONS]
    }
