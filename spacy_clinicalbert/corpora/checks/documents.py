"""Documents and patients that two splits share, and texts that were annotated twice, differently."""

from collections import defaultdict
from hashlib import blake2b
from typing import Any, Dict, FrozenSet, Iterator, List, NamedTuple, Optional, Tuple

from ..splits import find_words
from .duplicates import differ
from .findings import ERROR, WARNING, Finding, Kind, Tally
from .notes import Note

TWICE = Kind("id twice", WARNING, "Ids that several notes have")
TWO_SPLITS = Kind("document in two splits", ERROR, "Ids that stand in two splits: split by document")
PATIENT = Kind("patient in two splits", ERROR, "Patients who have notes in two splits: split by patient")
CONFLICT = Kind("conflicting labels", ERROR, "The same text with other categories or entities: settle which are right")


class Annotation(NamedTuple):
    """What a note is annotated with.

    cats (Tuple[Tuple[str, float], ...]): The categories that are known.
    entities (Optional[Dict[str, bytes]]): Label → a digest of the words of its entities; None where these are not annotated, or not all of them.
    looked_for (Optional[FrozenSet[str]]): The labels that annotators looked for; None is all.
    """

    cats: Tuple[Tuple[str, float], ...]
    entities: Optional[Dict[str, bytes]]
    looked_for: Optional[FrozenSet[str]]

    def knows(self, label: str) -> bool:
        """Whether the note says something of the entities with a label."""
        return self.entities is not None and (self.looked_for is None or label in self.looked_for)


class Documents:
    """Ids and patients."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self._documents: Dict[str, Tuple[str, str]] = {}  # id → name and split of the first note with it
        self._patients: Dict[str, Dict[str, str]] = defaultdict(dict)  # patient → split → the first note there

    def see(self, note: Note) -> None:
        note_id = note.record.get("id")
        if note_id is not None and str(note_id) in self._documents:
            name, split = self._documents[str(note_id)]
            self.tally.add(TWO_SPLITS if differ(split, note.split) else TWICE, note.name, f"as {name}")
        elif note_id is not None:
            self._documents[str(note_id)] = (note.name, note.split)
        if note.patient is not None and note.split:
            splits = self._patients[note.patient]
            if splits and note.split not in splits:
                self.tally.add(PATIENT, note.name, f"as {next(iter(splits.values()))}")
            splits.setdefault(note.split, note.name)

    def findings(self) -> Iterator[Finding]:
        return self.tally.findings()


class Conflicts:
    """Annotation of texts that are the same word for word; of each, the first note's is kept. What only one of two notes knows is no
    conflict, but that they have no category in common is: so it looks where a note lists its one category alone."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self._first: Dict[bytes, Tuple[str, Annotation]] = {}
        # Most notes have one of few combinations of categories and labels: each is held once.
        self._shared: Dict[Any, Any] = {}

    def see(self, note: Note) -> None:
        annotation = self._annotation(note)
        if not note.words or not (annotation.cats or annotation.entities is not None):
            return
        name, first = self._first.setdefault(note.text_key, (note.name, annotation))
        if annotation != first:
            known, given = dict(first.cats), dict(annotation.cats)
            shared = known.keys() & given.keys()
            if any(known[label] != given[label] for label in shared) or (known and given and not shared):
                self.tally.add(CONFLICT, note.name, f"other categories than {name}")
            ours, theirs = annotation.entities or {}, first.entities or {}
            differing = {label for label in {**ours, **theirs} if ours.get(label) != theirs.get(label)}
            if any(first.knows(label) and annotation.knows(label) for label in differing):
                self.tally.add(CONFLICT, note.name, f"other entities than {name}")

    def _annotation(self, note: Note) -> Annotation:
        cats = tuple(
            sorted((label, value) for label, value in note.record.get("cats", {}).items() if value is not None)
        )
        rows: Dict[str, List[List[str]]] = defaultdict(list)
        # By their words, for the texts may differ in spaces, and so in offsets.
        for start, end, label, *_ in note.record.get("entities") or ():
            rows[label].append(find_words(note.text[start:end]))
        digests = {
            label: blake2b(repr(sorted(each)).encode("utf8"), digest_size=12).digest() for label, each in rows.items()
        }
        is_whole = "entities" in note.record and not note.record.get("partial")
        labels = note.record.get("labels")
        looked_for = None if labels is None else frozenset(labels)
        shared = self._shared.setdefault((cats, looked_for), (cats, looked_for))
        return Annotation(shared[0], digests if is_whole else None, shared[1])

    def findings(self) -> Iterator[Finding]:
        return self.tally.findings()
