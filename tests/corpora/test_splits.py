import json

import pytest

from spacy_clinicalbert.corpora.docs import split_of
from spacy_clinicalbert.corpora.public import training_records
from spacy_clinicalbert.corpora.specialties import HEADINGS, MIN_NOTES, categories_of
from spacy_clinicalbert.corpora.splits import (
    HASHED,
    HeldOut,
    fingerprint,
    load_splits,
    mtsamples_ids,
    note_split,
    stays_out,
)

SECTION = "The patient is a man of sixty years who had three days of cough, no fever, and some pain at night."


def test_every_benchmark_has_held_out_notes_and_no_note_is_in_two_parts():
    splits = load_splits()
    for corpus in "ncbi_disease bc5cdr maccrobat2020 mtsamples negex covid_qa mts_dialog aci_bench tcga_tnm".split():
        parts = splits[corpus]
        assert parts["dev"] and parts["test"]
        assert sum(map(len, parts.values())) == len(frozenset().union(*parts.values()))


def test_official_splits_have_their_sizes():
    sizes = {corpus: (len(parts["dev"]), len(parts["test"])) for corpus, parts in load_splits().items()}
    assert sizes["ncbi_disease"] == (100, 100) and sizes["bc5cdr"] == (4581, 4797)
    assert sizes["mts_dialog"] == (100, 400) and sizes["aci_bench"] == (20, 120)


@pytest.mark.parametrize("corpus", HASHED)
def test_hashed_splits_are_those_that_the_ids_give(corpus):
    parts = load_splits()[corpus]
    assert all(split_of(name) == split for split in ("dev", "test") for name in parts[split])
    assert all(split_of(name) == "train" for name in parts.get("copies", ()))
    for number in range(100):  # ids that are not in the file, in time to come
        assert note_split(corpus, f"new-{number}") == split_of(f"new-{number}")


def test_note_split_and_stays_out():
    assert note_split("bc5cdr", "devel-4581") == "dev" and note_split("bc5cdr", "train-1") == "train"
    assert stays_out("bc5cdr", "test-17") and not stays_out("bc5cdr", "train-1")
    assert stays_out("mts_dialog", "test2-199") and not stays_out("medquad", 1)
    copy = next(iter(load_splits()["mtsamples"]["copies"]))
    assert stays_out("mtsamples", copy) and note_split("mtsamples", int(copy)) == "train"
    with pytest.raises(KeyError):
        note_split("unknown", 1)


def test_texts_of_mtsamples_are_known_without_their_ids():
    ids = set(map(str, mtsamples_ids().values()))
    assert len(ids) == len(mtsamples_ids()) == 2023
    assert load_splits()["mtsamples"]["dev"] == {name for name in ids if split_of(name) == "dev"}
    assert fingerprint("No pain,\n fever") == fingerprint("no PAIN fever") != fingerprint("No pain")


def test_held_out_text_is_found_however_it_is_spaced():
    held = HeldOut(["Too short.", SECTION, "word " * 3 + " ".join(f"w{i}" for i in range(400))])
    assert held.find("CC: cough.\n\n" + SECTION.upper().replace(", ", "\n") + " ROS negative.") == 1
    assert held.find(SECTION[:35]) is None and held.find("Too short.") is None
    assert held.find(" ".join(f"w{i}" for i in range(100))) == 2  # a part of a long text
    assert held.find(" ".join(f"w{i}" for i in range(100, 120)) + " and so on") == 2  # all of it stands there
    assert held.find(" ".join(f"w{i}" for i in range(100, 120)) + " ".join(f" v{i}" for i in range(90))) is None


def test_every_heading_of_mtsamples_is_sorted_once():
    assert len(HEADINGS) == 40 == len({heading.label for heading in HEADINGS.values()})
    assert {heading.kind for heading in HEADINGS.values()} == {"type", "specialty"}


def test_rare_headings_are_missing_and_not_negative():
    rare = [heading.label for heading in HEADINGS.values() if heading.notes < MIN_NOTES]
    cats = categories_of(("Surgery", "Urology"), ("type", "specialty"))
    assert len(rare) == 17 and not set(rare) & set(cats) and sum(cats.values()) == 2
    assert categories_of(("Letters", "Urology"), ("type",)) == {}  # a type, but a rare one
    assert categories_of(("Urology",), ("type",)) == {}  # none is given
    assert sum(categories_of(("Letters", "Office Notes"), ("type",)).values()) == 1


def test_training_records_leave_held_out_notes_and_copies_out(tmp_path):
    (tmp_path / "mtsamples").mkdir()
    copy = int(next(iter(load_splits()["mtsamples"]["copies"])))
    free = next(i for i in range(9999) if split_of(i) == "train" and not stays_out("mtsamples", i))
    rows = [{"sample_id": i, "text": "Note.", "specialties": ["Surgery"]} for i in (copy, free, 33)]
    (tmp_path / "mtsamples" / "mtsamples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [(corpus, record["id"]) for corpus, record in training_records(tmp_path)] == [("mtsamples", free)]
