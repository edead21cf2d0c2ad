import logging
from importlib.util import find_spec

import numpy
import pytest
import torch
from thinc.api import Adam
from transformers import AutoModel

from spacy_clinicalbert.encoder import engines, memory, shim
from spacy_clinicalbert.encoder.engines import OpenVinoEngine, last_hidden_state
from spacy_clinicalbert.encoder.memory import in_halves, is_out_of_memory
from tests.conftest import make_examples, make_nlp

ERRORS = {
    "python": MemoryError(),
    "cpu": RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    "cuda": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "openvino": RuntimeError("Exception from src/inference: std::bad_alloc"),
}  # fmt: skip
TEXT = "History of fever; cough. " * 100


@pytest.fixture(autouse=True)
def nothing_told():
    memory._tell_once.cache_clear()


def hungry(run, error, most):
    """`run`, for no more windows than memory has room for. RETURNS: It, and how many windows it was called with."""
    calls = []

    def limited(*inputs):
        calls.append(len(inputs[0]))
        if len(inputs[0]) > most:
            raise error
        return run(*inputs)

    return limited, calls


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_a_pass_is_halved_until_memory_holds_it(error):
    run, calls = hungry(lambda ids, mask: (ids * mask)[..., None].float(), error, 2)
    ids, mask = torch.arange(21).view(7, 3), torch.ones(7, 3).long()
    assert in_halves(run, ids, mask)[..., 0].tolist() == ids.tolist()
    assert calls == [7, 3, 1, 2, 4, 2, 2]


def test_one_window_that_memory_does_not_hold_and_other_errors_are_raised():
    run, calls = hungry(lambda ids: ids, MemoryError(), 0)
    with pytest.raises(MemoryError):
        in_halves(run, torch.ones(2, 3))
    assert calls == [2, 1]
    run, calls = hungry(lambda ids: ids, RuntimeError("shapes do not fit"), 0)
    with pytest.raises(RuntimeError, match="shapes"):
        in_halves(run, torch.ones(2, 3))
    assert calls == [2]


def test_torchs_own_error_is_known():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert is_out_of_memory(caught.value)


def limited_network(monkeypatch, error, most):
    """Networks run no more than so many windows. RETURNS: How many they were called with."""
    sizes = []

    def limited(network, ids, *others):
        run, _ = hungry(lambda *inputs: last_hidden_state(network, *inputs), error, most)
        sizes.append(len(ids))
        return run(ids, *others)

    monkeypatch.setattr(engines, "last_hidden_state", limited)
    monkeypatch.setattr(shim, "last_hidden_state", limited)
    return sizes


def test_a_pipeline_goes_on_in_halves_and_says_so_once(toy, monkeypatch, caplog):
    nlp = make_nlp(toy, precision="float32", engine="torch", distinct=False)
    expected = nlp(TEXT)._.trf_data.model_output.last_hidden_state
    sizes = limited_network(monkeypatch, ERRORS["cpu"], 3)
    with caplog.at_level(logging.WARNING):
        docs = list(nlp.pipe([TEXT, TEXT + "More."]))
    assert max(sizes) > 3
    assert numpy.allclose(docs[0]._.trf_data.model_output.last_hidden_state, expected, atol=1e-5)
    assert len([record for record in caplog.records if "max_batch_items" in record.message]) == 1
    assert "fever" not in caplog.text


def test_training_goes_on_in_halves_to_the_same_gradient(toy, monkeypatch):
    def train():
        nlp = make_nlp(toy, precision="float32", attention_dropout=0.0, distinct=False)
        network = nlp.get_pipe("encoder").model.shims[0].network
        for module in network.modules():
            if hasattr(module, "p"):
                module.p = 0.0
        nlp.update(make_examples(nlp) * 4, sgd=Adam(1e-3))
        return [weights.detach().clone() for weights in network.parameters()]

    expected = train()
    sizes = limited_network(monkeypatch, MemoryError(), 2)
    found = train()
    assert max(sizes) > 2
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(found, expected))


@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is an extra")
def test_openvino_goes_on_in_halves(toy):
    network = AutoModel.from_pretrained(toy).eval()
    engine = OpenVinoEngine(network, "float32")
    passes = [(torch.randint(5, 90, (n, 9)), torch.ones(n, 9).long()) for n in (5, 1, 4)]
    with torch.no_grad():
        expected = [last_hidden_state(network, *inputs) for inputs in passes]
    assert list(engine.encode(passes[:1]))  # compiles
    requests = engine._compiled.requests
    engine._compiled.requests = [Hungry(request, most=2) for request in requests]
    found = [vectors.clone() for vectors in engine.encode(passes)]
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(found, expected))


class Hungry:
    """A request of OpenVINO's, for no more windows than memory has room for."""

    def __init__(self, request, most):
        self.request, self.most = request, most

    def start_async(self, arrays, **options):
        self.n_windows = len(arrays[0])
        self.request.start_async(arrays, **options)

    def wait(self):
        self.request.wait()
        if self.n_windows > self.most:
            raise ERRORS["openvino"]

    def infer(self, arrays, **options):
        self.start_async(arrays, **options)
        self.wait()

    def get_output_tensor(self, number):
        return self.request.get_output_tensor(number)
