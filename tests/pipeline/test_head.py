"""One note that makes a component raise, in a batch of a thousand."""

import pytest
import spacy

from spacy_clinicalbert.encoder import component as encoder_component
from spacy_clinicalbert.pipeline import sections
from spacy_clinicalbert.retry import or_apart
from tests.conftest import head_config, listener_config
from tests.pipeline.conftest import make_assertion_nlp

BAD = "stable stable pain"
TEXTS = ["No cough.", "Chest pain and fever.", "Lungs clear.", "History of fever, stable."] * 250
TEXTS[617] = BAD


@pytest.fixture(scope="module")
def nlp(toy):
    heads = [("clinical_ner", head_config("clinical_ner", listener_config()))]
    nlp = make_assertion_nlp(toy, heads=heads)
    nlp.add_pipe("clinical_sections", before="clinical_ner")
    return nlp


@pytest.mark.parametrize("name, step", [
    ("encoder", "plan"), ("clinical_sections", "find"), ("clinical_ner", "predict"), ("clinical_ner", "set_annotations"),
    ("clinical_assertion", "predict"), ("clinical_assertion", "set_annotations"),
])  # fmt: skip
def test_a_note_that_fails_is_lost_alone(nlp, monkeypatch, name, step):
    owner, attribute = {"plan": (encoder_component, "plan_docs"), "find": (sections, "find_heads")}.get(
        step, (nlp.get_pipe(name), step)
    )
    right = getattr(owner, attribute)

    def fail(*args):
        texts = [args[0]] if step == "find" else [doc.text for doc in (args[1] if step == "plan" else args[0])]
        if BAD in texts:
            raise RuntimeError("no memory")
        return right(*args)

    monkeypatch.setattr(owner, attribute, fail)
    with pytest.raises(RuntimeError, match="no memory"):
        list(nlp.pipe(TEXTS, batch_size=1000))
    lost = []
    nlp.set_error_handler(
        lambda component, _, docs, error: lost.extend((component, doc.text, str(error)) for doc in docs)
    )
    try:
        found = list(nlp.pipe(TEXTS, batch_size=1000))
    finally:
        nlp.set_error_handler(spacy.util.raise_error)
    assert lost == [(name, BAD, "no memory")]
    assert [doc.text for doc in found] == TEXTS[:617] + TEXTS[618:]
    assert all("entities" in doc.spans and "assertions" in doc.spans for doc in found)


def test_or_apart_calls_few_times_more():
    sizes, failed = [], []

    def double(items):
        sizes.append(len(items))
        if 617 in items:
            raise ValueError
        return [2 * item for item in items]

    assert or_apart(double, list(range(1000)), lambda item, err: failed.append(item)) == [
        2 * i for i in range(1000) if i != 617
    ]
    assert failed == [617] and len(sizes) < 25 and or_apart(double, [], lambda *_: None) == []
