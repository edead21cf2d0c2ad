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
        self._labels: Dict[str, str] = {}
        for label, titles in table["titles"].items():
            for title in titles:
                self._labels.setdefault(normalise(title), label)
        self._parts: Dict[str, List[Part]] = {}
        for group in table["parts"]:
            for title in group["titles"]:
                self._parts.setdefault(normalise(title), []).append(Part(group["of"], tuple(group["within"])))
        self.documents = frozenset(table["documents"])
        self.ignored = frozenset(table["ignored"])
        self.open = frozenset(table["open"])
        self._most_words = max((len(title.split()) for title in self._labels), default=1)

    def add(self, label: str, titles: List[str]) -> None:
        """Add titles of a label, new or known. Of another label they are no titles any more, nor names of its parts, of documents, or to be passed over."""
        new = {normalise(title): label for title in titles}
        table = self.table["titles"]
        for other, known in table.items():
            table[other] = [title for title in known if normalise(title) not in new]
        table[label] = [*titles, *table.get(label, [])]
        self._labels.update(new)
        for title in new:
            self._parts.pop(title, None)
        self.documents -= new.keys()
        self.ignored -= new.keys()
        self._most_words = max([self._most_words, *(len(normalise(title).split()) for title in titles)])

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
