"""The transfer matrix: each pipeline on each corpus; see `python -m spacy clinicalbert transfer --help`."""

from collections import Counter, defaultdict
from itertools import combinations
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set, Tuple

import numpy
from spacy.language import Language

from ..corpora.docs import Report
from ..corpora.formats import read_corpus
from ..loading import open_pipeline
from ..tokenizer import blank_clinical
from . import counts as why
from .counts import N_COUNTS, SCORES, count_note, micro_f1
from .distance import content_words, corpus_distances
from .gold import HEADS, Corpus, map_answers, read_gold, spread
from .heads import ASSIGNS, Head, find_answers, find_heads, with_exclusive
from .intervals import LEVEL, resample, with_interval
from .labels import LabelMap, check_label_map, common_label


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
    heads: Dict[str, List[Head]] = {}
    for name, path in pipelines.items():
        heads[name] = find_heads(open_pipeline(path), task)
        if not any(head.labels for head in heads[name]):
            raise ValueError(f"The pipeline '{name}' has no component with labels that sets {ASSIGNS[task]}.")
    gold: Dict[str, Corpus] = {}
    words: Dict[str, List[List[str]]] = {}
    described: Dict[str, Dict[str, Any]] = {}
    for name, source in corpora.items():
        report = Report()
        docs = spread(list(read_corpus(source, blank_clinical(), report)), max_docs)
        names = {head.name for each in heads.values() for head in each}
        gold[name] = read_gold(docs, task, names.union(HEADS[task]), label_map)
        if not gold[name].notes:
            raise ValueError(f"The corpus '{name}' has no gold annotation for {ASSIGNS[task]}.")
        words[name] = [content_words(doc) for doc in docs]
        described[name] = _describe(source, gold[name], report)
        say(f"{name}: {len(gold[name].notes)} annotated notes. {described[name]['report']}".rstrip())
        del docs  # much larger than what is kept of them
    _check_labels(heads, gold, label_map)
    cells: Dict[str, Dict[str, Cell]] = {}
    for pipeline, path in pipelines.items():
        nlp = open_pipeline(path)
        cells[pipeline] = {}
        for name, corpus in gold.items():
            say(f"{pipeline} on {name}")
            labels = sorted(_common_labels(heads[pipeline], label_map) & corpus.labels)
            counts, left_out = _count(nlp, heads[pipeline], corpus, task, labels, label_map)
            cells[pipeline][name] = Cell(labels, counts.sum(axis=0), resample(counts, n_samples, seed), left_out)
    return {
        "task": task,
        "samples": n_samples,
        "seed": seed,
        "level": LEVEL,
        "label_map": label_map,
        "pipelines": {
            name: {"source": str(path), "labels": sorted(set().union(*(head.labels for head in heads[name])))}
            for name, path in pipelines.items()
        },
        "corpora": described,
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


def _common_labels(heads: List[Head], label_map: Optional[LabelMap]) -> Set[str]:
    labels = (common_label(label, label_map) for head in heads for label in head.labels)
    return {label for label in labels if label is not None}


def _check_labels(heads: Dict[str, List[Head]], gold: Dict[str, Corpus], label_map: Optional[LabelMap]) -> None:
    own = {label for each in heads.values() for head in each for label in head.labels}
    check_label_map(label_map, own.union(*(corpus.own_labels for corpus in gold.values())))
    common = set().union(*(_common_labels(each, label_map) for each in heads.values()))
    if not any(common & corpus.labels for corpus in gold.values()):
        raise ValueError("No pipeline shares a label with a corpus. Say with --labels which labels mean the same.")


def _count(
    nlp: Language, heads: List[Head], corpus: Corpus, task: str, labels: List[str], label_map: Optional[LabelMap]
) -> Tuple[numpy.ndarray, Dict[str, Counter]]:
    """RETURNS (Tuple[ndarray, Dict[str, Counter]]): (n_notes, n_labels, 5), and what does not count."""
    left_out: Dict[str, Counter] = defaultdict(Counter)
    left_out[why.GOLD_OUTSIDE_MAP].update(corpus.outside_map)
    left_out[why.GOLD_HALF].update(corpus.half_annotated)
    notes = corpus.notes
    if task == "cats":
        notes = [with_exclusive(note, heads, label_map) for note in notes]
        # A class that the corpus has nowhere is not shared, whatever the others say of it.
        notes = [note._replace(labels=note.labels & corpus.labels) for note in notes]
    counts = numpy.zeros((len(notes), len(labels), N_COUNTS))
    n_done = 0
    pairs = ((note.text, number) for number, note in enumerate(notes))
    for doc, number in nlp.pipe(pairs, as_tuples=True):
        found, outside = map_answers(find_answers(doc, heads, task), label_map)
        left_out[why.OUTSIDE_MAP].update(outside)
        counts[number] = count_note(notes[number], found, labels, left_out)
        n_done += 1
    if n_done < len(notes):
        n_lost = len(notes) - n_done
        raise ValueError(f"{n_lost} notes are missing from what the pipeline gave. Take off its error handler.")
    return counts, left_out


def _describe(source: str, corpus: Corpus, report: Report) -> Dict[str, Any]:
    answers = Counter(label for note in corpus.notes for *_, label in note.answers)
    return {
        "source": source,
        "report": str(report) if report.read else "",  # a .spacy file was reported on when it was made
        "docs": len(corpus.notes),
        "docs_not_annotated": corpus.n_unannotated,
        "labels": sorted(corpus.own_labels),
        "gold": dict(answers.most_common()),
    }


def _cell_scores(pipeline: str, corpus: str, cell: Cell, task: str) -> Dict[str, Any]:
    _, found, gold, *_ = cell.counts.sum(axis=0)
    return {
        "pipeline": pipeline,
        "corpus": corpus,
        "labels": cell.labels,
        "gold": int(gold),
        "found": int(found),
        **{name: with_interval(score(cell.counts), score(cell.samples)) for name, score in SCORES[task].items()},
        "by_label": {
            label: {
                "gold": int(cell.counts[[i], 2].sum()),
                "f1": with_interval(micro_f1(cell.counts[[i]]), micro_f1(cell.samples[:, [i]])),
            }
            for i, label in enumerate(cell.labels)
        },
        "left_out": {reason: dict(labels.most_common()) for reason, labels in cell.left_out.items() if labels},
    }


def _difference(first: str, second: str, corpus: str, cells: Dict[str, Dict[str, Cell]], task: str) -> Dict[str, Any]:
    """The main score of the first pipeline less that of the second, on the labels that both share with the corpus."""
    name, score = next(iter(SCORES[task].items()))
    pair = cells[first][corpus], cells[second][corpus]
    shared = sorted(set(pair[0].labels) & set(pair[1].labels))
    rows = [[cell.labels.index(label) for label in shared] for cell in pair]
    values = [score(cell.counts[each]) for cell, each in zip(pair, rows)]
    samples = [score(cell.samples[:, each]) for cell, each in zip(pair, rows)]
    return {
        "corpus": corpus,
        "first": first,
        "second": second,
        "labels": shared,
        "score": name,
        "difference": with_interval(values[0] - values[1], samples[0] - samples[1]),
    }
