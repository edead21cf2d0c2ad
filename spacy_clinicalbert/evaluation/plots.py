"""Pictures of training and of scores, as PNG or SVG. The colours are Okabe and Ito's, or cividis, which colour-blind eyes tell apart; what a colour says,
a mark or a word says too. The heat map of `transfer` is in heat_map.py, reliability diagrams are in reliability.py.
"""

import statistics
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import numpy

SUFFIXES = (".png", ".svg")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKS = "osD^vPX"
MAX_LABELS = 30  # of a picture; the most frequent

Place = Tuple[float, float, float]  # a score, and the ends of its interval


def save(figure: Any, path: Path) -> None:
    """Write a matplotlib figure. Text stays text, and the same figure gives the same file."""
    import matplotlib

    figure.tight_layout()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "spacy-clinicalbert"}):
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)


def plot_curves(panels: Dict[str, Dict[str, Tuple[Sequence[float], Sequence[float]]]], path: Path) -> None:
    """Draw what changes over training.

    panels (Dict[str, Dict]): Title → name → steps and values, of equal length.
    path (Path): Ends in .png or .svg.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(panels), 3.4))
    for axis, (title, curves) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items()):
        for number, (name, (steps, values)) in enumerate(curves.items()):
            colour, mark = COLOURS[number % len(COLOURS)], MARKS[number % len(MARKS)]
            few = len(steps) <= 40
            axis.plot(
                steps, values, color=colour, marker=mark if few else None, markersize=4, linewidth=1.3, label=name
            )
        axis.set(title=title, xlabel="step")
        axis.grid(color="#dddddd", linewidth=0.6)
        axis.legend(fontsize=7)
    save(figure, path)


def plot_scores(groups: Dict[str, Dict[str, Place]], path: Path, label: str = "F1") -> None:
    """Draw scores as points with their intervals, a panel for each group.

    groups (Dict[str, Dict[str, Place]]): Title → name → the score, and the lower and the upper end of its interval, 0 to 1. Where the ends are equal no
        interval is drawn.
    path (Path): Ends in .png or .svg.
    label (str): Of the axis.
    """
    from matplotlib.figure import Figure

    rows = [min(len(scores), MAX_LABELS) for scores in groups.values()]
    figure = Figure(figsize=(6.4, 0.8 * len(rows) + 0.26 * sum(rows) + 0.4))
    axes = figure.subplots(len(rows), 1, squeeze=False, gridspec_kw={"height_ratios": [n + 2 for n in rows]})[:, 0]
    for axis, (title, scores) in zip(axes, groups.items()):
        shown = list(scores.items())[:MAX_LABELS]
        for place, (_, (value, low, high)) in enumerate(reversed(shown)):
            axis.plot([low, high], [place, place], color=COLOURS[0], linewidth=2)
            axis.plot([value], [place], color=COLOURS[0], marker="o", markersize=5)
            axis.text(1.02, place, f"{value:.2f}", va="center", fontsize=8)
        axis.set_yticks(range(len(shown)), [name for name, _ in reversed(shown)], fontsize=8)
        axis.set(xlim=(0, 1), ylim=(-0.7, len(shown) - 0.3), xlabel=label)
        axis.set_title(title, fontsize=10)
        axis.grid(axis="x", color="#dddddd", linewidth=0.6)
    save(figure, path)


def plot_confusion(counts: Dict[Tuple[str, str], int], missed: str, title: str, path: Path) -> None:
    """Draw which label was taken for which: a row for each label of the gold, in shares of the row.

    counts (Dict[Tuple[str, str], int]): Gold label and found label → how often.
    missed (str): How the counts call it where one side has none. It is the last row and the last column.
    path (Path): Ends in .png or .svg.
    """
    from matplotlib.figure import Figure

    sizes: Dict[str, int] = {}
    for (gold, _), n in counts.items():
        sizes[gold] = sizes.get(gold, 0) + n
    names = {name for pair in counts for name in pair} - {missed}
    labels = sorted(names, key=lambda name: (-sizes.get(name, 0), name))[:MAX_LABELS] + [missed]
    table = numpy.array([[counts.get((gold, found), 0) for found in labels] for gold in labels])
    # Shares of all, also of labels that are not shown.
    shares = table / numpy.maximum([[sizes.get(gold, 0)] for gold in labels], 1)
    size = 1.8 + 0.42 * len(labels)
    figure = Figure(figsize=(size + 1, size))
    axis = figure.subplots()
    image = axis.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    for i, j in zip(*table.nonzero()):
        axis.text(j, i, str(table[i, j]), ha="center", va="center", fontsize=7, color="white" if shares[i, j] < 0.5 else "black")  # fmt: skip
    axis.set_xticks(range(len(labels)), labels, rotation=60, ha="right", fontsize=7)
    axis.set_yticks(range(len(labels)), labels, fontsize=7)
    axis.set(title=title, xlabel="found", ylabel="gold")
    figure.colorbar(image, ax=axis, shrink=0.7, label="share of the row")
    save(figure, path)


def plot_speeds(groups: Dict[str, Dict[str, List[float]]], path: Path, label: str = "words a second") -> None:
    """Draw speeds as bars: the median, and from the least to the most.

    groups (Dict[str, Dict[str, List[float]]]): Title → system → one speed for each run. Systems whose names begin with "clinicalbert" have another colour.
    path (Path): Ends in .png or .svg.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5 * len(groups), 4))
    for axis, (title, systems) in zip(figure.subplots(1, len(groups), squeeze=False)[0], groups.items()):
        ordered = sorted(systems.items(), key=lambda pair: statistics.median(pair[1]))
        medians = [statistics.median(values) for _, values in ordered]
        spread = [
            [median - min(values) for median, (_, values) in zip(medians, ordered)],
            [max(values) - median for median, (_, values) in zip(medians, ordered)],
        ]
        colours = [COLOURS[0] if name.startswith("clinicalbert") else "#999999" for name, _ in ordered]
        axis.barh([name.replace(":", ", ") for name, _ in ordered], medians, xerr=spread, color=colours)
        axis.set(title=title, xlabel=f"{label} (bars: least to most)")
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    save(figure, path)
