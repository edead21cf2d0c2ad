"""Scores of PD-L1, and names of markers that are written in several ways."""

import pytest

from spacy_clinicalbert.pathology.component import read_report
from tests.pathology.test_rules import markers


@pytest.mark.parametrize(
    "text, expected",
    [
        ("PD-L1 CPS 15.", {"CPS 15"}),
        ("CPS: 5", {"CPS 5"}),
        ("TPS 60%", {"60%"}),
        ("PD-L1 (22C3): positive, combined positive score (CPS) = 40; tumor proportion score (TPS): < 1 %.", {"positive", "CPS 40", "<1%"}),
        ("TPS: less than 1%, CPS ≥ 10", {"<1%", "CPS >=10"}),
        ("PD-L1, TPS: 70% - high expression", {"70%"}),
        # what a score means
        ("TPS < 1%: no expression; TPS 1-49% = low expression; TPS >= 50% - high expression.", set()),
        ("PD-L1: a CPS of 10 or more is needed.", set()),
        ("Eligible where the cut-off of CPS 1 is reached. CPS >=1 is considered positive.", set()),
        # no score
        ("TPS 0.5 g/l, 100 cps 20, CPS 3/4.", set()),
    ],
)  # fmt: skip
def test_markers_scores_of_pd_l1(text, expected):
    assert markers(text) == {("PD-L1", value) for value in expected}


@pytest.mark.parametrize(
    "text, place", [("PD-L1 (28-8), CPS: 7", "PD-L1 (28-8), CPS: 7"), ("PD-L1 pending. CPS 7", "CPS 7")]
)
def test_markers_place_of_a_score_holds_the_name_of_its_clause(text, place):
    assert [each.text for value in read_report(text).marker for each in value.evidence] == [place]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("HER 2 NEU: 1+ by stain. HER-2 / neu (FISH): 1.3, not amplified.", {("HER2", "1+"), ("HER2", "negative")}),
        ("HER2/CEP17 ratio: 3.1, amplified.", {("HER2", "positive")}),
        ("PR: negative (less than 1%).", {("PR", "negative"), ("PR", "<1%")}),
        ("PR is negative in 90% of the glands.", {("PR", "negative")}),
        ("Positive for pan-keratin AE1/AE3, negative for pankeratin.", {("AE1/AE3", "positive"), ("pancytokeratin", "negative")}),
        ("Positive for CK7, negative for CK20.", {("CK7", "positive"), ("CK20", "negative")}),
        ("CK7 and TTF-1 are positive, negative for CK20.", {("CK7", "positive"), ("TTF1", "positive"), ("CK20", "negative")}),
        ("Alpha-inhibin: positive", {("inhibin", "positive")}),
        # a list that begins with a name which the table has not
        ("Negative for mucicarmin, CK7 and p63.", {("CK7", "negative"), ("p63", "negative")}),
        ("Negative for sarcoma, CK7 and p63.", set()),
        ("Negative for glykogen, CK7 and p63 are positive.", {("CK7", "positive"), ("p63", "positive")}),
    ],
)  # fmt: skip
def test_markers_are_written_in_several_ways(text, expected):
    assert markers(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        # lists
        ("Negative for TTF-1,. CD15, inhibin.", {("TTF1", "negative"), ("CD15", "negative"), ("inhibin", "negative")}),
        ("Positive for CK7, XYZ3, Napsin A and CDX2.", {("CK7", "positive"), ("napsin A", "positive"), ("CDX2", "positive")}),
        ("Cells are positive for vimentin, and focally for EMA.", {("vimentin", "positive"), ("EMA", "positive")}),
        ("Stains for CK7, p504S and PAX-8 were performed and all three stains are positive.", {("CK7", "positive"), ("AMACR", "positive"), ("PAX8", "positive")}),
        ("Stains are positive in tumor cells for CK20 and are negative in tumor cells for both CK7 and uroplakin.", {("CK20", "positive"), ("CK7", "negative"), ("uroplakin", "negative")}),
        ("Estrogen and progesterone receptors are negative.", {("ER", "negative"), ("PR", "negative")}),
        ("They do not stain for keratins.", {("cytokeratin", "negative")}),
        ("Positive for CK7 and TTF-1 negative.", {("CK7", "positive"), ("TTF1", "negative")}),
        # genes
        ("NRAS codon 61 mutation identified.", {("NRAS", "positive")}),
        ("Mutations in BRAF, HRAS61 and RET/PTC1 rearrangements. NOT identified.", {("BRAF", "negative"), ("HRAS", "negative"), ("RET/PTC1", "negative")}),
        ("No mutations were detected in codons 12 and 13 of the KRAS and NRAS genes.", {("KRAS", "negative"), ("NRAS", "negative")}),
        ("Mutational status for BRAF and KRAS is indeterminate.", {("BRAF", "indeterminate"), ("KRAS", "indeterminate")}),
        # results
        ("No progesterone receptors found in nuclei.", {("PR", "negative")}),
        ("ER: No expression.", {("ER", "negative")}),
        ("MSH2: staining absent. MLH1: staining present.", {("MSH2", "negative"), ("MLH1", "positive")}),
        ("PR is interpreted as. NEGATIVE.", {("PR", "negative")}),
        ("Estrogen Receptor. 6F11-. Positive. 80 %. Strong.", {("ER", "positive"), ("ER", "80%")}),
        ("Estrogen Receptor. Low Positive (1-9%). 4 %.", {("ER", "positive"), ("ER", "4%")}),
        # what is said of no tumour, or of all tumours
        ("This tumor is negative for over-expression of HER2.", {("HER2", "negative")}),
        ("One lymph node: keratin is negative. Node with isolated keratin-positive cells.", set()),
        ("For Ki-67: Low Positive. <15%.", set()),
        ("HER2-negative tumors respond.", set()),
    ],
)  # fmt: skip
def test_markers_stand_in_lists_tables_and_sentences(text, expected):
    assert markers(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        # a score is not the first figure of a larger one, nor a share, nor the end of a range
        ("PD-L1 combined positive score 20.", {("PD-L1", "CPS 20")}),
        ("PD-L1 expression: tumor proportion score 0% (negative).", {("PD-L1", "0%")}),
        ("ER: positive, H-score 270. PR: H score: 180.", {("ER", "positive")}),
        ("ER Allred score 3/8.", set()),
        ("HER2: Negative (score 0-1+).", {("HER2", "negative")}),
        ("HER2: 1+/2+.", set()),
        ("HER2 score 2+.", {("HER2", "2+")}),
        # nor that of the next marker
        ("ER: positive, PR: positive, score 3.", {("ER", "positive"), ("PR", "positive"), ("PR", "score 3")}),
        # what a result means, and what is denied
        ("ER positive is defined as more than 1% of tumor nuclei.", set()),
        ("MSI-H: not detected.", set()),
        ("Microsatellite instability high (MSI-H) was not identified.", set()),
        ("Negative for MSI-H.", {("MSI", "negative")}),
        ("No evidence of MSI-high.", set()),
        ("Microsatellite instability: MSI-H detected.", {("MSI", "positive")}),
        # what the clinicians know
        ("Clinical history: ER positive breast cancer, HER2 3+, PD-L1 CPS 10. Diagnosis: fibrosis.", set()),
    ],
)
def test_markers_are_not_taken_for_another_result(text, expected):
    assert markers(text) == expected
