"""Invented tables shaped like MIMIC-III's, to run the readmission task end to end without access to MIMIC.

    python scripts/make_mimic_tables.py corpora/mimic_like --patients 1000

Nothing in them is about a real patient, and nothing measured on them says how well readmission can be predicted. The rule:

- A patient has one to four admissions of one to twenty days. One in ten is planned, one in twenty is a birth, one in twenty ends in death.
- Each has nursing notes, of every half day, and a discharge summary of some 900 words. All sentences but one are drawn from lists, whatever happens later.
- That one stands in the last section of the summary, and in no nursing note: an arrangement for the time after discharge. "Bad" ones are drawn with
  probability 0.35; then the patient is readmitted, unplanned, 2 to 28 days later with probability 0.7, else with probability 0.08.
  A nursing note of the second day says with probability 0.5 what the arrangement will be.
"""

import csv
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, List

import typer

GOOD = [
    "Daughter will stay with her for two weeks and manage the medications.",
    "Visiting nurse starts tomorrow; scale and pill box are at home.",
    "Follow-up with cardiology is booked for this week.",
    "Teach-back of the diet and of the warning signs was complete.",
]
BAD = [
    "Lives alone and declines home services.",
    "Prescriptions could not be filled before discharge.",
    "No follow-up appointment could be arranged.",
    "Left before teaching was complete, and is unsure which pills to stop.",
]
FINDINGS = [
    "Lungs were clear on both sides.",
    "There was trace edema of both ankles.",
    "Creatinine rose to 1.6 and came down to 1.2.",
    "The abdomen was soft and not tender.",
    "Chest film showed small effusions.",
    "Troponin stayed below the limit.",
    "He was afebrile from the second day.",
    "Blood cultures had no growth.",
    "She walked the hall with a walker.",
    "Potassium was replaced by mouth.",
    "The wound was dry and closed.",
    "Glucose was 140 to 210 on a sliding scale.",
    "Echocardiogram showed an ejection fraction of 45 %.",
    "Oxygen was weaned to room air.",
    "Pain was 3 of 10 with acetaminophen.",
    "Appetite was fair, and she took most of her meals.",
]
SECTIONS = [
    "HISTORY OF PRESENT ILLNESS",
    "PHYSICAL EXAM",
    "PERTINENT RESULTS",
    "HOSPITAL COURSE",
    "DISCHARGE CONDITION",
]


def sentences(rng: random.Random, n: int) -> str:
    return " ".join(rng.choice(FINDINGS) for _ in range(n))


def summary(rng: random.Random, arrangement: str) -> str:
    parts = [f"{title}:\n{sentences(rng, 25)}" for title in SECTIONS]
    return "\n\n".join([*parts, f"DISCHARGE PLAN:\n{sentences(rng, 3)} {arrangement} {sentences(rng, 2)}"])


def main(target: Path, patients: int = 1000, seed: int = 0) -> None:
    """Write ADMISSIONS.csv, NOTEEVENTS.csv and PATIENTS.csv into the folder TARGET."""
    rng = random.Random(seed)
    admissions: List[List[Any]] = []
    notes: List[List[Any]] = []
    people: List[List[Any]] = []
    for patient in range(10_001, 10_001 + patients):
        time = datetime(2130, 1, 1) + timedelta(days=rng.randrange(3000), minutes=rng.randrange(1440))
        dead, again = "", False
        for number in range(rng.randint(1, 4)):
            birth = number == 0 and rng.random() < 0.05
            planned = not birth and not again and rng.random() < 0.1
            kind = "NEWBORN" if birth else "ELECTIVE" if planned else "EMERGENCY"
            end = time + timedelta(hours=rng.randint(24, 480))
            died = rng.random() < 0.05
            bad = rng.random() < 0.35
            name = 100_001 + len(admissions)
            admissions.append([len(admissions), patient, name, time, end, end if died else "", kind, int(died)])
            arrangement = rng.choice(BAD if bad else GOOD)
            told = rng.random() < 0.5
            moment, half_days = time + timedelta(hours=6), 0
            while moment < end:
                text = sentences(rng, 4) + (f" {arrangement}" if told and half_days == 2 else "")
                notes.append([len(notes), patient, name, moment.date(), moment, "Nursing", "", text])
                moment, half_days = moment + timedelta(hours=12), half_days + 1
            text = summary(rng, arrangement)
            notes.append([len(notes), patient, name, end.date(), "", "Discharge summary", "", text])
            if died:
                dead = str(end.date())
                break
            again = rng.random() < (0.7 if bad else 0.08)
            time = end + timedelta(days=rng.randint(2, 28) if again else rng.randint(60, 900))
            if not again and rng.random() < 0.5:
                break
        people.append([len(people), patient, rng.choice("FM"), dead])
    rng.shuffle(notes)
    tables = {
        "ADMISSIONS": "ROW_ID SUBJECT_ID HADM_ID ADMITTIME DISCHTIME DEATHTIME ADMISSION_TYPE HOSPITAL_EXPIRE_FLAG",
        "NOTEEVENTS": "ROW_ID SUBJECT_ID HADM_ID CHARTDATE CHARTTIME CATEGORY ISERROR TEXT",
        "PATIENTS": "ROW_ID SUBJECT_ID GENDER DOD",
    }
    target.mkdir(parents=True, exist_ok=True)
    for (table, names), rows in zip(tables.items(), (admissions, notes, people)):
        with (target / f"{table}.csv").open("w", newline="", encoding="utf8") as file:
            csv.writer(file).writerows([names.split(), *rows])
    print(f"{target}: {patients} patients, {len(admissions)} admissions, {len(notes)} notes")


if __name__ == "__main__":
    typer.run(main)
