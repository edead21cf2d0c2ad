import pytest

from spacy_clinicalbert.pathology.component import read_report


def margins(text):
    return [value.value for value in read_report(text).margins]


@pytest.mark.parametrize(
    "text, expected",
    [
        # A negation may have several words.
        ("Margins: Absence of neoplastic involvement.", ["uninvolved"]),
        ("There is no evidence of residual tumor at the margins of resection.", ["uninvolved"]),
        ("Negative for adenocarcinoma at the inked margin.", ["uninvolved"]),
        ("Free of tumor at all margins.", ["uninvolved"]),
        ("No tumor or dysplasia at margins.", ["uninvolved"]),
        ("Without invasive carcinoma at the deep margin.", ["uninvolved"]),
        ("No involvement of the resection margins is seen.", ["uninvolved"]),
        ("The tumor was not seen at the margin.", ["uninvolved"]),
        ("No tumor within 1 mm of the margin.", []),
        # It ends with its clause.
        ("There is no ulcer and tumor is present at the margin.", ["involved"]),
        ("No nodal disease, carcinoma at the margin.", ["involved"]),
        ("Negative for dysplasia. Carcinoma is present at the margin.", ["involved"]),
        ("Ulcer: No. Carcinoma at the margin.", ["involved"]),
        ("Ulcer: No\nTumor is present at the margin", ["involved"]),
        ("It is not known whether the margin is positive.", ["involved"]),
        ("Tumor involvement at margin unknown.", []),
        # What is said of something else stays with it.
        ("ER positive, margins clear.", ["uninvolved"]),
        ("PR positive and surgical margins are widely free.", ["uninvolved"]),
        ("p16 positive carcinoma without margin involvement.", ["uninvolved"]),
        ("ER positive and tumor is 3 mm from the margin.", []),
        ("p16: positive\nMargins: negative", ["uninvolved"]),
        ("- p16 positive\n- margins negative\n", ["uninvolved"]),
        ("Tumor is present in the lobe but not at the margin.", []),
        ("The biopsy is positive for tumor at the deep margin.", ["involved"]),
        ("Positive lateral and deep margins.", ["involved"]),
        # Each margin has its own status.
        ("Lateral margin positive, deep margins negative.", ["involved", "uninvolved"]),
        ("Lateral margin positive, deep margin close (<1 mm).", ["involved", "close"]),
        ("Distal margin free, proximal margin positive, radial margin free.", ["uninvolved", "involved"]),
        ("Tumor is present at the deep margin and lateral margins are negative.", ["involved", "uninvolved"]),
        ("Positive margins. Negative nodes.", ["involved"]),
        # forms, line by line
        ("Margins: Involved by invasive carcinoma\nLymphovascular invasion: Present", ["involved"]),
        ("Margins involved by invasive carcinoma:\nLymphovascular invasion: Present", []),
        ("Distal margin\n  Uninvolved by carcinoma\nRadial margin\n  Involved by carcinoma", ["uninvolved", "involved"]),
        ("Distal margin: Free of tumor\nRadial margin: Positive for tumor", ["uninvolved", "involved"]),
        ("MARGINS\nMargin status: Invasive carcinoma present at margin\nMargin involved: Posterior", ["involved"]),
        ("Margins:\nCarcinoma present at deep margin\nOther margins: uninvolved", ["involved", "uninvolved"]),
        ("MARGINS\n___ Margins involved by carcinoma\n_X_ Margins uninvolved by carcinoma", ["uninvolved"]),
    ],
)  # fmt: skip
def test_margins_are_read_clause_by_clause(text, expected):
    assert margins(text) == expected


@pytest.mark.parametrize(
    "text, evidence",
    [
        ("There is no evidence of tumor at the deep margin.", "no evidence of tumor at the deep margin"),
        ("ER positive, lateral margins clear.", "margins clear"),
    ],
)
def test_margins_evidence_is_understood_alone(text, evidence):
    assert [place.text for value in read_report(text).margins for place in value.evidence] == [evidence]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Margins are not free of tumor.", ["involved"]),
        ("Margins not clear.", ["involved"]),
        ("The margins are not entirely free of carcinoma.", ["involved"]),
        ("Are the margins involved? No", ["uninvolved"]),
        ("Margins involved? Yes", ["involved"]),
        ("Margin involvement cannot be excluded.", []),
        ("Margin involvement cannot be assessed.", ["not assessable"]),
    ],
)
def test_margins_are_not_taken_for_their_opposite(text, expected):
    assert margins(text) == expected
