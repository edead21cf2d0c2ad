"""Whether there is enough of each label, and the same share of it in every split."""

from collections import Counter, defaultdict
from typing import Dict, Iterator, List

import numpy

from .findings import WARNING, Finding, Kind, Tally
from .notes import Note

MIN_EXAMPLES = 20  # fewer of a label are hardly learnt
MIN_SHIFT = 0.1  # half the sum of the differences between two distributions (total variation)
MAX_P = 0.001  # of the chi-square test, which alone would say too much: the spans of a note are not independent

RARE = Kind("rare label", WARNING, f"Labels with fewer than {MIN_EXAMPLES} examples to learn from")
UNTRAINED = Kind("label not in training", WARNING, "Labels that another split has and training has not")
ONE_VALUE = Kind(
    "category of one value", WARNING, "Categories that are known of notes that have them alone, or have none"
)
DRIFT = Kind("label drift", WARNING, f"Labels distributed otherwise than in training (shift of {MIN_SHIFT} and more)")
WHAT = ("category", "entity", "span")


class Labels:
    """See the module. Training is the split "train", or, where there is none, everything."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        # Category, entity or span → split → label → how often; and of categories how often they are known.
        self._counts: Dict[str, Dict[str, Counter]] = {what: defaultdict(Counter) for what in WHAT}
        self._known: Dict[str, Counter] = defaultdict(Counter)

    def see(self, note: Note) -> None:
        cats = {label: value for label, value in note.record.get("cats", {}).items() if value is not None}
        self._counts["category"][note.split].update(label for label, value in cats.items() if value >= 0.5)
        self._known[note.split].update(cats.keys())
        self._counts["entity"][note.split].update(span[2] for span in note.record.get("entities", []))
        groups = note.record.get("spans", {}).items()
        self._counts["span"][note.split].update(f"{name}: {span[2]}" for name, spans in groups for span in spans)

    def findings(self) -> Iterator[Finding]:
        trained = ["train"] if "train" in self._known else list(self._known)
        known = sum((self._known[split] for split in trained), Counter())
        for what, splits in self._counts.items():
            counts = sum((splits[split] for split in trained), Counter())
            everywhere = sum(splits.values(), Counter())
            for label in sorted(everywhere | (known if what == "category" else Counter())):
                place = f"{what} {label}"
                if not counts[label] and everywhere[label]:
                    self.tally.add(UNTRAINED, place, f"{everywhere[label]} elsewhere")
                elif what == "category" and counts[label] in (0, known[label]):
                    self.tally.add(ONE_VALUE, place, f"{counts[label]} of {known[label]} notes")
                elif counts[label] < MIN_EXAMPLES:
                    self.tally.add(RARE, place, f"{counts[label]} examples")
            for split in sorted(set(splits) - set(trained)):
                self._see_drift(what, split, counts, splits[split])
        yield from self.tally.findings()

    def _see_drift(self, what: str, split: str, expected: Counter, found: Counter) -> None:
        from scipy.stats import chi2_contingency

        labels: List[str] = sorted(+expected | +found)
        table = numpy.array([[counts[label] for label in labels] for counts in (expected, found)], dtype="float64")
        if len(labels) < 2 or not table.sum(axis=1).all():
            return
        shares = table / table.sum(axis=1, keepdims=True)
        shift = numpy.abs(shares[1] - shares[0]).sum() / 2
        if shift >= MIN_SHIFT and chi2_contingency(table).pvalue <= MAX_P:
            most = int(numpy.abs(shares[1] - shares[0]).argmax())
            detail = f"shift {shift:.2f}; most of all {labels[most]}, {shares[0, most]:.1%} in training, {shares[1, most]:.1%} here"
            self.tally.add(DRIFT, f"{split}, {what}", detail)
