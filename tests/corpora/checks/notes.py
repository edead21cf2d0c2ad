"""A clean corpus, and the same with one defect of each kind. All words are invented, but for those that are annotated."""

import copy
import random
from typing import Any, Dict, List, NamedTuple

DRUGS = ["aspirin", "heparin", "metformin", "lisinopril"]
PROBLEMS = ["fever", "cough", "nausea", "dyspnea"]
SIZES = {"train": 60, "dev": 24, "test": 24}


def words(rng: random.Random, first: str, count: int) -> List[str]:
    """Words of a category begin with its letter, so that a model can tell them apart."""
    return [first + "".join(rng.choice("aeiou") + rng.choice("bdfgklmnprst") for _ in range(3)) for _ in range(count)]


def clean_record(rng: random.Random, split: str, number: int) -> Dict[str, Any]:
    """Twelve lines of eight words, of which two name a drug and two a problem. No two notes share a line."""
    consult = number % 2 == 0
    common = words(random.Random(consult), "c" if consult else "r", 30)
    lines, entities, length = [], [], 0
    for i in range(12):
        line = rng.choices(common, k=3) + words(rng, "x", 5)
        if i < 4:
            name, label, cue = (
                (rng.choice(DRUGS), "DRUG", "takes") if i % 2 else (rng.choice(PROBLEMS), "PROBLEM", "has")
            )
            start = length + len(" ".join([*line, cue])) + 1
            entities.append([start, start + len(name), label])
            line += [cue, name]
        lines.append(" ".join(line) + " .")
        length += len(lines[-1]) + 1
    cats = {"consult": float(consult), "radiology": float(not consult)}
    text = "\n".join(lines)
    sections = [[0, text.index("\n"), "HPI" if number % 4 < 2 else "PLAN"]]
    record = {"id": f"{split}-{number}", "patient": f"p-{split}-{number}", "text": text, "entities": entities}
    return {**record, "cats": cats, "spans": {"sections": sections}}


def clean_corpus() -> Dict[str, List[Dict[str, Any]]]:
    """RETURNS: Split → records."""
    rng = random.Random(0)
    return {split: [clean_record(rng, split, number) for number in range(size)] for split, size in SIZES.items()}


class Defect(NamedTuple):
    """kind (str): As the finding is called. record (str): Which it must name; "" for one of labels."""

    kind: str
    severity: str
    record: str


def plant(corpus: Dict[str, List[Dict[str, Any]]]) -> List[Defect]:
    """Put one defect of each kind into a copy of a clean corpus, each into notes of its own, and say where."""
    train, dev, test = (corpus[split] for split in SIZES)
    defects: List[Defect] = []

    def note(split: List[Dict[str, Any]], number: int, kind: str, severity: str) -> Dict[str, Any]:
        record = split[number]
        defects.append(Defect(kind, severity, f"{record['id'].split('-')[0]}/{record['id']}"))
        return record

    def add(split: List[Dict[str, Any]], copied: Dict[str, Any], name: str, kind: str, severity: str) -> Dict[str, Any]:
        split.append({**copy.deepcopy(copied), "id": f"{name}", "patient": f"p-{name}"})
        return note(split, -1, kind, severity)

    note(train, 0, "misaligned span", "error")["entities"][0][0] += 1
    record = note(train, 1, "overlap, same label", "warning")
    start, end, label = record["entities"][0]
    record["entities"].append([start - 4, end, label])  # "has fever"
    record = note(train, 2, "two labels, same span", "warning")
    record["entities"].append([*record["entities"][0][:2], "DRUG"])
    record = note(train, 3, "overlap, other label", "warning")
    record["entities"].append([record["entities"][0][0] - 4, record["entities"][0][1], "DRUG"])
    record = note(train, 4, "repeated span", "warning")
    record["entities"].append(record["entities"][0])
    record = note(train, 5, "span without text", "error")
    record["entities"].append([record["text"].index(" "), record["text"].index(" ") + 1, "DRUG"])
    note(train, 6, "damaged record", "error")["entities"].append([0, 10_000, "DRUG"])
    note(train, 7, "mojibake", "error")["text"] += "\nTemperature 38 Â°C , patientâ€™s cafÃ© ."
    note(train, 8, "replacement characters", "error")["text"] += "\nTemperature 38 \ufffdC ."
    note(train, 9, "control characters", "error")["text"] += "\nEnd \x07 ."
    note(train, 10, "markup", "warning")["text"] += "\nBP &gt; 120 ."
    note(train, 11, "personal data", "warning")["text"] += "\nMail to jane.roe@example.org please ."
    empty = {"entities": [], "cats": {}}
    add(train, {"text": " \n", **empty}, "train-empty", "empty note", "error")
    add(train, {"text": "See above.", **empty}, "train-short", "near-empty note", "warning")
    note(train, -1, "too short to look up", "info")
    add(train, train[12], "train-exact", "exact duplicate", "warning")
    add(test, train[13], "test-exact", "exact duplicate across splits", "error")
    record = add(train, train[14], "train-near", "near duplicate", "warning")
    record["text"] += "\nOne more line ."
    record = add(test, train[15], "test-near", "near duplicate across splits", "error")
    record["text"] += "\nOne more line ."
    # A held-out note that is a part of a training note.
    lines = train[17]["text"].split("\n")
    add(dev, {"text": "\n".join(lines[4:10]), "cats": train[17]["cats"]}, "dev-part", "", "")
    defects.pop()
    note(train, 17, "held-out text in another split", "error")
    dev.append({**clean_record(random.Random(1), "dev", 2), "id": "train-18", "patient": "p-new"})
    defects.append(Defect("document in two splits", "error", "dev/train-18"))
    note(dev, 3, "patient in two splits", "error")["patient"] = train[19]["patient"]
    record = add(train, train[20], "train-conflict", "conflicting labels", "error")
    record["cats"] = {"consult": 0.0, "radiology": 1.0}
    note(train, 22, "likely label error, category", "warning")["cats"] = {"consult": 0.0, "radiology": 1.0}
    note(train, 41, "likely label error, entity", "warning")["entities"][0][2] = "DRUG"
    note(train, 25, "id twice", "warning")
    train[24]["id"] = "train-25"
    train[26]["entities"].append([0, train[26]["text"].index(" "), "RARE"])
    defects.append(Defect("rare label", "warning", "entity RARE"))
    train[27]["cats"]["letter"] = 1.0
    defects.append(Defect("category of one value", "warning", "category letter"))
    dev[4]["entities"].append([0, dev[4]["text"].index(" "), "NEW"])
    defects.append(Defect("label not in training", "warning", "entity NEW"))
    for record in test:
        record["spans"] = {"sections": [[start, end, "PLAN"] for start, end, _ in record["spans"]["sections"]]}
    defects.append(Defect("label drift", "warning", "test, span"))
    note(train, 28, "unreadable annotation", "error")["drops"] = [["answers that do not stand there", 0, 3]]
    return defects
