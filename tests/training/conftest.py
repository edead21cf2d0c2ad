"""Toy corpora in the place of those of configs/joint.cfg, each annotated as its namesake."""

from pathlib import Path
from typing import Any, Dict, List

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.util import load_config

from spacy_clinicalbert.corpora.docs import Report, to_docs
from spacy_clinicalbert.training.labels import write_labels

ROOT = Path(__file__).parent.parent.parent
CONFIG = ROOT / "configs" / "joint.cfg"

# A text and, in brackets, its spans: [words|LABEL] or [words|LABEL|value of the corpus' attribute].
MACCROBAT = [
    "The patient denies [chest pain|Sign_symptom|NEG].",
    "[Aspirin|Medication] given for [fever|Sign_symptom].",
    "No [cough|Sign_symptom|NEG], lungs clear.",
    "[Chest pain|Sign_symptom] and [cough|Sign_symptom].",
    "History of [fever|Sign_symptom].",
]
BC5CDR = [
    "[Aspirin|Chemical] given for [fever|Disease].",
    "[Chest pain|Disease] stable.",
    "No [cough|Disease] and no [aspirin|Chemical].",
]
NCBI = ["History of [cough|Disease], stable.", "The patient given aspirin, no [fever|Disease]."]
NEGEX = [
    "No history of [chest pain|PHRASE|Negated].",
    "[Fever|PHRASE|Affirmed] stable.",
    "The patient denies [cough|PHRASE|Negated].",
    "Lungs clear, [pain|PHRASE|Affirmed] given.",
]
MTSAMPLES = [
    ("The patient denies pain. Aspirin given.", {"progress": 1, "radiology": 0, "pathology_report": 0}),
    ("Lungs clear. No cough.", {"progress": 0, "radiology": 1, "pathology_report": 0}),
    ("History of pain. Chest stable.", {"progress": 1, "radiology": None, "pathology_report": 0}),
    ("Chest clear. Lungs stable.", {"progress": 0, "radiology": 1, "pathology_report": 0}),
]
# As convert_joint.py makes them: each is a pathology report, and has T and N as far as they are known.
TCGA = [
    ("Chest: fever given, no pain.", {"pathology_report": 1, "T1": 1, "T2": 0, "N0": 1, "N1": 0}),
    ("Lungs: cough stable.", {"pathology_report": 1, "T1": 0, "T2": 1}),
    ("Chest: cough, no fever.", {"pathology_report": 1, "T1": 0, "T2": 1, "N0": 0, "N1": 1}),
]

# A text, and its questions with their answers; None for none.
QUESTIONS = [
    (
        "The patient denies chest pain. Aspirin given for fever.",
        [("the pain of the patient", "chest pain"), ("given for", "fever")],
    ),
    ("Lungs clear. History of cough, stable.", [("the history of", "cough"), ("given for", None)]),
]


def unbracket(marked: str) -> tuple:
    """Take the brackets out of a text. RETURNS: The text, and [start, end, label, value] of each span."""
    text, spans = "", []
    for piece in marked.split("["):
        inside, *behind = piece.split("]")
        if behind:
            words, label, *value = inside.split("|")
            spans.append([len(text), len(text) + len(words), label, *value])
            text += words + behind[0]
        else:
            text += inside
    return text, spans


def make_records() -> Dict[str, List[Dict[str, Any]]]:
    records: Dict[str, List[Dict[str, Any]]] = {}
    for name, rows in (("maccrobat2020", MACCROBAT), ("bc5cdr", BC5CDR), ("ncbi_disease", NCBI)):
        for text, spans in map(unbracket, rows):
            entities = [[*span[:3], {"POLARITY": span[3]}] if len(span) > 3 else span for span in spans]
            records.setdefault(name, []).append({"text": text, "entities": entities})
    for text, spans in map(unbracket, NEGEX):
        gold = [[*span[:3], {"negation": span[3], "temporality": "Recent"}] for span in spans]
        records.setdefault("negex", []).append({"text": text, "spans": {"gold": gold}})
    records["negex"][0]["spans"]["gold"][0][3]["temporality"] = "Historical"
    # The description of a note is its second sentence.
    records["mtsamples"] = [
        {"text": text, "cats": cats, "summary": text.partition(". ")[2]} for text, cats in MTSAMPLES
    ]
    records["tcga_tnm"] = [{"text": text, "cats": cats} for text, cats in TCGA]
    for text, asked in QUESTIONS:
        questions = [{"id": f"q{i}", "question": question} for i, (question, _) in enumerate(asked)]
        places = [(f"q{i}", text.index(answer), len(answer)) for i, (_, answer) in enumerate(asked) if answer]
        gold = [[start, start + n, "ANSWER", {"question": name}] for name, start, n in places]
        records.setdefault("questions", []).append({"text": text, "questions": questions, "spans": {"gold": gold}})
    return records


@pytest.fixture(scope="session")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy corpora as .spacy, in the layout of configs/joint.cfg."""
    folder = tmp_path_factory.mktemp("corpora")
    for name, records in make_records().items():
        (folder / name).mkdir()
        for split in ("train", "dev"):
            docs = list(to_docs(records, spacy.blank("en"), Report()))
            DocBin(docs=docs, store_user_data=True).to_disk(folder / name / f"{split}.spacy")
    return folder


@pytest.fixture(scope="session")
def joint_config(corpora: Path, toy: str):
    """Makes configs/joint.cfg for the toy corpora, with settings by their dotted names."""

    def make(**overrides: Any) -> Any:
        settings = {"paths.corpora": str(corpora), "paths.labels": str(corpora / "labels"), "paths.encoder": toy}
        settings.update({"training.batcher.size": 40, "training.max_steps": 8, "training.eval_frequency": 3})
        settings["training.optimizer.learn_rate.warmup_steps"] = 1
        settings.update({name.replace("__", "."): value for name, value in overrides.items()})
        return load_config(CONFIG, overrides=settings, interpolate=False)

    write_labels(make(), corpora / "labels")
    return make


@pytest.fixture
def joint_nlp(joint_config):
    """The pipeline of configs/joint.cfg, initialised."""
    return init_nlp(joint_config())
