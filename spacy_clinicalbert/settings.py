"""Comparing the settings of two runs."""

from fnmatch import fnmatchcase
from typing import Any, Dict, List, Sequence


def changed_settings(before: Dict[str, Any], after: Dict[str, Any], free: Sequence[str]) -> List[str]:
    """The settings in which two configs differ.

    before (Dict[str, Any]): Section → setting → value, as deep as it goes.
    after (Dict[str, Any]): The other config.
    free (Sequence[str]): Dotted names of settings and sections that may differ; "*" stands for any name.
    RETURNS (List[str]): Dotted names.
    """
    old, new = _flat(before), _flat(after)
    missing = object()
    names = [name for name in {**old, **new} if old.get(name, missing) != new.get(name, missing)]
    return [name for name in names if not any(fnmatchcase(f"{name}.", f"{each}.*") for each in free)]


def _flat(section: Dict[str, Any], prefix: str = "") -> Dict[str, Any]:
    flat: Dict[str, Any] = {}
    for name, value in section.items():
        full = f"{prefix}{name}"
        flat.update(_flat(value, f"{full}.") if isinstance(value, dict) and value else {full: value})
    return flat
