"""The scores of `clinical_summary`: ROUGE by Google's package, entities, compression and redundancy."""

import itertools
from importlib import import_module
from typing import Any, Callable, Dict, Iterable, List, Optional

import numpy
from spacy.training import Example

KINDS = ("rouge1", "rouge2", "rougeL")


def make_summary_scorer() -> Callable[..., Dict[str, Any]]:
    """The registered scorer `spacy-clinicalbert.summary_scorer.v1`: see `score_summaries`."""
    return score_summaries


def load_rouge() -> Callable[[str, str], List[float]]:
    """RETURNS (Callable[[str, str], List[float]]): Reference and summary → F1 of ROUGE-1, ROUGE-2 and ROUGE-L, with stemming.
    RAISES (ImportError): The package is not installed."""
    try:
        module = import_module("rouge_score.rouge_scorer")
    except ImportError:
        raise ImportError(
            "Scores of summaries need the package rouge-score: pip install spacy-clinicalbert[evaluation], or set scorer = null in "
            "the component's config."
        ) from None
    scorer = module.RougeScorer(list(KINDS), use_stemmer=True)

    def rouge(reference: str, summary: str) -> List[float]:
        found = scorer.score(reference, summary)
        return [found[kind].fmeasure for kind in KINDS]

    return rouge


def redundancy(summary: str) -> Optional[float]:
    """The share of a summary's pairs of words that stood in it before; None for one of fewer than two words."""
    words = summary.lower().split()
    pairs = list(itertools.pairwise(words))
    return 1 - len(set(pairs)) / len(pairs) if pairs else None


def entity_recall(entities: Iterable[str], reference: str, summary: str) -> Optional[float]:
    """Of the note's entities that the reference names, the share that the summary names too.

    entities (Iterable[str]): Their texts.
    RETURNS (Optional[float]): None where the reference names none.
    """
    wanted = {each.lower() for each in entities if each.strip() and _holds(reference, each)}
    return sum(_holds(summary, each) for each in wanted) / len(wanted) if wanted else None


def _holds(text: str, piece: str) -> bool:
    return f" {' '.join(_words(piece))} " in f" {' '.join(_words(text))} "


def _words(text: str) -> List[str]:
    return "".join(char if char.isalnum() else " " for char in text.lower()).split()


def score_summaries(
    examples: Iterable[Example], *, reference: Callable[[Example], Optional[str]], **settings: Any
) -> Dict[str, Any]:
    """Compare `doc._.summary` with the references' summaries. A note without one counts neither way.

    reference (Callable[[Example], Optional[str]]): Gives the reference summary.
    RETURNS (Dict[str, Any]): Means over notes: "summary_rouge1", "summary_rouge2", "summary_rougeL"; "summary_entities", see `entity_recall`, of
        the reference's entities, or else of those found; "summary_compression", words of the summary / words of the note; "summary_redundancy". None
        where there is nothing to score.
    """
    rouge: Optional[Callable] = None
    columns: Dict[str, List[Optional[float]]] = {name: [] for name in (*KINDS, "entities", "compression", "redundancy")}
    for example in examples:
        wanted, doc = reference(example), example.predicted
        if not wanted or doc._.summary is None:
            continue
        rouge = rouge or load_rouge()
        summary = "\n".join(span.text for span in doc._.summary)
        for kind, value in zip(KINDS, rouge(wanted, summary)):
            columns[kind].append(value)
        ents = example.reference.ents or doc.ents
        columns["entities"].append(entity_recall([ent.text for ent in ents], wanted, summary))
        columns["compression"].append(len(summary.split()) / max(len(doc.text.split()), 1))
        columns["redundancy"].append(redundancy(summary))
    means: Dict[str, Any] = {}
    for name, column in columns.items():
        values = [value for value in column if value is not None]
        means[f"summary_{name}"] = float(numpy.mean(values)) if values else None
    return means
