"""The bar chart of RESULTS.md, from benchmarks/throughput.jsonl: encoder and NER on MTSamples.

python -m benchmarks.chart
"""

import json
import statistics
from pathlib import Path
from typing import Dict, List

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

# Okabe and Ito's colours, which colour-blind readers can tell apart.
OURS, PEERS = "#0072B2", "#999999"


def main() -> None:
    rows = [json.loads(line) for line in Path("benchmarks/throughput.jsonl").read_text(encoding="utf8").splitlines()]
    words = {(row["size"], row["data"]): row["words"] for row in rows if "oracle" in row}
    speeds: Dict[str, Dict[str, List[float]]] = {}
    for row in rows:
        if row.get("head") == "ner" and row["data"] == "MTSamples":
            values = speeds.setdefault(row["size"], {}).setdefault(row["system"], [])
            values.append(words[row["size"], row["data"]] / row["seconds"])
    figure, axes = pyplot.subplots(1, len(speeds), figsize=(5.5 * len(speeds), 4), squeeze=False)
    for axis, (size, systems) in zip(axes[0], speeds.items()):
        ordered = sorted(systems.items(), key=lambda pair: statistics.median(pair[1]))
        medians = [statistics.median(values) for _, values in ordered]
        spread = [
            [median - min(values) for median, (_, values) in zip(medians, ordered)],
            [max(values) - median for median, (_, values) in zip(medians, ordered)],
        ]
        colours = [OURS if name.startswith("clinicalbert") else PEERS for name, _ in ordered]
        axis.barh([name.replace(":", ", ") for name, _ in ordered], medians, xerr=spread, color=colours)
        axis.set_title(f"{size}: encoder and NER")
        axis.set_xlabel("words a second (bars: least to most)")
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig("benchmarks/throughput.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
