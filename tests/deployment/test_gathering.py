import threading

import pytest

from spacy_clinicalbert.deployment.gathering import Closed, Gatherer, NoteFailed, QueueFull
from tests.deployment.conftest import gated, make_nlp


def test_requests_to_different_endpoints_share_a_batch():
    sizes = []
    nlp, gate = gated()
    gatherer = Gatherer(nlp, observe=sizes.append, gathering=0)
    first = gatherer.submit("fever")
    assert gate.entered.wait(10)
    says = [lambda doc: {"words": len(doc)}, lambda doc: {"text": doc.text}, lambda doc: 1 / 0]
    futures = [gatherer.submit("No fever.", say=say) for say in says]
    gate.open.set()
    gatherer.close()
    assert first.result(0) and sizes == [1, 3]
    assert [future.result(0) for future in futures[:2]] == ['{"words": 3}', '{"text": "No fever."}']
    with pytest.raises(NoteFailed):
        futures[2].result(0)


def test_closing_finishes_what_was_taken_and_takes_no_more():
    nlp, gate = gated()
    gatherer = Gatherer(nlp, max_notes=1)
    futures = [gatherer.submit("fever", id=number) for number in range(4)]
    closing = threading.Thread(target=gatherer.close)
    closing.start()
    while gatherer.ready:
        pass
    with pytest.raises(Closed):
        gatherer.submit("fever")
    gate.open.set()
    closing.join(10)
    assert [f'"id": {number}' in future.result(0) for number, future in enumerate(futures)] == [True] * 4


def test_batches_are_bounded_by_notes_and_characters():
    nlp, gate = gated()
    sizes = []
    gatherer = Gatherer(nlp, max_waiting=8, max_notes=3, max_characters=20, observe=sizes.append, gathering=0)
    futures = [gatherer.submit("first")]
    assert gate.entered.wait(10)
    futures += [gatherer.submit(text) for text in ["a", "b", "c", "x" * 15, "y" * 15, "z" * 30, "d", "e"]]
    with pytest.raises(QueueFull):
        gatherer.submit("f")
    gate.open.set()
    gatherer.close()
    assert sizes == [1, 3, 1, 1, 1, 2] and all(future.result(0) for future in futures)


def test_notes_that_are_taken_back_do_not_wait():
    nlp, gate = gated()
    sizes = []
    gatherer = Gatherer(nlp, max_waiting=3, max_notes=3, max_characters=20, observe=sizes.append, gathering=0)
    futures = [gatherer.submit("first")]
    assert gate.entered.wait(10)
    futures += [gatherer.submit(text) for text in ["x" * 15, "a", "y" * 15]]
    with pytest.raises(QueueFull):
        gatherer.submit("b")
    assert futures[1].cancel() and futures[3].cancel() and len(gatherer) == 1
    futures += [gatherer.submit(text) for text in ["b", "c"]]
    with pytest.raises(QueueFull):
        gatherer.submit("d")
    gate.open.set()
    gatherer.close()
    assert sizes == [1, 3] and all(futures[i].result(0) for i in (0, 2, 4, 5))


def test_an_error_of_the_gatherer_fails_its_batch_and_the_thread_goes_on(caplog):
    gatherer = Gatherer(make_nlp())
    right, gatherer._annotator = gatherer._annotator, None
    with pytest.raises(NoteFailed):
        gatherer.submit("fever").result(10)
    assert "A batch of 1 notes failed: TypeError in gathering.py" in caplog.text
    gatherer._annotator = right
    assert gatherer.submit("fever").result(10)
    gatherer.close()
