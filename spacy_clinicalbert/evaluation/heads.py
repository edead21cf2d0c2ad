"""The components of a pipeline that answer a task, and what they answer."""

from typing import List, Mapping, NamedTuple, Optional, Set

from spacy.language import Language
from spacy.pipeline import TextCategorizer
from spacy.pipeline.textcat_multilabel import MultiLabel_TextCategorizer
from spacy.tokens import Doc

from .gold import Answer, Note, cat_answers, ent_answers
from .labels import LabelMap, common_label

ASSIGNS = {"ents": "doc.ents", "cats": "doc.cats"}


class Head(NamedTuple):
    """A component that answers the task.

    name (str): In the pipeline.
    labels (Set[str]): Its own.
    exclusive (bool): Whether the most probable category is the answer, and not each from `threshold` on.
    threshold (float): For categories that do not exclude each other.
    thresholds (Mapping[str, float]): Label → its own, where it has one.
    """

    name: str
    labels: Set[str]
    exclusive: bool
    threshold: float
    thresholds: Mapping[str, float]


def find_heads(nlp: Language, task: str) -> List[Head]:
    """The components whose factory says that they set `doc.ents` or `doc.cats`.

    task (str): "ents" or "cats".
    RETURNS (List[Head]): Perhaps none.
    """
    heads = []
    for name, pipe in nlp.pipeline:
        if ASSIGNS[task] in nlp.get_pipe_meta(name).assigns:
            settings = getattr(pipe, "cfg", {})
            # spaCy's say it by their class alone.
            single = isinstance(pipe, TextCategorizer) and not isinstance(pipe, MultiLabel_TextCategorizer)
            exclusive = settings.get("exclusive_classes", single)
            labels, own = set(getattr(pipe, "labels", ())), settings.get("thresholds", {})
            heads.append(Head(name, labels, exclusive, settings.get("threshold", 0.5), own))
    return heads


def with_exclusive(note: Note, heads: List[Head], label_map: Optional[LabelMap] = None) -> Note:
    """Of categories that exclude each other the one that holds says it of all: a corpus that names it alone annotates the others too.

    note (Note): Annotated with categories.
    heads (List[Head]): Those that answer.
    label_map (Optional[LabelMap]): None keeps labels as they are.
    RETURNS (Note): With the labels of each exclusive head of which one is its category.
    """
    given = {label for *_, label in note.answers}
    for head in heads:
        own = {label for each in head.labels if (label := common_label(each, label_map)) is not None}
        if head.exclusive and given & own:
            note = note._replace(labels=note.labels | own)
    return note


def find_answers(doc: Doc, heads: List[Head], task: str) -> Set[Answer]:
    """What the heads answered, under their own labels.

    doc (Doc): Went through the pipeline.
    """
    if task == "ents":
        return ent_answers(doc)
    given: Set[str] = set()
    for head in heads:
        cats = {label: doc.cats[label] for label in head.labels if label in doc.cats}
        if head.exclusive and cats:
            given.add(max(cats, key=cats.get))  # type: ignore[arg-type]
        else:
            given.update(label for label, p in cats.items() if p >= head.thresholds.get(label, head.threshold))
    return cat_answers(doc, given)
