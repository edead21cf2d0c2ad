"""What `transfer` found, as Markdown tables."""

from typing import Any, Dict, Iterable, List, Optional

from .counts import SCORES

# As a reader calls them.
TITLES = {
    "f1": "micro F1",
    "macro_f1": "macro F1",
    "precision": "precision",
    "recall": "recall",
    "overlap_f1": "overlap F1",
    "word_divergence": "Jensen-Shannon divergence of words",
    "proxy_a_distance": "proxy A-distance",
}


def transfer_tables(result: Dict[str, Any]) -> str:
    """Write the tables: scores, what they leave out, differences between pipelines, distances between corpora.

    result (Dict[str, Any]): As `transfer` gives it.
    RETURNS (str): Markdown.
    """
    names = list(SCORES[result["task"]])
    rows: List[List[str]] = [
        [cell["pipeline"], cell["corpus"], str(result["corpora"][cell["corpus"]]["docs"]), str(cell["gold"])]
        + [str(cell["found"]), _names(cell["labels"]), *(_interval(cell[name]) for name in names)]
        for cell in result["scores"]
    ]
    heads = ["pipeline", "corpus", "notes", "gold", "found", "labels", *(TITLES[name] for name in names)]
    parts = [_table(heads, rows)]
    rows = [
        [cell["pipeline"], cell["corpus"], reason, str(sum(labels.values())), _names(labels)]
        for cell in result["scores"]
        for reason, labels in cell["left_out"].items()
    ]
    if rows:
        parts += ["Not counted:", _table(["pipeline", "corpus", "what", "how many", "labels"], rows)]
    rows = [
        [
            each["corpus"],
            f"{each['first']} − {each['second']}",
            _names(each["labels"]),
            _interval(each["difference"], "+"),
        ]
        for each in result["differences"]
    ]
    if rows:
        title = TITLES[result["differences"][0]["score"]]
        parts += ["Differences, on the same notes:", _table(["corpus", "pipelines", "labels", title], rows)]
    n_pieces, n_words = result["distances"]["pieces"], result["distances"]["words_per_piece"]
    parts += [
        f"Distances, {n_pieces} pieces of {n_words} words on each side; on the diagonal, of a corpus' two halves:"
    ]
    for name in ("word_divergence", "proxy_a_distance"):
        table = result["distances"][name]
        rows = [[one, *(show(table[one][other]) for other in table)] for one in table]
        parts.append(_table([TITLES[name], *table], rows))
    return "\n\n".join(parts)


def show(value: Optional[float], sign: str = "") -> str:
    """A figure with two places behind the point, as all tables and plots have it; a dash for None."""
    return "–" if value is None else f"{value:{sign}.2f}"


def _interval(score: Dict[str, Optional[float]], sign: str = "") -> str:
    if score["value"] is None:
        return "–"
    return f"{show(score['value'], sign)} ({show(score['low'], sign)} to {show(score['high'], sign)})"


def _names(labels: Iterable[str]) -> str:
    shown = [*labels]
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "") or "none"


def _table(heads: List[str], rows: List[List[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(in_cell, line)) + " |" for line in lines)


def in_cell(text: str) -> str:
    """A label in a table: it may hold what ends a cell."""
    return text.replace("|", "\\|")
