import io
from importlib.resources import files

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_clinicalbert.pathology.component import read_report
from spacy_clinicalbert.pathology.inferred import add_inferred
from spacy_clinicalbert.pathology.record import PathologyRecord, Value, json_schema, write_csv

LABELS = {"pT": ["T1", "T2", "T3", "T4"]}


def values(text, field):
    return [value.value for value in getattr(read_report(text), field)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\n",
        "Vascular invasion: Margins: Lymph nodes: Histologic grade:",
        "Tumor size: not specified. pT: pending.",
    ],
)
def test_component_invents_nothing(text):
    record = read_report(text)
    assert not [pair for pair in record.values() if pair[0] != "site"]
    assert all(value.source == "stated" for _, value in record.values())


@pytest.mark.parametrize(
    "text, field, expected",
    [
        ("Tumor size: 2.3 x 1.8 x 1.5 cm.", "tumour_size", [[23, 18, 15]]),
        ("Tumor size (in cm): 3.2x2.0x1.5. Histologic type: x", "tumour_size", [[32, 20, 15]]),
        ("The specimen measures 9 x 8 x 7 cm.", "tumour_size", []),
        ("Stage: pT3NO MX.", "pT", ["T3"]),
        ("Stage: pT3NO MX.", "pN", ["N0"]),
        ("Stage: pT3NO MX.", "pM", ["MX"]),
        ("Tlb tumor, T2 weighted image.", "pT", []),
        ("ypT2a N1b.", "pN", ["N1b"]),
        ("Moderately to poorly differentiated carcinoma", "grade", ["G2-G3"]),
        ("Gleason score 3 + 4 = 7", "grade", ["Gleason 3+4=7"]),
        ("Fuhrman nuclear grade: II", "grade", ["Fuhrman 2"]),
        ("Surgical margins: negative.", "margins", ["uninvolved"]),
        ("Lymphovascular invasion: Not identified.", "lymphovascular_invasion", ["absent"]),
        ("Perineural invasion: Present.", "perineural_invasion", ["present"]),
        ("Metastatic carcinoma in two of fourteen lymph nodes (2/14).", "nodes_examined", [14]),
        ("Metastatic carcinoma in two of fourteen lymph nodes (2/14).", "nodes_positive", [2]),
        ("Estrogen receptor: positive. Ki-67 30%.", "marker", ["positive", "30%"]),
        ("Immunohistochemical stain for desmin was ordered.", "marker", []),
        ("Specimens: A. Left kidney. B. Lymph node, hilar.", "site", ["kidney", "lymph node"]),
        ("Regional lymph nodes (pN): pNX. Lymph nodes examined: four. Adrenal gland: Not present.", "site", []),
        ("Sections are submitted as follows: A1. spleen; A2. ovary;", "site", []),
        ("The specimen consists of lung, parietal. pleura, attached rib.", "site", ["lung", "pleura"]),
        ("Diagnosis: Resected section of colon with a tumor.", "procedure", ["resection"]),
        ("Margins of resection: free. Proximal resection. margin free.", "procedure", []),
        ("Right hepatic duct", "laterality", ["right"]),
        (
            "Papillary renal cell carcinoma. Sarcomatoid features: none",
            "histologic_type",
            ["papillary renal cell carcinoma"],
        ),
        (
            "Malignant mesothelioma, predominantly of. epithelial pattern",
            "histologic_type",
            ["malignant mesothelioma, predominantly epithelial"],
        ),
        ("Clinical history: seminoma. DCIS is not identified.", "histologic_type", []),
        ("Poorly to moderately differentiated", "grade", ["G2-G3"]),
        ("Fuhrman grade 2-3/4", "grade", ["Fuhrman 2-3"]),
        ("pT1a: Tumor 4 cm or less in greatest dimension. Tumor more than 2 cm.", "tumour_size", []),
        ("A mass measuring 3. cm is found. It measures 16 mm by 12 mm.", "tumour_size", [[30], [16, 12]]),
        (
            "There is a 2.8 cm (medial to lateral) x 1.8 cm (superior to. inferior) firm mass.",
            "tumour_size",
            [[28, 18]],
        ),
        ("Margins involved by invasive component: Calcification: yes", "margins", []),
        ("Tumor extends to within 2.8 cm of the margin.", "margins", []),
        ("No vascular invasion identified.", "lymphovascular_invasion", ["absent"]),
        ("pT2: Solitary tumor with vascular invasion or multiple tumors", "lymphovascular_invasion", []),
        ("AJCC stage (6th edition): pT1b1 pNo.", "pT", ["T1b1"]),
        ("AJCC stage (6th edition): pT1b1 pNo.", "pN", ["N0"]),
    ],
)
def test_component_reads_what_is_stated(text, field, expected):
    assert values(text, field) == expected


# Values with the words that state them, and whether they are of a part.
@pytest.mark.parametrize(
    "text, field, expected",
    [
        (
            "Hilar lymph nodes: no tumor in two lymph nodes (0/2). Left axillary: two nodes, negative (0/2). Right: 1/9 nodes.",
            "nodes_examined",
            [(2, True, 1), (2, True, 1), (9, True, 1)],
        ),
        (
            "Of eight hilar nodes, one is positive (1/8). Thymic node: negative. Hilar nodes: one of eight nodes.",
            "nodes_examined",
            [(8, True, 2)],
        ),
        (
            "Number of nodes examined: 24. Number positive: 12. 12 out of the 18 nodes.",
            "nodes_positive",
            [(12, False, 2)],
        ),
        (
            "Right. Number of nodes examined: 19. Left. Number of nodes examined: 10.",
            "nodes_examined",
            [(19, True, 1), (10, True, 1)],
        ),
        ("34 local lymph nodes are tumor-free. Stage: pN0 (0/34).", "nodes_examined", [(34, False, 2)]),
        ("Nottingham score 8/9. Lymph nodes: none", "nodes_positive", []),
    ],
)
def test_component_counts_nodes(text, field, expected):
    found = [(value.value, value.part, len(value.evidence)) for value in getattr(read_report(text), field)]
    assert found == expected


def test_component_keeps_two_tumours_and_the_addendum():
    text = "Bladder: urothelial carcinoma, pT3bN0MX. Prostate: adenocarcinoma, pT2bN0MX. ADDENDUM: Ki-67 20%."
    record = read_report(text)
    assert [value.value for value in record.pT] == ["T3b", "T2b"]
    assert [len(value.evidence) for value in record.pN] == [2]
    assert record.marker[0].evidence[0].text == "Ki-67 20%"


def test_component_every_value_has_its_place():
    text = "Right kidney, radical nephrectomy: clear cell renal cell carcinoma, 3 cm. Margins negative. pT1a NX."
    found = [value for _, value in read_report(text).values()]
    assert len(found) >= 8
    assert all(text[place.start : place.end] == place.text for value in found for place in value.evidence)


@pytest.mark.parametrize(
    "cats, source, conflict",
    [({"T1": 0.1, "T2": 0.9}, "inferred", False), ({"T1": 0.8, "T2": 0.2}, "inferred", True)],
)
def test_inferred_flags_what_differs(cats, source, conflict):
    record = read_report("Stage: pT2a.")
    add_inferred(record, cats, LABELS, 0.5)
    assert [value.source for value in record.pT] == ["stated", source]
    assert [value.conflict for value in record.pT] == [conflict, conflict]
    assert record.conflicts() == (["pT"] if conflict else [])


def test_inferred_leaves_out_what_is_unlikely_or_unknown():
    record = PathologyRecord()
    add_inferred(record, {"T1": 0.4}, LABELS, 0.5)
    add_inferred(record, {}, LABELS, 0.0)
    assert record == PathologyRecord()


def test_record_stated_value_without_place_is_an_error():
    with pytest.raises(ValueError, match="needs evidence"):
        Value(value="T2")


def test_record_goes_to_json_and_csv():
    record = read_report("Tumor size: 2 x 1 cm. pT1a.")
    assert PathologyRecord.model_validate_json(record.to_json()) == record
    file = io.StringIO(newline="")
    write_csv([("a", record)], file)
    lines = file.getvalue().splitlines()
    assert len(lines) == 1 + len(list(record.values())) and "a,tumour_size,20 x 10," in lines[1]


def test_factory_writes_the_record_and_joins_cats():
    nlp = spacy.blank("en")
    nlp.add_pipe("clinical_pathology")
    doc = nlp.make_doc("Stage: pT2 N0.")
    doc.cats = {"T3": 0.7}
    doc = nlp(doc)
    assert doc._.pathology.conflicts() == ["pT"]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_record_survives_docbin_and_other_processes():
    nlp = spacy.blank("en")
    nlp.add_pipe("clinical_pathology")
    report = "Tumor size: 2.0 x 1.5 cm. ER positive (90%). Stage: pT1c N0."
    expected = read_report(report)
    assert len(list(expected.values())) >= 4 and nlp.make_doc(report)._.pathology is None
    (again,) = DocBin(docs=[nlp(report)], store_user_data=True).get_docs(nlp.vocab)
    docs = list(nlp.pipe([report, "None.", report], n_process=2, batch_size=1))
    assert again._.pathology == docs[0]._.pathology == docs[2]._.pathology == expected
    assert not list(docs[1]._.pathology.values())


@pytest.mark.parametrize("config, message", [({"inferred": {"pX": []}}, "pX"), ({"threshold": 2.0}, "threshold")])
def test_factory_refuses_what_it_cannot_use(config, message):
    with pytest.raises(ValueError, match=message):
        spacy.blank("en").add_pipe("clinical_pathology", config=config)


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        " ",
        "1",
        "1 x ",
        "T",
        "pT",
        "node ",
        "margin ",
        "invasive ",
        "grade ",
        "ER, ",
        "( ",
        ". ",
        "1/",
        "left ",
        "lymph nodes ",
        "hilar node: 1/2. ",
        "left ovary. ",
        "LVI: absent. ",
        "no lymphatic, ",
        "vascular invasion, ",
        "tumor at the margin, ",
        "positive ",
        "no carcinoma or ",
        "\n- Margins: ",
        "\n ",
        "\t",
    ],
)
def test_component_time_grows_with_length_alone(piece, process_seconds):
    def text(n):
        return piece * (n // len(piece))

    read_report(text(1000))
    assert process_seconds(read_report, text(40_000)) < 24 * max(process_seconds(read_report, text(5000)), 0.005)


def test_record_published_schema_is_that_of_the_code():
    published = files("spacy_clinicalbert.assets") / "pathology_schema.json"
    assert published.read_text(encoding="utf8") == json_schema()
