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
