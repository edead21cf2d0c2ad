"""What `transfer` found, as a picture: the matrix of scores, and the distances between corpora beside it."""

from pathlib import Path
from typing import Any, Dict, List, Optional

import numpy

from .counts import SCORES
from .plots import save
from .tables import TITLES, show

# Even in lightness, and read alike by colour-blind eyes (Nuñez, Anderton and Renslow, PLOS ONE 2018).
COLOURS = "cividis"


def plot_heat_map(result: Dict[str, Any], path: Path) -> None:
    """Draw the matrix of the main score with its intervals, and the distances.

    result (Dict[str, Any]): As `transfer` gives it.
    path (Path): Ends in .png or .svg.
    """
    from matplotlib.figure import Figure

    pipelines, corpora = list(result["pipelines"]), list(result["corpora"])
    name = next(iter(SCORES[result["task"]]))
    cells = {(cell["pipeline"], cell["corpus"]): cell[name] for cell in result["scores"]}
    rows = [[cells[pipeline, corpus] for corpus in corpora] for pipeline in pipelines]
    # A figure without pyplot has no backend but the file's.
    figure = Figure(figsize=(3 * (1.5 + 1.1 * len(corpora)), 1.6 + 0.75 * max(len(pipelines), len(corpora))))
    score_axis, *distance_axes = figure.subplots(1, 3)
    texts = [
        [
            "–" if cell["value"] is None else f"{show(cell['value'])}\n{show(cell['low'])} to {show(cell['high'])}"
            for cell in row
        ]
        for row in rows
    ]
    _draw(score_axis, [[cell["value"] for cell in row] for row in rows], texts, pipelines, corpora, 1.0, COLOURS)
    score_axis.set_title(f"{TITLES[name]}, {result['level']:.0%} interval")
    score_axis.set_ylabel("pipeline")
    for axis, measure, limit in zip(distance_axes, ("word_divergence", "proxy_a_distance"), (1.0, 2.0)):
        table = result["distances"][measure]
        values = [[table[one][other] for other in corpora] for one in corpora]
        # Turned round, so that bright is good everywhere: a high score, a near corpus.
        _draw(axis, values, [[show(each) for each in row] for row in values], corpora, corpora, limit, COLOURS + "_r")
        axis.set_title(TITLES[measure])
    for axis in (score_axis, *distance_axes):
        axis.set_xlabel("corpus")
    save(figure, path)


def _draw(
    axis: Any,
    values: List[List[Optional[float]]],
    texts: List[List[str]],
    rows: List[str],
    columns: List[str],
    limit: float,
    colours: str,
) -> None:
    array = numpy.array(values, dtype="float64")  # None becomes nan, which stays white
    image = axis.imshow(array, vmin=0.0, vmax=limit, cmap=colours, aspect="auto")
    axis.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    axis.set_yticks(range(len(rows)), rows)
    for i, row in enumerate(texts):
        for j, text in enumerate(row):
            red, green, blue, _ = image.cmap(image.norm(array[i, j])) if not numpy.isnan(array[i, j]) else (1, 1, 1, 1)
            # Luma (ITU-R BT.601); at this grey, black and white stand out alike (WCAG 2's contrast ratio).
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.46
            axis.text(j, i, text, ha="center", va="center", color="white" if dark else "black", fontsize=9)
