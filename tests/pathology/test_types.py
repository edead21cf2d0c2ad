import pytest

from spacy_clinicalbert.pathology.component import read_report


def types(text):
    return [value.value for value in read_report(text).histologic_type]


DCIS, LCIS = "ductal carcinoma in situ", "lobular carcinoma in situ"


@pytest.mark.parametrize(
    "text, expected",
    [
        # A negation holds of a list.
        (f"No evidence of {LCIS} or {DCIS}.", []),
        (f"Negative for invasive carcinoma and {LCIS}.", []),
        (f"Free of invasive lobular carcinoma, {LCIS} and {DCIS}.", []),
        (f"Without {DCIS} (DCIS) or {LCIS} (LCIS).", []),
        ("No seminoma, embryonal carcinoma, yolk sac tumor or teratoma is seen.", []),
        ("No evidence of\nbasal cell carcinoma or\n  squamous cell carcinoma", []),
        ("No ulcer or melanoma.", []),
        # It ends with its sentence, and holds of nothing that follows in another way.
        (f"No ulcer. Invasive carcinoma and {LCIS}.", [LCIS]),
        (f"No ulcer is seen and {DCIS} is present.", [DCIS]),
        (f"No invasive carcinoma but {DCIS} and {LCIS}.", [DCIS, LCIS]),
        (f"No invasive carcinoma, {DCIS} present.", [DCIS]),
        ("No melanoma. Basal cell carcinoma.", ["basal cell carcinoma"]),
        (f"Ulcer: No\nHistologic type: {LCIS}", [LCIS]),
        (f"{DCIS}: No\n{LCIS}: Not identified\nHistologic type: Seminoma", ["seminoma"]),
        (f"- no {DCIS}\n- {LCIS}\n", [LCIS]),
        (f"History of melanoma and {DCIS}.", [DCIS]),
        # names
        ("Basal cell carcinoma, nodular type.", ["basal cell carcinoma, nodular type"]),
        ("Well differentiated neuroendocrine tumour.", ["neuroendocrine tumor"]),
        ("Pancreatic neuroendocrine neoplasm.", ["neuroendocrine neoplasm"]),
        ("Atypical carcinoid. CARCINOID TUMOR.", ["atypical carcinoid", "carcinoid tumor"]),
        ("Gastrointestinal stromal tumor, spindle cell type.", ["gastrointestinal stromal tumor, spindle cell type"]),
        ("Stomach: GIST. Spleen: DLBCL.", ["gastrointestinal stromal tumor", "diffuse large b-cell lymphoma"]),
        ("Diffuse large B-cell lymphoma.", ["diffuse large b-cell lymphoma"]),
        ("Marginal zone B cell lymphoma.", ["marginal zone b-cell lymphoma"]),
        ("Classical Hodgkin lymphoma, nodular sclerosis.", ["classical hodgkin lymphoma, nodular sclerosis"]),
        ("Diffuse adenocarcinoma.", ["adenocarcinoma"]),
        ("Carcinoid syndrome. Neuroendocrine markers. Stromal invasion by a B-cell infiltrate.", []),
    ],
)  # fmt: skip
def test_types_are_named_and_negated_in_lists(text, expected):
    assert types(text) == expected


def test_types_evidence_begins_with_the_name():
    (value,) = read_report("Fat necrosis and lobular carcinoma in situ.").histologic_type
    assert [place.text for place in value.evidence] == [LCIS] and value.in_situ


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Diagnosis: poor differentiated adenocarcinoma.", ["adenocarcinoma"]),
        ("Multiple papillary microcarcinomas.", ["papillary microcarcinoma"]),
        ("Liver: hilar cholangiocarcinoma.", ["cholangiocarcinoma"]),
        ("Adenocarcinoma, moderately differentiated, with mucinous differentiation.", ["adenocarcinoma with mucinous differentiation"]),
        # kidney
        ("Renal cell carcinoma - Papillary type.", ["papillary renal cell carcinoma"]),
        ("Renal cell carcinoma, papillary type (type I).", ["papillary renal cell carcinoma, type 1"]),
        ("Renal cell carcinoma, conventional (80% clear cells).", ["conventional renal cell carcinoma"]),
        ("Renal cell carcinoma, conventional (clear cell type).", ["clear cell renal cell carcinoma"]),
        ("Renal cell carcinoma, clear cell type, with extensive (>40%) sarcomatoid differentiation.", ["clear cell renal cell carcinoma with sarcomatoid differentiation"]),
        ("Consistent with a papillary RCC.", ["papillary renal cell carcinoma"]),
        ("A papillary-type renal cell carcinoma.", ["papillary renal cell carcinoma"]),
        # the variant in front of the name
        ("A follicular variant of papillary carcinoma.", ["papillary carcinoma, follicular variant"]),
        ("Mixed follicular and classical variant papillary thyroid carcinoma.", ["papillary carcinoma, mixed follicular and classical variant"]),
        # no statement of this tumour
        ("Rule out carcinoma, melanoma.", []),
        ("Specimen(s) received: A: scalp melanoma.", []),
        ('Labeled "pleural mesothelioma".', []),
        ("Metastatic classical variant papillary carcinoma: three nodes.", []),
        ("A higher grade than typical papillary renal cell carcinoma. Such adrenocortical carcinomas have a poor prognosis.", []),
        ("The staging system for pleural mesothelioma.", []),
        ("Frozen section: favor lymphoma, squamous carcinoma.", ["squamous carcinoma"]),
    ],
)  # fmt: skip
def test_types_are_named_in_the_usual_order(text, expected):
    assert types(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Adenocarcinoma in situ.", [("adenocarcinoma in situ", True)]),
        ("Melanoma\nin situ, 3 mm.", [("melanoma in situ", True)]),
        ("Invasive melanoma with melanoma in situ.", [("invasive melanoma", False), ("melanoma in situ", True)]),
        ("Squamous cell carcinoma cannot be excluded.", []),
        ("Squamous cell carcinoma is ruled out.", []),
        ("The differential diagnosis includes adenocarcinoma and mesothelioma.", []),
        ("Differential diagnosis: small cell carcinoma, melanoma and lymphoma.", []),
    ],
)
def test_types_are_no_others_and_none_that_is_only_thought_of(text, expected):
    assert [(value.value, value.in_situ) for value in read_report(text).histologic_type] == expected
