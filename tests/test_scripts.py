import json
from types import SimpleNamespace

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.training import Example

from scripts.convert_joint import as_trained
from scripts.evaluate import intervals, score_all
from spacy_clinicalbert.corpora.docs import install_extensions


class Counting:
    """Scores the share of the notes whose first word is "a"."""

    def __init__(self):
        self.seen = []

    def score(self, examples):
        self.seen.append([example.reference._.note_id for example in examples])
        return {"share": float(numpy.mean([example.text[0] == "a" for example in examples])), "none": None}


def make_examples(texts, ids):
    install_extensions()
    nlp, examples = spacy.blank("en"), []
    for text, note_id in zip(texts, ids):
        reference = nlp.make_doc(text)
        reference._.note_id = note_id
        examples.append(Example(nlp.make_doc(text), reference))
    return examples


def test_intervals_are_those_of_a_share():
    pipe = Counting()
    found = intervals(pipe, make_examples(["a"] * 50 + ["b"] * 50, [None] * 100), ["share", "none"], 400)
    assert list(found) == ["share"] and len(pipe.seen) == 400
    # Of the binomial, 1.96 standard errors of 0.05.
    assert found["share"] == pytest.approx([0.402, 0.598], abs=0.03)


def test_what_is_of_one_article_is_drawn_together():
    pipe = Counting()
    intervals(pipe, make_examples(["a", "b", "c", "d"], ["x", "x", "y", "y"]), ["share"], 20)
    for drawn in pipe.seen:
        assert len(drawn) == 4 and drawn.count("x") in (0, 2, 4)


def test_questions_of_a_corpus_are_asked_once(tmp_path):
    asked = []

    @Language.component("asked_recorder")
    def record(doc):
        asked.append(doc._.questions)
        return doc

    def whole(nlp, names):
        examples = make_examples(["a", "b"], ["x", "y"])
        if names == ["questions"]:
            examples[0].reference._.questions = [{"id": 1, "question": "Why?", "label": "yes"}]
        return examples

    nlp = spacy.blank("en")
    nlp.add_pipe("asked_recorder")
    corpus = SimpleNamespace(annotated={"questions": {}, "notes": {}}, whole=whole)
    score_all(nlp, corpus, {}, tmp_path / "new" / "scores.json", 0)
    assert asked == [({"id": 1, "question": "Why?"},), None, None, None]  # without what it wants to hear
    assert json.loads((tmp_path / "new" / "scores.json").read_text()) == {"questions": {}, "notes": {}}


def test_joint_corpora_say_what_is_a_pathology_report_where_the_type_is_known():
    def cats_of(split, *headings):
        return as_trained({"id": 1, "text": "-", "meta": {"specialties": headings}}, "mtsamples", split)["cats"]

    assert cats_of("train", "Lab Medicine - Pathology") == {"pathology_report": 1.0}
    surgery = cats_of("train", "Surgery")
    assert surgery["pathology_report"] == 0.0 and surgery["operative_report"] == 1.0
    assert "pathology_report" not in cats_of("train", "Urology")  # its type is not known
    assert "pathology_report" not in cats_of("dev", "Surgery")
    report = as_trained({"id": 2, "text": "-", "cats": {"T1": 1.0, "T2": 0.0}}, "tcga_tnm", "dev")["cats"]
    assert report["T1"] == report["pathology_report"] == 1.0 and report["T2"] == report["operative_report"] == 0.0
