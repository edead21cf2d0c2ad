"""Whether a pipeline's probabilities mean what they say: what `python -m spacy clinicalbert calibrate` does."""

from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from spacy.training import Example
from spacy.util import resolve_dot_names

from ..corpora.docs import Report
from ..corpora.formats import read_corpus
from ..loading import find_pipeline, open_config, open_pipeline, save_pipeline
from ..pipeline.calibration import NEVER, Calibration
from .plots import MAX_LABELS, save
from .tables import in_cell

Calibrations = Dict[Tuple[str, str], Calibration]  # component, and what it classifies


def calibrate_pipeline(
    pipeline: str,
    source: str,
    output: Path,
    precision: Optional[float] = None,
    overrides: Mapping[str, Any] = {},
    say: Callable[[str], None] = print,
) -> Calibrations:
    """Calibrate every component that can be, and write the pipeline.

    pipeline (str): A folder or an installed package.
    source (str): Notes with gold annotation that the pipeline was not trained on; see `corpora.formats.read_corpus`. Or a training config, PATH.cfg,
        for its development corpus: of a `mixed_corpora.v1`, each component takes the notes that are annotated for it.
    output (Path): Where to write the pipeline.
    precision (Optional[float]): For thresholds, what a label's precision is to be at least; None sets none.
    overrides (Mapping[str, Any]): Settings of the training config, by their dotted names.
    say (Callable[[str], None]): Gets a line on annotation that could not be kept, without text.
    RETURNS (Calibrations): What was done.
    RAISES (ValueError): No component can be calibrated, or the notes have no annotation for any.
    """
    if output.resolve() == find_pipeline(pipeline).resolve():
        raise ValueError("Write to another folder than the pipeline's.")
    nlp = open_pipeline(pipeline)
    components = {name: pipe for name, pipe in nlp.pipeline if hasattr(pipe, "calibrate")}
    if not components:
        raise ValueError(f"'{pipeline}' has no component to calibrate, such as clinical_assertion.")
    if source.endswith(".cfg"):
        config = open_config(source, overrides, needs=("training", "corpora"), interpolate=True)
        named = config["training"].get("dev_corpus", "corpora.dev")  # spaCy's default
        (corpus,) = resolve_dot_names(config, [named])
        references = [example.reference for example in corpus(nlp)]
    elif overrides:
        raise ValueError(f"{', '.join(overrides)} are settings of a training config, and '{source}' is none.")
    else:
        report = Report()
        references = list(read_corpus(source, nlp, report))
        if report.dropped:
            say(f"{source}: {report}")
    # Calibrating reads the vectors, which a cleaner takes off.
    cleaners = [name for name in nlp.pipe_names if nlp.get_pipe_meta(name).factory == "doc_cleaner"]
    with nlp.select_pipes(disable=cleaners):
        predicted = list(nlp.pipe([nlp.make_doc(doc.text) for doc in references]))
    examples = [Example(doc, reference) for doc, reference in zip(predicted, references)]
    found = {
        (name, what): calibration
        for name, pipe in components.items()
        for what, calibration in pipe.calibrate(examples, precision).items()
    }
    if not found:
        raise ValueError(f"'{source}' has no gold annotation for {', '.join(components)}.")
    save_pipeline(nlp, output)
    return found


def calibration_tables(found: Calibrations) -> str:
    """Write what was done as Markdown.

    found (Calibrations): As `calibrate_pipeline` gives it.
    RETURNS (str): A table of the errors, and one of the thresholds if there are any.
    """
    lines = [
        "| component | axis | answers | temperature | ECE before | ECE after | NLL before | NLL after |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (name, what), each in found.items():
        figures = (each.temperature, each.ece_before, each.ece_after, each.nll_before, each.nll_after)
        row = [name, in_cell(what), str(each.n), *(f"{figure:.3f}" for figure in figures)]
        lines.append(f"| {' | '.join(row)} |")
    thresholds = [
        f"| {name} | {in_cell(what)} | {in_cell(label)} | {'never given' if threshold == NEVER else f'{threshold:.3f}'} |"
        for (name, what), each in found.items()
        for label, threshold in each.thresholds.items()
    ]
    if thresholds:
        lines += ["", "| component | axis | label | threshold |", "|---|---|---|---|", *thresholds]
    return "\n".join(lines)


def plot_reliability(found: Calibrations, path: Path, after: bool = True) -> None:
    """Draw reliability diagrams, of each classifier before and after (Guo et al. 2017, figure 1).

    found (Calibrations): As `calibrate_pipeline` gives it. Of more classifiers than a picture holds, those with most answers are drawn.
    path (Path): Ends in .png or .svg.
    after (bool): Whether to draw the second, too.
    """
    from matplotlib.figure import Figure

    # A figure without pyplot has no backend but the file's.
    n_columns = 2 if after else 1
    shown = (
        sorted(found.items(), key=lambda pair: -pair[1].n)[:MAX_LABELS] if len(found) > MAX_LABELS else [*found.items()]
    )
    figure = Figure(figsize=(3.2 * n_columns, 3.2 * len(shown)))
    axes = figure.subplots(len(shown), n_columns, squeeze=False)
    for row, ((name, what), each) in zip(axes, shown):
        first = "before" if after else "as it is"
        tables = ((first, each.before, each.ece_before), ("after", each.after, each.ece_after))
        for axis, (title, table, error) in zip(row, tables):
            bins = [one for one in table if one.n]
            width = table[0].high - table[0].low
            axis.bar([one.low for one in bins], [one.accuracy for one in bins], width, align="edge", edgecolor="white")
            axis.plot(
                [one.confidence for one in bins], [one.accuracy for one in bins], "k.", markersize=4, clip_on=False
            )
            axis.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1)
            axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy")
            axis.set_title(f"{name}, {what}\n{title}, ECE {error:.3f}, {each.n} answers", fontsize=9)
    save(figure, path)
