"""Tables shaped like MIMIC's, row by row."""

import csv
import gzip
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
import spacy
from spacy.training.corpus import Corpus
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config
from typer.testing import CliRunner

from scripts import make_mimic_tables
from scripts.convert import app as convert
from spacy_clinicalbert.corpora.docs import Report, split_of, to_docs
from spacy_clinicalbert.corpora.readmission import readmission_records

ROOT = Path(__file__).parent.parent.parent
ADMISSIONS = "SUBJECT_ID HADM_ID ADMITTIME DISCHTIME DEATHTIME ADMISSION_TYPE HOSPITAL_EXPIRE_FLAG".split()
NOTES = "ROW_ID SUBJECT_ID HADM_ID CHARTDATE CHARTTIME CATEGORY ISERROR TEXT".split()


def stay(patient, name, begins, ends, kind="EMERGENCY", death="", flag=0):
    """Begin and end are days of January, as "01", or a date."""
    times = [day if len(day) > 2 else f"2130-01-{day} 12:00:00" for day in (begins, ends)]
    return [patient, name, *times, death, kind, flag]


def write(path, names, rows):
    with (gzip.open if path.suffix == ".gz" else open)(path, "wt", newline="") as file:
        csv.writer(file).writerows([names, *rows])


def write_tables(folder, stays, notes=None, deaths=()):
    """Without notes, a discharge summary for each stay."""
    folder.mkdir(exist_ok=True)
    if notes is None:
        notes = [["", row[1], "", "", "Discharge summary", "", f"Summary {row[1]}."] for row in stays]
    write(folder / "ADMISSIONS.csv", ADMISSIONS, stays)
    write(folder / "NOTEEVENTS.csv", NOTES, [[i, *row] for i, row in enumerate(notes)])
    write(folder / "PATIENTS.csv", ["SUBJECT_ID", "DOD"], deaths)
    return folder


def labels(folder, **settings):
    """Admission → its label, or why it is left out."""
    records = list(readmission_records(folder, **settings))
    found = {each["id"]: each.get("drop", each.get("cats", {}).get("readmission")) for each in records}
    assert len(found) == len(records)
    return found


def test_next_unplanned_admission_within_the_days_counts(tmp_path):
    stays = [
        stay("1", "a", "01", "03"),
        stay("1", "b", "10", "12", "ELECTIVE"),  # passed over, but a member of the cohort itself
        stay("1", "c", "20", "22"),
        stay("1", "d", "2130-03-01 00:00:00", "2130-03-02 00:00:00"),  # 37 days after c
        stay("2", "e", "01", "03"),
        stay("2", "f", "10", "12", "ELECTIVE"),
        stay("3", "g", "01", "03"),
    ]
    folder = write_tables(tmp_path / "mimic", stays)
    assert labels(folder) == {"a": 1.0, "b": 1.0, "c": 0.0, "d": 0.0, "e": 0.0, "f": 0.0, "g": 0.0}
    assert labels(folder, days=40)["c"] == 1.0 and labels(folder, days=10)["a"] == 0.0


def test_thirty_days_are_counted_to_the_minute(tmp_path):
    stays = [stay("1", "a", "01", "02"), stay("1", "b", "2130-02-01 12:00:00", "2130-02-02 12:00:00")]
    assert labels(write_tables(tmp_path / "in", stays))["a"] == 1.0
    stays[1][2] = "2130-02-01 12:01:00"
    assert labels(write_tables(tmp_path / "out", stays))["a"] == 0.0


def test_births_deaths_and_overlaps_are_left_out_and_counted(tmp_path):
    stays = [
        stay("1", "birth", "01", "03", "NEWBORN"),
        stay("1", "later", "10", "12"),
        stay("2", "before", "01", "03"),
        stay("2", "death", "10", "12", death="2130-01-12 10:00:00"),
        stay("3", "flagged", "10", "12", flag=1),
        stay("4", "moved", "01", "05"),
        stay("4", "there", "04", "09"),
        stay("6", "around", "01", "10"),
        stay("6", "within", "03", "05"),
        stay("6", "behind", "20", "21"),
        stay("5", "silent", "01", "05"),
    ]
    notes = [["", row[1], "", "", "Discharge summary", "", "Text."] for row in stays[:-1]]
    folder = write_tables(tmp_path / "mimic", stays, notes)
    assert labels(folder) == {
        "birth": "admissions of newborns",
        "later": 0.0,
        "before": 1.0,
        "death": "admissions that ended in death",
        "flagged": "admissions that ended in death",
        "moved": "admissions that another one overlaps",
        "there": 0.0,
        "around": "admissions that another one overlaps",
        "within": "admissions that another one overlaps",
        "behind": 0.0,
        "silent": "admissions without such notes",
    }
    report = Report()
    assert len(list(to_docs(readmission_records(folder), spacy.blank("en"), report))) == 4
    assert report.read == 11 and sum(report.dropped.values()) == 7


def test_death_after_discharge_is_left_out_on_request(tmp_path):
    stays = [
        stay("1", "a", "01", "03"),
        stay("2", "b", "01", "03"),
        stay("2", "c", "05", "07"),
        stay("3", "d", "01", "03"),
    ]
    deaths = [["1", "2130-01-20"], ["2", "2130-01-20 00:00:00"], ["3", "2130-06-01"]]
    folder = write_tables(tmp_path / "mimic", stays, deaths=deaths)
    assert labels(folder) == {"a": 0.0, "b": 1.0, "c": 0.0, "d": 0.0}
    soon = "admissions with a death soon after them"
    assert labels(folder, deaths_after=True) == {"a": soon, "b": 1.0, "c": soon, "d": 0.0}


def test_notes_of_an_admission_are_joined_in_their_order_with_borders(tmp_path):
    notes = [
        ["", "a", "2130-01-03", "", "Discharge summary", "", "  Addendum: stable. \n"],
        ["", "a", "2130-01-02", "", "Discharge summary", "", "Admitted with pain."],
        ["", "a", "2130-01-01", "", "Discharge summary", "1", "Of another patient."],
        ["", "a", "2130-01-01", "", "Nursing", "", "Slept well."],
        ["", "", "2130-01-01", "", "Nursing", "", "No admission."],
    ]
    folder = write_tables(tmp_path / "mimic", [stay("1", "a", "01", "03")], notes)
    (record,) = readmission_records(folder)
    assert record["text"] == "Admitted with pain.\n\nAddendum: stable."
    assert record["unread"] == {"notes marked as errors": 1, "notes that are no discharge summaries": 1}
    (doc,) = to_docs([record], spacy.blank("en"), Report(strict=True))
    assert [span.text for span in doc.spans["notes"]] == ["Admitted with pain.", "Addendum: stable."]
    assert doc._.annotated["clinical_note_classifier"] == ("readmission",) and doc._.meta["hours"] == 48


def test_first_hours_read_nothing_that_was_written_later(tmp_path):
    notes = [
        ["", "a", "2130-01-01", "2130-01-01 13:00:00", "Nursing", "", "First."],
        ["", "a", "2130-01-02", "2130-01-02 12:00:00", "Physician ", "", "At the border."],
        ["", "a", "2130-01-02", "2130-01-02 12:01:00", "Nursing", "", "Late."],
        ["", "a", "2130-01-01", "", "Echo", "", "Of a whole day."],
        ["", "a", "2130-01-02", "", "Echo", "", "Of a day that ends later."],
        ["", "a", "", "", "Echo", "", "Of no day."],
        ["", "a", "2130-01-01", "2130-01-01 14:00:00", "Discharge summary", "", "Of what comes."],
        ["", "short", "2130-01-01", "2130-01-01 13:00:00", "Nursing", "", "Text."],
    ]
    stays = [stay("1", "a", "01", "05"), stay("2", "short", "01", "2130-01-01 20:00:00")]
    folder = write_tables(tmp_path / "mimic", stays, notes)
    left_out, record = readmission_records(folder, hours=24)
    assert record["text"] == "Of a whole day.\n\nFirst.\n\nAt the border."
    assert record["unread"] == {"notes of later hours": 2, "notes of an unknown time": 1, "discharge summaries": 1}
    assert left_out["drop"] == "admissions that were over before the hours were"


def test_what_an_admission_without_notes_has_is_counted(tmp_path):
    notes = [["", "a", "2130-01-01", "", "Nursing", "", "Slept well."], ["", "a", "", "", "Discharge summary", "", " "]]
    (record,) = readmission_records(write_tables(tmp_path / "mimic", [stay("1", "a", "01", "03")], notes))
    assert record["drop"] == "admissions without such notes"
    assert record["unread"] == {"notes that are no discharge summaries": 1, "notes without text": 1}


def test_patients_are_in_one_split_and_the_balanced_protocol_keeps_all_readmitted(tmp_path):
    stays = []
    for i in range(60):
        stays.append(stay(str(i), f"a{i}", "01", "03"))
        if i % 4 == 0:
            stays.append(stay(str(i), f"b{i}", "10", "12"))
    folder = write_tables(tmp_path / "mimic", stays)
    parts = {split: labels(folder, split=split) for split in ("train", "dev", "test")}
    assert sum(map(len, parts.values())) == len(stays) and all(parts.values())
    patient = {row[1]: row[0] for row in stays}
    assert all(split_of(patient[name]) == split for split, part in parts.items() for name in part)
    balanced = labels(folder, balanced=True)
    whole = labels(folder)
    assert sorted(balanced.values()) == [0.0] * 15 + [1.0] * 15
    assert {name for name, label in whole.items() if label} <= set(balanced)


def test_tables_of_mimic_iv_below_the_folder(tmp_path):
    hosp, note = tmp_path / "2.2" / "hosp", tmp_path / "note"
    hosp.mkdir(parents=True)
    note.mkdir()
    names = [name.lower() for name in ADMISSIONS]
    rows = [
        stay("1", "a", "01", "03", "EW EMER."),
        stay("1", "b", "10", "12", "SURGICAL SAME DAY ADMISSION"),
        stay("1", "c", "2130-05-01 00:00:00", "2130-05-03 00:00:00", "URGENT"),
    ]
    write(hosp / "admissions.csv.gz", names, rows)
    columns = "note_id subject_id hadm_id note_type note_seq charttime text".split()
    write(note / "discharge.csv.gz", columns, [[f"{r[1]}-DS", "1", r[1], "DS", "1", r[3], "Text."] for r in rows])
    write(note / "radiology.csv.gz", columns, [["a-RR", "1", "a", "RR", "1", "2130-01-01 13:00:00", "Clear."]])
    assert labels(tmp_path) == {"a": 0.0, "b": 0.0, "c": 0.0}
    assert [each["text"] for each in readmission_records(tmp_path, hours=24) if "text" in each] == ["Clear."]


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda folder: (folder / "ADMISSIONS.csv").unlink(), "no table 'admissions.csv'"),
        (lambda folder: write_tables(folder / "again", []), "more than one table 'admissions.csv'"),
        (lambda folder: write_tables(folder, [stay("1", "a", "", "03")]), "Line 2 of .*time that is not"),
        (lambda folder: write_tables(folder, [["1", "a", "", "", "", "", ""]]), "Line 2 of .*no ADMITTIME"),
        (lambda folder: write(folder / "NOTEEVENTS.csv", ["TEXT"], []), "hadm_id"),
    ],
)
def test_missing_or_damaged_table_is_an_error(damage, message, tmp_path):
    folder = write_tables(tmp_path / "mimic", [stay("1", "a", "01", "03")])
    damage(folder)
    with pytest.raises(ValueError, match=message):
        list(readmission_records(folder))


def test_invented_tables_follow_their_rule(tmp_path):
    script = [sys.executable, str(ROOT / "scripts" / "make_mimic_tables.py"), str(tmp_path), "--patients", "150"]
    subprocess.run(script, check=True, capture_output=True)
    records = [each for each in readmission_records(tmp_path) if "drop" not in each]
    bad = ["Lives alone", "could not be filled", "No follow-up", "Left before teaching"]
    signal = [any(phrase in each["text"] for phrase in bad) for each in records]
    rates = [
        sum(each["cats"]["readmission"] for each, one in zip(records, signal) if one is which) / signal.count(which)
        for which in (True, False)
    ]
    # 0.7 and 0.08 of those that have an admission after them at all, which is not every one.
    assert len(records) > 150 and rates[0] > 0.3 > 0.1 > rates[1]
    assert all(each["text"].rindex("DISCHARGE PLAN") > 0.8 * len(each["text"]) for each in records)


def test_errors_in_a_table_that_pandas_wrote_and_addenda_of_mimic_iv(tmp_path):
    notes = [
        ["", "a", "2130-01-01", "", "DS", "", "Admitted with pain."],
        ["", "a", "2130-01-02", "", "DS", "1.0", "Of another patient."],
        ["", "a", "2130-01-03", "", "AD", "", "Addendum: stable."],
    ]
    folder = write_tables(tmp_path / "mimic", [stay("1", "a", "01", "03")], notes)
    (record,) = readmission_records(folder)
    assert record["text"] == "Admitted with pain.\n\nAddendum: stable."


def test_planted_signal_is_learned_from_invented_tables(toy, tmp_path, monkeypatch):
    """The workflow `readmission` from the tables on, over a toy encoder that stays as it is. Summaries are a sixth as long, for time."""
    tables, corpus = tmp_path / "mimic", tmp_path / "corpus"
    write_sentences = make_mimic_tables.sentences
    monkeypatch.setattr(make_mimic_tables, "sentences", lambda rng, n: write_sentences(rng, max(1, n // 6)))
    make_mimic_tables.main(tables, patients=200)
    for split in ("train", "test"):
        arguments = ["readmission", str(tables), str(corpus / f"{split}.spacy"), "--split", split]
        result = CliRunner().invoke(convert, arguments)
        assert result.exit_code == 0, result.output
    settings = {
        "paths.train": str(corpus / "train.spacy"),
        "paths.dev": str(corpus / "test.spacy"),
        "paths.encoder": toy,
        "components.clinicalbert.max_cache_items": 1_000_000,  # so that each note is encoded once
        "training.max_epochs": 4,
        "training.eval_frequency": 10_000,
        "training.optimizer.learn_rate.warmup_steps": 1,
        "training.optimizer.learn_rate.total_steps": 10_000,
        "training.optimizer.learn_rate.initial_rate": 0.02,
    }
    nlp = init_nlp(load_config(ROOT / "configs" / "readmission.cfg", overrides=settings))
    nlp.config["training"].update(frozen_components=["clinicalbert"], annotating_components=["clinicalbert"])
    train(nlp, stdout=StringIO(), stderr=StringIO())
    scores = nlp.evaluate(list(Corpus(corpus / "test.spacy", gold_preproc=False)(nlp)))
    assert scores["cats_macro_auc"] > 0.65  # by guessing 0.5
    assert {"cats_macro_auprc", "cats_macro_rp80", "cats_macro_ece"} <= set(scores)
