"""The transfer matrix: each pipeline on each corpus; see `python -m spacy clinicalbert transfer --help`."""

from collections import Counter, defaultdict
from itertools import combinations
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set

import numpy
import spacy
from spacy.language import Language
from spacy.pipeline import TextCategorizer
from spacy.pipeline.textcat_multilabel import MultiLabel_TextCategorizer
from spacy.tokens import Doc

from ..corpora.docs import Report
from ..corpora.formats import read_corpus
from . import counts as why
from .counts import N_COUNTS, SCORES, count_note
from .distance import content_words, corpus_distances
from .gold import HEADS, Answer, Corpus, cat_answers, ent_answers, map_answers, read_gold
from .intervals import LEVEL, resample, with_interval
from .labels import LabelMap, check_label_map, common_label

_ASSIGNS = {"ents": "doc.ents", "cats": "doc.cats"}


class Head(NamedTuple):
    """A component that answers the task.

    name (str): In the pipeline.
    labels (Set[str]): Its own.
    exclusive (bool): Whether the most probable category is the answer, and not each from `threshold` on.
    threshold (float): For categories that do not exclude each other.
    """

    name: str
    labels: Set[str]
    exclusive: bool
    threshold: float


class Cell(NamedTuple):
    """What one pipeline found in one corpus.

    labels (List[str]): The common labels that both have.
    counts (ndarray): (n_labels, 5), see `counts`.
    samples (ndarray): (n_samples, n_labels, 5), of bootstrap samples.
    left_out (Dict[str, Counter]): Reason → label → how many answers do not count.
    """

    labels: List[str]
    counts: numpy.ndarray
    samples: numpy.ndarray
    left_out: Dict[str, Counter]


def transfer(
    pipelines: Dict[str, str],
    corpora: Dict[str, str],
    *,
    task: str = "ents",
    label_map: Optional[LabelMap] = None,
    n_samples: int = 1000,
    seed: int = 0,
    max_docs: Optional[int] = None,
    say: Callable[[str], None] = print,
) -> Dict[str, Any]:
    """Score each pipeline on each corpus, and measure how far the corpora are from each other.

    A cell is scored on the labels that its pipeline and its corpus share. What a corpus does not annotate is no false positive
    there, and what a pipeline does not know no false negative; both are counted. One pipeline is loaded at a time.

    pipelines (Dict[str, str]): Name → folder or installed package.
    corpora (Dict[str, str]): Name → source, see `corpora.formats.read_corpus`.
    task (str): "ents" or "cats".
    label_map (Optional[LabelMap]): Label → common label. None compares labels as they are.
    n_samples (int): Bootstrap samples.
    seed (int): Of these samples.
    max_docs (Optional[int]): Take no more notes than this of a corpus, at equal distances.
    say (Callable[[str], None]): Gets a line for each step. No note's text is in it.
    RETURNS (Dict[str, Any]): "scores" (a dict a cell), "differences" (a dict for two pipelines on a corpus), "distances", "corpora",
        "pipelines" and the settings; JSON can hold it.
    RAISES (ValueError): A pipeline has no such component, a corpus no such annotation, nothing is shared, or the label map names
        an unknown label.
    """
    heads = {name: _find_heads(spacy.load(path), task, name) for name, path in pipelines.items()}
    names = {head.name for each in heads.values() for head in each}.union(HEADS[task])
    gold: Dict[str, Corpus] = {}
    words: Dict[str, List[List[str]]] = {}
    reports: Dict[str, str] = {}
    for name, source in corpora.items():
        report = Report()
        docs = _take(list(read_corpus(source, spacy.blank("en"), report)), max_docs)
        gold[name] = read_gold(docs, task, names, label_map)
        if not gold[name].notes:
            raise ValueError(f"The corpus '{name}' has no gold annotation of {_ASSIGNS[task]}.")
        words[name] = [content_words(doc) for doc in docs]
        reports[name] = str(report) if report.read else ""
        say(
            f"{name}: {len(gold[name].notes)} notes, {gold[name].n_unannotated} not annotated. {reports[name]}".rstrip()
        )
    own_labels = {name: {label for head in each for label in head.labels} for name, each in heads.items()}
    check_label_map(label_map, set().union(*own_labels.values(), *(corpus.own_labels for corpus in gold.values())))
    labels = {name: {common_label(label, label_map) for label in own} - {None} for name, own in own_labels.items()}
    if not any(labels[pipeline] & gold[corpus].labels for pipeline in labels for corpus in gold):
        raise ValueError("No pipeline shares a label with a corpus. Say with --labels which labels mean the same.")
    cells: Dict[str, Dict[str, Cell]] = {}
    for pipeline, path in pipelines.items():
        nlp = spacy.load(path)
        cells[pipeline] = {}
        for name, corpus in gold.items():
            say(f"{pipeline} on {name}")
            shared = sorted(labels[pipeline] & corpus.labels)  # type: ignore[type-var]
            cells[pipeline][name] = _score(nlp, heads[pipeline], corpus, task, shared, label_map, n_samples, seed)  # type: ignore[arg-type]
    return {
        "task": task,
        "samples": n_samples,
        "seed": seed,
        "level": LEVEL,
        "label_map": label_map,
        "pipelines": {name: {"source": str(pipelines[name]), "labels": sorted(own_labels[name])} for name in pipelines},
        "corpora": {name: _describe(corpora[name], gold[name], reports[name]) for name in corpora},
        "scores": [
            _cell_scores(pipeline, corpus, cell, task)
            for pipeline, row in cells.items()
            for corpus, cell in row.items()
        ],
        "differences": [
            _difference(first, second, corpus, cells, task)
            for corpus in corpora
            for first, second in combinations(pipelines, 2)
        ],
        "distances": corpus_distances(words),
    }


def check_installed() -> None:
    """Raise ImportError, which says what to install, if a library of the extra `evaluation` is missing."""
    try:
        import matplotlib  # noqa: F401
        import scipy  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ImportError(f"{error.name} is needed: pip install 'spacy-clinicalbert[evaluation]'.") from None


def _find_heads(nlp: Language, task: str, name: str) -> List[Head]:
    heads = []
    for component, pipe in nlp.pipeline:
        if _ASSIGNS[task] in nlp.get_pipe_meta(component).assigns:
            single = isinstance(pipe, TextCategorizer) and not isinstance(pipe, MultiLabel_TextCategorizer)
            threshold = getattr(pipe, "cfg", {}).get("threshold", 0.5)
            heads.append(Head(component, set(getattr(pipe, "labels", ())), single, threshold))
    if not any(head.labels for head in heads):
        raise ValueError(f"The pipeline '{name}' has no component with labels that sets {_ASSIGNS[task]}.")
    return heads


def _take(docs: List[Doc], max_docs: Optional[int]) -> List[Doc]:
    places = numpy.linspace(0, len(docs) - 1, min(max_docs or len(docs), len(docs))).astype(int)
    return [docs[place] for place in places]


def _find_answers(doc: Doc, heads: List[Head], task: str) -> Set[Answer]:
    if task == "ents":
        return ent_answers(doc)
    given: Set[str] = set()
    for head in heads:
        cats = {label: doc.cats[label] for label in head.labels if label in doc.cats}
        if head.exclusive and cats:
            given.add(max(cats, key=cats.get))  # type: ignore[arg-type]
        else:
            given.update(label for label, probability in cats.items() if probability >= head.threshold)
    return cat_answers(doc, given)


def _score(
    nlp: Language,
    heads: List[Head],
    corpus: Corpus,
    task: str,
    labels: List[str],
    label_map: Optional[LabelMap],
    n_samples: int,
    seed: int,
) -> Cell:
    left_out: Dict[str, Counter] = defaultdict(Counter)
    left_out[why.GOLD_OUTSIDE_MAP].update(corpus.outside_map)
    left_out[why.GOLD_HALF].update(corpus.half_annotated)
    counts = numpy.zeros((len(corpus.notes), len(labels), N_COUNTS))
    n_done = 0
    pairs = ((note.text, number) for number, note in enumerate(corpus.notes))
    for doc, number in nlp.pipe(pairs, as_tuples=True):
        found, outside = map_answers(_find_answers(doc, heads, task), label_map)
        left_out[why.OUTSIDE_MAP].update(outside)
        counts[number] = count_note(corpus.notes[number], found, labels, left_out)
        n_done += 1
    if n_done < len(corpus.notes):
        raise ValueError(
            f"The pipeline left out {len(corpus.notes) - n_done} notes: its error handler passes over them."
        )
    return Cell(labels, counts.sum(axis=0), resample(counts, n_samples, seed), left_out)


def _cell_scores(pipeline: str, corpus: str, cell: Cell, task: str) -> Dict[str, Any]:
    _, found, gold, *_ = cell.counts.sum(axis=0)
    return {
        "pipeline": pipeline,
        "corpus": corpus,
        "labels": cell.labels,
        "gold": int(gold),
        "found": int(found),
        **{name: with_interval(score(cell.counts), score(cell.samples)) for name, score in SCORES[task].items()},
        "left_out": {reason: dict(labels.most_common()) for reason, labels in cell.left_out.items() if labels},
    }


def _difference(first: str, second: str, corpus: str, cells: Dict[str, Dict[str, Cell]], task: str) -> Dict[str, Any]:
    """The main score of the first pipeline less that of the second, on the labels that both share with the corpus."""
    name, score = next(iter(SCORES[task].items()))
    shared = sorted(set(cells[first][corpus].labels) & set(cells[second][corpus].labels))
    totals, samples = [], []
    for pipeline in (first, second):
        cell = cells[pipeline][corpus]
        rows = [cell.labels.index(label) for label in shared]
        totals.append(score(cell.counts[rows]))
        samples.append(score(cell.samples[:, rows]))
    return {
        "corpus": corpus,
        "first": first,
        "second": second,
        "labels": shared,
        "score": name,
        "difference": with_interval(totals[0] - totals[1], samples[0] - samples[1]),
    }


def _describe(source: str, corpus: Corpus, report: str) -> Dict[str, Any]:
    answers = Counter(label for note in corpus.notes for *_, label in note.answers)
    return {
        "source": source,
        "report": report,
        "docs": len(corpus.notes),
        "docs_not_annotated": corpus.n_unannotated,
        "labels": sorted(corpus.own_labels),
        "gold": dict(answers.most_common()),
    }
