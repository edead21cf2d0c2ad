import gzip
import json
import logging
import zlib

import pyarrow
import pytest
import spacy
from pyarrow import parquet
from spacy.tokens import DocBin

from spacy_clinicalbert.pretraining.config import Source
from spacy_clinicalbert.pretraining.texts import Reading, read_notes, source_files

TEXTS = ["The patient denies chest pain.", "Lungs clear.\nNo cough: SECRET."]


def write(folder, kind, texts=TEXTS):
    folder.mkdir(exist_ok=True)
    lines = "".join(json.dumps({"text": text, "split": "train"}) + "\n" for text in texts).encode()
    if kind == "jsonl":
        (folder / "a.jsonl").write_bytes(lines)
    elif kind == "jsonl.gz":
        (folder / "a.jsonl.gz").write_bytes(gzip.compress(lines))
    elif kind == "parquet":
        parquet.write_table(pyarrow.table({"text": texts, "split": ["train"] * len(texts)}), folder / "a.parquet")
    elif kind == "txt":
        for number, text in enumerate(texts):
            (folder / f"z{number}.txt").write_text(text, encoding="utf8")
    else:
        DocBin(docs=map(spacy.blank("en"), texts)).to_disk(folder / "a.spacy")
    return folder


KINDS = ["jsonl", "jsonl.gz", "parquet", "txt", "spacy"]


def read(path, **settings):
    reading = Reading()
    return list(read_notes("notes", Source(path=str(path), **settings), reading)), reading


@pytest.mark.parametrize("kind", KINDS)
def test_texts_of_every_format_are_read_whole(kind, tmp_path):
    texts, reading = read(write(tmp_path / "notes", kind))
    assert texts == TEXTS
    assert (reading.notes, reading.characters, dict(reading.unreadable)) == (2, sum(map(len, TEXTS)), {})


def test_half_of_a_surrogate_pair_is_counted_and_a_byte_order_mark_is_no_text(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "bad \\ud83d emoji"}\n{"text": "good \\ud83d\\ude00"}\n')
    texts, reading = read(path)
    assert texts == ["good 😀"] and sum(reading.unreadable.values()) == 1 and "Line 1" in reading.places[0]
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfHPI: pain.")
    assert read(tmp_path / "a.txt")[0] == ["HPI: pain."]


def test_folder_of_several_formats_and_a_pattern(tmp_path):
    for kind in KINDS:
        write(tmp_path / "notes", kind)
    assert len(read(tmp_path / "notes")[0]) == 2 * len(KINDS)
    assert read(tmp_path / "notes" / "*.txt")[0] == TEXTS
    assert read(tmp_path / "notes", format="spacy")[0] == TEXTS


def test_names_in_capitals_and_with_brackets_are_read_and_folders_of_a_pattern_passed_over(tmp_path):
    folder = tmp_path / "notes" / "2020"
    write(tmp_path / "notes", "jsonl.gz")
    (tmp_path / "notes" / "a.jsonl.gz").rename(tmp_path / "notes" / "A.JSONL.GZ")
    write(folder, "txt")
    (folder / "z0.txt").rename(folder / "Z[0].TXT")
    assert read(tmp_path / "notes") == read(tmp_path / "notes" / "**") and len(read(tmp_path / "notes")[0]) == 4
    assert read(folder / "Z[0].TXT")[0] == TEXTS[:1]


@pytest.mark.parametrize("kind", ["txt", "spacy"])
def test_split_of_what_has_none_is_an_error(kind, tmp_path):
    with pytest.raises(ValueError, match="of the source 'notes' says nothing of splits"):
        read(write(tmp_path / "notes", kind), split="dev")


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_split_takes_the_rows_that_say_so(kind, tmp_path):
    write(tmp_path / "notes", kind)
    assert read(tmp_path / "notes", split="train")[0] == TEXTS
    assert read(tmp_path / "notes", split="dev")[0] == []


@pytest.mark.parametrize("kind", ["jsonl.gz", "parquet", "spacy"])
def test_damaged_shard_is_counted_and_the_others_are_read(kind, tmp_path, caplog):
    write(tmp_path / "notes", kind)
    (shard,) = (tmp_path / "notes").iterdir()
    shard.write_bytes(shard.read_bytes()[:-40])
    write(tmp_path / "notes", "txt")
    with caplog.at_level(logging.WARNING, logger="spacy_clinicalbert"):
        texts, reading = read(tmp_path / "notes")
    assert texts[-2:] == TEXTS and reading.notes == len(texts)
    assert sum(reading.unreadable.values()) == 1 and shard.name in reading.places[0]
    assert shard.name in caplog.text and "SECRET" not in caplog.text


def test_file_of_another_kind_is_counted_and_the_log_says_how_many_there_are(tmp_path, caplog):
    folder = write(tmp_path / "notes", "jsonl")
    (folder / "b.spacy").write_bytes(zlib.compress(b"\x03"))  # msgpack of a number
    with (folder / "a.jsonl").open("a") as file:
        file.write("[]\n" * 30)
    with caplog.at_level(logging.WARNING, logger="spacy_clinicalbert"):
        texts, reading = read(folder)
    assert texts == TEXTS and sorted(reading.unreadable.values()) == [1, 30]
    assert "31 not read" in caplog.text


def test_damaged_note_is_counted_and_named_and_the_others_are_read(tmp_path, caplog):
    folder = write(tmp_path / "notes", "jsonl")
    path = folder / "a.jsonl"
    bad = [
        b'{"text": "SECRET',
        b'{"text": "SECRET \xff"}',
        b"[1]",
        b'{"note": "SECRET"}',
        b'{"text": "  "}',
        b'{"text": 3}',
    ]
    path.write_bytes(path.read_bytes() + b"\n".join(bad) + b"\n\n" + json.dumps({"text": "Last."}).encode())
    (folder / "x.txt").write_bytes(b"SECRET \xff")
    with caplog.at_level(logging.WARNING, logger="spacy_clinicalbert"):
        texts, reading = read(folder)
    assert texts == [*TEXTS, "Last."]
    assert sorted(reading.unreadable.values()) == [1, 1, 5]
    assert "Line 3 of" in caplog.text and "Line 8 of" in caplog.text and "SECRET" not in caplog.text


def test_source_without_files_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="'notes' has no files"):
        source_files("notes", Source(path=str(tmp_path / "missing")))


def test_unknown_ending_is_an_error(tmp_path):
    (tmp_path / "notes.dat").write_text("x")
    with pytest.raises(ValueError, match="format of .* does not follow"):
        read(tmp_path / "notes.dat")


def test_public_corpus_leaves_out_what_is_held_out(tmp_path):
    folder = tmp_path / "mtsamples"
    folder.mkdir()
    rows = [{"sample_id": i, "text": f"Note {i}.", "specialties": ["Radiology"]} for i in range(60)]
    (folder / "mtsamples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    train, _ = read(tmp_path, format="public", corpus="mtsamples")
    dev, _ = read(tmp_path, format="public", corpus="mtsamples", split="dev")
    test, _ = read(tmp_path, format="public", corpus="mtsamples", split="test")
    assert train and dev and test and not set(train) & {*dev, *test}
    assert len(dev) + len(test) + len(train) <= 60  # copies of held-out notes are in none
    for look in (read, lambda path, **settings: source_files("notes", Source(path=str(path), **settings))):
        with pytest.raises(ValueError, match="no public corpus 'tcga_tnm'"):
            look(tmp_path, format="public", corpus="tcga_tnm")
