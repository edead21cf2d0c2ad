"""What `ClinicalBert.pipe` does with a stream: its buffer, its cache, equal windows, Docs that fail."""

import threading

import numpy
import pytest
from spacy.tokens import Doc
from thinc.api import Adam

from spacy_clinicalbert.encoder import component
from spacy_clinicalbert.encoder.windows import note_windows
from tests.conftest import NOTES, make_examples, make_nlp

TEXT = "The patient denies chest pain."


def hidden(doc):
    return doc._.trf_data.model_output.last_hidden_state


def count_windows(engine):
    """A list that gets the number of windows of each pass."""
    encode, seen = engine.encode, []
    engine.encode = lambda passes: encode((inputs, seen.append(len(inputs[0])))[0] for inputs in passes)
    return seen


def test_a_step_without_gradient_keeps_engine_and_cache(toy):
    nlp = make_nlp(toy, ("ner",))
    encoder = nlp.get_pipe("encoder")
    first = hidden(nlp(TEXT))
    engine = encoder.shim.predictor
    encoder.finish_update(Adam(0.01))
    assert encoder.shim.predictor is engine and encoder.shim.cache.n_pieces
    assert numpy.array_equal(hidden(nlp(TEXT)), first)


def test_pipe_keeps_order_and_vectors(toy):
    nlp = make_nlp(toy)
    texts = ["chest pain", "", TEXT * 30, "fever"] * 3
    for doc, text in zip(nlp.pipe(texts, batch_size=5), texts):
        assert doc.text == text
        if len(doc):
            assert numpy.allclose(hidden(doc), hidden(nlp(text)), atol=1e-5)


@pytest.mark.parametrize("stage", ["plan_docs", "predict_rows"])
def test_pipe_hands_a_failing_doc_alone_to_the_error_handler(toy, monkeypatch, stage):
    nlp = make_nlp(toy)
    encoder, failed, right = nlp.get_pipe("encoder"), [], getattr(component, stage)
    n_pieces = len("bad")  # no other note here has as many

    def fail(model, items, *rest):
        if any((item.text == "bad") if isinstance(item, Doc) else (len(item.ids) == n_pieces) for item in items):
            raise RuntimeError("no memory")
        return right(model, items, *rest)

    monkeypatch.setattr(component, stage, fail)
    with pytest.raises(RuntimeError, match="no memory"):
        list(nlp.pipe(["fever", "bad", "cough"]))
    encoder.set_error_handler(lambda name, pipe, docs, error: failed.extend(doc.text for doc in docs))
    texts = ["fever"] * 5 + ["bad"] + ["cough"] * 6 + ["bad"]
    assert [doc.text for doc in nlp.pipe(texts)] == ["fever"] * 5 + ["cough"] * 6
    assert failed == ["bad", "bad"]


@pytest.mark.parametrize("max_buffer_items", [1, 40, 100_000])
def test_pipe_buffers_documents_by_their_wordpieces(toy, monkeypatch, max_buffer_items):
    nlp = make_nlp(toy, ())
    encoder, buffers, right = nlp.get_pipe("encoder"), [], component.predict_rows
    encoder.cfg["max_buffer_items"] = max_buffer_items
    monkeypatch.setattr(component, "MAX_TOKENISED", 2)
    monkeypatch.setattr(component, "predict_rows", lambda *args: buffers.append(args[1]) or right(*args))
    texts = [TEXT, "fever", "", TEXT * 9, "pain"] * 4
    assert [doc.text for doc in nlp.pipe(texts)] == texts
    sizes = [sum(len(plan.ids) for plan in plans) for plans in buffers]
    assert len(sizes) == {1: 10, 40: 4, 100_000: 1}[max_buffer_items]
    assert all(size >= max_buffer_items for size in sizes[:-1])


@pytest.fixture
def small_buffers(toy, monkeypatch):
    """A pipeline whose encoder takes two Docs a buffer and caches nothing, and ten texts."""
    nlp = make_nlp(toy)
    monkeypatch.setattr(component, "MAX_TOKENISED", 2)
    nlp.get_pipe("encoder").cfg["max_buffer_items"] = 8
    nlp.get_pipe("encoder").shim.cache.max_pieces = 0
    return nlp, [f"{TEXT} {i}" for i in range(10)]


class Gate:
    """An engine that lets through only so many calls, each of which is a buffer here."""

    def __init__(self, engine, n_open):
        self.engine, self.n_parallel, self.grid, self.n_open = engine, engine.n_parallel, engine.grid, n_open
        self.n_calls, self.is_open, self.has_waited = 0, threading.Event(), threading.Event()

    def encode(self, passes):
        self.n_calls += 1
        if self.n_calls > self.n_open:
            self.has_waited.set()
            assert self.is_open.wait(20)
        return self.engine.encode(passes)


def test_pipe_encodes_the_next_buffer_while_others_work_on_the_one_before(small_buffers):
    nlp, texts = small_buffers
    shim = nlp.get_pipe("encoder").shim
    expected = [hidden(nlp(text)) for text in texts]
    shim._predictor = gate = Gate(shim.predictor, n_open=1)
    docs = nlp.get_pipe("encoder").pipe(map(nlp.make_doc, texts))
    found = [next(docs)]
    assert gate.has_waited.wait(20) and gate.n_calls == 2  # though nobody has asked for a Doc of the second buffer
    gate.is_open.set()
    found.extend(docs)
    assert [doc.text for doc in found] == texts
    assert all(numpy.allclose(hidden(doc), array, atol=1e-5) for doc, array in zip(found, expected))


def test_pipe_that_is_broken_off_ends_at_once(small_buffers):
    nlp, texts = small_buffers
    shim = nlp.get_pipe("encoder").shim
    shim._predictor = gate = Gate(shim.predictor, n_open=1)
    docs = nlp.get_pipe("encoder").pipe(map(nlp.make_doc, texts))
    next(docs)
    assert gate.has_waited.wait(20)
    docs.close()  # would wait for ever if it waited for the second buffer
    gate.is_open.set()
    assert numpy.isfinite(hidden(nlp(TEXT))).all() and gate.n_calls == 3


@pytest.mark.parametrize("change", ["step", "from_bytes"])
def test_encoder_may_be_used_and_changed_while_it_pipes(small_buffers, change):
    nlp, texts = small_buffers
    encoder = nlp.get_pipe("encoder")
    encoder.shim.cache.max_pieces = 10_000
    trained = make_nlp(encoder.shim.network.config._name_or_path)
    trained.update(make_examples(trained), sgd=Adam(0.05))
    for i, doc in enumerate(nlp.pipe(texts)):
        assert doc.text == texts[i]
        nlp(f"{TEXT} {-i}")
        if change == "step":
            nlp.update(make_examples(nlp), sgd=Adam(0.01))
        elif i == 4:
            encoder.from_bytes(trained.get_pipe("encoder").to_bytes())
    found = [hidden(nlp(text)) for text in texts]
    encoder.shim.cache.clear()  # nothing in it may come from the weights before
    assert all(numpy.allclose(hidden(nlp(text)), array, atol=1e-6) for text, array in zip(texts, found))


def test_pipe_encodes_equal_windows_once(toy):
    nlp, plain = make_nlp(toy, ()), make_nlp(toy, (), distinct=False)
    texts = [f"PLAN: Aspirin given.\nFindings: {i} chest pain\nHISTORY: none {i % 3}" for i in range(8)]
    counts = {}
    for name, pipeline in (("distinct", nlp), ("plain", plain)):
        pipeline.get_pipe("encoder").model.attrs["windows"] = note_windows()
        shim = pipeline.get_pipe("encoder").shim
        seen = count_windows(shim.predictor)
        counts[name] = (list(pipeline.pipe(texts)), sum(seen))
    assert counts["plain"][1] == 3 * 8 and counts["distinct"][1] == 1 + 8 + 3
    for one, other in zip(counts["plain"][0], counts["distinct"][0]):
        assert numpy.allclose(hidden(one), hidden(other), atol=1e-5)


def test_windows_that_come_again_are_taken_from_the_cache(toy):
    nlp = make_nlp(toy, ())
    encoder = nlp.get_pipe("encoder")
    first = hidden(nlp(TEXT))
    encoder.shim.predictor.encode = None  # any pass would fail
    assert numpy.array_equal(hidden(nlp(TEXT)), first)
    with pytest.raises(TypeError):
        nlp("another note")


def test_cache_forgets_when_the_weights_change(toy):
    nlp = make_nlp(toy, ("ner",))
    first = hidden(nlp(NOTES[0][0])).copy()
    examples = make_examples(nlp)
    nlp.update(examples, sgd=Adam(0.01))
    changed = hidden(nlp(NOTES[0][0]))
    assert not numpy.allclose(first, changed, atol=1e-3)
    with nlp.use_params({}):
        assert numpy.array_equal(hidden(nlp(NOTES[0][0])), changed)


def test_frozen_encoder_encodes_the_training_notes_once(toy):
    nlp = make_nlp(toy, ("ner",))
    calls = count_windows(nlp.get_pipe("encoder").shim.predictor)
    for _ in range(3):
        nlp.update(make_examples(nlp), sgd=Adam(0.01), exclude=["encoder"], annotates=["encoder"])
    assert sum(calls) == len(NOTES)


def test_windows_are_published_as_token_offsets(toy):
    nlp = make_nlp(toy, ())
    nlp.get_pipe("encoder").model.attrs["windows"] = note_windows(10, 2)
    text = "PLAN: Aspirin given.\n" + TEXT * 5
    docs = list(nlp.pipe([text, "", " \n "]))
    ranges = docs[0]._.trf_data.windows.tolist()
    assert ranges[0][0] == 0 and ranges[-1][1] == len(docs[0]) and len(ranges) > 3
    assert [end for _, end in ranges[:-1]] == [start for start, _ in ranges[1:]]
    assert [doc._.trf_data.windows.tolist() for doc in docs[1:]] == [[], []]


@pytest.mark.parametrize("n_process", [1, 2])
def test_doc_cleaner_takes_the_vectors_off(toy, n_process):
    nlp = make_nlp(toy)
    nlp.add_pipe("doc_cleaner")
    docs = list(nlp.pipe([TEXT, "fever"], n_process=n_process, batch_size=1))
    assert [doc._.trf_data for doc in docs] == [None, None]


def test_memory_zone_holds_the_docs_of_a_stream(toy):
    nlp = make_nlp(toy)
    outside = nlp(TEXT)
    for part in range(2):
        with nlp.memory_zone():
            texts = [f"Zone{part} word{i} denies pain." for i in range(50)]
            docs = list(nlp.pipe(texts, batch_size=7))
            assert [doc.text for doc in docs] == texts and hidden(docs[-1]).shape[1] == len(docs[-1])
            del docs
        assert "Zone0" not in nlp.vocab.strings
    assert outside.text == TEXT and numpy.allclose(hidden(nlp(TEXT)), hidden(outside), atol=1e-6)
