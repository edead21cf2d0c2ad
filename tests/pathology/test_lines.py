"""Reports with real line breaks: an item ends with its line, a sentence does not."""

import re

import pytest

from spacy_clinicalbert.pathology.component import read_report
from spacy_clinicalbert.pathology.lines import join_lines

FORM = """SYNOPTIC REPORT
Procedure: Lumpectomy
Specimen size: 11 x 7 x 4 cm
Tumor site: Upper inner quadrant
Tumor size: 1.7 cm
Margins: Involved by invasive carcinoma
Lymphovascular invasion: Present
Perineural invasion: No
Depth of invasion: 12 mm
Lymph nodes: 1/5
ER: Positive
Stage: pT1c pN1a
"""


def values(text, *fields):
    record = read_report(text)
    return [[value.value for value in getattr(record, field)] for field in fields]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Size: 2 cm\nMargins: free", "Size: 2 cm. Margins: free"),
        ("Size: 2 cm\r\npT: pT2\r\n", "Size: 2 cm; pT: pT2\r\n"),
        ("- size 2 cm\n-margins free\n  • 3 nodes", "- size 2 cm; margins free; 3 nodes"),
        ("1. Free.\n2. Free\n(C) Free", "1. Free.; 2. Free; (C) Free"),
        ("Carcinoma, 2 cm\n\nmargins free\n\n2 nodes", "Carcinoma, 2 cm. margins free; 2 nodes"),
        ("Margins free\nNo LVI", "Margins free. No LVI"),
        ("Margins:\n   free\n\nLVI:\n- absent", "Margins: free. LVI: absent"),
        ("Margins are\nfree of\n  Tumor", "Margins are free of Tumor"),
        ("Lung, right,\nUpper lobe, well-\nDifferentiated", "Lung, right, Upper lobe, well- Differentiated"),
        ("A line that is as long as those of a text which was wrapped by\nDr. Who", "A line that is as long as those of a text which was wrapped by Dr. Who"),
        ("A line that is as long as those of a text which was wrapped up\nCarcinoma", "A line that is as long as those of a text which was wrapped up Carcinoma"),
        ("Specimen A\nMargins: free OF\nTUMOR", "Specimen A. Margins: free OF TUMOR"),
        ("Received at\n10:30 and cut", "Received at 10:30 and cut"),
        ("Margins:\t\tfree  of tumor", "Margins: free of tumor"),
        ("\n\n", "\n\n"),
        ("One line. Of two sentences.", "One line. Of two sentences."),
    ],
)  # fmt: skip
def test_join_lines_stops_where_an_item_ends(text, expected):
    assert join_lines(text).text == expected


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\n\n", " \n  - ", "\n* ", "\n\n\t"])
def test_join_lines_knows_the_way_back(separator):
    text = FORM.replace("\n", separator)
    lines = join_lines(text)
    places = [lines.place(offset) for offset in range(len(lines.text) + 1)]
    assert places == sorted(places) and places[-1] == len(text)
    assert all(text[places[each.start()]] == each.group() for each in re.finditer(r"\w", lines.text))


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\n\n", "\n- ", "\n  * ", ". ", "; "])
def test_rules_read_a_form_line_by_line(separator):
    record = read_report(FORM.replace("\n", separator))
    found = {field: value.value for field, value in record.values() if field not in ("site", "procedure", "marker")}
    assert found == {
        "tumour_size": [17],
        "margins": "involved",
        "lymphovascular_invasion": "present",
        "perineural_invasion": "absent",
        "nodes_examined": 5,
        "nodes_positive": 1,
        "pT": "T1c",
        "pN": "N1a",
    }
    assert [value.value for value in record.marker] == ["positive"]


@pytest.mark.parametrize(
    "text, field, expected",
    [
        # The next item is not part of this one.
        ("Tumor size: 1.7 cm\nMargins: Negative", "tumour_size", [[17]]),
        ("Tumor size: 1.7 cm\nDepth of invasion: 4 mm", "tumour_size", [[17]]),
        ("Tumor size: 1.7 cm\n2. Margins: negative", "tumour_size", [[17]]),
        ("tumor size: 1.7 cm\n- depth of invasion: 4 mm", "tumour_size", [[17]]),
        ("Depth of invasion: 9 mm\nTumor budding: high", "tumour_size", []),
        ("Specimen dimensions: 11 x 7 x 4 cm\nTumor site: fundus", "tumour_size", []),
        ("Gland size: 5 x 4 x 3 cm\nTumor quantitation: 30%", "tumour_size", []),
        ("Distal margin: negative\nHER2: positive\nMargin comment: none", "margins", ["uninvolved"]),
        ("Margins involved by carcinoma\nPerineural invasion: Present", "margins", ["involved"]),
        # A sentence goes on behind its line.
        ("The margins of the specimen are all widely\nfree of tumor.", "margins", ["uninvolved"]),
        ("There is a firm, grey and well circumscribed tumor that measures\n   1.7 x 1.2 cm.", "tumour_size", [[17, 12]]),
        ("Metastatic carcinoma is present in two of\n14 lymph nodes", "nodes_positive", [2]),
        ("Sections show an invasive ductal\ncarcinoma of the breast.", "histologic_type", ["invasive ductal carcinoma"]),
        ("INVASIVE DUCTAL\nCARCINOMA", "histologic_type", ["invasive ductal carcinoma"]),
        ("No evidence of vascular or\nPerineural invasion", "perineural_invasion", ["absent"]),
        # A name goes on behind its line.
        ("Infiltrating\nLobular\nCarcinoma", "histologic_type", ["infiltrating lobular carcinoma"]),
        ("Squamous\nCell Carcinoma", "histologic_type", ["squamous cell carcinoma"]),
        ("Poorly\nDifferentiated", "grade", ["G3"]),
        ("Partial\nNephrectomy", "procedure", ["partial nephrectomy"]),
        ("Angiolymphatic\nInvasion: Present", "lymphovascular_invasion", ["present"]),
        ("Lymph\nNodes: 1/7", "nodes_examined", [7]),
        ("Component: Papillary\nSeminoma: absent", "histologic_type", []),
        ("- Infiltrating\n- Adenocarcinoma\n\nInvasive\n\nSeminoma", "histologic_type", ["adenocarcinoma", "seminoma"]),
    ],
)  # fmt: skip
def test_rules_tell_items_from_wrapped_sentences(text, field, expected):
    assert values(text, field) == [expected]


def test_evidence_is_of_the_report_as_it_was_given():
    text = "DIAGNOSIS\n\n  -  Margins:\n\t Involved by\n   carcinoma\n  -  Size of tumor:   2.1 cm\n"
    found = [value for _, value in read_report(text).values()]
    assert all(text[place.start : place.end] == place.text for value in found for place in value.evidence)
    assert {place.text for value in found for place in value.evidence} == {"Margins:\n\t Involved", "2.1 cm"}
