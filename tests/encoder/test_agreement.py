import pytest
import spacy
from spacy.tokens import Span, SpanGroup

from spacy_clinicalbert.encoder.agreement import agreement
from spacy_clinicalbert.pathology.component import ClinicalPathology
from spacy_clinicalbert.questions.answers import Found, write_answers
from spacy_clinicalbert.questions.asked import Question

NLP = spacy.blank("en")


def make_doc(ents=(), spans=(), cats=None, text="No chest pain or fever."):
    doc = NLP.make_doc(text)
    doc.set_ents([Span(doc, start, end, label) for start, end, label in ents])
    if spans:
        doc.spans["sc"] = [Span(doc, start, end, label) for start, end, label in spans]
    doc.cats = cats or {}
    return doc


def test_agreement_compares_every_head():
    one = make_doc([(1, 3, "P"), (4, 5, "P")], [(1, 3, "P"), (1, 3, "Q")], {"A": 0.9, "B": 0.1})
    other = make_doc([(1, 3, "P"), (4, 5, "Q")], [(1, 3, "P")], {"A": 0.8, "B": 0.6})
    assert agreement([one], [other]) == {
        "entities": 0.5,
        "spans sc": pytest.approx(2 / 3),
        "categories": 0.5,
        "first category": 1.0,
    }
    assert set(agreement([one], [one]).values()) == {1.0}
    assert agreement([one], [other], threshold=0.7)["categories"] == 1.0


def test_agreement_counts_what_only_one_side_finds():
    assert agreement([make_doc()], [make_doc([(1, 3, "P")])]) == {"entities": 0.0}
    assert agreement([make_doc()], [make_doc()]) == {}


def test_agreement_compares_assertions_axis_by_axis():
    labels = [("present", "recent"), ("absent", "recent")], [("present", "recent"), ("present", "recent")]
    docs = [make_doc([(1, 3, "P"), (4, 5, "P")]) for _ in labels]
    for doc, rows in zip(docs, labels):
        attrs = {"assertion": [{"certainty": [one, 0.9], "time": [two, 0.8]} for one, two in rows]}
        doc.spans["assertions"] = SpanGroup(doc, name="assertions", spans=doc.ents, attrs=attrs)
    expected = {"assertion certainty": 0.5, "assertion time": 1.0, "entities": 1.0, "spans assertions": 1.0}
    assert agreement(*([doc] for doc in docs)) == expected
    # Of spans that one side alone has, their places say enough.
    docs[1].spans["assertions"] = SpanGroup(docs[1], name="assertions", spans=[])
    assert set(agreement(*([doc] for doc in docs))) == {"entities", "spans assertions"}


def test_agreement_compares_answers_with_their_questions():
    docs = [make_doc() for _ in range(2)]
    for doc, places in zip(docs, ([(1, 3), (4, 5)], [(4, 5), (1, 3)])):
        found = [Found(Question(i, "?", "span"), [(*place, 0.9)], {}) for i, place in enumerate(places)]
        write_answers(doc, found, n_answers=1, threshold=0.5)
    assert agreement(docs[:1], docs[1:]) == {"answers": 0.0}
    assert agreement(docs, docs) == {"answers": 1.0}


def test_agreement_compares_pathology_records():
    docs = [make_doc(text="Grade 2. Margins negative.") for _ in range(3)]
    for doc, label in zip(docs, ("T1", "T1", "T2")):
        doc.cats = {"T1": float(label == "T1"), "T2": float(label == "T2")}
        ClinicalPathology(inferred={"pT": ["T1", "T2"]})(doc)
        doc.cats = {}
    assert agreement(docs[:1], docs[1:2]) == {"pathology": 1.0}
    assert 0 < agreement(docs[:1], docs[2:])["pathology"] < 1


def test_agreement_of_tokens():
    one, other = make_doc(), make_doc()
    for doc, tag in ((one, "X"), (other, "Y")):
        for token in doc:
            token.tag_ = "A"
        doc[0].tag_ = tag
    assert agreement([one], [other]) == {"tags": pytest.approx(5 / 6)}


def test_agreement_wants_the_same_notes():
    with pytest.raises(ValueError, match="same notes") as caught:
        agreement([make_doc()], [make_doc(text="Secret.")])
    assert "Secret" not in str(caught.value)
