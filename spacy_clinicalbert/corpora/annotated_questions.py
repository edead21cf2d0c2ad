"""Questions made of MACCROBAT's annotation: its labels ("How old is the patient?"), relations ("How much prednisolone was given?") and POLARITY, yes or no
("Did the patient have fever?")."""

import random
from typing import Any, Dict, List, Tuple

from .docs import GOLD, Record
from .entity_questions import ABSENT
from .questions import ABOUT, LABEL, UNANSWERABLE
from .squad import ANSWER

LABELS = {
    "Age": "How old is the patient?",
    "Sex": "What is the patient's sex?",
    "Medication": "Which drugs were given?",
    "Dosage": "Which doses were given?",
    "Disease_disorder": "Which diseases are named?",
    "Sign_symptom": "Which signs and symptoms are named?",
    "Diagnostic_procedure": "Which tests were done?",
    "Therapeutic_procedure": "How was the patient treated?",
    "Lab_value": "What were the results?",
    "History": "What is the patient's history?",
    "Family_history": "What is known of the family?",
    "Outcome": "What became of the patient?",
}
N_ANSWERS = 20
_FINDINGS = ("Sign_symptom", "Disease_disorder")
_DEEDS = ("Diagnostic_procedure", "Therapeutic_procedure")
_ANY = (*_FINDINGS, *_DEEDS, "Medication")
# Kind of relation, label of its first → labels of its second, and the question about that, which the first answers.
RELATIONS: Dict[Tuple[str, str], List[Tuple[Tuple[str, ...], str]]] = {
    ("MODIFY", "Lab_value"): [
        (("Diagnostic_procedure",), "What was the result of {}?"),
        (_FINDINGS, "What was the value of {}?"),
    ],
    ("MODIFY", "Biological_structure"): [
        (_FINDINGS, "Where was {}?"),
        (("Diagnostic_procedure",), "What was examined by {}?"),
        (("Therapeutic_procedure",), "Where was {} done?"),
    ],
    ("MODIFY", "Detailed_description"): [(_ANY, "What kind of {} was it?")],
    ("MODIFY", "Severity"): [(_FINDINGS, "How severe was {}?")],
    ("MODIFY", "Distance"): [(_FINDINGS, "How large was {}?")],
    ("MODIFY", "Duration"): [(_ANY, "How long did {} last?")],
    ("MODIFY", "Frequency"): [(_ANY, "How often was {}?")],
    ("MODIFY", "Dosage"): [(("Medication",), "How much {} was given?")],
    ("MODIFY", "Administration"): [(("Medication",), "How was {} given?")],
    ("SUB_PROCEDURE", "Diagnostic_procedure"): [(("Diagnostic_procedure",), "What was measured in {}?")],
    ("SUB_PROCEDURE", "Therapeutic_procedure"): [(("Therapeutic_procedure",), "What was done in {}?")],
    ("SUB_PROCEDURE", "Medication"): [(("Medication", "Therapeutic_procedure"), "Which drugs were part of {}?")],
    ("CAUSE", "Disease_disorder"): [(_FINDINGS, "What caused {}?")],
    ("CAUSE", "Sign_symptom"): [(_FINDINGS, "What caused {}?")],
    ("CAUSE", "Medication"): [(_FINDINGS, "What caused {}?")],
}
_SAID = {"POS": "yes", "NEG": "no", "UNCERTAIN": "maybe", "MAYBE_POS": "maybe", "MAYBE_NEG": "maybe"}
_MAX_WORDS = 8  # of what is asked about


def label_questions(record: Record) -> Record:
    """Ask for all entities of a label. A label that the note does not have is a question without an answer.

    record (Record): A note of MACCROBAT, as `brat.brat_records` gives it.
    RETURNS (Record): The note with the questions and their answers, and without other annotation.
    """
    asked: Dict[str, Dict[str, Any]] = {}
    answers: Dict[str, List[List[int]]] = {}
    for label, question in LABELS.items():
        answers[label] = [row[:2] for row in record["entities"] if row[2] == label]
        if not answers[label] and record.get("partial"):
            continue  # it may be one of the entities that were lost
        asked[label] = {"question": question, "n_answers": N_ANSWERS}
        if not answers[label]:
            asked[label][UNANSWERABLE] = ABSENT
    return _as_asked(record, "label", asked, answers)


def relation_questions(record: Record) -> Record:
    """Ask what relations say of their second entity. Relations of entities in the same words are answers to one question.

    record (Record): Read with `relations = true`.
    RETURNS (Record): As `label_questions` gives it. "about" has the words that are asked about, see `questions.add_unanswerable`.
    """
    labels = {(start, end): label for start, end, label, *_ in record["entities"]}
    asked: Dict[str, Dict[str, Any]] = {}
    answers: Dict[str, List[List[int]]] = {}
    for start, end, label, attributes in record["entities"]:
        for kind, *second in attributes.get("relations", ()):
            words = " ".join(record["text"][slice(*second)].split())
            for others, template in RELATIONS.get((kind, label), ()):
                if labels.get(tuple(second)) in others and len(words.split()) <= _MAX_WORDS:
                    question = template.format(words)
                    asked.setdefault(question.lower(), {"question": question, ABOUT: [words]})
                    answers.setdefault(question.lower(), []).append([start, end])
    return _as_asked(record, "relation", asked, answers)


def polarity_questions(record: Record, rng: random.Random) -> Record:
    """Ask whether the patient had a finding, of findings of which the note says the same wherever it names them. Most are present: of these as many are drawn as there are
    others, and one.

    RETURNS (Record): As `label_questions` gives it, with the kind "yes_no".
    """
    said: Dict[str, Dict[str, Any]] = {}
    for start, end, label, attributes in record["entities"]:
        if label in _FINDINGS:
            words = " ".join(record["text"][start:end].split())
            polarity = attributes.get("POLARITY", "POS")
            each = said.setdefault(words.lower(), {"words": words, "labels": set()})
            each["labels"].add(_SAID.get(polarity) if isinstance(polarity, str) else None)
    agreed = {each["words"]: next(iter(each["labels"])) for each in said.values() if len(each["labels"]) == 1}
    known = {words: label for words, label in agreed.items() if label and len(words.split()) <= _MAX_WORDS}
    present = [words for words, label in known.items() if label == "yes"]
    others = [words for words, label in known.items() if label != "yes"]
    kept = [*others, *rng.sample(present, min(len(present), len(others) + 1))]
    asked = {
        words.lower(): {"question": f"Did the patient have {words}?", "kind": "yes_no", LABEL: known[words]}
        for words in kept
    }
    return _as_asked(record, "polarity", asked, {})


def _as_asked(
    record: Record, kind: str, asked: Dict[str, Dict[str, Any]], answers: Dict[str, List[List[int]]]
) -> Record:
    names = {key: f"{record['id']} {kind} {number}" for number, key in enumerate(asked)}
    questions = [{"id": names[key], **question} for key, question in asked.items()]
    places = {key: sorted({tuple(place) for place in answers.get(key, ())}) for key in asked}
    spans = [[*place, ANSWER, {"question": names[key]}] for key, rows in places.items() for place in rows]
    return {"id": record["id"], "text": record["text"], "questions": questions, "spans": {GOLD: spans}, "widen": True}
