import numpy
import pytest
import spacy
from thinc.api import Adam

from spacy_clinicalbert.pipeline.note_words import LENGTH, WindowWords, count_words, word_scores
from tests.pipeline.test_note_classifier import make_textcat, with_cats

TEXT = "Fever, fever and \n cough. Fever again."
WINDOWS = numpy.array([[0, 5], [5, 8], [8, 11], [11, 11]])


@pytest.fixture
def doc():
    doc = spacy.blank("en")(TEXT)
    assert [token.text for token in doc] == ["Fever", ",", "fever", "and", "\n ", "cough", ".", "Fever", "again", "."]
    return doc


@pytest.fixture
def table():
    model = WindowWords(4096)
    model.initialize(Y=numpy.zeros((1, 3), dtype="f"))
    assert not model.get_param("W").any()
    model.set_param("W", numpy.random.default_rng(0).normal(size=(4096, 3)).astype("f"))
    return model


def test_count_words_counts_words_and_pairs_of_each_window(doc):
    found = count_words(doc, WINDOWS, 4096)
    # "fever" twice, "," and "and", and three pairs; then three words with two pairs; then two with one; nothing.
    assert found.lengths.tolist() == [7, 5, 3, 0]
    assert found.tokens[:7].tolist() == [[0, 0], [1, 1], [2, 2], [3, 3], [0, 1], [1, 2], [2, 3]]
    fever, again = found.rows[0], found.rows[9]
    assert fever == found.rows[2] == again and found.tokens[9].tolist() == [7, 7]
    assert found.rows[4] != found.rows[5]  # "fever ," and ", fever"
    assert found.values[0] == pytest.approx(found.values[1] * numpy.log(3) / numpy.log(2) / 2)
    for rows, values in zip(numpy.split(found.rows, [7, 12, 15]), numpy.split(found.values, [7, 12, 15])):
        vector = numpy.bincount(rows, values, 4096)
        assert len(rows) == 0 or numpy.linalg.norm(vector) == pytest.approx(LENGTH, abs=1e-5)


def test_white_space_is_no_word(doc):
    found = count_words(doc, numpy.array([[3, 6]]), 4096)
    assert found.tokens.tolist() == [[3, 3], [5, 5], [3, 5]]
    assert count_words(doc, numpy.array([[4, 5]]), 4096).rows.tolist() == []


def test_scores_are_sums_over_the_table(doc, table):
    scores, _ = table([([doc]), [WINDOWS]], is_train=False)
    found = count_words(doc, WINDOWS, 4096)
    for i, places in enumerate(numpy.split(numpy.arange(15), numpy.cumsum(found.lengths)[:-1])):
        expected = (table.get_param("W")[found.rows[places]] * found.values[places, None]).sum(axis=0)
        assert scores[i] == pytest.approx(expected, abs=1e-5)
    shares = numpy.array([0.5, 0.3, 0.2, 0.0], dtype="f")
    by_token = word_scores(table, doc, WINDOWS, shares)
    assert by_token.shape == (10, 3) and not by_token[4].any()
    assert by_token.sum(axis=0) == pytest.approx(shares @ scores, abs=1e-4)


def test_gradient_is_that_of_differences(doc, table):
    docs, windows = [doc, spacy.blank("en")(""), doc[5:].as_doc()], [WINDOWS, numpy.zeros((0, 2), "i8"), WINDOWS[:1]]
    weights = numpy.random.default_rng(1).normal(size=(5, 3)).astype("f")
    _, backprop = table((docs, windows), is_train=True)
    backprop(weights)
    gradient = table.get_grad("W")
    row = int(count_words(doc, WINDOWS, 4096).rows[0])
    assert numpy.count_nonzero(gradient.any(axis=1)) < 20
    values = []
    for step in (-0.5, 0.5):
        W = table.get_param("W").copy()
        W[row, 1] += step
        table.set_param("W", W)
        values.append((table.predict((docs, windows)) * weights).sum())
        W[row, 1] -= step
        table.set_param("W", W)
    assert gradient[row, 1] == pytest.approx(values[1] - values[0], abs=1e-3)


def test_nothing_to_read(table):
    empty = spacy.blank("en")("  ")
    scores, backprop = table(([empty], [numpy.array([[0, 1]])]), is_train=True)
    assert scores.tolist() == [[0.0] * 3]
    backprop(scores)
    assert not table.has_grad("W")


def test_words_alone_tell_notes_apart(toy):
    """The table alone learns: what tells these notes apart are words in their last windows."""
    nlp = make_textcat(toy, words=4096)
    start = "The patient denies chest pain; history of fever. " * 5
    rows = [
        (f"{start} Aspirin given.", {"progress": 1.0, "radiology": 0.0}),
        (f"{start} Lungs clear.", {"progress": 0.0, "radiology": 1.0}),
    ]
    examples = with_cats(nlp, *rows)
    pipe = nlp.get_pipe("clinical_note_classifier")
    words = pipe.model.get_ref("words")
    sgd = Adam(0.05)
    with nlp.select_pipes(disable=["encoder"]):
        docs = list(nlp.get_pipe("encoder").pipe([example.predicted for example in examples]))
        for _ in range(10):
            _, notes, backprop = pipe.begin_update(docs)
            backprop(pipe._loss(notes, *pipe.read_targets(examples))[1])
            words.finish_update(sgd)
    shown = []
    for text, cats in rows:
        doc = nlp(text)
        assert doc.cats["progress"] == pytest.approx(cats["progress"], abs=0.3)
        shown.append([each["progress"] for each in doc.spans["windows"].attrs["cats"]])
    # The notes' first windows are equal, and what is shown of them too; their last ones are not.
    assert len(shown[0]) > 1 and shown[0][0] == pytest.approx(shown[1][0], abs=1e-4)
    assert shown[0][-1] > shown[1][-1] + 0.3


@pytest.mark.parametrize("aggregate", ["mean", "noisy_or", "attention"])
def test_gradient_of_the_whole_model(toy, aggregate):
    nlp = make_textcat(toy, words=512, aggregate=aggregate, exclusive_classes=False)
    pipe = nlp.get_pipe("clinical_note_classifier")
    table, rng = pipe.model.get_ref("words"), numpy.random.default_rng(0)
    table.set_param("W", rng.normal(scale=0.2, size=(512, 2)).astype("f"))
    texts = ["The patient denies chest pain; history of fever. " * 20, "", "Lungs clear."]
    docs = list(nlp.get_pipe("encoder").pipe(nlp.make_doc(text) for text in texts))
    weights = rng.normal(size=(3, 2)).astype("f")
    given, _, backprop = pipe.begin_update(docs)
    assert given.n_docs == 3 and len(given.docs) > 3
    backprop(weights)
    gradient = table.get_grad("W")
    row, column = numpy.unravel_index(numpy.abs(gradient).argmax(), gradient.shape)
    values = []
    for step in (-0.05, 0.05):
        W = table.get_param("W").copy()
        W[row, column] += step
        table.set_param("W", W)
        _, notes, forget = pipe.begin_update(docs)
        forget(weights * 0)
        values.append((notes * weights).sum())
        W[row, column] -= step
        table.set_param("W", W)
    assert gradient[row, column] == pytest.approx((values[1] - values[0]) / 0.1, rel=0.02)


def test_pipeline_from_before_there_were_words_loads(toy, tmp_path):
    nlp = make_textcat(toy)
    nlp.to_disk(tmp_path)
    config = (tmp_path / "config.cfg").read_text(encoding="utf8")
    older = config.replace("words = 0\n", "").replace("positive_weight = 1.0\n", "")
    assert len(older) < len(config) - 30
    (tmp_path / "config.cfg").write_text(older, encoding="utf8")
    assert spacy.load(tmp_path)(TEXT).cats == pytest.approx(nlp(TEXT).cats)
