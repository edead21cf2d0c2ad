import numpy
import pytest
import spacy
from thinc.api import SGD, Adam

from spacy_clinicalbert.pipeline.note_words import (
    FACT,
    MAX_STEP,
    RATE,
    Fact,
    Frequencies,
    NoteWords,
    keys_of,
    table_of,
    window_scores,
    word_scores,
)
from tests.pipeline.test_note_classifier import make_textcat, with_cats

TEXT = "Fever, fever and \n cough. Fever again."
WINDOWS = numpy.array([[0, 5], [5, 8], [8, 11], [10, 10]])


def frequencies(*texts):
    found = Frequencies()
    for text in texts:
        found.add(spacy.blank("en")(text))
    return found


@pytest.fixture
def doc():
    doc = spacy.blank("en")(TEXT)
    assert [token.text for token in doc] == ["Fever", ",", "fever", "and", "\n ", "cough", ".", "Fever", "again", "."]
    return doc


@pytest.fixture
def words():
    """A layer whose words are those of the text, but for "and", with random weights."""
    model = NoteWords(4096)
    model.initialize(Y=numpy.zeros((1, 3), dtype="f"))
    table_of(model).read(frequencies(TEXT, TEXT.replace("and", "or"), "No more."))
    table = table_of(model)
    assert not table.weights.any()
    table.weights[...] = numpy.random.default_rng(0).normal(size=table.weights.shape)
    return model


def read_facts(doc):
    """A fact at two places, and one of another note."""
    told = [("fever twice", 0, 1), ("fever twice", 2, 5), ("cough said", 5, 6), ("nothing else", 0, 3)]
    return [Fact(*each) for each in told if len(doc) > 5]


def test_a_fact_counts_once_beside_words_whose_vector_is_as_it_was(doc, words):
    model = NoteWords(4096, read_facts)
    model.initialize(Y=numpy.zeros((1, 3), dtype="f"))
    table, found = table_of(model), Frequencies(read_facts)
    for text in (TEXT, TEXT.replace("and", "or"), "No more."):
        found.add(spacy.blank("en")(text))
    table.read(found)
    assert len(table.keys) == len(table_of(words).keys) + 3
    # The words' weights as they are there.
    table.weights[numpy.isin(table.keys, table_of(words).keys)] = table_of(words).weights
    is_fact = ~numpy.isin(table.keys, table_of(words).keys)
    table.weights[is_fact] = [[1, 0, 0]] * 3
    difference = model.predict([doc]) - words.predict([doc])
    assert difference[0] == pytest.approx([3 * FACT, 0, 0], abs=1e-6)
    # Each window has the facts that stand in it: two in the first, half of one of them; one in the second; none in the others.
    more = window_scores(table, doc, WINDOWS) - window_scores(table_of(words), doc, WINDOWS)
    assert more[:, 0] == pytest.approx([2 * FACT, FACT, 0, 0], abs=1e-6)
    by_token = (word_scores(table, doc) - word_scores(table_of(words), doc))[:, 0]
    assert by_token == pytest.approx(numpy.array([1, 0, 0.75, 0, 0.25, 1, 0, 0, 0, 0]) * FACT, abs=1e-6)
    assert word_scores(table, doc).sum(axis=0) == pytest.approx(model.predict([doc])[0], abs=1e-5)


@pytest.mark.parametrize("fact", [("fever", 0, 1), ("a fever", 1, 1), ("a fever", 9, 11), ("a fever", -1, 2)])
def test_a_fact_named_as_a_word_or_without_a_token_is_an_error(doc, fact):
    with pytest.raises(ValueError, match="no space in its name"):
        keys_of(doc, lambda doc: [Fact(*fact)])


def test_words_of_two_notes_have_rows_and_rarer_ones_are_worth_more():
    found = frequencies("Fever again.", "Fever again!", "No fever.", "Chills.")
    model = NoteWords(3)
    model.initialize(Y=numpy.zeros((1, 2), dtype="f"))
    table = table_of(model)
    table.read(found)
    # "." stands in three notes, "fever" in three, and one of "again" and "fever again" in two.
    assert table.weights.shape == (3, 2) and sorted(table.worth.round(4)) == [
        *[pytest.approx(numpy.log(5 / 4) + 1, abs=1e-4)] * 2,
        pytest.approx(numpy.log(5 / 3) + 1, abs=1e-4),
    ]
    large = NoteWords(100)
    large.initialize(Y=numpy.zeros((1, 2), dtype="f"))
    table_of(large).read(found)
    assert len(table_of(large).keys) == 4 and (numpy.diff(table_of(large).keys) > 0).all()


def test_count_counts_words_and_pairs_that_have_rows(doc, words):
    table = table_of(words)
    found = table.count(table.look_up(doc), 0, len(doc))
    # All but "and" with its two pairs; and no white space.
    expected = [[i, i] for i in (0, 1, 2, 5, 6, 7, 8, 9)] + [[0, 1], [1, 2], [5, 6], [6, 7], [7, 8], [8, 9]]
    assert found.tokens.tolist() == expected
    assert found.rows[0] == found.rows[2] == found.rows[5]
    fever, cough = found.values[0], found.values[3]
    assert fever == pytest.approx(cough * numpy.log(4) / numpy.log(2) / 3)  # both stand in two of three notes
    vector = numpy.bincount(found.rows, found.values, len(table.keys))
    assert numpy.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert table.count(table.look_up(doc), 4, 5).rows.tolist() == []


def test_scores_are_sums_over_the_table(doc, words):
    table = table_of(words)
    scores = words.predict([doc, spacy.blank("en")("  ")])
    found = table.count(table.look_up(doc), 0, len(doc))
    assert scores[0] == pytest.approx((table.weights[found.rows] * found.values[:, None]).sum(axis=0), abs=1e-5)
    assert not scores[1].any()
    by_token = word_scores(table, doc)
    assert by_token.shape == (10, 3) and not by_token[3].any() and not by_token[4].any()
    assert by_token.sum(axis=0) == pytest.approx(scores[0], abs=1e-5)
    of_windows = window_scores(table, doc, WINDOWS)
    assert of_windows.shape == (4, 3) and not of_windows[3].any()
    assert of_windows[2] == pytest.approx(words.predict([doc[8:11].as_doc()])[0], abs=1e-5)


def test_gradient_is_that_of_differences(doc, words):
    table, docs = table_of(words), [doc, spacy.blank("en")(""), doc[5:].as_doc()]
    weights = numpy.random.default_rng(1).normal(size=(3, 3)).astype("f")
    _, backprop = words(docs, is_train=True)
    backprop(weights)
    row = int(table.count(table.look_up(doc), 0, len(doc)).rows[0])
    values = []
    for step in (-0.5, 0.5):
        table.weights[row, 1] += step
        values.append((words.predict(docs) * weights).sum())
        table.weights[row, 1] -= step
    assert table.gradient[row, 1] == pytest.approx(values[1] - values[0], abs=1e-3)


def test_first_step_is_the_gradient_by_its_length_and_a_label_without_one_stays(doc, words):
    table = table_of(words)
    before = table.weights.copy()
    words.finish_update(SGD(0.1))  # nothing was learned
    assert numpy.array_equal(before, table.weights) and table.n_steps == 0
    _, backprop = words([doc], is_train=True)
    backprop(numpy.array([[2.0, -4.0, 0.0]], dtype="f"))
    gradient = table.gradient.copy()
    words.finish_update(SGD(1e-4))
    assert table.gradient is None and numpy.array_equal(before[:, 2], table.weights[:, 2])
    for j in (0, 1):
        step = -gradient[:, j] / numpy.linalg.norm(gradient[:, j]) * 1e-4 * RATE
        assert table.weights[:, j] - before[:, j] == pytest.approx(step, abs=1e-5)
    before = table.weights.copy()
    _, backprop = words([doc], is_train=True)
    backprop(numpy.array([[2.0, -4.0, 0.0]], dtype="f"))
    words.finish_update(SGD(1.0))
    assert numpy.linalg.norm(table.weights - before, axis=0) == pytest.approx([MAX_STEP, MAX_STEP, 0.0], rel=1e-4)


def test_bytes_hold_words_weights_and_how_far_training_is(doc, words):
    def step(model):
        _, backprop = model([doc], is_train=True)
        backprop(numpy.ones((1, 3), dtype="f"))
        model.finish_update(SGD(1e-3))

    step(words)
    other = NoteWords(4096)
    other.initialize(Y=numpy.zeros((1, 3), dtype="f"))
    other.from_bytes(words.to_bytes())
    for model in (words, other):
        step(model)
    assert numpy.array_equal(words.predict([doc]), other.predict([doc]))


def test_nothing_to_read():
    model = NoteWords(10)
    model.initialize(Y=numpy.zeros((1, 3), dtype="f"))  # of no note: no word has a row
    empty = spacy.blank("en")("  ")
    scores, backprop = model([empty, spacy.blank("en")("Fever.")], is_train=True)
    assert scores.tolist() == [[0.0] * 3] * 2
    backprop(scores)
    model.finish_update(SGD(0.1))


def test_words_alone_tell_notes_apart(toy):
    """The table alone learns: what tells these notes apart are words in their last windows."""
    start = "The patient denies chest pain; history of fever. " * 5
    rows = [
        (f"{start} Aspirin given.", {"progress": 1.0, "radiology": 0.0}),
        (f"{start} Lungs clear.", {"progress": 0.0, "radiology": 1.0}),
    ]
    nlp = make_textcat(toy, lambda nlp: with_cats(nlp, *rows, *rows), words=4096)
    examples = with_cats(nlp, *rows)
    pipe = nlp.get_pipe("clinical_note_classifier")
    words = pipe.model.get_ref("words")
    assert len(table_of(words).keys) > 20
    sgd = Adam(1e-3)
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
    texts = ["The patient denies chest pain; history of fever. " * 20, "", "Lungs clear."]
    cats = {"progress": 1.0, "radiology": 0.0}
    rows = [(text, cats) for text in texts] * 2
    nlp = make_textcat(toy, lambda nlp: with_cats(nlp, *rows), words=512, aggregate=aggregate, exclusive_classes=False)
    pipe = nlp.get_pipe("clinical_note_classifier")
    table, rng = table_of(pipe.model.get_ref("words")), numpy.random.default_rng(0)
    table.weights[...] = rng.normal(scale=0.2, size=table.weights.shape)
    docs = list(nlp.get_pipe("encoder").pipe(nlp.make_doc(text) for text in texts))
    weights = rng.normal(size=(3, 2)).astype("f")
    given, _, backprop = pipe.begin_update(docs)
    assert given.n_docs == 3 and len(given.docs) > 3
    backprop(weights)
    gradient = table.gradient.copy()
    row, column = numpy.unravel_index(numpy.abs(gradient).argmax(), gradient.shape)
    values = []
    for step in (-0.05, 0.05):
        table.weights[row, column] += step
        _, notes, forget = pipe.begin_update(docs)
        forget(weights * 0)
        values.append((notes * weights).sum())
        table.weights[row, column] -= step
    assert gradient[row, column] == pytest.approx((values[1] - values[0]) / 0.1, rel=0.02)


def test_pipeline_from_before_there_were_words_loads(toy, tmp_path):
    nlp = make_textcat(toy)
    nlp.to_disk(tmp_path)
    config = (tmp_path / "config.cfg").read_text(encoding="utf8")
    older = config.replace("words = 0\n", "").replace("positive_weight = 1.0\n", "")
    assert len(older) < len(config) - 30
    (tmp_path / "config.cfg").write_text(older, encoding="utf8")
    assert spacy.load(tmp_path)(TEXT).cats == pytest.approx(nlp(TEXT).cats)
