import numpy
import pytest

import spacy_clinicalbert
from tests.conftest import make_nlp


def test_attention_is_that_of_the_network(toy):
    import torch
    from transformers import AutoModel

    nlp = make_nlp(toy, heads=())
    doc = nlp.make_doc("The patient denies pain.")
    found = spacy_clinicalbert.attention(doc, nlp, 1, -1)
    assert found.pieces == ["[CLS]", "the", "patient", "denies", "pain", ".", "[SEP]"]
    checkpoint = nlp.get_pipe("encoder").shim.checkpoint
    network = AutoModel.from_pretrained(toy, attn_implementation="eager").eval()
    with torch.no_grad():
        output = network(**checkpoint.tokenizer(doc.text, return_tensors="pt"), output_attentions=True)
    numpy.testing.assert_allclose(found.weights, output.attentions[1][0, -1].numpy(), atol=1e-5)
    numpy.testing.assert_allclose(found.weights.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"layer": 2}, "2 layers of 2 heads"),
        ({"head": 5}, "2 layers of 2 heads"),
        ({"window": 1}, "has 1 windows"),
        ({"encoder": "other"}, "no clinicalbert with the name 'other'"),
    ],
)
def test_attention_of_nothing_is_an_error(toy, settings, message):
    nlp = make_nlp(toy, heads=())
    with pytest.raises(ValueError, match=message):
        spacy_clinicalbert.attention(nlp.make_doc("No pain."), nlp, **{"layer": 0, "head": 0, **settings})
