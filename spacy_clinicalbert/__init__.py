"""ClinicalBERT as a first-class part of spaCy. Importing this imports neither torch nor transformers."""

from importlib import import_module
from typing import Any

_HELPERS = {  # name → module
    "annotate": "deployment.annotator",
    "ask": "questions.ask",
    "attention": "explanation.attention",
    "explain": "explanation.explain",
    "pathology_to_fhir": "deployment.fhir_pathology",
    "to_fhir": "deployment.fhir_resources",
    "to_omop": "deployment.omop",
}


def __getattr__(name: str) -> Any:
    """The helpers, imported when they are wanted."""
    if name not in _HELPERS:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f".{_HELPERS[name]}", __name__), name)
