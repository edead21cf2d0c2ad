"""Pipelines in processes that are spawned, as on Windows and macOS by default."""

import multiprocessing
import os
import pickle

import pytest

from tests.conftest import make_examples, make_nlp
from tests.processes import start

TEXT = "The patient denies chest pain."


@pytest.mark.parametrize("head", ["textcat", "ner", "clinical_ner", "clinical_note_classifier"])
def test_head_pickles_and_predicts_the_same(toy, head):
    nlp = make_nlp(toy, () if head == "clinical_note_classifier" else (head,))
    if head == "clinical_note_classifier":
        nlp.add_pipe(head, config={"model": {"tok2vec": {"@architectures": "spacy-clinicalbert.WindowListener.v1"}}})
        nlp.initialize(lambda: make_examples(nlp))
    alone = pickle.loads(pickle.dumps(nlp.get_pipe(head)))
    again = pickle.loads(pickle.dumps(nlp))
    doc, copied = nlp(TEXT), again(TEXT)
    beneath = alone(nlp.get_pipe("encoder")(nlp.make_doc(TEXT)))
    for other in (copied, beneath):
        assert other.cats == pytest.approx(doc.cats, abs=1e-6)
        assert [(each.text, each.label_) for each in other.ents] == [(each.text, each.label_) for each in doc.ents]


def pipe_with_spawned_processes(toy):
    multiprocessing.set_start_method("spawn", force=True)
    nlp = make_nlp(toy, ("textcat",))
    nlp.update(make_examples(nlp))
    texts = [TEXT, "History of fever.", "", "Lungs clear."]
    expected = [nlp(text).cats for text in texts]
    for doc, cats in zip(nlp.pipe(texts, n_process=2, batch_size=1), expected):
        assert doc.cats == pytest.approx(cats, abs=1e-6)


def test_pipe_with_spawned_processes_gives_the_same(toy, tmp_path):
    process = start(tmp_path / "said", pipe_with_spawned_processes, toy)
    process.join(300)
    process.kill()
    assert process.exitcode == 0, (tmp_path / "said").read_text()


def test_a_pipeline_from_a_file_keeps_the_threads_of_its_process(toy):
    shim = make_nlp(toy).get_pipe("encoder").shim
    shim._process -= 1  # of an earlier process
    assert pickle.loads(pickle.dumps(shim))._process == os.getpid()
