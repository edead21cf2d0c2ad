"""What became of a corpus' annotation: counts of what was read, kept and dropped."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Report:
    """What a reader saw. Counts alone, never text.

    read (int): Notes in the file.
    kept (int): Notes that became Docs.
    entities (int): Entities in the file.
    spans (int): Spans in the file that are not entities: answers, marked phrases, sections.
    dropped (Counter): Reason → how many entities, spans or notes are not in the Docs for it.
    mended (Counter): What was changed on the way → how often.
    unread (Counter): Kind of annotation that has no place in a Doc, or that the settings leave out → how many.
    strict (bool): Raise at the first drop instead of counting it.
    """

    read: int = 0
    kept: int = 0
    entities: int = 0
    spans: int = 0
    dropped: Counter = field(default_factory=Counter)
    mended: Counter = field(default_factory=Counter)
    unread: Counter = field(default_factory=Counter)
    strict: bool = False

    def drop(self, reason: str, where: str) -> None:
        """Count one drop, or raise ValueError if the report is strict.

        where (str): The note's id and the offsets, for the error; not its text.
        """
        if self.strict:
            raise ValueError(f"{reason}: {where}. Mend the annotation, or read with strict = false.")
        self.dropped[reason] += 1

    def __str__(self) -> str:
        spans = f" and {self.spans} other spans" if self.spans else ""
        drops = "".join(f"; {reason}: {n}" for reason, n in sorted(self.dropped.items())) or "; none dropped"
        rest = "".join(f"; {what}: {n}" for what, n in sorted(self.mended.items()))
        rest += "".join(f"; not read, {kind}: {n}" for kind, n in sorted(self.unread.items()))
        return f"{self.read} notes read, {self.kept} kept; {self.entities} entities{spans}{drops}{rest}"
