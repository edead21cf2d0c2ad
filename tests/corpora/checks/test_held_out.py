import random

import pytest
import spacy

from spacy_clinicalbert.corpora.checks.findings import Tally
from spacy_clinicalbert.corpora.checks.held_out import HeldOutTexts
from spacy_clinicalbert.corpora.checks.notes import Note
from spacy_clinicalbert.corpora.splits import HeldOut

NLP = spacy.blank("en")


def words(seed, count):
    rng = random.Random(seed)
    return [f"w{rng.randrange(10**9)}" for _ in range(count)]


def findings(rows, **settings):
    """rows: corpus, split, text, and what else the record has. RETURNS: kind → names of records, and the messages."""
    check = HeldOutTexts(Tally(100), **settings)
    for number, (corpus, split, text, *rest) in enumerate(rows):
        record = {"text": " ".join(text), **(rest[0] if rest else {})}
        check.see(Note(record, f"{number}", corpus, split, NLP, stays_out=bool(record.get("known"))))
    found = list(check.findings())
    return {finding.kind: [example.record for example in finding.examples] for finding in found}, found


LEAKED, KNOWN, REPEATS = "held-out text in another split", "known copy of held-out text", "corpus that repeats another"


@pytest.mark.parametrize(
    "train, test",
    [
        (words(1, 40) + words(2, 20) + words(3, 40), words(2, 20)),  # holds it
        (words(2, 20), words(1, 40) + words(2, 20) + words(3, 40)),  # is held by it
        (words(1, 300) + words(2, 60), words(2, 60) + words(3, 300)),  # shares much
        (words(1, 40) + words(2, 7) + words(3, 40), words(2, 7)),  # too short
        (words(1, 40) + words(2, 12) + words(3, 40), words(2, 12) + words(4, 40)),  # shares little
        (words(1, 40), words(1, 40)),
    ],
)
def test_held_out_texts_are_found_by_the_rule_of_splits(train, test):
    kinds, _ = findings([("", "train", train), ("", "test", test)])
    expected = HeldOut([" ".join(test)]).find(" ".join(train)) is not None
    assert (kinds.get(LEAKED) == ["0"]) == expected


def test_held_out_texts_of_one_split_or_of_none_are_not_compared():
    text = words(1, 40)
    assert findings([("", "train", text), ("", "train", text), ("", "", text)])[0] == {}


def test_held_out_summaries_are_found_and_the_corpus_that_repeats_another_is_named():
    """As MTS-Dialog's sections stand in notes of MTSamples."""
    section = words(1, 30)
    rows = [
        ("samples", "train", words(2, 50) + section + words(3, 50)),
        ("dialogues", "test", words(4, 50), {"summary": " ".join(section)}),
        ("dialogues", "train", words(5, 50), {"summary": " ".join(words(6, 50))}),
    ]
    kinds, found = findings(rows)
    assert kinds == {LEAKED: ["0"], REPEATS: ["1"]}
    assert "1 of 2 notes of dialogues have a text of which half stands in one of samples" in [
        each.message for each in found
    ]


@pytest.mark.parametrize("split, kind", [("train", KNOWN), ("test", LEAKED)])
def test_held_out_copies_that_splits_json_names_are_known(split, kind):
    text = words(1, 30)
    rows = [("a", split, text, {"known": True}), ("a", "dev", text)]
    assert findings(rows)[0] == {kind: ["0"]}


def test_held_out_dev_text_of_another_corpus_harms_nothing():
    text = words(1, 30)
    assert set(findings([("a", "dev", text), ("b", "test", text)])[0]) == {REPEATS}


def test_held_out_texts_are_thinned_to_a_bound_and_still_found():
    rows = [("", "train", words(seed, 200)) for seed in range(20)]
    rows += [("", "test", words(7, 200)[50:150]), ("", "test", words(99, 200))]
    check = HeldOutTexts(Tally(100), max_pieces=500)
    for number, (_, split, text) in enumerate(rows):
        check.see(Note({"text": " ".join(text)}, str(number), "", split, NLP))
        assert check._n_pieces <= 500 and check._n_pieces == sum(map(len, check._pieces))
    assert check._halvings
    assert [example.record for finding in check.findings() for example in finding.examples] == ["7"]
