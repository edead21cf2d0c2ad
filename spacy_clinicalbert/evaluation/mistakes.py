"""What a pipeline got wrong in annotated notes, one by one: gold against found."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from spacy.language import Language
from spacy.tokens import Doc

from ..deployment.annotator import Annotator, Failure
from ..deployment.notes import make_note
from ..pipeline.confidence import confidences
from .counts import overlap
from .gold import HEADS, Answer, Note, read_gold
from .heads import Head, find_answers, find_heads, with_exclusive

Given = Dict[Answer, Optional[float]]  # what was found, with its probability

RIGHT = "right"
MISSED, INVENTED = "missed", "found, not in the gold"
LABEL, BORDERS, BOTH = "other label", "other borders", "other label and borders"
KINDS = (INVENTED, MISSED, LABEL, BORDERS, BOTH)


class Mistake(NamedTuple):
    """An entity that is wrong.

    kind (str): One of `KINDS`.
    note (int): The note's number in the corpus' list.
    gold (Optional[Answer]): What is annotated, if anything.
    found (Optional[Answer]): What was found, if anything.
    probability (Optional[float]): Of what was found, where its component says it.
    """

    kind: str
    note: int
    gold: Optional[Answer]
    found: Optional[Answer]
    probability: Optional[float]


class WrongCategories(NamedTuple):
    """A note whose categories are wrong.

    note (int): Its number in the corpus' list.
    gold (List[str]): Those that it has.
    found (List[Tuple[str, float]]): Those that were found, with their probabilities.
    """

    note: int
    gold: List[str]
    found: List[Tuple[str, float]]


@dataclass
class Mistakes:
    """What a pipeline got wrong in a corpus.

    notes (Dict[str, List[Note]]): Task → the notes that are annotated for it.
    entities (List[Mistake]): What it got wrong among entities, the surest of each kind first; what has no probability, in the notes' order.
    counts (Dict[str, Counter]): Label → kind, or `RIGHT`, → how many. A gold entity counts for its own label, another for that which was found.
    categories (List[WrongCategories]): The notes with wrong categories, the surest first.
    right (Counter): Category → how many notes have it and were found to.
    failures (List[Failure]): Notes that the pipeline failed on.
    """

    notes: Dict[str, List[Note]] = field(default_factory=dict)
    entities: List[Mistake] = field(default_factory=list)
    counts: Dict[str, Counter] = field(default_factory=dict)
    categories: List[WrongCategories] = field(default_factory=list)
    right: Counter = field(default_factory=Counter)
    failures: List[Failure] = field(default_factory=list)


def find_mistakes(nlp: Language, docs: List[Doc]) -> Mistakes:
    """Compare what a pipeline finds with what notes are annotated with. As in `transfer`, labels count that both have, and in a note those that it
    is annotated for.

    nlp (Language): The pipeline. It is the function's alone from now on; see `Annotator`.
    docs (List[Doc]): With `doc.ents` or `doc.cats`.
    RETURNS (Mistakes): All of them.
    RAISES (ValueError): The notes are annotated for nothing that the pipeline finds.
    """
    found = Mistakes()
    heads: Dict[str, List[Head]] = {}
    labels: Dict[str, Set[str]] = {}
    for task in HEADS:
        heads[task] = [head for head in find_heads(nlp, task) if head.labels]
        corpus = read_gold(docs, task, {head.name for head in heads[task]}.union(HEADS[task]), None)
        labels[task] = corpus.labels & set().union(*(head.labels for head in heads[task]))
        if labels[task]:
            found.notes[task] = corpus.notes
            if task == "cats":
                found.notes[task] = [with_exclusive(note, heads[task]) for note in corpus.notes]
    if not found.notes:
        raise ValueError(
            "The notes are annotated for nothing that the pipeline finds, entities or categories. For the page of one note choose it by its id."
        )
    names = {note.text: note.name for notes in found.notes.values() for note in notes}

    def answers_of(doc: Doc, note: Any) -> Tuple[str, Dict[str, Given]]:
        known = confidences(doc)
        ents: Given = {
            (ent.start_char, ent.end_char, ent.label_): known.get((ent.start, ent.end, ent.label)) for ent in doc.ents
        }
        cats: Given = {answer: doc.cats[answer[2]] for answer in find_answers(doc, heads["cats"], "cats")}
        return note.text, {"ents": ents, "cats": cats}

    notes = [make_note(number, name, text, None) for number, (text, name) in enumerate(names.items())]
    results, found.failures = Annotator(nlp, answers_of)(notes)
    answers = dict(results)
    for task in found.notes:
        for number, note in enumerate(found.notes[task]):
            if note.text in answers:
                _compare(task, number, note, answers[note.text][task], labels[task] & note.labels, found)
    order = {kind: number for number, kind in enumerate(KINDS)}
    found.entities.sort(key=lambda each: (order[each.kind], -(each.probability or 0.0), each.note))
    found.categories.sort(key=lambda each: -max((value for _, value in each.found), default=0.0))
    return found


def _compare(task: str, number: int, note: Note, given: Given, labels: Set[str], found: Mistakes) -> None:
    answers = {
        answer: value
        for (answer, value), is_unknown in zip(given.items(), overlap(given, note.gaps))
        if answer[2] in labels and not is_unknown
    }
    gold = {answer for answer in note.answers if answer[2] in labels}
    if task == "ents":
        found.entities += compare_entities(number, gold, answers, found.counts)
        return
    for _, _, label in gold.intersection(answers):
        found.right[label] += 1
    if gold != set(answers):
        rows = sorted(((label, value or 0.0) for (*_, label), value in answers.items()), key=lambda row: -row[1])
        found.categories.append(WrongCategories(number, sorted(label for *_, label in gold), rows))


def compare_entities(note: int, gold: Set[Answer], found: Given, counts: Dict[str, Counter]) -> List[Mistake]:
    """Compare the entities of a note. What is wrong on both sides is one mistake where it overlaps, those with most characters in common together.

    note (int): Its number.
    gold (Set[Answer]): What is annotated.
    found (Given): What was found.
    counts (Dict[str, Counter]): Label → kind → number, to which this adds.
    RETURNS (List[Mistake]): In the order of the text.
    """
    for answer in gold.intersection(found):
        counts.setdefault(answer[2], Counter())[RIGHT] += 1
    missed, wrong = sorted(gold.difference(found)), sorted(set(found) - gold)
    pairs, behind = [], 0  # behind: the first of `wrong` that a missed one, or a later one, can overlap
    for one in missed:
        while behind < len(wrong) and wrong[behind][1] <= one[0]:
            behind += 1
        for other in wrong[behind:]:
            if other[0] >= one[1]:
                break
            if _common(one, other) > 0:
                pairs.append((_common(one, other), one, other))
    mistakes = []
    paired: Set[Answer] = set()  # what is missed and what is wrong have no answer in common
    for _, one, other in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if paired.isdisjoint((one, other)):
            paired.update((one, other))
            kind = LABEL if one[:2] == other[:2] else BORDERS if one[2] == other[2] else BOTH
            mistakes.append(Mistake(kind, note, one, other, found[other]))
    mistakes += [Mistake(MISSED, note, one, None, None) for one in missed if one not in paired]
    mistakes += [Mistake(INVENTED, note, None, other, found[other]) for other in wrong if other not in paired]
    for each in mistakes:
        counts.setdefault(_answers(each)[0][2], Counter())[each.kind] += 1
    return sorted(mistakes, key=lambda each: _answers(each)[0])


def _answers(mistake: Mistake) -> List[Answer]:
    return [answer for answer in (mistake.gold, mistake.found) if answer is not None]


def place_of(mistake: Mistake) -> Tuple[int, int]:
    """RETURNS (Tuple[int, int]): The characters of what is annotated and what was found, together."""
    answers: Iterable[Answer] = _answers(mistake)
    return min(start for start, _, _ in answers), max(end for _, end, _ in answers)


def _common(one: Answer, other: Answer) -> int:
    return min(one[1], other[1]) - max(one[0], other[0])
