import pytest

from spacy_clinicalbert.pathology.masking import mask_stages


@pytest.mark.parametrize(
    "text, masked",
    [
        ("Stage: pT2.", "Stage: ___."),
        ("T2N0M0", "___"),
        ("pT3NO MX and more", "___ and more"),
        ("pT2a (m), pN1mi, pM0", "___"),
        ("ypT2 N1b", "___"),
        ("p T 4, p N 0", "___"),
        ("Tlb NO Mx.", "___."),
        ("pTis", "___"),
        ("pT4b, L1, V1, R1, pN2 (4/11)", "___, L1, V1, R1, ___ (4/11)"),
        ("pN0 (0/34) M1", "___ (0/34) ___"),
        ("Regional lymph nodes (pN): pNX: cannot", "Regional lymph nodes (pN): ___: cannot"),
        ("stage II", "stage ___"),
        ("Stage IIA disease", "Stage ___ disease"),
        ("stage two", "stage ___"),
        ("AJCC stage group: IIIB.", "AJCC stage group: ___."),
        ("FIGO IB1", "FIGO ___"),
        ("Dukes' B", "Dukes' ___"),
        ("T stage: 2a", "T stage: ___"),
        ("Pathological N. 1", "Pathological N. ___"),
        ("Primary tumor (pT): 3", "Primary tumor (pT): ___"),
        ("Final TNM: pT3NOMO. stage: IIA.", "Final TNM: ___. stage: ___."),
        ("pTa NX", "___"),
        ("Stage: p Ta.", "Stage: ___."),
        ("TaN0M0", "___"),
        ("pT1mi pN1(mi) (1/4)", "___ (1/4)"),
        ("ypT0 ypN0(i-)(sn), cM0", "___"),
        ("aT4 N2 M1", "___"),
    ],
)
def test_masking_takes_stages_out(text, masked):
    assert mask_stages(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "",
        "NO TUMOR SEEN. No metastasis.",
        "Grade 2, G2, L1 V0, stage of the procedure",
        "Tumor more than 2 cm in two of 14 nodes (2/14).",
        "MIB-1, CD10, CK20, S100, PT test, NM, multistage 2",
        "AJCC staging manual, 7th edition",
        "staged on the 4th of May",
        "Ta wire, Tall cell variant, pTall",
        "a (mi) or (sn) alone",
    ],
)
def test_masking_leaves_the_rest(text):
    assert mask_stages(text) == text
