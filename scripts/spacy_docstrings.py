"""For the site: docstrings in spaCy's form, `name (type): what it is`, as lists. mkdocstrings reads Google's, numpy's and Sphinx' forms alone."""

import re
from typing import Any

import griffe

ITEM = re.compile(r"^(?P<names>[A-Za-z_*][\w, *]*) \((?P<type>[^)]*(?:\([^)]*\)[^)]*)*)\): (?P<said>.*)$")


def as_list(docstring: str) -> str:
    """Make each line of a parameter, RETURNS, YIELDS or RAISES an item of a list, with the lines that go on with it.

    docstring (str): Without its indentation.
    RETURNS (str): Markdown.
    """
    lines, in_item = [], False
    for line in docstring.splitlines():
        found = ITEM.match(line)
        if found:
            names = ", ".join(f"**{name.strip().replace('*', '')}**" for name in found["names"].split(","))
            if not in_item:
                lines.append("")
            lines.append(f"- {names} (`{found['type']}`): {found['said']}")
            in_item = True
        elif in_item and line.strip():
            lines.append(f"    {line.strip()}")
        else:
            in_item = False
            lines.append(line)
    return "\n".join(lines)


class SpacyDocstrings(griffe.Extension):
    """Changes the docstrings of all that griffe finds."""

    def on_instance(self, *, obj: griffe.Object, **settings: Any) -> None:
        if obj.docstring:
            obj.docstring.value = as_list(obj.docstring.value)
