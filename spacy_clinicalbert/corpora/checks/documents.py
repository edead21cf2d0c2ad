"""Documents and patients that two splits share, and texts that were annotated twice, differently."""

from collections import defaultdict
from hashlib import blake2b
from typing import Any, Dict, Iterator, Optional, Tuple

from ..splits import find_words
from .duplicates import differ
from .findings import ERROR, WARNING, Finding, Kind, Tally
from .notes import Note

TWICE = Kind("id twice", WARNING, "Ids that several notes have")
TWO_SPLITS = Kind("document in two splits", ERROR, "Ids that stand in two splits: split by document")
PATIENT = Kind("patient in two splits", ERROR, "Patients who have notes in two splits: split by patient")
CONFLICT = Kind("conflicting labels", ERROR, "The same text with other categories or entities: settle which are right")

# A note's categories as far as they are known, and the words and label of each entity; None where nothing was annotated.
Annotation = Tuple[Optional[Tuple[Tuple[str, float], ...]], Optional[bytes]]


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
        self._shared: Dict[Any, Any] = {}  # most notes have one of few combinations of categories: each is held once

    def see(self, note: Note) -> None:
        annotation = self._annotation(note)
        if not note.words or annotation == (None, None):
            return
        name, first = self._first.setdefault(note.text_key, (note.name, annotation))
        if annotation != first:
            known, given = dict(first[0] or ()), dict(annotation[0] or ())
            shared = known.keys() & given.keys()
            if any(known[label] != given[label] for label in shared) or (known and given and not shared):
                self.tally.add(CONFLICT, note.name, f"other categories than {name}")
            if None not in (first[1], annotation[1]) and first[1] != annotation[1]:
                self.tally.add(CONFLICT, note.name, f"other entities than {name}")

    def _annotation(self, note: Note) -> Annotation:
        cats = tuple(
            sorted((label, value) for label, value in note.record.get("cats", {}).items() if value is not None)
        )
        entities = note.record.get("entities")
        if entities is not None:
            # By their words, for the texts may differ in spaces, and so in offsets.
            rows = sorted((label, *find_words(note.text[start:end])) for start, end, label, *_ in entities)
            entities = blake2b(repr(rows).encode("utf8"), digest_size=12).digest()
        return (self._shared.setdefault(cats, cats) if cats else None), entities

    def findings(self) -> Iterator[Finding]:
        return self.tally.findings()
