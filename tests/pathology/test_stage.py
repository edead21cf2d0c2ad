import pytest

from spacy_clinicalbert.pathology.component import read_report


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Ovary, right. FIGO III.", ["III"]),
        ("Stage: FIGO II", ["II"]),
        ("pT2 pN0, FIGO II", ["II"]),
        ("Type: serous carcinoma\nFIGO I", ["I"]),
        ("FIGO stage IIIC", ["IIIC"]),
        ("FIGO 2018 stage IB2", ["IB2"]),
        ("FIGO-stage II. FIGO staging: IIIA1", ["II", "IIIA1"]),
        ("Stage IIIC (FIGO)", ["IIIC"]),
        # grades, which FIGO has too
        ("Grade: FIGO II", []),
        ("FIGO II/III. FIGO I-II.", []),
        ("FIGO II, moderately differentiated.", []),
        ("Uterus, endometrioid carcinoma (FIGO I).", []),
        ("Tumor of FIGO II nuclear grade.", []),
    ],
)
def test_stage_reads_figo_without_a_colon(text, expected):
    found = read_report(text).stage_group
    assert [value.value for value in found] == expected
    assert {value.system for value in found} <= {"FIGO"}


@pytest.mark.parametrize(
    "text, suffix, places",
    [
        ("pT1c pN0(i+)", "i+", 1),
        ("pN0 (mol +).", "mol+", 1),
        ("pN0(i-)(sn)", "i-, sn", 1),
        ("pN0. Synopsis: pT2, pN0 (i+).", "i+", 2),
        ("pN0 (0/3)", None, 1),
    ],
)
def test_stage_has_how_nodes_were_found_as_a_suffix(text, suffix, places):
    (value,) = read_report(text).pN
    assert (value.value, value.suffix, len(value.evidence)) == ("N0", suffix, places)


@pytest.mark.parametrize("text", ["Stage (AJCC Staging. Handbook, 8th Ed): pT1", "Staged by the 8th. edition of AJCC."])
def test_stage_reads_an_edition_behind_a_full_stop(text):
    assert [value.value for value in read_report(text).edition] == [8]


def test_stage_of_the_clinicians_is_apart_from_that_of_the_pathologist():
    found = read_report("Staging: cT2 cN0 before surgery; now pT2 pN0.")
    assert [(value.value, value.prefix) for value in (*found.pT, *found.pN)] == [
        ("T2", "c"), ("T2", "p"), ("N0", "c"), ("N0", "p"),
    ]  # fmt: skip


def test_stage_has_the_prefix_that_one_place_gives():
    found = read_report("TNM: T2 N1. Final: pT2 pN1.")
    assert [(value.value, value.prefix) for value in (*found.pT, *found.pN)] == [("T2", "p"), ("N1", "p")]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Chronic hepatitis C, grade 2, stage III.", []),
        ("Primary biliary cholangitis, stage II.", []),
        ("CKD stage IV. NYHA stage III. Endometriosis stage IV.", []),
        ("Decubitus ulcer stage III. Pressure injury, stage II.", []),
        ("Hepatocellular carcinoma in chronic hepatitis. Stage II.", ["II"]),
        ("Ulceration: absent. Stage IIA.", ["IIA"]),
    ],
)
def test_stage_group_is_that_of_a_tumour(text, expected):
    assert [value.value for value in read_report(text).stage_group] == expected
