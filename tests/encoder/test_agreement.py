import pytest
import spacy
from spacy.tokens import Span

from spacy_clinicalbert.encoder.agreement import agreement

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
