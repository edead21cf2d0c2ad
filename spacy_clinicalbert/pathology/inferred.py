"""What classifiers infer, joined with what the report states."""

from typing import Dict, List

from .record import PathologyRecord, Value


def add_inferred(
    record: PathologyRecord, cats: Dict[str, float], labels: Dict[str, List[str]], threshold: float
) -> None:
    """Add the likeliest class of each field, and flag conflicts, in place.

    A stated subclass agrees with its class (T2a with T2), and "X", "Tis" and "Ta" are no class: they conflict with nothing. Of several stated values one has to agree.

    record (PathologyRecord): What is stated.
    cats (Dict[str, float]): Probabilities, as a `clinical_note_classifier` writes `doc.cats`. A label that is not there is not known.
    labels (Dict[str, List[str]]): Classes of each field, by the labels of the classifier.
    threshold (float): The least probability of a value that is written.
    """
    for field, classes in labels.items():
        known = {label: float(cats[label]) for label in classes if label in cats}
        if not known:
            continue
        label = max(known, key=lambda each: known[each])
        if known[label] < threshold:
            continue
        stated = getattr(record, field)
        comparable = [value for value in stated if any(str(value.value).startswith(each) for each in classes)]
        conflict = bool(comparable) and not any(str(value.value).startswith(label) for value in comparable)
        for value in comparable:
            value.conflict = conflict
        stated.append(Value(value=label, source="inferred", probability=known[label], conflict=conflict))
