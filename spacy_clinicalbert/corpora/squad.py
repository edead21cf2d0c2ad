"""SQuAD's JSON: texts, questions about them, and answers that stand in the text, as COVID-QA and XQuAD have it.

One Doc is a text with all its questions, doc._.questions; each answer is a span in doc.spans["gold"] with the label ANSWER and its
question's id as the attribute "question". A question without a span has no answer in the text.
"""

from collections import Counter
from typing import Any, Iterator, List, Optional

from .docs import GOLD, Reader, Record, check_span, make_reader, split_of
from .files import FilePath, json_file

ANSWER = "ANSWER"


def squad_records(path: FilePath, split: Optional[str] = None) -> Iterator[Record]:
    """Read a file.

    path (Union[str, Path]): The file, SQuAD 1 or 2.
    split (Optional[str]): "train", "dev" or "test", by article: its document_id, title or number (see `docs.split_of`);
        None reads all.
    YIELDS (Record): One record a text, with its "article". Answers that do not stand at their offsets are its "drops", and their
        questions are left out with them, for else they would seem to have no answer. Answers take in the tokens that they cut.
    RAISES (ValueError): The file is damaged or not SQuAD, or two questions about a text have one id, by the line or the article.
    """
    data = json_file(path)
    articles = data.get("data") if isinstance(data, dict) else None
    if not isinstance(articles, list):
        raise ValueError(f"Line 1 of '{path}' does not begin SQuAD: an object with the list 'data'.")
    for number, article in enumerate(articles, start=1):
        where = f"Article {number} of '{path}'"
        try:
            paragraphs = list(article["paragraphs"])
            for place, paragraph in enumerate(paragraphs, start=1):
                # Titles are often there and empty: these are no article's name, and not all of one split.
                names = (paragraph.get("document_id"), article.get("title"), number)
                name = next(each for each in names if each not in (None, ""))
                if split is None or split_of(name) == split:
                    note_id = name if len(paragraphs) == 1 else f"{name}-{place}"
                    yield {**_record(note_id, paragraph, f"{where}, paragraph {place},"), "article": name}
        except (KeyError, TypeError, AttributeError):
            raise ValueError(f"{where} is not SQuAD's: a part of it is missing or of another type.") from None


def _record(note_id: Any, paragraph: Any, where: str) -> Record:
    text = paragraph["context"]
    unread: Counter = Counter()
    record: Record = {"id": note_id, "text": text, "questions": [], "drops": [], "unread": unread, "widen": True}
    spans: List[Any] = []
    ids = [question["id"] for question in paragraph["qas"]]
    if len(set(ids)) < len(ids):
        raise ValueError(f"{where} has two questions with the same id. Give each an id of its own.")
    for question in paragraph["qas"]:
        found: List[Any] = []
        lost = 0
        for answer in question["answers"]:
            start, mention = answer["answer_start"], answer["text"]
            end = start + len(mention)
            check_span(text, start, end, where)
            if text[start:end] != mention:
                lost += 1
                record["drops"].append(["answers whose text does not stand at their offsets", start, end])
            elif [start, end] in [span[:2] for span in found]:
                unread["answers that repeat one of the same question"] += 1
            else:
                found.append([start, end, ANSWER, {"question": question["id"]}])
        unread["plausible answers"] += len(question.get("plausible_answers", []))
        if found or not lost:
            spans += found
            record["questions"].append({"id": question["id"], "question": question["question"]})
        else:
            unread["questions without an answer left"] += 1
    record["unread"] = +unread
    record["spans"] = {GOLD: spans}
    return record


def read_squad(path: FilePath, split: Optional[str] = None, strict: bool = False) -> Reader:
    """The registered reader `spacy-clinicalbert.squad.v1`; see `squad_records`."""
    return make_reader(lambda: squad_records(path, split), strict)
