"""ClinicalBERT as a first-class part of spaCy. Importing this imports neither torch nor transformers."""

from importlib import import_module
from typing import Any

# Name → module in deployment/.
_HELPERS = {
    "annotate": "annotator",
    "to_omop": "omop",
    "to_fhir": "fhir_resources",
    "pathology_to_fhir": "fhir_pathology",
}


def __getattr__(name: str) -> Any:
    """The helpers for results, imported when they are wanted."""
    if name not in _HELPERS:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f".deployment.{_HELPERS[name]}", __name__), name)
