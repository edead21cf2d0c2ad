"""Two pipelines of rules and two corpora, with known right and wrong answers."""

import json

import pytest
import spacy

PNEUMONIA = "Patient has pneumonia and fever."
ASPIRIN = "Aspirin for chest pain in pneumonia."


def write_rules(folder, **patterns):
    """A pipeline that finds phrases: label → phrases."""
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns(
        [{"label": label, "pattern": phrase} for label, phrases in patterns.items() for phrase in phrases]
    )
    nlp.to_disk(folder)
    return str(folder)


def write_notes(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf8")
    return str(path)


def entities(text, **phrases):
    """A record's entities: label → phrases of the text."""
    return [
        [text.index(phrase), text.index(phrase) + len(phrase), label]
        for label, each in phrases.items()
        for phrase in each
    ]


@pytest.fixture
def pipelines(tmp_path):
    """`careful` is right about diseases, and knows drugs; `loose` takes "chest pain in pneumonia" for one disease, and fever for another."""
    return {
        "careful": write_rules(tmp_path / "careful", Disease=["pneumonia", "chest pain"], Drug=["Aspirin"]),
        "loose": write_rules(tmp_path / "loose", Disorder=["pneumonia", "fever", "chest pain in pneumonia"]),
    }


@pytest.fixture
def corpora(tmp_path):
    """`full` annotates diseases and drugs, `few` disorders alone."""
    full = [
        {"text": PNEUMONIA, "entities": entities(PNEUMONIA, Disease=["pneumonia"])},
        {"text": ASPIRIN, "entities": entities(ASPIRIN, Disease=["chest pain", "pneumonia"], Drug=["Aspirin"])},
    ]
    few = [
        {"text": PNEUMONIA, "entities": entities(PNEUMONIA, Disorder=["pneumonia", "fever"])},
        {"text": "No findings.", "entities": []},
        {"text": "Not read by anyone: fever."},
    ]
    return {"full": write_notes(tmp_path / "full.jsonl", *full), "few": write_notes(tmp_path / "few.jsonl", *few)}


@pytest.fixture
def label_map():
    return {"Disease": "DISEASE", "Disorder": "DISEASE"}
