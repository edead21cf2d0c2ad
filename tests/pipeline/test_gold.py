"""The tags that a reference's entities are."""

from collections import Counter

import pytest
import spacy
from spacy.tokens import Doc, SpanGroup
from spacy.training import Example

from spacy_clinicalbert.corpora.docs import install_extensions
from spacy_clinicalbert.pipeline.gold import make_targets


def targets(nlp, text, entities, key="gold", attributes=None, joint=False, words=None):
    """Tags by label, and what was lost."""
    install_extensions()
    reference = nlp.make_doc(text)
    spans = [reference.char_span(start, end, label=label) for start, end, label in entities]
    attrs = {"attributes": attributes} if attributes else {}
    reference.spans[key] = SpanGroup(reference, name=key, spans=spans, attrs=attrs)
    predicted = Doc(nlp.vocab, words=words[0], spaces=words[1]) if words else nlp.make_doc(text)
    lost = Counter()
    tags, active = make_targets([Example(predicted, reference)], ["A", "B"], "clinical_ner", "gold", joint, lost)
    assert active.all()
    names = "?OBILU"
    return ["".join(names[tag + 1] for tag in tags[:, i]) for i in range(2)], dict(lost)


@pytest.mark.parametrize(
    "entities, joint, tags, lost",
    [
        ([(0, 5, "A"), (0, 3, "B")], False, ["BILOOO", "BLOOOO"], {}),
        ([(0, 5, "A"), (0, 5, "A")], False, ["BILOOO", "OOOOOO"], {}),
        ([(0, 3, "A"), (2, 9, "A")], False, ["?BIILO", "OOOOOO"], {"entities that overlap a longer one of the same label": 1}),
        ([(0, 3, "A"), (2, 9, "B")], False, ["BLOOOO", "OBIILO"], {}),
        ([(0, 3, "A"), (2, 9, "B")], True, ["?OOOOO", "OBIILO"], {"entities that overlap a longer one": 1}),
        ([(2, 3, "A"), (0, 9, "A")], False, ["BIIILO", "OOOOOO"], {"entities that overlap a longer one of the same label": 1}),
        ([(10, 11, "B"), (0, 1, "C")], False, ["OOOOOO", "OOOOOU"], {}),
    ],
)  # fmt: skip
def test_tags_of_entities(entities, joint, tags, lost):
    assert targets(spacy.blank("en"), "a b c d e f", entities, joint=joint) == (tags, lost)


def test_tokens_of_an_entity_of_several_parts_are_unknown_for_its_label():
    found = targets(
        spacy.blank("en"), "a b c d e f", [(0, 9, "A"), (4, 5, "B")], attributes=[{"parts": ((0, 1), (8, 9))}, {}]
    )
    assert found == (["?????O", "OOUOOO"], {"entities of several parts": 1})


def test_tokens_of_an_entity_off_the_borders_are_unknown_for_its_label():
    words = ["a", "b", "c", "d", "e-f"], [True, True, True, True, False]
    nlp = spacy.blank("en")
    found = targets(nlp, "a b c d e-f", [(8, 9, "A"), (0, 3, "B")], words=words)
    assert found == (["OOOO?", "BLOOO"], {"entities that do not fall on token borders": 1})


def test_references_without_the_group_give_their_ents():
    nlp = spacy.blank("en")
    install_extensions()
    assert targets(nlp, "a b c d e f", [(0, 3, "A")])[0] == ["BLOOOO", "OOOOOO"]
    reference = nlp.make_doc("a b c")
    reference.set_ents([reference.char_span(2, 3, label="B")])
    example = Example(nlp.make_doc("a b c"), reference)
    tags, active = make_targets([example], ["A", "B"], "clinical_ner", "gold", False, Counter())
    assert tags.tolist() == [[0, 0], [0, 4], [0, 0]] and active.all()


@pytest.mark.parametrize("note_id, where", [(None, "Document 1 of the batch"), ("n7", "Note n7")])
def test_other_texts_are_an_error_without_text(note_id, where):
    nlp = spacy.blank("en")
    install_extensions()
    examples = []
    for predicted in ("a secret", "another secret"):
        reference = nlp.make_doc("a secret")
        reference.set_ents([reference.char_span(2, 8, label="A")])
        reference._.note_id = note_id
        examples.append(Example(nlp.make_doc(predicted), reference))
    with pytest.raises(ValueError, match=where) as caught:
        make_targets(examples, ["A"], "clinical_ner", "gold", False, Counter())
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__context__ is None
