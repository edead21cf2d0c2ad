"""Section heads found by `clinical_sections`, beside medspaCy's sectionizer where it is installed, on the annotated notes.

    python -m benchmarks.sections FOLDER --part test

FOLDER has a folder for each corpus. A found head counts if it begins at the character of an annotated one of level 1, and, "with label", has its label (medspaCy's fewer
categories count for every label that they can stand for); one at an annotated part of a section is passed over if its label is the section's. "Characters" is the share of the text
behind the first annotated head that is given the label of its section, "macro" the mean of that over notes.
"""

import importlib
import json
import statistics
import time
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, Callable, Dict, FrozenSet, List, Tuple

import typer

from spacy_clinicalbert.corpora.files import json_lines
from spacy_clinicalbert.tokenizer import blank_clinical

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
Heads = List[Tuple[int, FrozenSet[str]]]  # where each begins, and the labels that it means; in the order of the text

# medspaCy has fewer categories: each counts as right for all labels that it can stand for.
MEDSPACY = {
    "addendum": "other",
    "allergy": "allergies",
    "chief_complaint": "chief_complaint reason_for_visit",
    "comments": "other",
    "diagnoses": "diagnoses admission_diagnoses discharge_diagnoses preoperative_diagnosis postoperative_diagnosis",
    "history_of_present_illness": "history_of_present_illness subjective clinical_history",
    "hospital_course": "hospital_course",
    "imaging": "imaging findings studies",
    "labs_and_studies": "laboratory studies objective gross_description microscopic_description specimens",
    "medications": "medications discharge_medications",
    "neurological": "physical_exam mental_status",
    "observation_and_plan": "assessment plan assessment_and_plan impression recommendations disposition condition follow_up",
    "other": "other",
    "past_medical_history": "past_medical_history past_surgical_history obstetric_history immunizations",
    "patient_education": "education instructions",
    "patient_instructions": "instructions follow_up diet activity",
    "physical_exam": "physical_exam vital_signs mental_status",
    "problem_list": "problem_list diagnoses",
    "reason_for_examination": "reason_for_visit indications chief_complaint",
    "social_history": "social_history functional_status",
}


def load_notes(folder: Path, part: str) -> List[Tuple[str, List[Any]]]:
    """RETURNS (List[Tuple[str, List[Any]]]): Text and annotated heads of the notes of a part, as assets/section_heads.jsonl has them."""
    assets = files("spacy_clinicalbert.assets")
    texts = {
        ("mtsamples", str(row["sample_id"])): row["text"] for _, row in json_lines(folder / "mtsamples/mtsamples.jsonl")
    }
    with (assets / "sample_notes.jsonl").open(encoding="utf8") as file:
        texts.update({("sample_notes", str(row["id"])): row["text"] for row in map(json.loads, file)})
    notes = []
    with (assets / "section_heads.jsonl").open(encoding="utf8") as file:
        for row in map(json.loads, file):
            text = texts[row["corpus"], str(row["id"])]
            assert sha256(text.encode()).hexdigest()[:16] == row["text_sha256"], row["id"]
            if row["part"] == part:
                notes.append((text, row["heads"]))
    return notes


def sectionizers() -> Dict[str, Callable[[str], Heads]]:
    nlp = blank_clinical()
    nlp.add_pipe("clinical_sections")

    def ours(text: str) -> Heads:
        doc = nlp(text)
        return [(span.start_char, frozenset([span.label_])) for span in doc.spans["section_heads"]]

    found = {"clinical_sections": ours}
    try:
        importlib.import_module("medspacy.section_detection")
    except ImportError:
        return found
    peer = blank_clinical()
    peer.add_pipe("medspacy_sectionizer")

    def theirs(text: str) -> Heads:
        doc = peer(text)
        sections = [each for each in doc._.sections if each.category is not None]
        meant = [frozenset(MEDSPACY.get(each.category, each.category).split()) for each in sections]
        return [(doc[each.title_span[0]].idx, labels) for each, labels in zip(sections, meant)]

    return {**found, "medspaCy": theirs}


def characters(text: str, heads: Heads) -> List[FrozenSet[str]]:
    """The labels of each character's section; none before the first head."""
    labels: List[FrozenSet[str]] = [frozenset()] * len(text)
    for (start, label), (end, _) in zip(heads, [*heads[1:], (len(text), frozenset())]):
        labels[start:end] = [label] * (end - start)
    return labels


def score(notes: List[Tuple[str, List[Any]]], find: Callable[[str], Heads]) -> Dict[str, float]:
    hits = labelled = found = gold = 0
    shares, right, total = [], 0, 0
    for text, heads in notes:
        sections = {start: label for start, _, label, level in heads if level == 1}
        parts = {start: label for start, _, label, level in heads if level == 2}
        guesses = find(text)
        at = [guess for guess in guesses if guess[0] in sections]
        wrong = [guess for guess in guesses if guess[0] not in sections and parts.get(guess[0]) not in guess[1]]
        hits += len(at)
        labelled += sum(sections[start] in labels for start, labels in at)
        found += len(at) + len(wrong)
        gold += len(sections)
        if heads:
            every = sorted((start, frozenset([label])) for start, _, label, _ in heads)
            pairs = list(zip(characters(text, every), characters(text, guesses)))[every[0][0] :]
            same = sum(not one.isdisjoint(other) for one, other in pairs)
            shares.append(same / len(pairs))
            right, total = right + same, total + len(pairs)
    result: Dict[str, float] = {"heads": gold, "found": found}
    for name, count in (("heads alone", hits), ("with label", labelled)):
        result[f"{name}: P"], result[f"{name}: R"] = 100 * count / max(found, 1), 100 * count / max(gold, 1)
        result[f"{name}: F"] = 200 * count / max(found + gold, 1)
    return {**result, "characters": 100 * right / total, "macro": 100 * statistics.mean(shares)}


@app.command()
def main(folder: Path = typer.Argument(..., exists=True, file_okay=False), part: str = "dev") -> None:
    """Print the scores as a Markdown table."""
    notes = load_notes(folder, part)
    rows = {}
    for name, find in sectionizers().items():
        rows[name] = score(notes, find)
        start = time.perf_counter()
        for text, _ in notes:
            find(text)
        rows[name]["notes/s"] = len(notes) / (time.perf_counter() - start)
    columns = list(next(iter(rows.values())))
    print("| " + " | ".join([part, *columns]) + " |\n|" + "---|" * (len(columns) + 1))
    for name, row in rows.items():
        print("| " + " | ".join([name, *(f"{row[column]:.1f}".removesuffix(".0") for column in columns)]) + " |")


if __name__ == "__main__":
    app()
