"""The rules on sentences that report forms and habits differ in."""

import pytest

from spacy_clinicalbert.pathology.component import read_report
from spacy_clinicalbert.pathology.found import clinical_parts, stretches
from spacy_clinicalbert.pathology.terms import Vocabulary


def values(text, field):
    return [value.value for value in getattr(read_report(text), field)]


def markers(text):
    return {(value.name, value.value) for value in read_report(text).marker}


@pytest.mark.parametrize(
    "text, field, expected",
    [
        # sites
        ("Right pleural biopsies.", "site", ["pleura"]),
        ("Uterus, endocervix, biopsy.", "site", ["uterus", "cervix"]),
        ("Enucleation of the right eye.", "site", ["eye"]),
        ("Specimen received. Ureter: Not present. No lymph nodes are present.", "site", []),
        ("Diagnosis: 6. Skin: uninvolved. Pleura/Soft Tissue Margin: Negative.", "site", []),
        ("(A) Right paratracheal lymph node: metastatic carcinoma.", "site", ["lymph node"]),
        # procedures
        ("A. Left lung bx.", "procedure", ["biopsy"]),
        ("Lymph nodes, celiac, dissection: benign. On dissection the fat is firm.", "procedure", ["dissection"]),
        ("Total abdominal hysterectomy.", "procedure", ["total hysterectomy"]),
        ("Bilateral salpingo-oophorectomy.", "procedure", ["bilateral salpingo-oophorectomy"]),
        ("Regional lymph node dissections.", "procedure", ["regional lymph node dissection"]),
        # sides
        ("Cervix, biopsy: carcinoma. The right ovary has a cyst.", "laterality", []),
        ("Ovarian serous carcinoma of the right ovary.", "laterality", ["right"]),
        ("Tumor type: carcinoma. Location: Bilateral. Size: 1 cm.", "laterality", ["bilateral"]),
        ("The left lobe (3.2 x 2.0 x 0.8 cm) is unremarkable.", "laterality", []),
        # types
        ('Consistent with "Type 2" papillary renal carcinoma.', "histologic_type", ["papillary renal carcinoma, type 2"]),
        ("No dysplasia or adenocarcinoma identified.", "histologic_type", []),
        ("Cholangiocarcinoma: no. It mimics lobular carcinoma.", "histologic_type", []),
        ("HCC, segment 5. RCC is excluded elsewhere.", "histologic_type", ["hepatocellular carcinoma", "renal cell carcinoma"]),
        ("A stain for melanoma-E was negative.", "histologic_type", []),
        ("Pre-op diagnosis: renal cell carcinoma. Specimen: kidney.", "histologic_type", []),
        ("Liver: Invasive grade 3 (of 4) cholangiocarcinoma.", "histologic_type", ["invasive cholangiocarcinoma"]),
        ("Histologic type: Renal cell carcinoma, chromophobe type. 2. Site: kidney.", "histologic_type", ["chromophobe renal cell carcinoma"]),
        ("Renal cell-carcinoma, conventional (clear cell) type.", "histologic_type", ["clear cell renal cell carcinoma"]),
        ("Papillary renal cell carcinoma (type 2).", "histologic_type", ["papillary renal cell carcinoma, type 2"]),
        ("Choroidal melanoma of mixed cell. type.", "histologic_type", ["melanoma of mixed cell type"]),
        ("Suspicious for follicular variant of papillary carcinoma.", "histologic_type", []),
        ("Adenocarcinoma and squamous carcinoma: Not applicable.", "histologic_type", []),
        # grades
        ("Histologic grade (if applicable): 2 (of 4).", "grade", ["G2"]),
        ("Well differentiated and moderately differentiated.", "grade", ["G1-G2"]),
        ("Nottingham combined histologic grade: III", "grade", ["G3"]),
        ("Primary pattern: Grade 3. Secondary pattern: Grade 4.", "grade", ["Gleason 3+4=7"]),
        ("The worst differentiation IV/IV.", "grade", ["G4"]),
        ("Furhman nuclear grade II.", "grade", ["Fuhrman 2"]),
        ("Colonic dysplasia, low grade. Sections of the margin (G2).", "grade", []),
        # sizes
        ("A solid tumor, max. 5.5 cm in size.", "tumour_size", [[55]]),
        ("A mass measuring 9.5 x 6 x 4.5-cm.", "tumour_size", [[95, 60, 45]]),
        ("Multifocal: Yes. Size = 1.6 cm, left lobe and 0.4 cm right.", "tumour_size", [[16], [4]]),
        ("Tumor size: Greatest dimension: 4 cm (additional dimensions: 3 x 2 cm).", "tumour_size", [[40, 30, 20]]),
        ("The mass measures up to 1.9 cm in greatest thickness.", "tumour_size", []),
        ('Labeled "nodule" is a 5.5 x 4.1 cm lung wedge.', "tumour_size", []),
        ("Staging: pT1 Tumor <= 7.0 cm.", "tumour_size", []),
        ("A tumor with a 19 mm base and 12 mm height.", "tumour_size", [[19, 12]]),
        ("A mass within the upper pole measuring 8.0 x 6.5 x 6.0 cm.", "tumour_size", [[80, 65, 60]]),
        ("Tumour. sized 9 X 5.5 X 1.4 cm.", "tumour_size", [[90, 55, 14]]),
        ("Optic nerve: Length 10 mm, diameter 4 mm.", "tumour_size", []),
        # margins
        ("Tumour cells are not seen at the resection margins.", "margins", ["uninvolved"]),
        ("The urethral surgical margin shows evidence of invasive carcinoma.", "margins", ["involved"]),
        ("Deep margin (mm). 0.3. Circumferential margin (mm). 20.0.", "margins", ["close", "uninvolved"]),
        ("Margin status: R1 (tumor at the capsule).", "margins", ["involved"]),
        ("The urethral margin is compromised by neoplasia.", "margins", ["involved"]),
        ("Resection margin involved: No.", "margins", ["uninvolved"]),
        ("Carcinoma is present less than 1 mm from the inked margin.", "margins", ["close"]),
        ("Margins: tumor is 2 mm from the parenchymal margin.", "margins", ["uninvolved"]),
        ("Blood clot is present at the cauterized margin.", "margins", []),
        ("2 mm from the margin. Perinephric fat: uninvolved.", "margins", []),
        # invasion
        ("Lymphovascular invasion (excluding renal vein): Absent.", "lymphovascular_invasion", ["absent"]),
        ("Vascular and perineural invasions undetected.", "lymphovascular_invasion", ["absent"]),
        ("Vascular and perineural invasions undetected.", "perineural_invasion", ["absent"]),
        ("No vascular, lymphatic or. perineural invasion is identified.", "perineural_invasion", ["absent"]),
        ("Margins free of tumor. Perineural invasion identified.", "perineural_invasion", ["present"]),
        ("Possibility of vascular invasion cannot be ruled out.", "lymphovascular_invasion", ["indeterminate"]),
        ("Stage: pT2 pN0 L0 V1.", "lymphovascular_invasion", ["absent", "present"]),
        ("Disc protrusion at L1, fracture of V1.", "lymphovascular_invasion", []),
        ("Hepatic vein invasion: no. Lymphatic (small vessel): Present.", "lymphovascular_invasion", ["present"]),
        ("There is prominent lymphovascular invasion.", "lymphovascular_invasion", ["present"]),
        ("Vascular invasion: Not definitively identified.", "lymphovascular_invasion", ["absent"]),
        # nodes
        ("Regional lymph nodes (positive: total): 0:14.", "nodes_examined", [14]),
        ("Multiple (3 of 6) right axillary sentinel lymph nodes.", "nodes_positive", [3]),
        ("Total number with metastasis: 3. Total number examined: 32.", "nodes_positive", [3]),
        ("The total number of lymph nodes examined is 9.", "nodes_examined", [9]),
        ("Page 3 of 4. 3D-one lobar node bisected.", "nodes_examined", []),
        ("Nodes free of tumor (0/9): right paracardiac: 0/2. left paracardiac: 0/2. celiac trunk: 0/5.", "nodes_examined", [9, 2, 2, 5]),
        ("Right obturator node; Five lymph nodes identified, two containing metastatic. carcinoma.", "nodes_positive", [2]),
        ("33 lymph nodes are prepared. Of these, two show metastatic infiltrates.", "nodes_positive", [2]),
        ("Five of five lymph nodes, no tumor (0/5).", "nodes_positive", [0]),
        ("Pelvic lymph nodes: Negative for neoplasm, fourteen lymph nodes.", "nodes_examined", [14]),
        ("pN1: Metastasis in 1 to 3 regional lymph nodes.", "nodes_positive", []),
        ("Lymph nodes, excision: metastatic carcinoma involving one lymph node.", "nodes_positive", [1]),
        ("The external iliac node do not have any evidence of metastatic disease.", "nodes_positive", [0]),
        ("Gross description: fat. No lymph nodes identified.", "nodes_examined", []),
        ("A single lymph node is negative for tumor.", "nodes_examined", [1]),
        # stage
        ("Primary tumor (pT): 3.5 cm, PT2. Regional lymph nodes (pN): 3 perithyroidal lymph nodes.", "pN", []),
        ("Primary tumor (pT): 3.5 cm, PT2.", "pT", ["T2"]),
        ("Tumor thickness (pT1 and pT2 tumors): 4 mm.", "pT", []),
        ("Primary tumor (pT): 2a. Regional nodes.", "pT", ["T2a"]),
        ("Trichrome stain (fibrosis stage IV).", "stage_group", []),
    ],
)  # fmt: skip
def test_rules_read_other_habits(text, field, expected):
    assert values(text, field) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("The cells express CK7 and TTF-1 but not CK20.", {("CK7", "positive"), ("TTF1", "positive"), ("CK20", "negative")}),
        ("They do not express synaptophysin or p63.", {("synaptophysin", "negative"), ("p63", "negative")}),
        ("CD56 (-), Hepatocyte (+).", {("CD56", "negative"), ("HepPar-1", "positive")}),
        ("Stains for MLH-1, MSH-2 and PMS-2 are performed on block A7.", set()),
        ("Mutations in the EGFR gene were NOT detected. No KRAS mutation was found.", {("EGFR", "negative"), ("KRAS", "negative")}),
        ("Positive for PLAP and negative for CAM 5.2. and AE1/AE3.", {("PLAP", "positive"), ("CAM 5.2", "negative"), ("AE1/AE3", "negative")}),
        ("HER2 by IHC: 1+. PR: Positive expression in 80%.", {("HER2", "1+"), ("PR", "positive"), ("PR", "80%")}),
        ("In tumor cells: Negative - TFE3, CK7.", {("TFE3", "negative"), ("CK7", "negative")}),
        ("Positive for calretinin and nuclear WT-1. Estrogen receptors found in 75% of nuclei.", {("calretinin", "positive"), ("WT1", "positive"), ("ER", "75%")}),
        ("ERG, PSAP and CK7 will be reported.", set()),
    ],
)  # fmt: skip
def test_rules_read_lists_of_markers(text, expected):
    assert markers(text) == expected


def test_rules_tell_containers_apart_by_their_labels():
    text = "A. Node: one benign lymph node (0/1). B. Node: one benign lymph node (0/1). C. Fat: two benign lymph nodes (0/2)."
    assert [value.value for value in read_report(text).nodes_examined] == [1, 1, 2]


def test_clinical_parts_end_where_the_pathologist_speaks():
    text = "Clinical history: mass. Diagnosis: carcinoma. Clinical correlation is advised. Grade: 2"
    inside = clinical_parts(text)
    assert [bool(inside[text.index(word)]) for word in ("mass", "carcinoma", "advised", "Grade")] == [True] + [
        False
    ] * 3


@pytest.mark.parametrize(
    "text, expected",
    [
        ("node", [(0, 4)]),
        ("x" * 10 + "node" + "x" * 20 + "NODE", [(8, 16), (32, 38)]),
        ("nodenode", [(0, 8)]),
        ("none", []),
        ("İ node", [(0, 6)]),
    ],
)
def test_stretches_hold_what_stands_around_the_words(text, expected):
    assert list(stretches(text, ("node",), 2, 6)) == expected


def test_vocabulary_finds_names_by_every_letter_they_begin_with():
    names = Vocabulary({"lung": "lungs?|(?:upper |lower )?lobe", "esophagus": "(?:o)?esophagus", "MLH1": r"h?MLH\W?1"})
    text = "Lower lobe, oesophagus, esophagus, hMLH-1 and the lungs; semi-lung, sublungual"
    found = [(name, match.group()) for name, match in names.find(text)]
    assert found == [
        ("lung", "Lower lobe"),
        ("esophagus", "oesophagus"),
        ("esophagus", "esophagus"),
        ("MLH1", "hMLH-1"),
        ("lung", "lungs"),
    ]


def test_rules_leave_empty_boxes_of_a_form_alone():
    text = "MARGINS\n ___ Cannot be assessed\n _X_ All margins are uninvolved by invasive carcinoma"
    assert values(text, "margins") == ["uninvolved"]


@pytest.mark.parametrize(
    "text, field, expected",
    [
        ("Squamous carcinoma of tongue.", "site", ["tongue"]),
        ("No carcinoma of the tongue, metastatic carcinoma of the lung.", "site", []),
        ("C. Bladder, seminal vesicles and vas deferens, excision.", "site", ["bladder", "seminal vesicle", "vas deferens"]),
        ("Seminal vesicles (invasion of muscular wall required): uninvolved.", "site", []),
        ("Presacral lymph nodes (D) : no malignancy.", "site", ["lymph node"]),
        ("Jugular chain lymph node, levels II and III: no tumor.", "site", ["lymph node"]),
        ("Fat is submitted for lymph node dissection. Two lymph nodes: benign.", "site", []),
        ("Tissue description: Left gastric lymph node (3.2 x 1.2 cm), and segment III liver (20 grams).", "site", ["lymph node", "liver"]),
        ("Received was 'parietal pleura'.", "site", ["pleura"]),
        ("A. Right neck contents. B. Neck (excision): fat. C. Bladder neck: benign. D. Teeth, extraction.", "site", ["neck", "bladder", "tooth"]),
        ("Carcinoma of lung (left).", "laterality", ["left"]),
        ("Specimen: Left lower lobe. Procedure: Lobectomy.", "laterality", ["left"]),
        ("Focality: Multifocal, bilateral.", "laterality", ["bilateral"]),
        ("A. Right cheek, skin biopsy: melanoma.", "laterality", ["right"]),
        ("A. Left chest tube, removal.", "laterality", []),
    ],
)  # fmt: skip
def test_rules_read_where_the_tumour_is(text, field, expected):
    assert values(text, field) == expected


@pytest.mark.parametrize(
    "text, field, expected",
    [
        # procedures
        ("Left functional neck dissection.", "procedure", ["functional neck dissection"]),
        ("Teeth, extraction. The wedge split during extraction.", "procedure", ["extraction"]),
        ("A. Whipple contents. B. Labeled whipple's specimen.", "procedure", []),
        ("Possible lymph node dissection. Fat is submitted for lymph node dissection.", "procedure", []),
        ("Kidney: Nephrectomy, partial or radical. Staging system for prostatectomy.", "procedure", []),
        # sizes
        ("Greatest dimension of largest focus of invasion over 0.1 cm: 3.2 cm.", "tumour_size", [[32]]),
        ("Ductal carcinoma, grade 2 (3+2+1); 4.2 cm in greatest dimension.", "tumour_size", [[42]]),
        ("Tumour size. LBD 12.5mm, Height 6mm.", "tumour_size", [[12.5, 6]]),
        ("Tumour size (cm). 5.7999999999999998. Histology.", "tumour_size", [[58]]),
        ("Melanoma, Clark level IV, 4 mm in depth.", "tumour_size", []),
        ("Adenocarcinoma located 3 cm aborally to the valve.", "tumour_size", []),
        ("A nodule measuring 0.5 x 0.4 cm, possible lymph node.", "tumour_size", []),
        # margins
        ("Carcinoma extends to 0.8 cm from the resection margin.", "margins", []),
        ("Irradical resection.", "margins", ["involved"]),
        ("The excision is complete. Radical resection.", "margins", ["uninvolved"]),
        ("Patients with completely resected tumors do well.", "margins", []),
        # invasion
        ("The margin is free of tumor. - Lymphatic tumor emboli are identified.", "lymphovascular_invasion", ["present"]),
        ("VASCULAR INVASION?: No.", "lymphovascular_invasion", ["absent"]),
        ("Small vessel angiolymphatic invasion also identified.", "lymphovascular_invasion", ["present"]),
        ("Stage: pT3 pN0 LO V0.", "lymphovascular_invasion", ["absent"]),
        # grade and stage
        ("Nuclear grade of the tumor is: 2.", "grade", ["nuclear 2"]),
        ("Nottingham grade of 3+3+3=9/9.", "grade", ["Nottingham 9"]),
        ("No high grade atypia.", "grade", []),
        ("Lymph Node Stage (AJCC 7th Edition). N1b (2-3 nodes).", "pN", ["N1b"]),
    ],
)  # fmt: skip
def test_rules_read_more_forms_of_each_field(text, field, expected):
    assert values(text, field) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Re-excision is recommended.", []),
        ("Recommend re-excision.", []),
        ("Biopsy recommended. Mastectomy is planned.", []),
        ("Consider lymph node dissection.", []),
        ("No biopsy was performed. The patient refused mastectomy.", []),
        ("Margins: No. Biopsy: carcinoma.", ["biopsy"]),
        ("Skin, excision. Complete excision is recommended.", ["excision"]),
    ],
)
def test_procedures_are_those_that_were_done(text, expected):
    assert values(text, "procedure") == expected
