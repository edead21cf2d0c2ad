"""The table of names: organs, operations, types of tumour (`assets/pathology_terms.json`)."""

import re
from functools import lru_cache
from importlib.resources import files
from typing import Any, Dict

import srsly


@lru_cache
def load_terms() -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The table, with an expression for each part."""
    table = srsly.json_loads((files("spacy_clinicalbert.assets") / "pathology_terms.json").read_text(encoding="utf8"))
    sites = table["sites"]
    table["site_names"] = list(sites)
    table["site"] = re.compile(
        rf"(?<![A-Za-z-])(?:{'|'.join(f'({form})' for form in sites.values())})(?![A-Za-z])", re.IGNORECASE
    )
    return table


def spaced(alternatives: str) -> str:
    """alternatives (str): Phrases with single spaces. RETURNS (str): The same, where a space may be the end of a scanned line."""
    return alternatives.replace(" ", r"[\s.]{1,3}")
