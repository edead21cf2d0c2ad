"""One pass over the notes, for all checks at once."""

from dataclasses import dataclass
from itertools import groupby
from typing import Callable, Iterable, Iterator, List, Optional, Protocol

from spacy.language import Language

from .documents import Conflicts, Documents
from .duplicates import Duplicates
from .findings import SEVERITIES, Finding, Tally
from .held_out import HeldOutTexts
from .label_errors import LabelErrors
from .labels import Labels
from .notes import Note
from .personal_data import PersonalData
from .sources import Source, UnusableCorpus
from .spans import Spans
from .texts import Texts
from .wordpieces import Wordpieces

INSTALL = "The checks need more libraries: pip install 'spacy-clinicalbert[quality]'."
ACROSS = "across splits and corpora"  # the section of what looks at all corpora at once


class Check(Protocol):
    """A family of checks. It sees each note once, keeps no more of it than it needs, and says at the end what it found."""

    def see(self, note: Note) -> None: ...

    def findings(self) -> Iterator[Finding]: ...


@dataclass
class Section:
    """What was found in one corpus.

    name (str): The corpus.
    n_notes (int): How many notes were looked at.
    findings (List[Finding]): Errors first, and of these the most frequent.
    """

    name: str
    n_notes: int
    findings: List[Finding]


def make_checks(nlp: Language, checkpoint: Optional[str], max_examples: int, show_text: bool) -> List[Check]:
    """Make the checks that look at one corpus.

    nlp (Language): Gives the tokenizer.
    checkpoint (Optional[str]): Whose wordpieces to count; None counts none.
    max_examples (int): How many records each finding names.
    show_text (bool): Whether examples may hold text.
    RAISES (ImportError): A library is missing, and which extra has it.
    RAISES (UnusableCorpus): The checkpoint has no tokenizer.
    """

    def tally() -> Tally:
        return Tally(max_examples, show_text)

    try:
        checks: List[Check] = [
            Spans(tally()),
            Texts(tally()),
            Duplicates(tally()),
            Documents(tally()),
            Conflicts(tally()),
            Labels(tally()),
            LabelErrors(tally(), nlp),
            PersonalData(tally()),
        ]
    except ImportError as error:
        raise ImportError(f"{INSTALL} ({error})") from None
    try:
        return checks + ([Wordpieces(tally(), checkpoint)] if checkpoint else [])
    except ValueError as error:
        raise UnusableCorpus(str(error)) from None


def run_checks(
    sources: List[Source],
    nlp: Language,
    *,
    checkpoint: Optional[str] = None,
    max_examples: int = 5,
    show_text: bool = False,
    progress: Callable[[Iterable[Note]], Iterable[Note]] = iter,
) -> List[Section]:
    """Look at every note once.

    sources (List[Source]): As `sources.open_sources` gives them; those of one public corpus stand together.
    progress (Callable[[Iterable[Note]], Iterable[Note]]): Wraps the notes, to show how far it is.
    RETURNS (List[Section]): One for each public corpus, or one for the files together, and one for what is compared across.
    RAISES (UnusableCorpus): A file cannot be read.
    """
    sections: List[Section] = []
    across = HeldOutTexts(Tally(max_examples))
    notes = progress(note for source in sources for note in source.notes(nlp))
    n_all = 0
    for corpus, group in groupby(notes, lambda note: note.corpus):
        checks = make_checks(nlp, checkpoint, max_examples, show_text)
        n_notes = 0
        for note in group:
            n_notes += 1
            for check in [*checks, across]:
                check.see(note)
        sections.append(_section(corpus or "corpus", n_notes, checks))
        n_all += n_notes
    if not n_all:
        raise UnusableCorpus("There are no notes in what was named.")
    return [*sections, _section(ACROSS, n_all, [across])]


def _section(name: str, n_notes: int, checks: Iterable[Check]) -> Section:
    found = [finding for check in checks for finding in check.findings()]
    return Section(name, n_notes, sorted(found, key=lambda one: (SEVERITIES.index(one.severity), -one.count)))
