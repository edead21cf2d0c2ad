"""What a corpus says of its notes: answers, and of which labels it says something at all.

An answer is (start, end, label), offsets in characters; a category is an answer over the whole text.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

import numpy
from spacy.tokens import Doc

from .labels import LabelMap, common_label

Answer = Tuple[int, int, str]

# The names of components that `doc._.annotated` may speak of, where a pipeline gives them no others.
HEADS = {
    "ents": ("ner", "clinical_ner"),
    "cats": ("textcat", "textcat_multilabel", "clinical_note_classifier", "clinical_pathology"),
}


class Note(NamedTuple):
    """One annotated note.

    text (str): What pipelines read.
    answers (Set[Answer]): The gold, under common labels.
    labels (Set[str]): The common labels that were annotated here; of others nothing is known.
    gaps (List[Tuple[int, int]]): Where the note's entities are not known, in characters.
    name (str): Its id, or "#" and its place among the notes that were read, from 0.
    """

    text: str
    answers: Set[Answer]
    labels: Set[str]
    gaps: List[Tuple[int, int]]
    name: str = ""


@dataclass
class Corpus:
    """An annotated corpus.

    notes (List[Note]): Those that are annotated for the task.
    labels (Set[str]): The common labels that it annotates.
    own_labels (Set[str]): Its own labels, before the label map.
    n_unannotated (int): Notes without annotation for the task, which are left out.
    outside_map (Counter): Own label → how many answers the label map leaves out.
    half_annotated (Counter): Common label → how many answers are left out for standing in a note where only some of the
        labels that make up the common one were annotated.
    """

    notes: List[Note]
    labels: Set[str]
    own_labels: Set[str]
    n_unannotated: int
    outside_map: Counter
    half_annotated: Counter


def read_gold(docs: Iterable[Doc], task: str, heads: Iterable[str], label_map: Optional[LabelMap]) -> Corpus:
    """Read the gold annotation of Docs.

    A label is annotated in a note if `doc._.annotated` names it for one of the heads. Where that says nothing, an entity
    label is annotated if it stands anywhere in this corpus, and a category if `doc.cats` has it, given or not. A common label
    that joins several of the corpus' labels is annotated only where all of them are (or, for a category, one is given).

    docs (Iterable[Doc]): With `doc.ents` or `doc.cats`.
    task (str): "ents" or "cats".
    heads (Iterable[str]): Names of components in `doc._.annotated`.
    label_map (Optional[LabelMap]): None keeps labels as they are.
    RETURNS (Corpus): Holds no Docs.
    """
    heads = set(heads)
    read, n_unannotated = [], 0
    own_labels: Set[str] = set()
    for number, doc in enumerate(docs):
        stated = _stated_labels(doc, heads)
        if stated == set() or not (doc.has_annotation("ENT_IOB") if task == "ents" else doc.cats):
            n_unannotated += 1
            continue
        if task == "cats":
            stated = set(doc.cats) if stated is None else stated & set(doc.cats)
        answers = ent_answers(doc) if task == "ents" else cat_answers(doc, [x for x, p in doc.cats.items() if p >= 0.5])
        own_labels.update(stated or (), (label for *_, label in answers))
        name = f"#{number}" if doc._.note_id is None else str(doc._.note_id)
        read.append((doc.text, answers, stated, _gaps(doc) if task == "ents" else [], name))
    sources: Dict[str, Set[str]] = {}
    for label in own_labels:
        common = common_label(label, label_map)
        if common is not None:
            sources.setdefault(common, set()).add(label)
    corpus = Corpus([], set(sources), own_labels, n_unannotated, Counter(), Counter())
    for text, answers, stated, gaps, name in read:
        mapped, outside = map_answers(answers, label_map)
        corpus.outside_map.update(outside)
        labels = {common for common, own in sources.items() if stated is None or own <= stated}
        if task == "cats":
            labels.update(label for *_, label in mapped)
        corpus.half_annotated.update(label for *_, label in mapped if label not in labels)
        corpus.notes.append(Note(text, {answer for answer in mapped if answer[2] in labels}, labels, gaps, name))
    return corpus


def spread(docs: List[Doc], max_docs: Optional[int]) -> List[Doc]:
    """RETURNS (List[Doc]): All, or so many at equal distances."""
    places = numpy.linspace(0, len(docs) - 1, min(max_docs or len(docs), len(docs))).astype(int)
    return [docs[place] for place in places]


def ent_answers(doc: Doc) -> Set[Answer]:
    """The entities of a Doc as answers, under its own labels."""
    return {(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents}


def cat_answers(doc: Doc, labels: Iterable[str]) -> Set[Answer]:
    """Categories that are given to a Doc as answers over its whole text."""
    return {(0, len(doc.text), label) for label in labels}


def map_answers(answers: Iterable[Answer], label_map: Optional[LabelMap]) -> Tuple[Set[Answer], Counter]:
    """Put answers under common labels.

    RETURNS (Tuple[Set[Answer], Counter]): The answers that have one, and own label → how many have none.
    """
    mapped, outside = set(), Counter()  # type: ignore[var-annotated]
    for start, end, label in answers:
        common = common_label(label, label_map)
        if common is None:
            outside[label] += 1
        else:
            mapped.add((start, end, common))
    return mapped, outside


def _stated_labels(doc: Doc, heads: Set[str]) -> Optional[Set[str]]:
    annotated = doc._.annotated or {}
    stated = [labels for head, labels in annotated.items() if head in heads and labels is not None]  # None: all
    return set().union(*stated) if stated else None


def _gaps(doc: Doc) -> List[Tuple[int, int]]:
    return [(token.idx, token.idx + len(token)) for token in doc if not token.ent_iob]
