"""Questions made of what corpora have that hold none, for a first stage of training `clinical_qa`: of the texts of training notes and articles ("cloze"), MACCROBAT's
annotation ("labels", "relations", "polarity") and MedQuAD's pairs ("topics")."""

import itertools
import random
from pathlib import Path
from typing import Dict, Iterator, List

from .annotated_questions import label_questions, polarity_questions, relation_questions
from .brat import brat_records
from .cloze import cloze_record, term_finder
from .docs import GOLD, Reader, Record, make_reader
from .files import FilePath
from .public import held_out_records, public_corpora, training_records
from .questions import add_unanswerable, parts_of
from .splits import stays_out
from .terms import clinical_terms
from .topic_questions import topic_records

NUMBERS = {"cloze": 2000, "labels": 500, "relations": 1500, "polarity": 500, "topics": 1500}
CLOZE_CORPORA = ("covid_qa", "mtsamples", "maccrobat2020", "ncbi_disease", "medical_abstracts")


def made_question_records(
    path: FilePath,
    split: str = "train",
    numbers: Dict[str, int] = NUMBERS,
    other_article: float = 0.25,
    removed_section: float = 0.25,
    n_questions: int = 8,
    seed: int = 0,
) -> Iterator[Record]:
    """Make questions. The training part is without texts that are held out of any benchmark, and without copies of them (see `splits.stays_out`).

    path (Union[str, Path]): Has a folder for each public corpus; what is not there is passed over.
    split (str): "train", or "dev" or "test" to measure on, where there is no MedQuAD.
    numbers (Dict[str, int]): Kind → the most questions of it; a kind that is not named is not made.
    other_article, removed_section (float): Shares of the questions of cloze, relations and topics that are put a second time, where they have no answer; see
        `questions.question_records`.
    n_questions (int): The most of a record; 0 leaves all of a text together.
    seed (int): Which questions.
    YIELDS (Record): Records as `squad.squad_records` gives them, in a random order.
    RAISES (ValueError): A kind or the split is none, or no question could be made.
    """
    unknown = sorted(set(numbers) - set(NUMBERS))
    if unknown or split not in ("train", "dev", "test"):
        raise ValueError(
            f"There is no kind of questions or split '{[*unknown, split][0]}'. Kinds are {', '.join(NUMBERS)}; splits are train, dev and test."
        )
    made = {kind: _make(kind, Path(path), split, n, f"{seed}-{kind}") for kind, n in numbers.items() if n}
    asked_elsewhere = [record for kind in ("cloze", "relations", "topics") for record in made.get(kind, ())]
    asked_here = [record for kind in ("labels", "polarity") for record in made.get(kind, ())]
    rng = random.Random(f"{seed}")
    records = list(add_unanswerable(asked_elsewhere, other_article, removed_section, n_questions, rng))
    for record in asked_here:
        records.extend(parts_of(record, n_questions))
    if not records:
        raise ValueError(f"Nothing can be asked of what '{path}' holds: docs/data.md says what stands where.")
    yield from rng.sample(records, len(records))


def read_made_questions(
    path: FilePath,
    split: str = "train",
    numbers: Dict[str, int] = NUMBERS,
    other_article: float = 0.25,
    removed_section: float = 0.25,
    n_questions: int = 8,
    seed: int = 0,
    strict: bool = False,
) -> Reader:
    """The registered reader `spacy-clinicalbert.made_questions.v1`; see `made_question_records`."""
    return make_reader(
        lambda: made_question_records(path, split, numbers, other_article, removed_section, n_questions, seed), strict
    )


def _make(kind: str, folder: Path, split: str, n: int, seed: str) -> List[Record]:
    """Records of one kind, with so many questions at most. Those of texts are made one after the other, and of MACCROBAT's all are made and some drawn."""
    rng = random.Random(seed)
    if kind == "cloze":
        return _first(_cloze(folder, split, rng), n)
    if kind == "topics":
        pairs = (record for _, record in training_records(folder, "medquad")) if split == "train" else ()
        return _first(topic_records(pairs, rng), n)
    notes = _maccrobat(folder, split)
    if kind == "labels":
        return _drawn([label_questions(note) for note in notes], n, rng)
    if kind == "relations":
        return _drawn([relation_questions(note) for note in notes], n, rng)
    return _drawn([polarity_questions(note, rng) for note in notes], n, rng)


def _maccrobat(folder: Path, split: str) -> List[Record]:
    path = folder / "maccrobat2020" / "MACCROBAT2020"
    notes = brat_records(path, split, relations=True) if path.is_dir() else ()
    return [
        note
        for note in notes
        if "entities" in note and (split != "train" or not stays_out("maccrobat2020", note["id"]))
    ]


def _cloze(folder: Path, split: str, rng: random.Random) -> Iterator[Record]:
    """Of a text of each corpus in turn, that the largest does not have all the questions."""
    terms = clinical_terms(folder)
    if not terms:
        return
    find, there = term_finder(terms), public_corpora(folder)
    queues: List[List[Record]] = []
    for corpus in (name for name in CLOZE_CORPORA if name in there):
        if split == "train":
            texts = [record for _, record in training_records(folder, corpus)]
        else:
            texts = list(held_out_records(folder, corpus, split))
        rng.shuffle(texts)
        queues.append([{"id": f"{corpus} {text['id']}", "text": text["text"]} for text in texts])
    for one_of_each in itertools.zip_longest(*queues):
        for text in one_of_each:
            record = cloze_record(text, find, rng) if text is not None else None
            if record is not None:
                yield record


def _first(records: Iterator[Record], n: int) -> List[Record]:
    """So many questions of the first records."""
    found = []
    for record in records:
        record = _only(record, {question["id"] for question in record["questions"][:n]})
        found.append(record)
        n -= len(record["questions"])
        if not n:
            break
    return found


def _drawn(records: List[Record], n: int, rng: random.Random) -> List[Record]:
    names = [question["id"] for record in records for question in record["questions"]]
    kept = set(rng.sample(names, min(n, len(names))))
    return [record for record in (_only(each, kept) for each in records) if record["questions"]]


def _only(record: Record, kept: set) -> Record:
    questions = [question for question in record["questions"] if question["id"] in kept]
    spans = [span for span in record["spans"][GOLD] if span[3]["question"] in kept]
    return {**record, "questions": questions, "spans": {GOLD: spans}}
