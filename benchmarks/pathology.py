"""Facts that pathology reports state, as `clinical_pathology` finds them, against assets/pathology_fields.jsonl.

    python -m benchmarks.pathology score FOLDER --part dev

FOLDER has tcga_tnm/tcga_reports_tnm.jsonl. "dev" are the first 20 annotated reports of the development split, which the rules were written with, "held" its last 10,
"fresh" 12 of the training split that were annotated when the rules were done, "fresh-2" 16, "fresh-3" 8 and "fresh-4" 10 more, each annotated after those before it had been used,
"test" those of the test split, "test-2" a random sample of the others of that split. A found value is right if an annotated one of its report is equal (`value`, for markers `name` too) and a place of the one overlaps a place of the other; each is matched once. The intervals are bootstrapped over reports.
"""

import json
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, Dict, List, Tuple

import numpy
import typer

from spacy_clinicalbert.corpora.files import json_lines
from spacy_clinicalbert.evaluation.intervals import resample, with_interval
from spacy_clinicalbert.pathology.component import read_report
from spacy_clinicalbert.pathology.record import STATED

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
N_SAMPLES = 2000
PARTS = {
    "dev": ("dev", slice(0, 20)),
    "held": ("dev", slice(20, 30)),
    "fresh": ("fresh", slice(None)),
    "fresh-2": ("fresh-2", slice(None)),
    "fresh-3": ("fresh-3", slice(None)),
    "fresh-4": ("fresh-4", slice(None)),
    "test": ("test", slice(None)),
    "test-2": ("test-2", slice(None)),
}


def load_reports(folder: Path, part: str) -> List[Tuple[str, str, List[Dict[str, Any]]]]:
    """RETURNS (List[Tuple[str, str, List[Dict[str, Any]]]]): Id, text and annotated fields of the reports of a part."""
    split, which = PARTS[part]
    with (files("spacy_clinicalbert.assets") / "pathology_fields.jsonl").open(encoding="utf8") as file:
        gold = [row for row in map(json.loads, file) if row["part"] == split][which]
    texts = {row["id"]: row["text"] for _, row in json_lines(folder / "tcga_tnm" / "tcga_reports_tnm.jsonl")}
    for row in gold:
        if sha256(texts[row["id"]].encode()).hexdigest()[:16] != row["text_sha256"]:
            raise ValueError(
                f"The text of {row['id']} is not the annotated one; take the corpus in the version of its source."
            )
    return [(row["id"], texts[row["id"]], row["fields"]) for row in gold]


def match(gold: List[Dict[str, Any]], found: List[Dict[str, Any]]) -> List[Tuple[Any, Any]]:
    """RETURNS (List[Tuple[Any, Any]]): Pairs of an annotated and a found value; None stands for what has no partner."""
    left = list(found)
    pairs: List[Tuple[Any, Any]] = []
    for entry in gold:
        partner = next((each for each in left if same(entry, each)), None)
        if partner:
            left.remove(partner)
        pairs.append((entry, partner))
    return pairs + [(None, each) for each in left]


def same(gold: Dict[str, Any], found: Dict[str, Any]) -> bool:
    """RETURNS (bool): Whether the values are equal, and places overlap."""
    if any(gold.get(key) != found.get(key) for key in ("field", "value", "name")):
        return False
    return any(a < d and c < b for a, b in gold["evidence"] for c, d in found["evidence"])


def find(text: str) -> List[Dict[str, Any]]:
    """RETURNS (List[Dict[str, Any]]): What the component finds, in the form of the annotation."""
    return [
        {
            "field": field,
            "value": value.value,
            "name": value.name,
            "evidence": [(e.start, e.end) for e in value.evidence],
        }
        for field, value in read_report(text).values()
    ]


@app.command()
def score(
    folder: Path = typer.Argument(..., help="The folder of the corpora"),
    part: str = typer.Option("dev", help="dev, held, fresh, fresh-2, fresh-3, fresh-4, test or test-2"),
    errors: bool = typer.Option(False, help="List what is wrong, without text: field, value, offsets"),
) -> None:
    """Print precision, recall and F1, by field and over all."""
    if part not in PARTS:
        raise typer.BadParameter(f"choose one of {', '.join(PARTS)}", param_hint="--part")
    reports = load_reports(folder, part)
    counts = numpy.zeros((len(reports), len(STATED), 3))  # right, found, annotated
    for i, (name, text, gold) in enumerate(reports):
        for entry, found in match(gold, find(text)):
            field = STATED.index((entry or found)["field"])
            counts[i, field] += (bool(entry and found), found is not None, entry is not None)
            if errors and not (entry and found):
                each = entry or found
                print(
                    name[:12],
                    "missed" if entry else "wrong",
                    each["field"],
                    each.get("name") or "",
                    each["value"],
                    each["evidence"][:3],
                )
    print(
        f"{part}, {len(reports)} reports\n\n| field | annotated | found | right | precision | recall | F1 [95 %] |\n|---|---|---|---|---|---|---|"
    )
    for title, table in [("all", counts.sum(1)), *((each, counts[:, i]) for i, each in enumerate(STATED))]:
        right, found, gold = table.sum(0)
        if not (found or gold):
            continue
        samples = f1(resample(table, N_SAMPLES, 0))
        spread = with_interval(f1(table.sum(0)), samples)
        low, high = spread["low"], spread["high"]
        interval = "" if low is None or high is None else f" [{low:.2f}, {high:.2f}]"
        print(
            f"| {title} | {gold:.0f} | {found:.0f} | {right:.0f} | {ratio(right, found)} | {ratio(right, gold)} | {spread['value'] or 0:.3f}{interval} |"
        )


def f1(counts: numpy.ndarray) -> numpy.ndarray:
    """counts (ndarray): (..., 3): right, found, annotated. RETURNS (ndarray): (...,); nan where nothing is."""
    with numpy.errstate(invalid="ignore"):
        return 2 * counts[..., 0] / (counts[..., 1] + counts[..., 2])


def ratio(part: float, whole: float) -> str:
    """RETURNS (str): The share, a dash of nothing."""
    return f"{part / whole:.3f}" if whole else "–"


@app.callback()
def main() -> None:
    """Measure `clinical_pathology`."""


if __name__ == "__main__":
    app()
