import logging
from importlib.util import find_spec

import numpy
import pytest
import torch
from thinc.api import Adam
from transformers import AutoModel, BigBirdConfig, LongformerConfig

from spacy_clinicalbert.encoder import conversion, engines
from spacy_clinicalbert.encoder.checkpoints import load_tokenizer
from tests.conftest import SIZES, encoder_weights, make_examples, make_nlp, write_bert, write_byte_level

needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is an extra")
CONFIGS = {
    # What is longer than its window it reads in parts, and first fills it up to a multiple of that.
    "longformer": LongformerConfig(
        **SIZES, attention_window=16, max_position_embeddings=258, pad_token_id=1, bos_token_id=0, eos_token_id=2
    ),
    "big_bird": BigBirdConfig(**SIZES, max_position_embeddings=256, block_size=4, num_random_blocks=1),
}
TEXT = "She denies chest pain."  # longer than the window of one, and short enough for the other to read as a whole


@pytest.fixture(scope="module", params=CONFIGS)
def folder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks") / request.param
    tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast"}
    return str(write_byte_level(folder, CONFIGS[request.param], "<s>", "</s>", tokenizer))


def vectors(nlp, text=TEXT):
    return nlp(text)._.trf_data.model_output.last_hidden_state[0]


def refusals(caplog):
    return [each.getMessage() for each in caplog.records if "OpenVINO does not take" in each.getMessage()]


@needs_openvino
def test_auto_goes_on_with_torch_where_openvino_does_not_take_the_network(folder, caplog):
    engines._tell_once.cache_clear()
    nlp = make_nlp(folder, (), engine="auto", pooling="first")
    array = vectors(nlp)
    shim = nlp.get_pipe("encoder").shim
    shim.forget()
    assert numpy.allclose(vectors(nlp), array, atol=1e-5) and shim.predictor.name == "torch"
    (message,) = refusals(caplog)
    assert "engine = 'torch'" in message and len(message) < 400 and "denies" not in message
    encoding = load_tokenizer(folder)(
        TEXT, return_offsets_mapping=True, return_token_type_ids=False, return_tensors="pt"
    )
    offsets = encoding.pop("offset_mapping")[0].tolist()
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(folder).eval()(**encoding).last_hidden_state[0].numpy()
    for token, vector in zip(nlp.make_doc(TEXT), array):
        first = next(i for i, (start, end) in enumerate(offsets) if start < end and end > token.idx)
        assert numpy.allclose(vector, hidden[first], atol=1e-5)


@needs_openvino
def test_openvino_that_does_not_take_the_network_is_an_error_of_one_line(folder):
    nlp = make_nlp(folder, (), engine="openvino")
    with pytest.raises(ValueError, match="engine = 'torch'") as caught:
        vectors(nlp)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_networks_whose_output_is_not_contiguous_train(folder):
    nlp = make_nlp(folder, ("textcat",))
    words = encoder_weights(nlp).get_input_embeddings().weight
    before = words.detach().clone()
    nlp.update(make_examples(nlp), sgd=Adam(0.01))
    assert not torch.equal(before, words)


@needs_openvino
def test_conversion_that_fails_is_told_in_one_line(toy, monkeypatch, caplog):
    def fail(*args):
        raise RuntimeError("graph\n" * 10_000)

    engines._tell_once.cache_clear()
    monkeypatch.setattr(conversion, "_is_same", fail)
    nlp = make_nlp(toy, (), engine="auto")
    assert len(vectors(nlp)) == 5
    (message,) = refusals(caplog)
    assert "RuntimeError: graph graph" in message and len(message) < 400 and "\n" not in message
    with pytest.raises(ValueError, match="engine = 'torch'") as caught:
        vectors(make_nlp(toy, (), engine="openvino"))
    assert caught.value.__suppress_context__  # which has the graph
    assert logging.getLogger("transformers.modeling_utils").level != logging.ERROR


@needs_openvino
@pytest.mark.filterwarnings("ignore")  # the tracer's
def test_traces_differ_where_an_operation_or_a_constant_does(toy, tmp_path):
    shapes = ((2, 8), (3, 21))
    network = AutoModel.from_pretrained(toy).eval()
    one, other = (conversion._trace(network, shape) for shape in shapes)
    assert conversion._is_same(one, other)
    deeper = AutoModel.from_pretrained(write_bert(tmp_path / "deeper", num_hidden_layers=3)).eval()
    assert not conversion._is_same(one, conversion._trace(deeper, shapes[0]))
    scaled = AutoModel.from_pretrained(write_bert(tmp_path / "scaled", layer_norm_eps=1e-5)).eval()
    assert not conversion._is_same(one, conversion._trace(scaled, shapes[0]))
