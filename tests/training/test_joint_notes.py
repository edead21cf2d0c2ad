"""Notes that are hard to take, through the whole pipeline of configs/joint.cfg: each is annotated, or lost alone and loudly."""

import configparser

import pytest

from tests.training.conftest import ROOT
from tests.training.test_joint import HEADS

HOSTILE = {
    "empty": "",
    "white space": " \n\t\n ",
    "one word": "Fever",
    "another language": "患者は発熱と咳を訴えている。 Der Patient klagt über Übelkeit.",
    "controls": "😷\u200b\u202e pain\x00\x07 \ufeff",
    "one long word": "x" * 3000,
    "long": "The patient denies chest pain. " * 600,
}


def found_in(doc):
    groups = {name: [(span.start, span.end, span.label_) for span in group] for name, group in doc.spans.items()}
    return groups, doc.ents, sorted(doc.cats)


def test_hostile_notes_are_annotated_alone_and_in_a_batch(joint_nlp):
    texts = list(HOSTILE.values())
    docs = list(joint_nlp.pipe([*texts, "Lungs clear."]))
    assert [doc.text for doc in docs] == [*texts, "Lungs clear."]
    groups = {"sections", "section_heads", "entities", "chemicals_diseases", "assertions", "windows", "summary"}
    groups.add("pathology_windows")
    categories = {"pathology_report", "progress", "radiology", "T1", "T2", "N0", "N1"}
    for text, doc in zip(texts, docs):
        assert set(doc.spans) == groups and set(doc.cats) == categories
        assert not [value for _, value in doc._.pathology.values() if value.source == "stated"]
        (spans, ents, cats), (spans_alone, ents_alone, cats_alone) = found_in(doc), found_in(joint_nlp(text))
        assert spans == spans_alone and cats == cats_alone
        assert [ent.text for ent in ents] == [ent.text for ent in ents_alone]


def test_pipeline_has_every_component_of_the_project(joint_nlp):
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf8")
    rows = parser["options.entry_points"]["spacy_factories"].strip().splitlines()
    assert {joint_nlp.get_pipe_meta(name).factory for name in joint_nlp.pipe_names} == {
        row.split(" = ")[0] for row in rows
    }
    report = joint_nlp("Right kidney, radical nephrectomy. Pathologic stage: pT1a NX.")
    assert [value.value for value in report._.pathology.pT] == ["T1a"]


def test_encoder_runs_once_for_all_heads(joint_nlp, monkeypatch):
    shim = joint_nlp.get_pipe("clinicalbert").shim
    engine, rows = shim.predictor, []
    encode = engine.encode
    monkeypatch.setattr(
        engine, "encode", lambda passes: encode(rows.append(ids.shape) or (ids, mask) for ids, mask in passes)
    )
    joint_nlp("The patient denies chest pain.")
    assert len(rows) == 1 and len(HEADS) == 7


@pytest.mark.parametrize("component", ["clinicalbert", *HEADS])
def test_note_that_fails_is_lost_alone_of_a_thousand(joint_nlp, monkeypatch, component):
    pipe, failed = joint_nlp.get_pipe(component), []
    target, attribute = (pipe, "_plan") if component == "clinicalbert" else (pipe, "predict")
    work = getattr(target, attribute)

    def fail(docs):
        if any("poison" in doc.text for doc in docs):
            raise RuntimeError("cannot")
        return work(docs)

    monkeypatch.setattr(target, attribute, fail)
    joint_nlp.set_error_handler(lambda name, proc, docs, error: failed.extend((name, doc.text) for doc in docs))
    texts = [f"Fever {i}." for i in range(1000)]
    texts[700] = "Fever, poison."
    kept = [doc.text for doc in joint_nlp.pipe(texts)]
    assert kept == texts[:700] + texts[701:] and failed == [(component, texts[700])]
