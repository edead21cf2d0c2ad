"""`python -m spacy clinicalbert init`: a project for somebody's own notes, and that it trains."""

import json
from io import StringIO
from pathlib import Path

import pytest
import spacy
from packaging.utils import canonicalize_name
from spacy.tokens import DocBin
from spacy.util import load_config
from typer.testing import CliRunner
from weasel.util import load_project_config

from spacy_clinicalbert.cli import app
from spacy_clinicalbert.training.loop import train
from spacy_clinicalbert.training.new_project import new_project, package_name
from tests.conftest import NOTES

ENTITIES = [
    {"id": f"n{i}", "patient": f"p{i // 2}", "text": text, "entities": [list(span) for span in spans]}
    for i, (text, spans, _) in enumerate(NOTES * 5)
]
NEGATED = [{**note, "entities": [[*span, {"negation": "negated"}] for span in note["entities"]]} for note in ENTITIES]
ASSERTED = [
    {**note, "entities": [[*span, {"negation": ("negated", "affirmed")[i % 2]}] for span in note["entities"]]}
    for i, note in enumerate(ENTITIES)
]
TYPED = [{**note, "cats": {"progress": i % 2, "radiology": 1 - i % 2}} for i, note in enumerate(ENTITIES)]
TOPICS = [{"text": f"{note['text']} {i}", "cats": {"heart": 1, "lungs": i % 2}} for i, note in enumerate(ENTITIES)]


def write(path, records):
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return str(path)


def notes_of(folder, name):
    return list(
        DocBin(store_user_data=True).from_disk(folder / "corpus" / f"{name}.spacy").get_docs(spacy.blank("en").vocab)
    )


@pytest.mark.parametrize(
    "records, heads, is_exclusive",
    [
        (ENTITIES, ["clinical_ner"], None),
        (NEGATED, ["clinical_ner"], None),  # all the same: nothing to learn
        (ASSERTED, ["clinical_ner", "clinical_assertion"], None),
        (TYPED, ["clinical_ner", "clinical_note_classifier"], True),
        (TOPICS, ["clinical_note_classifier"], False),
    ],
)
def test_project_has_the_heads_that_the_notes_feed_and_trains(records, heads, is_exclusive, toy, tmp_path):
    folder = tmp_path / "my notes"
    found, said = new_project(folder, write(tmp_path / "notes.jsonl", records), encoder=toy, epochs=2)
    assert found.heads == heads and len(said) == 2
    config = load_config(folder / "config.cfg")
    assert config["nlp"]["pipeline"] == ["clinicalbert", *heads]
    if is_exclusive is not None:
        assert config["components"]["clinical_note_classifier"]["exclusive_classes"] is is_exclusive
    project = load_project_config(folder)
    assert project["vars"]["name"] == "my_notes"
    assert {step for steps in project["workflows"].values() for step in steps} == {
        c["name"] for c in project["commands"]
    }
    overrides = {f"paths.{name}": str(folder / "corpus" / f"{name}.spacy") for name in ("train", "dev")}
    config = load_config(folder / "config.cfg", overrides=overrides, interpolate=False)
    shown = StringIO()
    assert train(config, tmp_path / "run", stdout=shown, stderr=shown) is None
    scores = json.loads((tmp_path / "run" / "model-best" / "meta.json").read_text())["performance"]
    assert set(config["training"]["score_weights"]) <= set(scores)
    n_steps = config["training"]["optimizer"]["learn_rate"]["total_steps"]
    steps = [int(line.split()[1]) for line in shown.getvalue().splitlines() if line.strip()[:1].isdigit()]
    assert steps[-1] == n_steps - 1  # counted from 0


@pytest.mark.parametrize("small, encoder_rate", [(512, 3e-4), (1, 5e-5)])
@pytest.mark.parametrize("records, rate", [(ENTITIES, 2e-3), (TOPICS, 3e-4)])
def test_a_large_encoder_learns_more_slowly(small, encoder_rate, records, rate, toy, tmp_path, monkeypatch):
    monkeypatch.setattr("spacy_clinicalbert.training.new_project.SMALL", small)
    new_project(tmp_path / "new", write(tmp_path / "notes.jsonl", records), encoder=toy)
    config = load_config(tmp_path / "new" / "config.cfg")
    assert config["training"]["optimizer"]["learn_rate"]["initial_rate"] == rate
    lr_scale = config["components"]["clinicalbert"]["model"]["lr_scale"]
    assert rate * lr_scale == pytest.approx(encoder_rate, rel=1e-3)


def test_notes_of_a_patient_are_on_one_side_and_none_is_lost(toy, tmp_path):
    new_project(tmp_path / "new", write(tmp_path / "notes.jsonl", ENTITIES), encoder=toy)
    patients = [{doc._.patient for doc in notes_of(tmp_path / "new", name)} for name in ("train", "dev")]
    assert not patients[0] & patients[1] and all(patients)
    assert sum(len(notes_of(tmp_path / "new", name)) for name in ("train", "dev")) == len(ENTITIES)


def test_notes_held_out_elsewhere_are_taken_as_they_are(toy, tmp_path):
    train, dev = write(tmp_path / "train.jsonl", ENTITIES), write(tmp_path / "dev.jsonl", TOPICS[:3])
    new_project(tmp_path / "new", train, dev, encoder=toy)
    assert len(notes_of(tmp_path / "new", "train")) == len(ENTITIES) and len(notes_of(tmp_path / "new", "dev")) == 3


def test_the_folder_of_an_encoder_is_found_from_that_of_the_project(toy, tmp_path, monkeypatch):
    monkeypatch.chdir(Path(toy).parent)
    new_project(tmp_path / "new", write(tmp_path / "notes.jsonl", TOPICS), encoder=Path(toy).name)
    assert load_config(tmp_path / "new" / "config.cfg")["paths"]["encoder"] == toy


def test_notes_held_out_are_looked_at_too(toy, tmp_path):
    train = write(tmp_path / "train.jsonl", TYPED)
    both = [{**note, "cats": {"progress": 1, "radiology": 1}} for note in TYPED[:3]]
    new_project(tmp_path / "both", train, write(tmp_path / "both.jsonl", both), encoder=toy)
    config = load_config(tmp_path / "both" / "config.cfg")
    assert config["components"]["clinical_note_classifier"]["exclusive_classes"] is False
    bare = write(tmp_path / "bare.jsonl", [{"text": "No fever."}])
    _, said = new_project(tmp_path / "📋 notes", train, bare, encoder=toy)
    assert "too little annotation there to tell how good clinical_ner, clinical_note_classifier will be" in said[-1]
    assert load_project_config(tmp_path / "📋 notes")["title"] == "📋 notes"


@pytest.mark.parametrize(
    "records, message",
    [
        ([{"text": "No fever."}], "No note is left for"),
        ([{"id": i, "text": f"No fever {i}."} for i in range(40)], "neither entities nor categories"),
        ([{"id": i, "text": f"No fever {i}.", "cats": {"one": 1}} for i in range(40)], "neither entities nor categ"),
        ([{"id": i, "text": f"No fever {i}.", "cats": {"one": 0}} for i in range(40)], "neither entities nor categ"),
        (
            [{**ASSERTED[0], "entities": [[0, 3, "X", {"negation": "who knows"}]], "patient": i} for i in range(40)],
            "negation",
        ),
    ],
)
def test_notes_of_no_use_are_an_error_and_leave_nothing(records, message, toy, tmp_path):
    with pytest.raises(ValueError, match=message) as caught:
        new_project(tmp_path / "new", write(tmp_path / "notes.jsonl", records), encoder=toy)
    assert "fever" not in str(caught.value) and not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "folder, name",
    [
        ("My--Notes (2024)", "my_notes_2024"),
        ("__notes__", "notes"),
        ("2024", "notes_2024"),
        ("Übung", "ubung"),
        ("臨床", "notes"),
        ("a.b-c", "a_b_c"),
    ],
)
def test_project_names_its_package_as_spacy_and_wheels_do(folder, name):
    assert package_name(folder) == name and name.isidentifier()
    assert canonicalize_name(f"en_{name}").replace("-", "_") == f"en_{name}"


def test_notes_of_nobody_are_divided(toy, tmp_path):
    records = [{**note, "patient": "", "text": f"{note['text']} {i}"} for i, note in enumerate(ENTITIES)]
    new_project(tmp_path / "new", write(tmp_path / "notes.jsonl", records), encoder=toy)
    assert len(notes_of(tmp_path / "new", "train")) > len(notes_of(tmp_path / "new", "dev")) > 0


def test_command_says_what_it_found_and_spares_what_is_there(toy, tmp_path):
    command = ["init", str(tmp_path / "my new"), write(tmp_path / "notes.jsonl", ASSERTED), "--encoder", toy]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "entities: PROBLEM " in done.output and "assertions: certainty absent " in done.output
    assert "pipeline: clinicalbert, clinical_ner, clinical_assertion" in done.output
    assert "chest pain" not in done.output
    assert f"cd '{tmp_path / 'my new'}' && " in done.output
    before = (tmp_path / "my new" / "config.cfg").read_bytes()
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 1 and "name another folder" in again.output
    assert (tmp_path / "my new" / "config.cfg").read_bytes() == before
