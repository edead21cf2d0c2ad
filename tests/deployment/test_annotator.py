import pytest
import spacy
from spacy.training import Example

import spacy_clinicalbert
from spacy_clinicalbert.deployment.annotator import Annotator, describe, forget_vectors
from spacy_clinicalbert.deployment.notes import Note
from spacy_clinicalbert.deployment.records import Unwritable, to_record
from tests.conftest import make_nlp as make_encoder_nlp
from tests.deployment.conftest import make_nlp

GOOD = "Denies chest pain."


def make_notes(texts, first=0):
    return [Note(position, f"n{position}", text) for position, text in enumerate(texts, start=first)]


def as_record(doc, note):
    return to_record(doc, position=note.position)


FAILING = ["bulk_fails_on_bad", "bulk_raises_with_its_batch", "bulk_hands_over_its_batch", "bulk_loses_bad"]


@pytest.mark.parametrize("component", FAILING)
@pytest.mark.parametrize("bad", [(2,), (0, 1, 2), (6,), (0, 3, 5, 6)])
def test_a_note_that_fails_takes_no_other_with_it(component, bad):
    texts = ["a bad note" if i in bad else GOOD for i in range(7)]
    found, failures = Annotator(make_nlp(component), as_record)(make_notes(texts))
    assert [record["position"] for record in found] == [i for i in range(7) if i not in bad]
    assert all([each["text"] for each in record["entities"]] == ["chest pain"] for record in found)
    assert [(failure.position, failure.id) for failure in failures] == [(i, f"n{i}") for i in bad]
    for failure in failures:
        assert "bad note" not in failure.reason
        if component == "bulk_fails_on_bad":
            assert failure.reason.startswith("the component 'bulk_fails_on_bad': ValueError in conftest.py, line ")
        elif component == "bulk_loses_bad":
            assert failure.reason == "the pipeline gave nothing back for it"
        else:
            assert "ValueError in conftest.py" in failure.reason


def test_a_note_that_a_component_fails_on_and_hands_on_counts_as_failed():
    nlp = make_nlp("bulk_fails_on_bad")
    nlp.add_pipe("bulk_fails_on_bad", name="second")
    found, failures = Annotator(nlp, as_record)(make_notes([GOOD, "bad"]))
    assert len(found) == len(failures) == 1


@pytest.mark.parametrize("component", ["ner", "parser"])
def test_components_of_spacy_that_take_no_error_handler(component):
    nlp = make_nlp()
    pipe = nlp.add_pipe(component, first=True)
    with pytest.raises(AttributeError):  # else the annotator need not go around it
        nlp.set_error_handler(spacy.util.raise_error)
    _, failures = Annotator(nlp, as_record)(make_notes([GOOD, GOOD]))  # it is not initialised
    assert [failure.position for failure in failures] == [0, 1] and "Error in" in failures[0].reason
    pipe.add_label("DRUG")
    pipe.initialize(lambda: [Example.from_dict(nlp.make_doc(GOOD), {"heads": [0, 0, 1, 0], "deps": ["DRUG"] * 4})])
    nlp.add_pipe("bulk_fails_on_bad")
    found, failures = Annotator(nlp, as_record)(make_notes([GOOD, "a bad note", GOOD]))
    assert [record["position"] for record in found] == [0, 2] and failures[0].reason.startswith("the component")


@pytest.mark.parametrize(
    "note, reason",
    [
        (Note(1, 1, "x" * 31), "it has 31 characters, and the pipeline takes 30: see --max-length"),
        (Note(1, 1, "\ud800 x"), "it is not UTF-8, or has half of a surrogate pair, which is no character"),
        (Note(1, 1, "", None, "it has no text"), "it has no text"),
    ],
)
def test_notes_that_cannot_be_texts_say_why(note, reason):
    nlp = make_nlp()
    nlp.max_length = 30
    found, failures = Annotator(nlp, as_record)([Note(0, 0, "x" * 30), note])
    assert len(found) == 1 and [tuple(failure) for failure in failures] == [(1, 1, reason)]


def test_a_failing_tokenizer_fails_its_note_alone():
    nlp = make_nlp()
    right = nlp.tokenizer

    def tokenize(text):
        if "bad" in text:
            raise KeyError(text)
        return right(text)

    nlp.tokenizer = tokenize
    found, failures = Annotator(nlp, as_record)(make_notes(["bad", GOOD]))
    assert len(found) == 1 and failures[0].reason.startswith("the tokenizer: KeyError in test_annotator.py")


def test_a_note_that_cannot_be_written_fails_alone():
    def convert(doc, note):
        if note.position == 0:
            raise Unwritable("it is not right")
        if note.position == 1:
            raise TypeError(doc.text)
        return note.position

    found, failures = Annotator(make_nlp(), convert)(make_notes([GOOD] * 3))
    assert found == [2] and [failure.reason[:40] for failure in failures] == [
        "it is not right",
        "it could not be written: TypeError in te",
    ]


def test_empty_notes_have_empty_results():
    class Eager:
        def __call__(self, doc):
            doc.cats = {"consult": 0.9}
            return doc

    spacy.Language.factory("bulk_eager", func=lambda nlp, name: Eager())
    found, failures = Annotator(make_nlp("bulk_eager"), as_record)(make_notes(["", GOOD, " \n"]))
    assert [record["position"] for record in found] == [0, 1, 2] and not failures
    assert found[0] == {"version": 1, "position": 0, "id": "n0", "entities": [], "cats": {}, "spans": {}}
    assert found[1]["cats"] == {"consult": 0.9}


def test_the_vocabulary_does_not_grow_with_the_notes():
    nlp = make_nlp()
    annotate = Annotator(nlp, as_record)
    annotate(make_notes([GOOD]))
    before = sum(1 for _ in nlp.vocab), len(nlp.vocab.strings)
    found, _ = annotate(make_notes([f"word{i} chest pain" for i in range(50)]))
    assert (sum(1 for _ in nlp.vocab), len(nlp.vocab.strings)) == before and found[-1]["entities"][0][
        "text"
    ] == "chest pain"


def test_a_slice_is_annotated_as_if_there_were_no_others(toy, monkeypatch):
    """To the bit, in a format in which it matters what a note shares a batch with."""
    texts = ["The patient denies chest pain and fever.", "Aspirin given for chest pain.", "Lungs clear. No cough."]
    nlp = make_encoder_nlp(toy, ("clinical_ner",), precision="bfloat16")
    nlp.get_pipe("clinical_ner").cfg["threshold"] = 1e-6
    vectors = []

    def convert(doc, note):
        vectors.append(doc._.trf_data.model_output.last_hidden_state.tobytes())
        return to_record(doc, position=note.position)

    annotate = Annotator(nlp, convert)
    alone = annotate(make_notes(texts[1:]))
    first = vectors[:]
    del vectors[:]
    annotate(make_notes(texts[:1] + texts[2:]))
    shim = nlp.get_pipe("encoder").shim
    assert shim.cache.n_pieces
    del vectors[:]
    assert annotate(make_notes(texts[1:])) == alone and vectors == first
    forget_vectors(nlp)
    assert shim.cache.n_pieces == 0
    seen = []
    monkeypatch.setattr(shim.cache, "get", lambda key: seen.append(len(shim.cache._vectors)))
    annotate(make_notes(texts[:1]))
    assert seen[0] == 0


def test_a_service_finds_text_of_earlier_batches_again(toy):
    nlp = make_encoder_nlp(toy, ("clinical_ner",))
    shim = nlp.get_pipe("encoder").shim
    annotate = Annotator(nlp, as_record, remember=True)
    annotate(make_notes(["The patient denies chest pain and fever."]))
    kept = shim.cache.n_pieces
    annotate(make_notes(["Lungs clear. No cough."]))
    assert shim.cache.n_pieces > kept > 0


def test_notes_of_a_patient_meet_in_the_encoder_and_come_out_in_their_order():
    nlp = make_nlp()
    seen = []

    def convert(doc, note):
        seen.append(note.id)
        return note.id

    patients = ["b", "a", None, "b", "c", "a"]
    notes = [note._replace(patient=patient) for note, patient in zip(make_notes([GOOD] * 6), patients)]
    found, failures = Annotator(nlp, convert)(notes)
    assert (found, failures) == ([note.id for note in notes], [])
    assert seen == ["n2", "n1", "n5", "n0", "n3", "n4"]


def test_helper_gives_a_record_for_each_text():
    records = list(spacy_clinicalbert.annotate([GOOD, "", "No fever."], make_nlp()))
    assert [(record["id"], record["position"], len(record["entities"])) for record in records] == [
        (0, 0, 1),
        (1, 1, 0),
        (2, 2, 1),
    ]
    with pytest.raises(ValueError, match="cannot read"):
        list(spacy_clinicalbert.annotate([GOOD, "bad"], make_nlp("bulk_fails_on_bad")))


def test_package_has_no_other_helpers():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = spacy_clinicalbert.nothing


def test_errors_are_described_without_their_message():
    assert describe(ValueError("text")) == "ValueError"


def test_one_text_in_place_of_a_list_is_an_error():
    with pytest.raises(ValueError, match="a list of texts"):
        list(spacy_clinicalbert.annotate("fever", make_nlp()))
