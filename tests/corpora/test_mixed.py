import logging
from collections import Counter
from itertools import islice

import pytest
import spacy
from spacy.training import Example

from spacy_clinicalbert.corpora.docs import Report, install_extensions, to_docs
from spacy_clinicalbert.corpora.mixed import MixedCorpora


def make_nlp(*components):
    nlp = spacy.blank("en")
    for component in components or ("textcat_multilabel",):
        nlp.add_pipe(component)
    return nlp


def corpus(*records):
    """A reader of records."""

    def read(nlp):
        for doc in to_docs(records, nlp, Report()):
            yield Example(nlp.make_doc(doc.text), doc)

    return read


def notes(n, words, **record):
    return corpus(*({"text": " ".join([f"n{i}"] * words), "id": i, **record} for i in range(n)))


def everything(*names):
    return {name: {"textcat_multilabel": "*"} for name in names}


def test_shares_of_words_are_those_of_the_weights_in_every_stretch():
    corpora = {"long": notes(5, 40), "short": notes(300, 5), "few": notes(2, 10)}
    weights = {"long": 2.0, "short": 1.0, "few": 1.0}
    examples = list(MixedCorpora(corpora, everything(*corpora), weights)(make_nlp()))
    sizes = {40: "long", 5: "short", 10: "few"}
    for stretch in (examples, examples[:100], examples[100:250]):
        words = Counter()
        for example in stretch:
            words[sizes[len(example.predicted)]] += len(example.predicted)
        total = sum(words.values())
        for name, share in (("long", 0.5), ("short", 0.25), ("few", 0.25)):
            assert words[name] / total == pytest.approx(share, abs=40 / total)


def test_round_reads_each_corpus_whole_and_small_ones_evenly():
    corpora = {"large": notes(50, 5), "small": notes(4, 5)}
    examples = list(MixedCorpora(corpora, everything(*corpora), {"large": 1.0, "small": 1.0})(make_nlp()))
    # The small one is read twelve times and a half; each pass has every note once, and another order.
    own = {id(example) for example in examples}
    counts = Counter(map(id, examples))
    assert len(own) == 54 and sorted(counts.values())[:50] == [1] * 50 and set(sorted(counts.values())[50:]) <= {12, 13}
    small = [id(example) for example in examples if counts[id(example)] > 1]
    passes = [tuple(small[i : i + 4]) for i in range(0, 48, 4)]
    assert all(len(set(each)) == 4 for each in passes) and len(set(passes)) > 1


def test_order_follows_from_seed_and_round_alone():
    def ids(reader, nlp, n_rounds):
        spacy.util.fix_random_seed(n_rounds)
        return [[example.reference._.note_id for example in reader(nlp)] for _ in range(n_rounds)]

    def make(seed):
        return MixedCorpora({"a": notes(20, 3), "b": notes(7, 9)}, everything("a", "b"), {"a": 1.0, "b": 2.0}, seed)

    first, again, other = ids(make(0), make_nlp(), 3), ids(make(0), make_nlp(), 2), ids(make(1), make_nlp(), 1)
    assert first[:2] == again and first[0] != first[1] and first[0] != other[0]


def test_without_weights_each_corpus_is_read_once_in_order():
    reader = MixedCorpora({"a": notes(3, 3), "b": notes(2, 3)}, everything("a", "b"))
    assert [example.reference._.note_id for example in reader(make_nlp())] == [0, 1, 2, 0, 1]


def test_note_that_claims_less_than_its_corpus_is_left_at_that():
    row = {"text": "Aspirin for fever", "entities": [[0, 7, "DRUG"]], "labels": ["DRUG", "OTHER"]}
    reader = MixedCorpora(
        {"a": corpus(row, {"text": "Aspirin", "entities": []})}, {"a": {"clinical_ner": ["DRUG", "SIGN"]}}
    )
    marks = [example.reference._.annotated["clinical_ner"] for example in reader(make_nlp("clinical_ner"))]
    assert marks == [("DRUG",), ("DRUG", "SIGN")]


def test_component_that_a_corpus_does_not_name_learns_nothing_from_it():
    nlp = make_nlp("clinicalbert", "clinical_ner", "textcat_multilabel")
    annotated = {"a": {"clinical_ner": ["DRUG"]}, "b": {"clinical_ner": "*"}, "c": {}}
    row = {"text": "Aspirin", "entities": [[0, 7, "DRUG"]]}
    narrower = {**row, "annotated": {"clinical_ner": []}}
    reader = MixedCorpora({"a": corpus(row), "b": corpus(row, narrower), "c": corpus(row)}, annotated)
    marks = [example.reference._.annotated for example in reader(nlp)]
    stated = [{name: each.get(name) for name in nlp.component_names} for each in marks]
    silent = {"clinicalbert": (), "textcat_multilabel": ()}
    assert stated[0] == {**silent, "clinical_ner": ("DRUG",)}
    assert stated[1] == {**silent, "clinical_ner": None}  # all that its notes claim
    assert stated[2] == {**silent, "clinical_ner": ()}  # a note of it that claims less
    assert stated[3] == {**silent, "clinical_ner": ()}


@pytest.mark.parametrize("component, instead", [("textcat", "textcat_multilabel"), ("spancat", "clinical_ner")])
def test_heads_that_take_missing_for_negative_are_errors(component, instead):
    nlp = make_nlp(component, "textcat_multilabel")
    corpora = {"a": notes(2, 3), "b": notes(2, 3)}
    partly = MixedCorpora(corpora, {"a": {component: "*"}, "b": {"textcat_multilabel": "*"}}, {"a": 1.0, "b": 1.0})
    with pytest.raises(
        ValueError, match=f"{component}.* takes missing annotation for negative, and of b .*Use {instead}"
    ):
        next(partly(nlp))
    whole = MixedCorpora(corpora, {"a": {component: "*"}, "b": {component: "*"}}, {"a": 1.0, "b": 1.0})
    assert next(whole(nlp))
    nlp.config["training"]["frozen_components"] = [component]
    assert next(partly(nlp))


def test_stock_ner_must_not_meet_entities_that_are_not_its_own():
    nlp = make_nlp("ner")
    row = {"text": "Aspirin", "entities": [[0, 7, "DRUG"]]}
    with pytest.raises(ValueError, match="'b' is not annotated for 'ner', and has doc.ents"):
        list(MixedCorpora({"a": corpus(row), "b": corpus(row)}, {"a": {"ner": "*"}, "b": {}})(nlp))
    with pytest.raises(ValueError, match="takes missing labels for negative, and a has some"):
        list(MixedCorpora({"a": corpus(row)}, {"a": {"ner": ["DRUG"]}})(nlp))
    unannotated = {"text": "Aspirin"}
    assert len(list(MixedCorpora({"a": corpus(row), "b": corpus(unannotated)}, {"a": {"ner": "*"}, "b": {}})(nlp))) == 2


def test_stock_textcat_multilabel_must_not_meet_its_labels_in_another_corpus():
    nlp = make_nlp()
    nlp.get_pipe("textcat_multilabel").add_label("consult")
    row = {"text": "Aspirin", "cats": {"consult": 1, "T1": 0}}
    with pytest.raises(ValueError, match="'b' is not annotated for consult of 'textcat_multilabel'"):
        list(MixedCorpora({"a": corpus(row), "b": corpus(row)}, {**everything("a"), "b": {}})(nlp))
    listed = MixedCorpora({"a": corpus(row)}, {"a": {"textcat_multilabel": ["consult"]}})
    assert len(list(listed(nlp))) == 1


def test_label_that_a_corpus_never_has_is_logged(caplog):
    nlp = make_nlp()
    for label in ("consult", "letter"):
        nlp.get_pipe("textcat_multilabel").add_label(label)
    rows = {
        "a": corpus({"text": "x", "cats": {"consult": 0}}),
        "b": corpus({"text": "y", "cats": {"letter": 1, "consult": 0}}),
    }
    with caplog.at_level(logging.WARNING):
        next(MixedCorpora(rows, everything("a", "b"), {"a": 1.0, "b": 1.0})(nlp))
    assert len(caplog.messages) == 1 and "'a' is said" in caplog.messages[0] and "has letter:" in caplog.messages[0]


@pytest.mark.parametrize(
    "settings, error",
    [
        ({"weights": {"a": 1.0}}, "'weights' of mixed corpora names others than 'corpora' does: b"),
        ({"annotated": everything("a", "c")}, "'annotated' of mixed corpora names others .*: b, c"),
        ({"weights": {"a": 1.0, "b": 0.0}}, "weight of b is not above 0"),
        (
            {"annotated": {"a": {"textcat": "*"}, "b": {}}},
            "'a' is said to be annotated for textcat, which the pipeline does not have",
        ),
        ({"annotated": {"a": {"textcat_multilabel": "all"}, "b": {}}}, 'a list of labels, or "\\*" for all, not "all"'),
        ({"corpora": {"a": notes(2, 3), "b": corpus()}}, "'b' has no notes"),
    ],
)
def test_settings_that_contradict_each_other_are_errors(settings, error):
    settings = {"corpora": {"a": notes(2, 3), "b": notes(2, 3)}, "annotated": everything("a", "b"), **settings}
    with pytest.raises(ValueError, match=error):
        list(MixedCorpora(**{"weights": {"a": 1.0, "b": 1.0}, **settings})(make_nlp()))


def test_empty_notes_do_not_hold_the_mix_up():
    install_extensions()

    def empty(nlp):
        yield Example(nlp.make_doc(""), nlp.make_doc(""))

    reader = MixedCorpora({"a": empty, "b": notes(3, 3)}, everything("a", "b"), {"a": 1.0, "b": 1.0})
    assert len(list(islice(reader(make_nlp()), 20))) == 10  # an empty note counts as a word
