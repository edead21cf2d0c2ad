import gc
import os
import pickle
import signal
import subprocess
import sys
from importlib.util import find_spec
from types import SimpleNamespace

import numpy
import pytest
import spacy
import torch
from thinc.api import Adam
from transformers import AutoModel

from spacy_clinicalbert.encoder import engines, shim
from spacy_clinicalbert.encoder.checkpoints import load_checkpoint
from spacy_clinicalbert.encoder.engines import OpenVinoEngine, TorchEngine, last_hidden_state, make_engine, takes_types
from tests.conftest import WRITERS, make_examples, make_nlp
from tests.processes import start

needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is an extra")
TEXTS = ["The patient denies chest pain.", "", "History of fever; cough. " * 40, "no"]
ENGINES = ["torch", pytest.param("openvino", marks=needs_openvino)]


def hidden(doc):
    return doc._.trf_data.model_output.last_hidden_state


def encode(nlp, texts=TEXTS):
    return numpy.concatenate([hidden(doc)[0] for doc in nlp.pipe(texts) if len(doc)])


def encode_one(engine, *inputs):
    (vectors,) = (array.clone() for array in engine.encode([inputs]))
    return vectors


def cosines(one, other):
    norms = numpy.linalg.norm(one, axis=1) * numpy.linalg.norm(other, axis=1)
    return ((one * other).sum(1) / numpy.maximum(norms, 1e-9))[norms > 0]


@pytest.mark.parametrize("engine", [TorchEngine, pytest.param(OpenVinoEngine, marks=needs_openvino)])
@pytest.mark.parametrize("architecture", WRITERS)
def test_engines_give_the_networks_own_vectors(tmp_path, architecture, engine):
    network = AutoModel.from_pretrained(WRITERS[architecture](tmp_path / architecture)).eval()
    ids = torch.randint(5, 90, (3, 9), generator=torch.manual_seed(0))
    mask = (torch.arange(9) < torch.tensor([[9], [4], [1]])).long()
    with torch.no_grad():
        expected = last_hidden_state(network, ids, mask)
    exact = engine(network, "float32")
    for shape in ((3, 9), (2, 9), (1, 1)):
        vectors = encode_one(exact, ids[: shape[0], : shape[1]], mask[: shape[0], : shape[1]])
        assert vectors.dtype == torch.float32 and vectors.shape == (*shape, expected.shape[2])
    vectors = encode_one(exact, ids, mask)
    assert torch.allclose(vectors[mask > 0], expected[mask > 0], atol=1e-5)
    for half in ("bfloat16", "float16") if engine is TorchEngine else ("bfloat16",):
        rough = encode_one(engine(network, half), ids, mask)
        differs = engine is TorchEngine or engines.has_bfloat16()  # OpenVINO emulates no format
        assert rough.dtype == torch.float32 and torch.equal(rough, vectors) is not differs
        assert torch.nn.functional.cosine_similarity(rough, expected, dim=2)[mask > 0].min() > 0.99


@pytest.mark.parametrize("engine", [TorchEngine, pytest.param(OpenVinoEngine, marks=needs_openvino)])
def test_engines_take_token_types(toy, engine):
    network = AutoModel.from_pretrained(toy).eval()
    ids, mask = torch.full((1, 4), 7), torch.ones((1, 4), dtype=torch.int64)
    types = torch.tensor([[0, 0, 1, 1]])
    made = engine(network, "float32")
    with torch.no_grad():
        expected = last_hidden_state(network, ids, mask, types)
    assert takes_types(network)
    assert torch.allclose(encode_one(made, ids, mask, types), expected, atol=1e-5)
    assert not torch.allclose(encode_one(made, ids, mask), expected, atol=1e-3)


@pytest.mark.parametrize("engine", [TorchEngine, pytest.param(OpenVinoEngine, marks=needs_openvino)])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_engines_give_the_passes_in_their_order(toy, engine, n_threads, monkeypatch):
    """Also where several run at a time, and where the one who reads breaks off."""
    monkeypatch.setattr(engines.torch, "get_num_threads", lambda: n_threads)
    made = engine(AutoModel.from_pretrained(toy).eval(), "float32")
    passes = [(torch.full((2, 3 + i % 4), 5 + i), torch.ones((2, 3 + i % 4), dtype=torch.int64)) for i in range(11)]
    next(made.encode(passes))
    together = [array.clone() for array in made.encode(iter(passes))]
    assert len(together) == len(passes)
    for array, inputs in zip(together, passes):
        assert torch.allclose(array, encode_one(made, *inputs), atol=1e-6)


@pytest.mark.parametrize("engine", [TorchEngine, pytest.param(OpenVinoEngine, marks=needs_openvino)])
def test_a_pass_that_fails_does_not_spoil_the_next(toy, engine, monkeypatch):
    monkeypatch.setattr(engines.torch, "get_num_threads", lambda: 3)
    made = engine(AutoModel.from_pretrained(toy).eval(), "float32")
    right, too_long = (tuple(torch.ones(shape, dtype=torch.int64) for _ in range(2)) for shape in ((2, 300), (1, 600)))
    with pytest.raises((RuntimeError, IndexError)):
        list(made.encode([too_long, right, right, right]))
    assert all(torch.isfinite(array).all() for array in made.encode([right] * 5))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_pipelines_agree_over_engines(toy, engine, precision):
    expected = encode(make_nlp(toy, ()))
    found = encode(make_nlp(toy, (), engine=engine, precision=precision))
    if precision == "float32":
        assert numpy.allclose(found, expected, atol=1e-5)
    assert cosines(found, expected).min() > 0.99


@needs_openvino
def test_float32_of_openvino_does_not_depend_on_the_batch(toy):
    nlp = make_nlp(toy, (), engine="openvino")
    nlp.get_pipe("encoder").shim.cache.max_pieces = 0
    for doc, text in zip(nlp.pipe(TEXTS), TEXTS):
        assert not text or numpy.allclose(hidden(doc), hidden(nlp(text)), atol=1e-5)


@pytest.mark.parametrize("openvino", [True, False])
@pytest.mark.parametrize("bfloat16", [True, False])
def test_auto_takes_what_the_machine_has(toy, monkeypatch, caplog, openvino, bfloat16):
    if openvino and find_spec("openvino") is None:
        pytest.skip("OpenVINO is an extra")
    monkeypatch.setattr(engines, "has_openvino", lambda: openvino)
    monkeypatch.setattr(engines, "has_bfloat16", lambda device="cpu": bfloat16)
    caplog.set_level("DEBUG", logger="spacy_clinicalbert")
    expected = encode(make_nlp(toy, ()))
    caplog.clear()
    nlp = make_nlp(toy, (), engine="auto", precision="auto")
    found = encode(nlp)
    encode(nlp, ["more", "notes"])
    chosen = "openvino" if openvino else "torch", "bfloat16" if bfloat16 else "float32"
    assert (nlp.get_pipe("encoder").shim.predictor.name, nlp.get_pipe("encoder").shim.predictor.precision) == chosen
    said = [record.getMessage() for record in caplog.records if "predicts with" in record.getMessage()]
    assert said == [f"The encoder predicts with {chosen[0]} in {chosen[1]}."]
    assert cosines(found, expected).min() > (0.99 if bfloat16 else 0.99999)


@pytest.mark.parametrize("bfloat16", [True, False])
def test_training_runs_with_and_without_bfloat16(toy, monkeypatch, bfloat16):
    monkeypatch.setattr(engines, "has_bfloat16", lambda device="cpu": bfloat16)
    nlp = make_nlp(toy, precision="auto")
    losses = nlp.update(make_examples(nlp), sgd=Adam(0.01))
    assert losses["ner"] > 0 and losses["encoder"] > 0


def test_openvino_that_is_not_installed_is_an_error_that_says_how(toy, monkeypatch):
    monkeypatch.setattr(engines, "has_openvino", lambda: False)
    nlp = make_nlp(toy, (), engine="openvino")
    with pytest.raises(ValueError, match=r"pip install 'spacy-clinicalbert\[openvino\]'"):
        nlp("pain")


def test_int8_without_a_quantized_network_goes_on_and_says_so_once(toy, caplog):
    nlp = make_nlp(toy, (), precision="int8", engine="torch")
    assert cosines(encode(nlp), encode(make_nlp(toy, ()))).min() > 0.99
    (message,) = [record.getMessage() for record in caplog.records if "int8" in record.getMessage()]
    assert "quantize" in message


@pytest.mark.parametrize("key", ["engine", "precision"])
def test_unknown_engines_and_precisions_are_errors(toy, key):
    with pytest.raises(ValueError, match=f"{key} is one of"):
        make_nlp(toy, (), **{key: "fast"})


@needs_openvino
def test_a_network_that_trains_predicts_with_torch(toy):
    nlp = make_nlp(toy, engine="openvino")
    encoder = nlp.get_pipe("encoder").shim
    assert encoder.predictor.name == "openvino"
    nlp.update(make_examples(nlp), sgd=Adam(0.01))
    assert encoder.predictor.name == "torch"
    again = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert again.get_pipe("encoder").shim.predictor.name == "openvino"
    assert numpy.allclose(encode(again), encode(nlp), atol=1e-5)


def pipe_with_two_processes(toy, engine):
    """Also where the engine has run before the fork, which is where threads are lost."""
    nlp = make_nlp(toy, (), engine=engine)
    texts = [f"The patient {i} denies chest pain." for i in range(20)]
    nlp.get_pipe("encoder").shim.cache.max_pieces = 0
    before = encode(nlp, texts)
    assert numpy.allclose(encode_with_processes(nlp, texts), before, atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_pipe_with_two_processes_gives_the_same(toy, engine, tmp_path):
    process = start(tmp_path / "said", pipe_with_two_processes, toy, engine)
    process.join(300)
    process.kill()
    assert process.exitcode == 0, (tmp_path / "said").read_text()


def fork_behind_engines(toy, n_gone, n_kept):
    """Engines that are gone leave their threads idle, which OpenVINO would give to a fork, where they are not."""
    torch.set_num_threads(1)
    checkpoint = load_checkpoint(toy)
    found = [OpenVinoEngine(checkpoint.network, "float32") for _ in range(n_gone + n_kept)]
    ids = torch.full((1, 4), 5)
    passes = [(ids, torch.ones_like(ids))]
    for each in found:
        (expected,) = each.encode(passes)
    expected = expected.clone()
    kept = [found.pop() for _ in range(n_kept)] or [OpenVinoEngine(checkpoint.network, "float32")]
    found.clear()
    del each
    gc.collect()
    for _ in range(2):
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            again = [next(engine.encode(passes)) for engine in (*kept, OpenVinoEngine(checkpoint.network, "float32"))]
            os._exit(0 if all(torch.allclose(one, expected, atol=1e-6) for one in again) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert all(torch.allclose(next(engine.encode(passes)), expected, atol=1e-6) for engine in kept)


@needs_openvino
@pytest.mark.parametrize("n_gone, n_kept", [(1, 0), (2, 1)])
def test_fork_behind_engines_that_are_gone_does_not_wait_for_their_threads(toy, tmp_path, n_gone, n_kept):
    process = start(tmp_path / "said", fork_behind_engines, toy, n_gone, n_kept)
    process.join(200)
    process.kill()
    assert process.exitcode == 0, (tmp_path / "said").read_text()


def encode_with_processes(nlp, texts):
    docs = list(nlp.pipe(texts, n_process=2, batch_size=3))
    assert [doc.text for doc in docs] == texts
    return numpy.concatenate([hidden(doc)[0] for doc in docs])


def test_a_forked_process_keeps_to_one_thread(toy, monkeypatch):
    nlp = make_nlp(toy, ())
    threads = []
    monkeypatch.setattr(engines.torch, "set_num_threads", threads.append)
    nlp("pain")
    monkeypatch.setattr(shim.os, "getpid", lambda pid=os.getpid(): pid + 1)
    nlp("pain")
    nlp("fever")
    assert threads == [1]


@pytest.mark.parametrize("engine", ENGINES)
def test_component_is_pickled_for_processes_that_are_spawned(toy, engine):
    nlp = make_nlp(toy, (), engine=engine)
    doc = nlp("chest pain")
    again = pickle.loads(pickle.dumps(nlp.get_pipe("encoder")))
    assert numpy.allclose(hidden(again(nlp.make_doc("chest pain"))), hidden(doc), atol=1e-6)


OFFLINE = """
import socket, sys
asked = []
def refuse(*args, **kwargs):
    asked.append(args)
    raise OSError("no network")
for name in ("getaddrinfo", "gethostbyname", "create_connection"):
    setattr(socket, name, refuse)
socket.socket.connect = refuse
import spacy
nlp = spacy.blank("en")
nlp.add_pipe("clinicalbert", config={"model": {"name": sys.argv[1], "engine": "openvino"}})
nlp.initialize()
nlp("chest pain")
assert nlp.get_pipe("clinicalbert").shim.predictor.name == "openvino"
import nncf
import time
time.sleep(1)  # a report would go out from a thread
assert not asked, asked
"""


@needs_openvino
def test_openvino_reports_nothing_over_the_network(toy):
    done = subprocess.run([sys.executable, "-c", OFFLINE, toy], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def let_engines_go(toy):
    network = AutoModel.from_pretrained(toy).eval()
    first, second = (OpenVinoEngine(network, "float32") for _ in range(2))
    for engine in (first, second):
        list(engine.encode([(torch.full((1, 4), 5), torch.ones(1, 4, dtype=torch.int64))]))
    del engine, first  # not in the opposite of the order in which they came
    del second
    signal.signal(signal.SIGTERM, lambda *args: print("handled", flush=True))
    os.kill(os.getpid(), signal.SIGTERM)


@needs_openvino
def test_engines_that_go_in_any_order_leave_signals_intact(toy, tmp_path):
    process = start(tmp_path / "said", let_engines_go, toy)
    process.join(120)
    assert (process.exitcode, (tmp_path / "said").read_text()) == (0, "handled\n")


@pytest.mark.parametrize("bfloat16, chosen", [(True, "bfloat16"), (False, "float16")])
def test_cuda_takes_the_half_format_that_it_has(monkeypatch, bfloat16, chosen):
    monkeypatch.setattr(engines, "has_bfloat16", lambda device="cpu": bfloat16)
    monkeypatch.setattr(engines, "TorchEngine", lambda network, precision: precision)
    network = SimpleNamespace(parameters=lambda: iter([SimpleNamespace(device=torch.device("cuda"))]))
    assert make_engine(network, "auto", "auto") == chosen


def test_cuda_with_openvino_is_an_error(toy):
    network = AutoModel.from_pretrained(toy).to("meta")
    with pytest.raises(ValueError, match="on CPUs"):
        make_engine(network, "openvino", "auto")
