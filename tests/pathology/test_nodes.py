"""Counts of lymph nodes in the ways that pathologists write them, and which of them are parts of a total."""

import pytest

from spacy_clinicalbert.pathology.component import read_report
from tests.pathology.test_figures import counts


@pytest.mark.parametrize(
    "text, examined, positive",
    [
        # one number out of another one
        ("Carcinoma in three (3) of eleven (11) LYMPH. NODES.", [11], [3]),
        ("Melanoma involves one of. six axillary lymph nodes.", [6], [1]),
        ("Two (out of nine) pelvic lymph nodes are positive.", [9], [2]),
        ("Tumor-free lymph nodes (0 of 16).", [16], [0]),
        ("Regional lymph nodes (positive:total) 1:8.", [8], [1]),
        ("Metastases in lymphonodis (No III/XVI).", [16], [3]),
        ("Stage: pT2 pNO (0/21).", [21], [0]),
        ("Involvement of lymph nodes: N1, ipsilateral hilar and peribronchial (levels 10-14), negative: 0/2.", [2], [0]),
        # items of a form
        ("Lymph nodes, mesorectal: No. examined: 17. No. involved: 2.", [17], [2]),
        ("Lymph node status: 1. Total number of lymph nodes received: 6. 2. Total number of lymph nodes containing metastatic melanoma: 0.", [6], [0]),
        ("Regional nodes: Number identified: 5. Number containing metastases identified microscopically: 1.", [5], [1]),
        ("The total number of metastatically-involved nodes is 2.", [], [2]),
        ("Number of nodes evaluated: 7.", [7], []),
        ("Lymph node metastases?: No. Distant metastases?: No.", [], [0]),
        ("Metastasis to regional lymph nodes is absent.", [], [0]),
        ("Lymph node status: negative.", [], [0]),
        ("Lymph nodes: Not involved.", [], [0]),
        ("Lymph nodes: None present.", [0], []),
        ("Microscopic description: clear cells. Lymph nodes: none identified.", [0], []),
        # more words between the number and the nodes
        ("17 mesocolic and mesenteric lymph nodes are tumor-free.", [17], [0]),
        ("Multiple (8) right mid/low axillary lymph nodes are negative.", [8], [0]),
        ("Three lymph nodes from level V, no tumor.", [3], [0]),
        ("Five perigastric lymph nodes are identified, and are negative.", [5], [0]),
        ("Status: 5 positive lymph nodes.", [], [5]),
        ("Lymph nodes (9) - free of neoplasm.", [9], [0]),
        ("Lymph nodes, station 7 (2): negative.", [2], [0]),
        ("Reactive lymphadenitis in all the examined lymph nodes: portal lymph nodes (3), celiac lymph node (1).", [3, 1], [0]),
        ("Lymph nodes (6), right iliac, biopsy.", [6], []),
        ("Tumor-free lymph nodes (13 examined).", [13], [0]),
        ("All sampled lymph nodes are benign.", [], [0]),
        ("Left: 4 examined lymph nodes.", [4], []),
        ("Right sentinel lymph node #1: - negative for metastasis.", [], [0]),
        ("Metastatic papillary carcinoma: Lymph nodes, 4, right.", [], [4]),
        # numbers of something else
        ("Level 7 lymph nodes, negative for tumor.", [], [0]),
        ("Six fragments of lymph node, negative for tumor.", [], [0]),
        ("A 2 cm mass with lymph node, negative.", [], [0]),
        ("Fat in a 50/50 solution for lymph nodes.", [], []),
        ("Carcinoma in six of twenty-thre lymph nodes (6/23).", [23], [6]),
        ("No lymph nodes identified. 4. Tubular piece of tissue.", [0], []),
        ("The third is an anthracotic node. not identified.", [], []),
        ("Gross description: fat with lymph nodes (4).", [], []),
        ("Part E16 lymph nodes (3), E17 apex.", [], []),
        ("Left pelvic lymph nodes (0): no tumor.", [], [0]),
    ],
)  # fmt: skip
def test_nodes_are_counted_in_many_ways(text, examined, positive):
    found = counts(text)
    assert (found[0], found[1]) == (examined, positive)


def parts(text):
    return [(value.value, value.part) for value in read_report(text).nodes_examined]


def test_nodes_total_that_is_told_again_is_one_value():
    text = "A. Right nodes: 0/9. B. Left nodes: 1/3. Nodes (pN): pN1 (1/12). Number of lymph nodes examined: 12."
    assert parts(text) == [(9, True), (3, True), (12, False)]


def test_nodes_count_of_many_is_told_again_and_no_second_station():
    text = (
        "A. Nodes: 0/14. B. Fat: one lymph node, no tumor. Summary of the case. Nodes: fourteen lymph nodes, negative."
    )
    assert [value for value, _ in parts(text)] == [14, 1]


def test_nodes_total_is_not_less_than_a_part():
    text = "A. Level 10 nodes: 0/4. B. Level 11 nodes: 0/1. C. Lung. Total number of lymph nodes received: 1."
    assert parts(text) == [(4, True), (1, True), (1, True)]


def test_nodes_of_numbered_specimens_are_apart():
    text = "A. Right sentinel node #1: one lymph node (0/1). B. Right sentinel node #2: one lymph node (0/1)."
    assert parts(text) == [(1, True), (1, True)]


def test_nodes_list_goes_on_behind_a_total():
    text = "Lymph nodes uninvolved by neoplasia (0/9), thus distributed: right cardiac: 0/4. short gastrics: 0/5."
    assert [value for value, _ in parts(text)] == [9, 4, 5]


@pytest.mark.parametrize(
    "text, examined, positive",
    [
        ("CK 5/6 is positive in the lymph node.", [], []),
        ("OCT 3/4 and cytokeratin 8/18 stain the lymph node.", [], []),
        ("On 5/6 the patient had a lymph node biopsy.", [], []),
        ("Metastatic carcinoma in 3/14 lymph nodes. Extranodal extension in 2/3 positive nodes.", [14], [3]),
        ("Extracapsular extension is seen in two of three involved lymph nodes.", [], []),
        ("Extranodal extension: absent. 2/3 positive nodes.", [3], [2]),
    ],
)
def test_nodes_are_not_counted_by_other_figures(text, examined, positive):
    assert counts(text) == (examined, positive)
