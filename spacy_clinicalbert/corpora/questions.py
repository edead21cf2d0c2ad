"""Questions in SQuAD's JSON, with questions that the text does not answer, made by rule where a corpus has none.

"other_article": a question put to another text of the same file and split. "removed_section": a question put to its own text without the blocks (what stands
between empty lines, or under a head) that answer it. In both cases a question is left as it was where the words of one of its answers stand in
that text all the same. Such a question has "unanswerable" with the rule's name, its own id with the rule behind it, and no answer.
"""

import itertools
import random
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

from spacy.language import Language
from spacy.training import Example

from ..encoder.borders import Border, find_borders
from .docs import GOLD, Reader, Record, make_reader
from .files import FilePath
from .squad import ANSWER, squad_records

OTHER, REMOVED = "other_article", "removed_section"
UNANSWERABLE, LABEL = "unanswerable", "label"  # in a question: the rule; the answer of a yes/no question
ABOUT = "about"  # in a question: what it asks about; a text that names that is no other text for it
_TRIES = 10  # other texts to try for a question


def question_records(
    path: FilePath,
    split: Optional[str] = None,
    other_article: float = 0.25,
    removed_section: float = 0.25,
    n_questions: int = 0,
    seed: int = 0,
) -> Iterator[Record]:
    """Read a file and put some of its questions a second time, where they have no answer.

    path (Union[str, Path]): The file, SQuAD 1 or 2.
    split (Optional[str]): "train", "dev" or "test", see `squad.squad_records`. Questions never leave their split.
    other_article (float): The share of the answered questions that are put to another text too.
    removed_section (float): The share that are put to their own text without the answer.
    n_questions (int): The most questions of a record, that a text with many of them does not make a batch by itself; 0 leaves all together.
    seed (int): Which questions, and to which texts.
    YIELDS (Record): Records as `squad.squad_records` gives them; behind each, if any of its questions were chosen for it, its text without the answers.
    RAISES (ValueError): The file is damaged, or a share is not one.
    """
    records = list(squad_records(path, split))
    for record in records:
        if not all(isinstance(question["id"], (str, int)) for question in record["questions"]):
            raise ValueError(f"Text {record['id']} of '{path}' has a question whose id is neither text nor number.")
    yield from add_unanswerable(records, other_article, removed_section, n_questions, random.Random(seed))


def add_unanswerable(
    records: List[Record], other_article: float, removed_section: float, n_questions: int, rng: random.Random
) -> Iterator[Record]:
    """Put some of the questions of records a second time; see `question_records`.

    records (List[Record]): As `squad.squad_records` gives them. What a question has under "about", a list of words, must not stand in
        another text that it is put to, and is taken out.
    rng (random.Random): Draws.
    YIELDS (Record): The records.
    RAISES (ValueError): A share is not one.
    """
    for name, share in ((OTHER, other_article), (REMOVED, removed_section)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name} is {share}; it is a share, 0 to 1.")
    added: List[List[Dict[str, Any]]] = [[] for _ in records]
    cut: List[List[Dict[str, Any]]] = [[] for _ in records]
    for number, record in enumerate(records):
        for question, answers in _answered(record):
            about = question.pop(ABOUT, [])
            if rng.random() < other_article:
                place = _other_text(records, number, [*answers, *about], rng)
                made = _made(question, OTHER)
                # Where ids count anew in each text, another one's question may be there with this id.
                if place is not None and all(each["id"] != made["id"] for each in added[place]):
                    added[place].append(made)
            if rng.random() < removed_section:
                cut[number].append(question)
    for record, more, removed in zip(records, added, cut):
        record["questions"] = [*record["questions"], *more]
        yield from parts_of(record, n_questions)
        if removed:
            without = _without_answers(record, removed)
            if without["questions"]:
                yield from parts_of(without, n_questions)


def read_questions(
    path: FilePath,
    split: Optional[str] = None,
    other_article: float = 0.25,
    removed_section: float = 0.25,
    n_questions: int = 0,
    seed: int = 0,
    strict: bool = False,
) -> Reader:
    """The registered reader `spacy-clinicalbert.questions.v1`; see `question_records`. The predicted Docs have the questions too, in `doc._.questions`, as in use."""
    read = make_reader(lambda: question_records(path, split, other_article, removed_section, n_questions, seed), strict)

    def examples(nlp: Language) -> Iterator[Example]:
        for example in read(nlp):
            example.predicted._.questions = to_ask(example.reference._.questions)
            yield example

    return examples


def cut_into_passages(record: Record, max_words: int) -> Iterator[Record]:
    """Cut a long text, where the texts of questions are to be short beside what else is trained on.

    record (Record): As `squad.squad_records` gives it.
    max_words (int): The most words of a passage. Passages begin and end where sentences do, and no answer is cut; what neither border fits is longer.
    YIELDS (Record): The passages that have answers, with the id of the text, and the questions that these answer.
    """
    text, places = record["text"], _places(record)
    spans = [place for rows in places.values() for place in rows]
    borders = [0, *find_borders(text).starts.tolist(), len(text)]
    cuts, n_words = [0], 0
    for start, end in itertools.pairwise(borders):
        n = len(text[start:end].split())
        if n_words + n > max_words and start > cuts[-1] and not any(first < start < last for first, last in spans):
            cuts.append(start)
            n_words = 0
        n_words += n
    left = {"drops": record.get("drops", []), "unread": record.get("unread", {})}
    for number, (start, end) in enumerate(itertools.pairwise([*cuts, len(text)])):
        questions, found = [], []
        for question in record["questions"]:
            inside = [place for place in places.get(question["id"], ()) if start <= place[0] and place[1] <= end]
            if inside:
                name = f"{question['id']} {number}"
                questions.append({**question, "id": name})
                found += [[first - start, last - start, ANSWER, {"question": name}] for first, last in inside]
        if questions:
            yield {**record, "text": text[start:end], "questions": questions, "spans": {GOLD: found}, **left}
            left = {"drops": [], "unread": {}}


def to_ask(questions: Iterable[Dict[str, Any]]) -> Tuple[Dict[str, Any], ...]:
    """Questions of a reference without what is known of them, as a predicted Doc is to have them."""
    return tuple({key: row[key] for key in row if key not in (UNANSWERABLE, LABEL)} for row in questions)


def _answered(record: Record) -> Iterator[Tuple[Dict[str, Any], List[str]]]:
    """Its questions that have answers, with the texts of these."""
    places = _places(record)
    for question in record["questions"]:
        if question["id"] in places:
            yield question, [record["text"][start:end] for start, end in places[question["id"]]]


def _places(record: Record) -> Dict[Any, List[Tuple[int, int]]]:
    places: Dict[Any, List[Tuple[int, int]]] = {}
    for start, end, _, attributes in record["spans"][GOLD]:
        places.setdefault(attributes["question"], []).append((start, end))
    return places


def _made(question: Dict[str, Any], rule: str) -> Dict[str, Any]:
    return {**question, "id": f"{question['id']} {rule}", UNANSWERABLE: rule}


def _holds(text: str, answers: Iterable[str]) -> bool:
    lowered = text.lower()
    return any(answer.strip().lower() in lowered for answer in answers)


def _article(record: Record) -> Any:
    return record.get("article", record["id"])


def _other_text(records: List[Record], number: int, words: List[str], rng: random.Random) -> Optional[int]:
    for place in rng.sample(range(len(records)), min(_TRIES, len(records))):
        if _article(records[place]) != _article(records[number]) and not _holds(records[place]["text"], words):
            return place
    return None


def _without_answers(record: Record, questions: List[Dict[str, Any]]) -> Record:
    text, places = record["text"], _places(record)
    starts, kinds = find_borders(text)
    borders = [0, *starts[kinds >= Border.BLOCK].tolist(), len(text)]
    answers = [place for question in questions for place in places[question["id"]]]
    kept = "".join(
        text[start:end]
        for start, end in itertools.pairwise(borders)
        if not any(first < end and last > start for first, last in answers)
    )
    made = [
        _made(question, REMOVED)
        for question in questions
        if kept.strip() and not _holds(kept, (text[start:end] for start, end in places[question["id"]]))
    ]
    return {**record, "text": kept, "questions": made, "spans": {GOLD: []}, "drops": [], "unread": {}}


def parts_of(record: Record, n_questions: int) -> Iterator[Record]:
    """YIELDS (Record): A record, as several with so many questions each; 0 leaves it whole."""
    questions, spans = record["questions"], record["spans"][GOLD]
    size = n_questions or max(len(questions), 1)
    for first in range(0, max(len(questions), 1), size):
        part = questions[first : first + size]
        ids = {question["id"] for question in part}
        mine = [span for span in spans if span[3]["question"] in ids]
        drops: Record = {} if first == 0 else {"drops": [], "unread": {}}
        yield {**record, "questions": part, "spans": {GOLD: mine}, **drops}
