"""What `ClinicalBert.pipe` does with a stream: its buffer, its cache, equal windows, Docs that fail."""

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

    def fail(model, items):
        if any((item.text == "bad") if isinstance(item, Doc) else (len(item.ids) == n_pieces) for item in items):
            raise RuntimeError("no memory")
        return right(model, items)

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
    monkeypatch.setattr(component, "predict_rows", lambda model, plans: buffers.append(plans) or right(model, plans))
    texts = [TEXT, "fever", "", TEXT * 9, "pain"] * 4
    assert [doc.text for doc in nlp.pipe(texts)] == texts
    sizes = [sum(len(plan.ids) for plan in plans) for plans in buffers]
    assert len(sizes) == {1: 10, 40: 4, 100_000: 1}[max_buffer_items]
    assert all(size >= max_buffer_items for size in sizes[:-1])


def test_pipe_encodes_the_next_buffer_while_others_work_on_the_one_before(toy):
    """Text, vectors and weights stay right if the encoder is used in between, and if the reader breaks off."""
    nlp = make_nlp(toy)
    encoder = nlp.get_pipe("encoder")
    encoder.cfg["max_buffer_items"] = 8
    texts = [f"{TEXT} {i}" for i in range(40)]
    expected = [hidden(nlp(text)) for text in texts]
    encoder.shim.cache.clear()
    for i, doc in enumerate(nlp.pipe(texts)):
        assert doc.text == texts[i] and numpy.allclose(hidden(doc), expected[i], atol=1e-5)
        assert numpy.allclose(hidden(nlp(texts[-1 - i])), expected[-1 - i], atol=1e-5)
    for i, _ in enumerate(nlp.pipe(texts)):
        nlp.update(make_examples(nlp), sgd=Adam(0.01))
        if i == 12:
            break
    found = [hidden(nlp(text)) for text in texts]
    encoder.shim.cache.clear()  # nothing in it may come from the weights before the last step
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
