"""What clinical notes call their sections: the table in assets/section_titles.json, and how a head is looked up in it."""

import re
from importlib.resources import files
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

import srsly

Table = Dict[str, Any]
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")
OTHER = "other"
# One of these words at a longer title's end or beginning says nothing of the section.
_GENERAL = frozenset(
    "background clinical condition current evaluation family history interval presentation review status".split()
)


class Part(NamedTuple):
    """What a title means that names a part of a section, "HEENT" for instance.

    of (str): The label of the section that it is usually a part of.
    within (Tuple[str, ...]): Labels of sections in which it opens no section of its own.
    """

    of: str
    within: Tuple[str, ...]


def load_table(path: Optional[str] = None) -> Table:
    """Read a table of titles.

    path (Optional[str]): A JSON file of the form of assets/section_titles.json; None for that file.
    RETURNS (Dict[str, Any]): "titles": label → titles, the first label that has a title counting; "parts": [{"of", "within",
        "titles"}]; "reports": {"marks", "not", "titles"}, titles that mean something else in a note with a head of the labels
        "marks" and none of "not"; "narratives": title → its label where
        the section is long, or its own label was there before; "open": labels of sections
        in which any head in capitals is a part; "documents": names of whole notes; "ignored": words before a
        colon that are no head.
    RAISES (ValueError): The file lacks one of these.
    """
    own = srsly.json_loads((files("spacy_clinicalbert.assets") / "section_titles.json").read_text(encoding="utf8"))
    if path is None:
        return own
    table = srsly.read_json(path)
    missing = sorted(set(own) - set(table if isinstance(table, dict) else ()))
    if missing:
        names = ", ".join(f"'{name}'" for name in missing)
        raise ValueError(
            f"The table of section titles in '{path}' lacks {names}. Begin with a copy of the project's own."
        )
    return table


def normalise(title: str) -> str:
    """The form in which titles are compared: small letters and digits, one space between words, "and" for "&"."""
    return _NOT_A_WORD.sub(" ", title.lower().replace("&", " and ")).strip()


class Titles:
    """Finds labels of titles.

    table (Dict[str, Any]): See `load_table`.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self._read()

    def _read(self) -> None:
        self._labels: Dict[str, str] = {}
        for label, titles in self.table["titles"].items():
            for title in titles:
                self._labels.setdefault(normalise(title), label)
        self._parts: Dict[str, List[Part]] = {}
        for group in self.table["parts"]:
            for title in group["titles"]:
                self._parts.setdefault(normalise(title), []).append(Part(group["of"], tuple(group["within"])))
        self.documents = frozenset(self.table["documents"])
        self.ignored = frozenset(self.table["ignored"])
        self.open = frozenset(self.table["open"])
        self._most_words = max((len(title.split()) for title in self._labels), default=1)

    def add(self, label: str, titles: List[str]) -> None:
        """Add titles of a label, new or known. They mean nothing else any more: no other label, in reports or where the section is long neither, no name
        of a part or of a document, and nothing to be passed over. The table says so, for it is what is saved."""
        new = {normalise(title) for title in titles}

        def without(known: List[str]) -> List[str]:
            return [title for title in known if normalise(title) not in new]

        table = self.table
        for other, known in table["titles"].items():
            table["titles"][other] = without(known)
        table["titles"][label] = [*titles, *table["titles"].get(label, [])]
        for group in table["parts"]:
            group["titles"] = without(group["titles"])
        for name in ("documents", "ignored"):
            table[name] = without(table[name])
        for meanings in (table["reports"]["titles"], table["narratives"]):
            for title in [each for each in meanings if normalise(each) in new]:
                del meanings[title]
        self._read()

    def find(self, title: str) -> Optional[str]:
        """RETURNS (Optional[str]): The label of a normalised title; None where it is not in the table."""
        return self._labels.get(title)

    def guess(self, title: str) -> Optional[str]:
        """The label of the longest known title that a normalised one begins or ends with: "pertinent past medical history"."""
        words = title.split()
        for size in range(min(len(words) - 1, self._most_words), 0, -1):
            for ends in (words[:size], words[-size:]):
                label = self._labels.get(" ".join(ends))
                if label is not None and (size > 1 or (len(words) == 2 and ends[0] not in _GENERAL)):
                    return label
        return None

    def part(self, title: str, section: Optional[str]) -> Union[Part, None]:
        """RETURNS (Optional[Part]): What a normalised title means as part of a section, if it can be one: in this section
        (its label, None before the first), else anywhere."""
        parts = self._parts.get(title, [])
        return next((part for part in parts if section in part.within), parts[0] if parts else None)
