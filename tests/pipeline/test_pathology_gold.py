import json
import re
from importlib.resources import files

import pytest

from spacy_clinicalbert.corpora.docs import split_of
from spacy_clinicalbert.corpora.splits import load_splits

WORDS = r"[a-z][a-z0-9 ,()/-]{1,79}"
COUNT = r"\d{1,3}"
# What a value looks like, as text; the sizes are lists of numbers.
VALUES = {
    "site": WORDS,
    "procedure": WORDS,
    "laterality": "left|right|bilateral|midline",
    "histologic_type": WORDS,
    "grade": r"G[1-4](-G[1-4])?|(Fuhrman|nuclear) [1-4](-[1-4])?|Nottingham [3-9]|Gleason [1-5]\+[1-5]=([2-9]|10)|low|intermediate|high",
    "tumour_size": r"\[\d+(\.\d+)?(, \d+(\.\d+)?){0,2}\]",
    "margins": "involved|uninvolved|close|not assessable",
    "lymphovascular_invasion": "present|absent|indeterminate",
    "perineural_invasion": "present|absent|indeterminate",
    "nodes_examined": COUNT,
    "nodes_positive": COUNT,
    "pT": r"T([0X]|is|[1-4][a-d]?\d?)",
    "pN": r"N([0X]|[1-3][a-c]?|1mi)",
    "pM": "M[01X][a-c]?",
    "edition": "[1-9]",
    "stage_group": r"(0|I{1,3}|IV)[A-C]?\d?",
    "marker": r"positive|negative|equivocal|indeterminate|<?(\d{1,3}-)?\d{1,3}%|[0-3]\+|score \d",
}
FRESH = {"fresh": 12, "fresh-2": 16, "fresh-3": 8, "fresh-4": 10}  # reports of the training split
HELD_OUT = {"dev": ("dev", 30), "test": ("test", 30), "test-2": ("test", 20)}  # part → split, reports
MORE = {
    "prefix": ("pT", "pN", "pM"),
    "suffix": ("pT", "pN"),
    "system": ("stage_group",),
    "name": ("marker",),
    "part": ("nodes_examined", "nodes_positive"),
    "general": ("procedure", "histologic_type"),
    "in_situ": ("histologic_type", "margins"),
    "ocr": tuple(VALUES),
}


@pytest.fixture(scope="module")
def records():
    lines = (files("spacy_clinicalbert.assets") / "pathology_fields.jsonl").read_text(encoding="utf8").splitlines()
    return [json.loads(line) for line in lines]


def test_pathology_gold_has_its_reports_of_each_held_out_split_and_the_others_are_of_training(records):
    total = sum(FRESH.values()) + sum(count for _, count in HELD_OUT.values())
    assert len({record["id"] for record in records}) == len(records) == total
    held_out = frozenset().union(*load_splits()["tcga_tnm"].values())
    for part, count in FRESH.items():
        fresh = [record["id"].split(".")[0] for record in records if record["part"] == part]
        assert len(fresh) == count and not set(fresh) & held_out
        assert {split_of(case) for case in fresh} == {"train"}
    for part, (split, count) in HELD_OUT.items():
        cases = [record["id"].split(".")[0] for record in records if record["part"] == part]
        assert len(cases) == count and set(cases) <= load_splits()["tcga_tnm"][split]
    for record in records:
        assert set(record) == {"corpus", "id", "part", "text_sha256", "fields"} and record["fields"]
        assert record["corpus"] == "tcga_tnm" and re.fullmatch("[0-9a-f]{16}", record["text_sha256"])


def test_pathology_gold_places_are_ordered_spans(records):
    for record in records:
        for field in record["fields"]:
            ends = [0]
            for start, end in field["evidence"]:
                assert ends[-1] <= start < end, (record["id"], field)
                ends.append(end)
            assert len(ends) > 1, (record["id"], field)


def test_pathology_gold_values_have_their_fields_form(records):
    for record in records:
        for field in record["fields"]:
            assert re.fullmatch(VALUES[field["field"]], str(field["value"])), (record["id"], field)
            for key in set(field) - {"field", "value", "evidence"}:
                assert field["field"] in MORE[key] and field[key], (record["id"], field)
            assert ("name" in field) == (field["field"] == "marker")
            assert field.get("prefix", "p") in ("p", "yp", "r", "c") and field.get("suffix", "m") == "m"
            if field["field"] == "tumour_size":
                assert field["value"] == sorted(field["value"], reverse=True), (record["id"], field)


def test_pathology_gold_has_each_value_of_a_report_once(records):
    """But for the parts of a count, where equal numbers are different facts."""
    for record in records:
        whole = [field for field in record["fields"] if not field.get("part")]
        keys = [
            (
                field["field"],
                field.get("name"),
                str(field["value"]),
                field.get("prefix"),
                field.get("system"),
                field.get("in_situ"),
            )
            for field in whole
        ]
        assert len(set(keys)) == len(keys), record["id"]
    for record in records:
        kinds = {field["field"] for field in record["fields"]}
        assert [f for f in VALUES if f in kinds] == list(dict.fromkeys(field["field"] for field in record["fields"]))
