import json
import logging

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training.corpus import Corpus

from spacy_clinicalbert.corpora.batchers import batch_by_wordpieces
from spacy_clinicalbert.corpora.brat import brat_records, read_brat
from spacy_clinicalbert.corpora.docs import Report, split_of, to_docs
from spacy_clinicalbert.corpora.jsonl import jsonl_records, read_jsonl
from spacy_clinicalbert.corpora.mtsamples import NOTE_TYPES, mtsamples_records, read_mtsamples
from spacy_clinicalbert.corpora.pubtator import pubtator_records, read_pubtator
from tests.conftest import make_examples, make_nlp

PUBTATOR = """\
101|t|Fever in adults.
101|a|Chest pain without fever was rare.
101\t0\t5\tFever\tDiseaseClass\tD005334
101\t17\t27\tChest pain\tSpecificDisease\tD002637
101\t36\t41\tfever\tModifier\tD005334

102|t|No mention.
102|a|Nothing here.

"""


@pytest.fixture
def pubtator(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text(PUBTATOR, encoding="utf8")
    return path


def docs(reader):
    return [example.reference for example in reader(spacy.blank("en"))]


def test_read_pubtator_gives_text_ids_and_entities(pubtator):
    one, two = docs(read_pubtator(pubtator))
    assert one.text == "Fever in adults.\nChest pain without fever was rare."
    assert [(ent.text, ent.label_) for ent in one.ents] == [
        ("Fever", "DiseaseClass"),
        ("Chest pain", "SpecificDisease"),
        ("fever", "Modifier"),
    ]
    assert one._.note_id == "101" and not two.ents


def test_read_pubtator_maps_and_leaves_out_types(pubtator):
    (one, _) = docs(read_pubtator(pubtator, labels={"*": "Disease"}))
    assert [ent.label_ for ent in one.ents] == ["Disease"] * 3
    (one, _) = docs(read_pubtator(pubtator, labels={"Modifier": "M"}))
    assert [(ent.text, ent.label_) for ent in one.ents] == [("fever", "M")]


def test_read_pubtator_keeps_mentions_without_concept_and_counts_shifted_ones(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text(
        "7|t|Fever.  \n7|a|A\x85 cough here.\n"
        "7\t0\t5\tFever\tDisease\t\n7\t12\t17\tcough\tDisease\n7\t11\t16\tcough\tDisease\tD1\n7\tCID\tD1\tD2\n",
        encoding="utf8",
    )
    report = Report()
    (doc,) = to_docs(pubtator_records(path), spacy.blank("en"), report)
    assert [ent.text for ent in doc.ents] == ["Fever", "cough"]
    assert report.entities == 3 and sum(report.dropped.values()) == 1


@pytest.mark.parametrize("read", [pubtator_records, jsonl_records, mtsamples_records])
@pytest.mark.parametrize("line", ["secretword", '"secretword"', '{"text": "secretword'])
def test_unreadable_line_is_an_error_with_its_number_and_without_its_text(tmp_path, read, line, capsys):
    path = tmp_path / "corpus.txt"
    path.write_text("\n" + line + "\n")
    with pytest.raises(ValueError, match="Line 2") as caught:
        list(read(path))
    assert "secretword" not in str(caught.value) + "".join(capsys.readouterr())
    assert caught.value.__cause__ is None


def test_to_docs_keeps_missing_annotation_missing():
    records = [{"text": "No pain."}, {"text": "No pain.", "entities": []}]
    missing, none = to_docs(records, spacy.blank("en"), Report())
    assert "gold" not in missing.spans and "gold" in none.spans
    assert not missing.has_annotation("ENT_IOB") and none.has_annotation("ENT_IOB")


def test_to_docs_counts_what_it_drops():
    records = [
        {
            "id": "a",
            "text": "Type B fever",
            "entities": [[0, 6, "X"], [5, 12, "X"], [1, 3, "X"], [5, 6, "Y"], [0, 6, "X"]],
        },
        {"id": "b", "text": " \n"},
    ]
    report = Report()
    (doc,) = to_docs(records, spacy.blank("en"), report)
    assert [(span.text, span.label_) for span in doc.spans["gold"]] == [
        ("Type B", "X"),
        ("B fever", "X"),
        ("B", "Y"),
        ("Type B", "X"),
    ]
    assert [ent.text for ent in doc.ents] == ["Type B"]
    assert [token.ent_iob_ for token in doc] == ["B", "I", ""]  # of "fever", in a lost entity, nothing is known
    assert (report.read, report.kept, report.entities) == (2, 1, 5)
    assert dict(report.dropped) == {
        "notes without text": 1,
        "entities that do not fall on token borders": 1,
        "entities that overlap a longer one, in doc.spans['gold'] only": 3,
    }


def test_to_docs_leaves_tokens_of_lost_entities_missing():
    entities = [[0, 3, "X"], [9, 19, "X", {"parts": [[9, 10], [18, 19]]}]]
    (doc,) = to_docs([{"text": "Fever of x and y is seen", "entities": entities}], spacy.blank("en"), Report())
    assert [token.ent_iob_ for token in doc] == ["", "O", "", "", "", "", "O"]


@pytest.mark.parametrize(
    "record, tags",
    [
        ({"partial": True, "entities": [[0, 5, "X"]]}, ["B", "", ""]),
        ({"drops": [["reason", 6, 8]], "entities": [[0, 5, "X"]]}, ["B", "", "O"]),
        ({"drops": [["reason", 6, 6]], "entities": []}, ["O", "O", "O"]),
        ({"partial": True, "entities": []}, None),
        ({"entities": [[0, 8, "X", {"parts": [[0, 2], [6, 8]]}], [9, 11, "X"]]}, None),
    ],
)
def test_to_docs_learns_nothing_from_what_was_dropped(record, tags):
    """Where nothing is left that is known, the note is not annotated: heads that read the span group would find no entity in it."""
    (doc,) = to_docs([{"text": "Fever of xyz", **record}], spacy.blank("en"), Report())
    assert tags is None or [token.ent_iob_ for token in doc] == tags
    assert (tags is None) == ("gold" not in doc.spans) == (not doc.has_annotation("ENT_IOB"))
    assert (tags is None) == (doc._.annotated.get("clinical_ner") == ())


@pytest.mark.parametrize("record", [{"text": ""}, {"text": "Secret", "entities": [[1, 3, "X"]]}])
def test_to_docs_strict_raises_with_the_place_and_without_text(record):
    with pytest.raises(ValueError, match="note n7") as caught:
        list(to_docs([{"id": "n7", **record}], spacy.blank("en"), Report(strict=True)))
    assert "Secret" not in str(caught.value)


def test_readers_log_their_report(pubtator, caplog):
    caplog.set_level(logging.INFO)
    docs(read_pubtator(pubtator))
    assert "2 notes read, 2 kept; 3 entities; none dropped" in caplog.text
    assert "Chest" not in caplog.text


def test_reader_warns_of_drops_once(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    (tmp_path / "a.jsonl").write_text('{"text": "Fever", "entities": [[1, 3, "X"]]}\n')
    read = read_jsonl(tmp_path / "a.jsonl")
    for _ in range(2):
        docs(read)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "entities that do not fall on token borders: 1" in caplog.records[0].getMessage()


def test_read_jsonl_reads_a_split(tmp_path):
    path = tmp_path / "notes.jsonl"
    rows = [
        {"id": i, "patient": "p", "split": split, "text": "No pain.", "cats": {"A": 1}} for i, split in enumerate("ab")
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (doc,) = docs(read_jsonl(path, split="b"))
    assert (doc._.note_id, doc._.patient, doc.cats) == (1, "p", {"A": 1.0})
    assert len(docs(read_jsonl(path))) == 2


def test_read_mtsamples_splits_by_note(tmp_path):
    path = tmp_path / "mtsamples.jsonl"
    rows = [{"sample_id": i, "text": "Note.", "specialties": ["Surgery", "Urology"]} for i in range(300)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    parts = {split: {doc._.note_id for doc in docs(read_mtsamples(path, split))} for split in ("train", "dev", "test")}
    assert sum(map(len, parts.values())) == len(set.union(*parts.values())) == 300
    assert all(split_of(note_id) == split for split, ids in parts.items() for note_id in ids)
    assert len(parts["train"]) > len(parts["test"]) > len(parts["dev"]) > 10
    (doc, *_) = docs(read_mtsamples(path))
    assert doc.cats == {label: float(label == "operative_report") for label in NOTE_TYPES.values()}


def test_batch_by_wordpieces_bounds_batches_and_loses_nothing(toy):
    nlp = make_nlp(toy)
    examples = make_examples(nlp) * 5
    batches = list(batch_by_wordpieces(toy, size=30, tolerance=0.0)(examples))
    assert [id(example) for batch in batches for example in batch] == [id(example) for example in examples]
    assert len(batches) > 1
    tiny = list(batch_by_wordpieces(toy, size=1)(examples))
    assert [len(batch) for batch in tiny] == [1] * len(examples)


def test_docs_keep_their_ids_in_spacy_files(tmp_path, pubtator):
    DocBin(docs=docs(read_pubtator(pubtator)), store_user_data=True).to_disk(tmp_path / "a.spacy")
    examples = list(Corpus(tmp_path / "a.spacy")(spacy.blank("en")))
    assert [example.reference._.note_id for example in examples] == ["101", "102"]


def write_brat(folder, name, text, annotation):
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.txt").write_bytes(text.encode())
    if annotation is not None:
        (folder / f"{name}.ann").write_text(annotation, encoding="utf8")


def test_read_brat_gives_entities_and_counts_what_it_cannot(tmp_path):
    annotation = (
        "T1\tProblem 0 5\tFever\nE1\tProblem:T1 \nT2\tDrug 12 19\taspirin\nA1\tNegated T1\n"
        "R1\tTreats Arg1:T2 Arg2:T1\t\n#1\tAnnotatorNotes T1\tsure\n*\tEquiv T1 T2\n"
        "T3\tProblem 0 5;12 19\tFever aspirin\nT4\tDrug 11 18\taspirin\n\n"
    )
    write_brat(tmp_path / "a", "one", "Fever,\r\nand aspirin\r\n", annotation)
    write_brat(tmp_path / "a", "two", "No mention.", "")
    write_brat(tmp_path / "a", "wait", "Not read by anyone.", None)
    report = Report()
    one, two, wait = to_docs(brat_records(tmp_path / "a"), spacy.blank("en"), report)
    assert [(ent.text, ent.label_) for ent in one.ents] == [("Fever", "Problem"), ("aspirin", "Drug")]
    assert (one._.note_id, len(two.ents), "gold" in two.spans, "gold" in wait.spans) == ("one", 0, True, False)
    assert dict(report.dropped) == {
        "entities of several parts, in doc.spans['gold'] only": 1,
        "entities whose text does not stand at their offsets": 1,
    }
    (one, *_) = docs(read_brat(tmp_path / "a", labels={"Drug": "D"}))
    assert [(ent.text, ent.label_) for ent in one.ents] == [("aspirin", "D")]

    # Where "cough" would stand nobody knows: none of the other tokens is taken for outside.
    write_brat(tmp_path / "b", "one", "Fever and cough", "T1\tA 0 5\tFever\nT2\tA 9 14\tcough\n")
    (one,) = docs(read_brat(tmp_path / "b"))
    assert [token.ent_iob_ for token in one] == ["B", "", ""]


@pytest.mark.parametrize("counted, stored", [("\r\n", "\r\n"), ("\n", "\r\n"), ("\n", "\n")])
def test_read_brat_reads_the_line_ends_that_its_offsets_count(tmp_path, counted, stored):
    lines, words = ["HPI:", "Chest pain", "No fever", ""], ("HPI", "Chest pain", "fever")
    text = counted.join(lines)
    rows = [f"T{i}\tA {text.index(word)} {text.index(word) + len(word)}\t{word}\n" for i, word in enumerate(words)]
    write_brat(tmp_path, "n", stored.join(lines), "".join(rows))
    (doc,) = docs(read_brat(tmp_path, strict=True))
    assert [ent.text for ent in doc.ents] == list(words) and doc.text == text


def test_read_brat_asks_about_line_ends_where_most_mentions_miss(tmp_path):
    words = ("secretword", "fever", "cough", "rash")
    text = "\r\n".join(words)
    rows = [f"T{i}\tA {text.index(word)} {text.index(word) + len(word)}\t{word}\n" for i, word in enumerate(words)]
    write_brat(tmp_path, "n", "\n".join([*words, "longer"]), "".join(rows))
    with pytest.raises(ValueError, match=r"Of the 4 mentions of '.*n\.ann', 3 .* line ends") as caught:
        list(brat_records(tmp_path))
    assert "secretword" not in str(caught.value)


def test_read_brat_splits_by_name(tmp_path):
    for i in range(30):
        write_brat(tmp_path / "a", f"n{i}", "No mention.", "")
    parts = {
        split: {doc._.note_id for doc in docs(read_brat(tmp_path / "a", split))} for split in ("train", "dev", "test")
    }
    assert sum(map(len, parts.values())) == len(set.union(*parts.values())) == 30
    assert all(split_of(note_id) == split for split, ids in parts.items() for note_id in ids)


def test_brat_annotation_without_its_text_is_counted(tmp_path):
    write_brat(tmp_path, "n1", "Fever", "")
    (tmp_path / "n2.ann").write_text("T1\tProblem 0 5\tFever\n")
    report = Report()
    assert len(list(to_docs(brat_records(tmp_path), spacy.blank("en"), report))) == 1
    assert dict(report.dropped) == {"annotations without a text": 1}


def test_read_brat_names_the_line_that_it_cannot_read_and_not_its_text(tmp_path):
    write_brat(tmp_path / "a", "n1", "Fever", "T1\tProblem 0 5\tFever\nT2\tsecretword\n")
    with pytest.raises(ValueError, match="Line 2") as caught:
        list(brat_records(tmp_path / "a"))
    assert "secretword" not in str(caught.value)
    with pytest.raises(ValueError, match="no texts"):
        list(brat_records(tmp_path))


def test_many_entities_of_a_long_note_take_linear_time(process_seconds):
    line, nlp = "Patient has fever and cough today.\n", spacy.blank("en")
    records = [
        {"text": line * n, "entities": [[i * len(line) + 12, i * len(line) + 17, "P"] for i in range(n)]}
        for n in (200, 1600)
    ]
    small, large = (process_seconds(lambda record=each: list(to_docs([record], nlp, Report()))) for each in records)
    assert large < 24 * max(small, 0.01)
