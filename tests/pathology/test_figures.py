"""The rules on figures, codes and results: counts, grades, stages, sizes and markers, and on what looks like them."""

import pytest

from spacy_clinicalbert.pathology.component import read_report
from spacy_clinicalbert.pathology.inferred import add_inferred
from tests.pathology.test_rules import markers, values


def counts(text):
    return values(text, "nodes_examined"), values(text, "nodes_positive")


@pytest.mark.parametrize(
    "text, examined, positive",
    [
        # what is said of them stands behind
        ("Nine of nine pericolic lymph nodes were negative for tumor.", [9], [0]),
        ("Four of four nodes: no evidence of malignancy.", [4], [0]),
        ("Axillary nodes (6/6) are free of carcinoma.", [6], [0]),
        ("Two of two sentinel lymph nodes (2/2), without metastatic carcinoma.", [2], [0]),
        ("Four of nine nodes were negative.", [9], []),
        ("Two of seven lymph nodes contain sarcoid-like granulomas.", [7], []),
        ("Three of eleven nodes with therapy-related fibrosis, no residual tumor.", [11], []),
        ("Two of seven lymph nodes contain granulomas and metastatic carcinoma.", [7], [2]),
        ("Three of eleven nodes with extranodal extension.", [11], [3]),
        ("Metastatic melanoma in one of six nodes with fatty change.", [6], [1]),
        # or in front
        ("There is no evidence of viable tumor in all eight of eight nodes.", [8], [0]),
        ("Carcinoma is not identified in six of six nodes.", [6], [0]),
        ("Mucosa free of tumor, metastases in two of three nodes.", [3], [2]),
        # what is positive or negative is another thing
        ("Three of nine nodes positive for carcinoma, all margins negative.", [9], [3]),
        ("Three of nine nodes, negative surgical margins.", [9], [3]),
        ("Lymph nodes: 14 examined, 2 positive margins.", [14], []),
        # forms
        ("Lymph nodes: 0 of 21.", [21], [0]),
        ("Mesenteric lymph nodes: four of thirty positive.", [30], [4]),
        ("Lymph nodes (levels II-IV): 3 out of 25 involved.", [25], [3]),
        ("Lymph nodes: 6 of 6 negative.", [6], [0]),
        ("Lymph nodes: 21 examined, 4 positive.", [21], [4]),
        ("Lymph nodes: nine identified, none involved.", [9], [0]),
        ("Lymph nodes: 9 sampled, all are negative.", [9], [0]),
        ("Lymph nodes: 9 retrieved.", [9], []),
        ("None of seven nodes has metastases.", [7], [0]),
        ("Lymph nodes: 2 of 3 cm in size.", [], []),
        ("T2 N0(0/17).", [17], [0]),
        ("ypT2, ypN1mi(sn) (1/3).", [3], [1]),
        # pieces are no nodes
        ("Carcinoma in 3/14 needle cores. Lymph nodes: not submitted.", [0], []),
        ("Carcinoma in 3 of 14 cores, lymph nodes not submitted.", [0], []),
        ("Positive cores: 3/14; lymph nodes negative.", [], [0]),
        ("Tumor in 2/9 (22%) sections; node negative.", [], [0]),
        ("Tumor in 2/9 lymph node fragments.", [9], [2]),
        ("(3/3) lymph nodes are benign.", [3], [0]),
    ],
)
def test_nodes_are_judged_by_what_is_said_of_them(text, examined, positive):
    assert counts(text) == (examined, positive)


def test_nodes_place_of_none_positive_holds_the_words_that_say_so():
    places = [
        read_report(text).nodes_positive[0].evidence[0].text
        for text in ("Nine of nine nodes are negative.", "No residual carcinoma in nine of nine nodes.")
    ]
    assert places == ["Nine of nine nodes are negative", "No residual carcinoma in nine of nine nodes"]


@pytest.mark.parametrize(
    "text, expected",
    [
        # sizes
        ("Leiomyosarcoma, high grade, 4 x 3 cm.", ["high"]),
        ("Urothelial carcinoma, low grade (2 mm).", ["low"]),
        ("Adenocarcinoma, high grade, 4 of 9 nodes.", ["high"]),
        ("Tumor grade: 3 x 2 cm.", []),
        ("High-grade (3 of 3) carcinoma.", ["high", "G3"]),
        ("Histologic grade: 3. 2 cm.", ["G3"]),
        # grades of something else
        ("Response to treatment: grade 1.", []),
        ("Radiation mucositis, grade 3.", []),
        ("Grade 2 chronic hepatitis.", []),
        ("Tumor regression according to Mandard, grade 4.", []),
        ("Treatment response: partial, histologic grade 2.", ["G2"]),
        ("Chronic hepatitis, and cholangiocarcinoma, grade 2.", ["G2"]),
        ("Cholangiocarcinoma, moderate chronic inflammation, grade 3.", ["G3"]),
        ("Cholangiocarcinoma in chronic hepatitis grade 3.", []),
        ("Adenocarcinoma, treatment response, grade 1.", []),
        ("Undifferentiated pleomorphic sarcoma.", []),
        ("Undifferentiated embryonal sarcoma.", []),
        ("Undifferentiated carcinoma of the thyroid.", ["G4"]),
        # Nottingham
        ("Nottingham score: 2 + 2 + 1 = 5/9.", ["Nottingham 5"]),
        ("Nottingham histologic score: overall grade: grade 3.", ["G3"]),
        ("Nottingham score: 7/9.", ["Nottingham 7"]),
    ],
)
def test_grade_is_that_of_the_tumour(text, expected):
    assert values(text, "grade") == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Bladder, TUR: pTa NX.", [("pT", "Ta", "p"), ("pN", "NX", "p")]),
        ("Stage: cTa.", [("pT", "Ta", "c")]),
        ("TaN0.", [("pT", "Ta", None), ("pN", "N0", None)]),
        ("Stage: Ta wire. pTall.", []),
        ("pT1mi N0(i-) M0", [("pT", "T1mi", "p"), ("pN", "N0", "p"), ("pM", "M0", "p")]),
        ("pT1mic pN1(mi)", [("pT", "T1mi", "p"), ("pN", "N1mi", "p")]),
        ("(y)pT2, ypN1mi (sn) cM0", [("pT", "T2", "p"), ("pN", "N1mi", "yp"), ("pM", "M0", "c")]),
        ("Autopsy: aT3 aN1 M1b.", [("pT", "T3", "a"), ("pN", "N1", "a"), ("pM", "M1b", "a")]),
        ("There is a T2 hyperintense lesion.", []),
        ("FIGO IIIA2", [("stage_group", "IIIA2", None)]),
        ("FIGO (2018): II", [("stage_group", "II", None)]),
        ("FIGO stage (2009): IB", [("stage_group", "IB", None)]),
        ("Endometrioid carcinoma, FIGO II.", []),
        ("Histologic grade, FIGO: II.", []),
        ("At that stage I recommend a second biopsy.", []),
        ("Stage I carcinoma. Stage: I", [("stage_group", "I", None)]),
    ],
)
def test_stage_reads_rare_categories(text, expected):
    record = read_report(text)
    fields = ("pT", "pN", "pM", "stage_group")
    assert [(field, value.value, value.prefix) for field, value in record.values() if field in fields] == expected


def test_stage_place_of_a_category_holds_how_it_was_found():
    record = read_report("pT1c pN0(i+)(sn) and pN1mi (f).")
    assert [place.text for value in record.pN for place in value.evidence] == ["pN0(i+)(sn)", "pN1mi (f)"]


def test_stage_of_micrometastases_agrees_with_its_class():
    record = read_report("pT1mi pN1mi.")
    add_inferred(record, {"T1": 0.9, "N1": 0.8}, {"pT": ["T1", "T2"], "pN": ["N0", "N1"]}, 0.5)
    assert record.conflicts() == [] and len(record.pT) == len(record.pN) == 2


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Invasive lobular carcinoma, grade 3, 4.1 cm.", [[41]]),
        ("Renal cell carcinoma, type 1, Fuhrman grade 2/4, 6.2 x 5 cm.", [[62, 50]]),
        ("Carcinoma (G1-G2), 31 mm.", [[31]]),
        ("Adenocarcinoma, 40% mucinous, measuring 2.2 cm.", [[22]]),
        ("Carcinoma (HPV16 positive), 1.9 cm.", [[19]]),
        ("Adenocarcinoma, Gleason 4+3=7 (grade group 3), 1.4 cm.", [[14]]),
        ("Tumor size: at least 3 cm.", [[30]]),
        ("Tumor size: up to 3.5 x 2 cm.", [[35, 20]]),
        ("A specimen with a firm nodule measuring 2 x 3 cm.", [[30, 20]]),
        ("A solid and cystic nodule measuring 3 cm.", [[30]]),
        ("Seminoma, classic. Greatest dimension: 33 mm.", [[33]]),
        # sizes of something else
        ("Seminoma. Specimen: testis. Greatest dimension: 6 cm.", []),
        ("Received is a uterus. Largest dimension 9 cm.", []),
        ("Node with metastatic seminoma. Largest dimension 9 mm.", []),
        ("Carcinoma, grade 2, in a specimen of 7 cm.", []),
        ("Carcinoma, grade 2, 3 mm from the margin.", []),
        ("Carcinoma, pT2. Node, 2 cm.", []),
        ("Adenocarcinoma, 3 blocks, 4 cm of fat.", []),
        ("A lymph node with a firm nodule measuring 2 cm.", []),
        ("The left lobe has a colloid nodule measuring 9 mm. There is a cystic nodule of 8 mm.", []),
        ("There is a 0:7 x 0.6 cm tumor.", []),
    ],
)
def test_sizes_stand_behind_figures_that_are_none(text, expected):
    assert values(text, "tumour_size") == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        # lists without a verb
        ("ER/PR negative.", {("ER", "negative"), ("PR", "negative")}),
        ("p63, p40 and CK5/6 positive.", {("p63", "positive"), ("p40", "positive"), ("CK5/6", "positive")}),
        ("MLH1 and PMS2: intact; MSH2, MSH6 lost.", {("MLH1", "positive"), ("PMS2", "positive"), ("MSH2", "negative"), ("MSH6", "negative")}),
        ("ER and PR +.", {("ER", "positive"), ("PR", "positive")}),
        ("ER and PR status: negative.", {("ER", "negative"), ("PR", "negative")}),
        ("Desmin, SMA, S100: all negative.", {("desmin", "negative"), ("SMA", "negative"), ("S100", "negative")}),
        ("CK7, CK20 negative controls.", set()),
        ("CK7 and CK20 were ordered. Positive nodes.", set()),
        ("CD10, CD20 positive nodes.", set()),
        # loss
        ("PMS2: Loss of nuclear expression.", {("PMS2", "negative")}),
        ("MSH2: No loss of nuclear expression.", {("MSH2", "positive")}),
        ("No BAP1 loss.", {("BAP1", "positive")}),
        ("BAP1 loss is not seen.", set()),
        # genes
        ("NRAS mutation: not detected.", {("NRAS", "negative")}),
        ("KRAS: no activating mutation identified.", {("KRAS", "negative")}),
        ("BRAF V600E: not detected. KRAS G12V mutation: detected.", {("BRAF", "negative"), ("KRAS", "positive")}),
        ("EGFR exon 19 mutations: none detected. EGFR L858R: detected.", {("EGFR", "negative"), ("EGFR", "positive")}),
        ("EGFR mutation testing: pending.", set()),
        # microsatellites
        ("The tumor is MSI-H.", {("MSI", "positive")}),
        ("Microsatellite instability: low", {("MSI", "low")}),
        ("MSI by PCR: MSS.", {("MSI", "negative")}),
        ("Microsatellite-stable tumor.", {("MSI", "negative")}),
        ("Dictated by MSS.", set()),
        # shares and scores
        ("PD-L1 (SP263), TPS: 80%.", {("PD-L1", "80%")}),
        ("Ki-67 = 5%.", {("Ki-67", "5%")}),
        ("HER2 (IHC): 0.", {("HER2", "score 0")}),
        ("HER2: 0.8. HER2: 0/4.", set()),
        ("HER2-", {("HER2", "negative")}),
        ("ER+/PR-/HER2-", {("ER", "positive"), ("PR", "negative"), ("HER2", "negative")}),
        # what follows a result
        ("HER2: 2+ (equivocal); FISH: amplified.", {("HER2", "2+"), ("HER2", "indeterminate"), ("HER2", "positive")}),
        ("HER2: negative (1+). HER2 FISH: not amplified.", {("HER2", "negative"), ("HER2", "1+")}),
        ("HER2: 2+, FISH pending.", {("HER2", "2+")}),
        ("HER2: 2+, positive margins.", {("HER2", "2+")}),
        ("HER2: 2+. FISH for ALK: negative.", {("HER2", "2+"), ("ALK", "negative")}),
        ("FISH: negative.", set()),
        ("EBER ISH: negative.", {("EBV", "negative")}),
    ],
)  # fmt: skip
def test_markers_with_their_results(text, expected):
    assert markers(text) == expected


@pytest.mark.parametrize(
    "piece",
    [
        "two of ten lymph nodes ",
        "nodes: 3 of 4, ",
        "2/12 cores node ",
        "N0(i+) ",
        "carcinoma grade 2, ",
        "hepatitis grade ",
        "greatest dimension 3 cm. ",
        "FIGO ",
        "CK7/",
        "HER2: 2+ FISH ",
        "lymph nodes (2), right ",
        "17 right axillary ",
        "number of lymph nodes with ",
        "0/1 station 7: ",
        "positive for CK7, abc, ",
        "no mutations in codons 12 and 13 of KRAS, ",
        "lack of ER found and ",
        "tissue description: liver and ",
        '"left testis and ',
        "carcinoma of the ",
        "papillary variant RCC ",
        "rule out melanoma, ",
        "not completely excised ",
    ],
)
def test_figures_time_grows_with_length_alone(piece, process_seconds):
    def text(n):
        return piece * (n // len(piece))

    read_report(text(1000))
    assert process_seconds(read_report, text(16_000)) < 24 * max(process_seconds(read_report, text(2000)), 0.002)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Isolated tumor cells measuring 0.15 mm.", []),
        ("One sentinel lymph node contains isolated tumor cells (0.1 mm).", []),
        ("Residual tumor bed measures 3.0 cm.", []),
        ("No residual carcinoma. Tumor bed 2.5 cm.", []),
        ("Tumor clearance 2 mm.", []),
        ("Malignant melanoma, Breslow 1.2 mm.", []),
        ("Melanoma, invasive to 1.1 mm.", []),
        ("A tumor bed is seen. The carcinoma measures 4 mm.", [[4]]),
    ],
)
def test_sizes_are_those_of_the_tumour_across(text, expected):
    assert values(text, "tumour_size") == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Histologic grade: G1-G2.", ["G1-G2"]),
        ("Carcinoma, grade 2 to 3.", ["G2-G3"]),
        ("Carcinoma, grade I/II.", []),
        ("Carcinoma, grade I/III.", ["G1"]),
        ("Carcinoma, grade 2/3.", ["G2"]),
        ("Grade 3 chronic gastritis.", []),
    ],
)
def test_grades_of_two_are_not_the_first_alone(text, expected):
    assert values(text, "grade") == expected
