"""What `python -m spacy clinicalbert plot` draws: files of the workflow by what stands in them, and a pipeline on annotated notes."""

import math
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

from spacy.training import Example
from spacy.util import load_config

from ..corpora.docs import Report
from ..corpora.files import json_file, json_lines
from ..corpora.formats import read_corpus
from ..folders import step_folders
from ..loading import open_pipeline
from .gold import spread
from .heat_map import plot_heat_map
from .mistakes import Mistakes, find_mistakes
from .plots import Place, plot_confusion, plot_curves, plot_scores, plot_speeds
from .reliability import plot_reliability
from .transfer import transfer

Draw = Callable[[Path], None]
NOTHING = "nothing"
PROGRESS = "progress.json"  # of a checkpoint of `train`


def draw_file(path: Path) -> Tuple[str, Draw]:
    """Find out what a file of the workflow can be drawn as.

    path (Path): A folder of `spacy clinicalbert train` or `pretrain`, a log of the latter, or the JSON of `transfer`, scripts/evaluate.py or benchmarks.throughput.
    RETURNS (Tuple[str, Callable[[Path], None]]): The kind, and what draws it into a .png or .svg file.
    RAISES (ValueError): It is none of these.
    """
    if path.is_dir():
        if (path / "log.jsonl").exists():  # a pretraining run has checkpoints too
            return draw_file(path / "log.jsonl")
        found = step_folders(path)
        if found and (found[-1] / PROGRESS).is_file():
            curves = training_curves(found[-1] / PROGRESS)
            return "training", lambda target: plot_curves(curves, target)
    elif path.suffix == ".jsonl":
        rows = [row for _, row in json_lines(path)]
        if any("group" in row and "step" in row for row in rows):
            return "pretraining", lambda target: plot_curves(pretraining_curves(rows), target)
        if any("seconds" in row and "system" in row for row in rows):
            return "speed", lambda target: plot_speeds(speeds(rows), target)
    elif path.suffix == ".json":
        values = json_file(path)
        if isinstance(values, dict) and {"task", "scores", "distances"} <= set(values):
            return "transfer", lambda target: plot_heat_map(values, target)
        groups = head_scores(values)
        if groups:
            return "scores", lambda target: plot_scores(groups, target, label="score, with its 95 % interval")
        if _has_scores(values):
            raise ValueError(f"The scores of '{path}' have no intervals: run scripts/evaluate.py with --samples 200.")
    raise ValueError(
        f"'{path}' cannot be drawn. Give the folder of a run of `spacy clinicalbert train` or `pretrain`, or a file of transfer --json, scripts/evaluate.py or benchmarks.throughput."
    )


def draw_pipeline(
    pipeline: str, source: str, max_notes: Optional[int] = None, say: Callable[[str], None] = print
) -> Dict[str, Draw]:
    """Score a pipeline on annotated notes, for pictures.

    pipeline (str): A folder or an installed package.
    source (str): Notes that it was not trained on; see `corpora.formats.read_corpus`.
    max_notes (Optional[int]): No more than these, at equal distances.
    say (Callable[[str], None]): Gets a line on annotation that could not be kept, without text.
    RETURNS (Dict[str, Callable[[Path], None]]): Kind → what draws it: scores by label with intervals, confusion, and reliability where components have
        probabilities that can be calibrated.
    RAISES (ValueError): The notes are annotated for nothing that the pipeline finds.
    """
    nlp = open_pipeline(pipeline)
    report = Report()
    docs = spread(list(read_corpus(source, nlp, report)), max_notes)
    if report.dropped:
        say(f"{source}: {report}")
    mistakes = find_mistakes(nlp, docs)  # says what is wrong, if the notes have nothing
    if mistakes.failures:
        raise ValueError(f"The pipeline failed on {len(mistakes.failures)} notes: {mistakes.failures[0].reason}.")
    pictures: Dict[str, Draw] = {}
    groups = {}
    for task in mistakes.notes:
        found = transfer({"": pipeline}, {"": source}, task=task, max_docs=max_notes, say=lambda line: None)["scores"]
        rows = found[0]["by_label"]
        ordered = sorted((each for each in rows.items() if each[1]["f1"]["value"] is not None), key=lambda each: -each[1]["gold"])  # fmt: skip
        groups["entities" if task == "ents" else "categories"] = {
            f"{label} ({each['gold']})": (each["f1"]["value"], each["f1"]["low"], each["f1"]["high"])
            for label, each in ordered
        }
        counts = confusion(mistakes, task)
        title = "Entities, where they overlap" if task == "ents" else "Categories"
        pictures["confusion-entities" if task == "ents" else "confusion-categories"] = lambda target, counts=counts, title=title: plot_confusion(counts, NOTHING, title, target)  # type: ignore[misc]  # fmt: skip
    pictures["labels"] = lambda target: plot_scores(groups, target, label="F1, with its 95 % interval")
    calibrated = calibrations(pipeline, docs)
    if calibrated:
        pictures["calibration"] = lambda target: plot_reliability(calibrated, target, after=False)
    return pictures


def training_curves(path: Path) -> Dict[str, Any]:
    """path (Path): progress.json of a checkpoint. RETURNS (Dict): As `plot_curves` takes it: each score that counts in training, where it was measured."""
    progress = json_file(path)
    # The pipeline's config is complete; that of the run may leave to spaCy what it does not set.
    complete = path.parents[2] / "model-last" / "config.cfg"
    training = load_config(complete if complete.is_file() else path.parent / "config.cfg", interpolate=True)["training"]
    evaluations = progress["evaluations"]
    steps = [number * training["eval_frequency"] for number in range(len(evaluations))]
    weights = {name: weight for name, weight in training["score_weights"].items() if weight}
    scores = {
        name: (steps, [_number(each["scores"].get(name)) for each in evaluations])
        for name in weights
        if any(each["scores"].get(name) is not None for each in evaluations)
    }
    heads = dict.fromkeys(name for each in evaluations for name in each["losses"])
    losses = {name: (steps, [each["losses"].get(name, 0.0) for each in evaluations]) for name in heads}
    # Losses are sums since the evaluation before, and of different kinds: each is shown against its greatest.
    relative = {
        name: (steps[1:], [value / max(max(values[1:]), 1e-9) for value in values[1:]])
        for name, (_, values) in losses.items()
        if len(values) > 1
    }
    panels = {"development scores": scores, "losses, each against its greatest": relative}
    if not any(panels.values()):
        raise ValueError(f"'{path.parents[2]}' has no scores and no losses to draw yet.")
    return {title: curves for title, curves in panels.items() if curves}


def _number(score: Optional[float]) -> float:
    """nan, which is not drawn, where there was nothing to score."""
    return math.nan if score is None else float(score)


def pretraining_curves(rows: List[Dict[str, Any]]) -> Dict[str, Any]:
    """rows (List[Dict]): Of log.jsonl. RETURNS (Dict): As `plot_curves` takes it."""
    panels: Dict[str, Any] = {"training loss": {}, "held-out accuracy of masked pieces": {}, "held-out perplexity": {}}
    for title, key in zip(panels, ("loss", "accuracy", "perplexity")):
        for group in dict.fromkeys(row["group"] for row in rows if "group" in row):
            if (group == "train") == (key == "loss"):
                mine = [row for row in rows if row.get("group") == group and key in row]
                if mine:
                    panels[title][group] = [row["step"] for row in mine], [row[key] for row in mine]
    return {title: curves for title, curves in panels.items() if curves}


def speeds(rows: List[Dict[str, Any]]) -> Dict[str, Dict[str, List[float]]]:
    """rows (List[Dict]): Of benchmarks.throughput. RETURNS (Dict): Size of the encoder → system → words a second, of MTSamples with a head for entities."""
    words = {(row["size"], row["data"]): row["words"] for row in rows if "oracle" in row}
    found: Dict[str, Dict[str, List[float]]] = {}
    for row in rows:
        if row.get("head") == "ner" and row["data"] == "MTSamples":
            values = found.setdefault(f"{row['size']}: encoder and NER", {}).setdefault(row["system"], [])
            values.append(words[row["size"], row["data"]] / row["seconds"])
    return found


def head_scores(values: Any) -> Dict[str, Dict[str, Place]]:
    """values (Any): As scripts/evaluate.py writes it. RETURNS (Dict[str, Dict[str, Place]]): Corpus and head → score → its place."""
    groups = {}
    for corpus, heads in values.items() if isinstance(values, dict) else ():
        for head, scores in heads.items() if isinstance(heads, dict) else ():
            places = scores.get("intervals") if isinstance(scores, dict) else None
            rows = {key: (scores[key], low, high) for key, (low, high) in (places or {}).items()}
            if rows:
                groups[f"{corpus}, {head}"] = rows
    return groups


def _has_scores(values: Any) -> bool:
    """Whether it is of the form corpus → head → score → value."""
    heads = [head for each in values.values() if isinstance(each, dict) for head in each.values()] if isinstance(values, dict) else []  # fmt: skip
    return any(isinstance(scores, dict) for scores in heads)


def confusion(mistakes: Mistakes, task: str) -> Dict[Tuple[str, str], int]:
    """Which label was taken for which.

    task (str): "ents" or "cats".
    RETURNS (Dict[Tuple[str, str], int]): Gold label and found label → how often; `NOTHING` where there is none.
    """
    wrong: Counter = Counter()
    if task == "ents":
        for each in mistakes.entities:
            wrong[each.gold[2] if each.gold else NOTHING, each.found[2] if each.found else NOTHING] += 1
        for label, kinds in mistakes.counts.items():
            wrong[label, label] += kinds["right"]
        return dict(wrong)
    for row in mistakes.categories:
        missed = [label for label in row.gold if label not in dict(row.found)]
        extra = [label for label, _ in row.found if label not in row.gold]
        if len(missed) == len(extra) == 1:
            wrong[missed[0], extra[0]] += 1
        else:  # of several it is not known which was taken for which
            wrong.update((label, NOTHING) for label in missed)
            wrong.update((NOTHING, label) for label in extra)
    wrong.update({(label, label): n for label, n in mistakes.right.items()})
    return dict(wrong)


def calibrations(pipeline: str, docs: List[Any]) -> Dict[Tuple[str, str], Any]:
    """How well probabilities fit as they are. (Fitting them changes a pipeline, which is loaded for it, and not written.)"""
    nlp = open_pipeline(pipeline)
    names = [name for name, pipe in nlp.pipeline if hasattr(pipe, "calibrate")]
    if not names:
        return {}
    with nlp.select_pipes(disable=[name for name in nlp.pipe_names if nlp.get_pipe_meta(name).factory == "doc_cleaner"]):  # fmt: skip
        predicted = list(nlp.pipe([nlp.make_doc(doc.text) for doc in docs]))
    examples = [Example(doc, reference) for doc, reference in zip(predicted, docs)]
    return {(name, what): each for name in names for what, each in nlp.get_pipe(name).calibrate(examples, None).items()}  # type: ignore[attr-defined]
