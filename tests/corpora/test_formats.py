"""One small file of each format, and what is read of it."""

import csv
import gzip
import importlib.util
import json
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training.corpus import Corpus
from typer.testing import CliRunner

from spacy_clinicalbert.corpora.docs import Report, span_attributes, split_of, to_docs
from spacy_clinicalbert.corpora.formats import FORMATS
from spacy_clinicalbert.corpora.splits import fingerprint

TEXT = "Denies chest pain. Given aspirin."
ROOT = Path(__file__).parent.parent.parent


def read(form, path, **settings):
    """The Docs of a file, after a .spacy file and back, and the report."""
    report, nlp = Report(), spacy.blank("en")
    docs = list(to_docs(FORMATS[form](path, **settings), nlp, report))
    stored = DocBin(docs=docs, store_user_data=True).to_bytes()
    return list(DocBin(store_user_data=True).from_bytes(stored).get_docs(nlp.vocab)), report


def spans(doc, group="gold"):
    return [(span.text, span.label_) for span in doc.spans[group]]


def write_lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    return path


def write_csv(path, names, *rows):
    with path.open("w", newline="", encoding="utf8") as file:
        csv.writer(file).writerows([names, *rows])
    return path


def test_every_format_has_a_registered_reader():
    names = {name for name in spacy.registry.readers.get_all() if name.startswith("spacy-clinicalbert.")}
    others = ["annotated", "default_attributes", "entity_questions", "mixed_corpora"]  # readers of readers
    assert names == {f"spacy-clinicalbert.{name}.v1" for name in [*FORMATS, *others]}


@pytest.mark.parametrize("form", FORMATS)
def test_every_reader_is_made_from_a_config(form, tmp_path):
    config = {"corpus": {"@readers": f"spacy-clinicalbert.{form}.v1", "path": str(tmp_path / "a"), "strict": True}}
    assert callable(spacy.registry.resolve(config)["corpus"])


def test_jsonl_reads_all_of_a_record(tmp_path):
    row = {
        "id": "n1",
        "patient": "p1",
        "text": TEXT,
        "entities": [[7, 17, "PROBLEM", {"negation": "negated"}], [25, 32, "DRUG"]],
        "labels": ["PROBLEM", "DRUG"],
        "cats": {"consult": 1, "letter": None},
        "spans": {"sections": [[0, 18, "HPI"]]},
        "annotated": {"my_ner": ["DRUG"]},
        "meta": {"ward": "B"},
    }
    path = tmp_path / "notes.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(row).encode()))
    (doc,), report = read("jsonl", path)
    assert spans(doc) == [("chest pain", "PROBLEM"), ("aspirin", "DRUG")] and len(doc.ents) == 2
    assert span_attributes(doc) == [{"negation": "negated"}, {}]
    assert spans(doc, "sections") == [("Denies chest pain.", "HPI")] and span_attributes(doc, "sections") == [{}]
    assert (doc._.note_id, doc._.patient, doc._.meta, doc.cats) == ("n1", "p1", {"ward": "B"}, {"consult": 1.0})
    assert doc._.annotated["ner"] == ("PROBLEM", "DRUG") and doc._.annotated["textcat"] == ("consult",)
    assert doc._.annotated["my_ner"] == ("DRUG",)
    assert (report.entities, report.spans, report.dropped.total()) == (2, 1, 0)


def test_what_is_not_annotated_stays_so_in_spacy_files(tmp_path):
    rows = [{"text": TEXT}, {"text": TEXT, "entities": [], "cats": {"letter": 0}}]
    docs, _ = read("jsonl", write_lines(tmp_path / "a.jsonl", *rows))
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "a.spacy")
    missing, none = (example.reference for example in Corpus(tmp_path / "a.spacy")(spacy.blank("en")))
    for head in ("ner", "clinical_ner", "spancat"):
        assert missing._.annotated[head] == () and head not in none._.annotated
    assert missing._.annotated["textcat_multilabel"] == () and none._.annotated["textcat_multilabel"] == ("letter",)
    assert not missing.has_annotation("ENT_IOB") and none.has_annotation("ENT_IOB")


def test_annotated_names_components_of_a_config(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", {"text": TEXT, "entities": []})
    make = spacy.registry.readers.get("spacy-clinicalbert.annotated.v1")
    inner = spacy.registry.readers.get("spacy-clinicalbert.jsonl.v1")(path)
    (example,) = make(inner, {"drugs": ["DRUG"]})(spacy.blank("en"))
    assert example.reference._.annotated["drugs"] == ("DRUG",) and "textcat" in example.reference._.annotated


@pytest.mark.parametrize("labels, expected", [(None, ["POS", "NEG", "POS"]), (["A"], ["POS", "NEG", None])])
def test_default_attributes_say_what_a_corpus_leaves_unsaid(tmp_path, labels, expected):
    entities = [[0, 6, "A"], [7, 12, "A", {"POLARITY": "NEG"}], [13, 17, "B", {"TREND": "INC"}]]
    path = write_lines(tmp_path / "a.jsonl", {"text": TEXT, "entities": entities}, {"text": TEXT})
    make = spacy.registry.readers.get("spacy-clinicalbert.default_attributes.v1")
    inner = spacy.registry.readers.get("spacy-clinicalbert.jsonl.v1")(path)
    first, bare = (example.reference for example in make(inner, {"POLARITY": "POS"}, labels)(spacy.blank("en")))
    assert [row.get("POLARITY") for row in span_attributes(first)] == expected
    assert span_attributes(first)[2]["TREND"] == "INC" and "gold" not in bare.spans


def test_white_space_at_the_ends_of_spans_is_left_off_and_counted(tmp_path):
    rows = [{"text": TEXT, "entities": [[6, 18, "A"], [6, 7, "B"]]}]
    (doc,), report = read("jsonl", write_lines(tmp_path / "a.jsonl", *rows))
    assert spans(doc) == [("chest pain.", "A")]
    assert report.mended.total() == 1 and dict(report.dropped) == {"spans of no text": 1}


def test_parquet_reads_structs_maps_and_json(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [
        {
            "id": "a",
            "text": TEXT,
            "entities": [{"start": 7, "end": 17, "label": "PROBLEM", "attributes": {"negation": "negated"}}],
            "cats": {"consult": 1.0, "letter": None},
            "spans": json.dumps({"sections": [[0, 18, "HPI"]]}),
        },
        {"id": "b", "text": TEXT},
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    (one, two), _ = read("parquet", tmp_path / "a.parquet")
    assert spans(one) == [("chest pain", "PROBLEM")] and span_attributes(one) == [{"negation": "negated"}]
    assert one.cats == {"consult": 1.0} and spans(one, "sections") == [("Denies chest pain.", "HPI")]
    assert "gold" not in two.spans and two._.annotated["ner"] == ()


def test_brat_keeps_attributes_concepts_and_parts(tmp_path):
    (tmp_path / "n.txt").write_text("No left\nor right pain here.")
    (tmp_path / "n.ann").write_text(
        "T1\tSign 3 7;17 21\tleft pain\nT2\tSign 8 16;17 21\tor right pain\nE1\tSign:T2 Where:T1\n"
        "A1\tPOLARITY E1 NEG\nN2\tReference T1 UMLS:C2\tpain\nA2\tSure T1\nA3\tSure R1\nN1\tReference T1 UMLS:C1\tpain\nR1\tX Arg1:T1 Arg2:T2\n"
    )
    (doc,), report = read("brat", tmp_path)
    assert spans(doc) == [("left\nor right pain", "Sign"), ("or right pain", "Sign")]
    assert span_attributes(doc) == [
        {"Sure": True, "concept": ["UMLS:C2", "UMLS:C1"], "parts": [[3, 7], [17, 21]]},
        {"POLARITY": "NEG"},
    ]
    assert [ent.text for ent in doc.ents] == ["or right pain"]  # parts with white space between them are one
    assert dict(report.dropped) == {"entities of several parts, in doc.spans['gold'] only": 1}
    assert dict(report.unread) == {"attributes of what is no entity": 1, "relations": 1, "arguments of events": 1}


def test_pubtator_keeps_concepts_and_counts_relations_and_types_left_out(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(
        "1|t|Fever.\n1|a|Aspirin.\n1\t0\t5\tFever\tDisease\tD1\n1\t7\t14\tAspirin\tDrug\tD2\n1\tCID\tD2\tD1\n"
    )
    (doc,), report = read("pubtator", path, labels={"Disease": "DISEASE"})
    assert spans(doc) == [("Fever", "DISEASE")] and span_attributes(doc) == [{"concept": "D1"}]
    assert doc._.annotated["ner"] == ("DISEASE",)
    assert dict(report.unread) == {"relations": 1, "entities of types without a label": 1}


@pytest.mark.parametrize(
    "tags",
    [
        "O B-PROBLEM I-PROBLEM O B-DRUG",  # IOB2
        "O I-PROBLEM I-PROBLEM O I-DRUG",  # IOB1
        "O B-PROBLEM E-PROBLEM O S-DRUG",  # BIOES
        "O B-PROBLEM L-PROBLEM O U-DRUG",  # BILUO
    ],
)
def test_conll_reads_every_scheme(tmp_path, tags):
    words = "Denies chest pain . Aspirin".split()
    path = tmp_path / "a.tsv"
    path.write_text("".join(f"{word}\t{tag}\n" for word, tag in zip(words, tags.split())) + "\nNone\tO\n")
    (one, two), _ = read("conll", path)
    assert one.text == "Denies chest pain . Aspirin" and one._.note_id == "a-1"
    assert [(ent.text, ent.label_) for ent in one.ents] == [("chest pain", "PROBLEM"), ("Aspirin", "DRUG")]
    assert not two.ents and two.has_annotation("ENT_IOB")


def test_conll_reads_documents_and_maps_types(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(
        "-DOCSTART- -X- O\n\nFever NN B-X\nFever NN B-X\n\nCough NN B-Y\n\n-DOCSTART- -X- O\n\nPain NN B-X\n"
    )
    (one, two), report = read("conll", path, labels={"X": "A"})
    assert one.text == "Fever Fever\nCough" and [ent.text for ent in one.ents] == ["Fever", "Fever"]
    assert two.text == "Pain" and dict(report.unread) == {"entities of types without a label": 1}


def test_squad_keeps_questions_with_and_without_answer(tmp_path):
    answers = [[("chest pain", 7)], [], [("spirin. ", 26)], [("wrong", 0)]]
    qas = [
        {"id": i, "question": f"Q{i}", "answers": [{"text": text, "answer_start": start} for text, start in each]}
        for i, each in enumerate(answers)
    ]
    data = {"data": [{"title": "T", "paragraphs": [{"context": TEXT + " ", "qas": qas, "document_id": 5}]}]}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(data))
    (doc,), report = read("squad", path)
    assert spans(doc) == [("chest pain", "ANSWER"), ("aspirin.", "ANSWER")] and not doc.has_annotation("ENT_IOB")
    assert [attributes["question"] for attributes in span_attributes(doc)] == [0, 2]
    assert [question["id"] for question in doc._.questions] == [0, 1, 2] and doc._.note_id == 5
    assert dict(report.dropped) == {"answers whose text does not stand at their offsets": 1}
    assert report.mended["spans widened to token borders"] == 1


def test_negex_reads_items_by_sentence_in_both_forms(tmp_path):
    items = [
        {"id": 1, "sentence": TEXT, "start": 7, "end": 17, "negation": "Negated"},
        {"id": 2, "sentence": TEXT, "start": 25, "end": 32, "negation": "Affirmed"},
        {"id": 3, "sentence": "No fever.", "start": None, "end": None, "negation": "Negated"},
    ]
    for item in items:
        item.update(temporality="Recent", experiencer="Patient")
    (one, two), report = read("negex", write_lines(tmp_path / "a.jsonl", *items))
    assert spans(one) == [("chest pain", "PHRASE"), ("aspirin", "PHRASE")] and not two.spans["gold"]
    assert span_attributes(one)[0] == {
        "id": 1,
        "negation": "Negated",
        "temporality": "Recent",
        "experiencer": "Patient",
    }
    assert one._.annotated["ner"] == () and "spancat" not in one._.annotated
    assert dict(report.dropped) == {"phrases that do not stand in their sentence": 1}
    path = tmp_path / "rs.txt"
    path.write_text(
        "line number\tCondition\tsentence\tnegation_status (negated, affirmed, possible)\ttemporality (recent)\t"
        "experiencer (patient, other)\n1\tpain\tPainful, no PAIN.\tNegated\tRecent\tPatient\n"
    )
    (doc,), _ = read("negex", path)
    assert spans(doc) == [("PAIN", "PHRASE")] and doc._.note_id == "1"


def test_mtsamples_reads_kaggles_table_and_misses_rare_headings(tmp_path):
    names = ["", "description", "medical_specialty", "sample_name", "transcription", "keywords"]
    rows = [
        ["0", "", " Surgery", "", TEXT, ""],
        ["1", "", " Urology", "", TEXT, ""],
        ["2", "", " Letters", "", "Dear A,", ""],
    ]
    path = write_csv(tmp_path / "mtsamples.csv", names, *rows)
    (one, two), report = read("mtsamples", path, kinds=["type", "specialty"])
    assert dict(report.unread) == {"rows that repeat a note": 1}
    assert one.cats["operative_report"] == one.cats["urology"] == 1.0 and one.cats["consult"] == 0.0
    assert two.cats == {} and two._.annotated["textcat_multilabel"] == ()
    assert (
        two._.note_id.startswith("kaggle-")
        and "letter" not in one.cats
        and one._.meta == {"specialties": ("Surgery", "Urology")}
    )


def test_nothing_is_lost_where_ids_come_twice(tmp_path):
    (tmp_path / "n.txt").write_text("pain")
    (tmp_path / "n.ann").write_text("T1\tA 0 4\tpain\nT1\tB 0 4\tpain\n")
    (doc,), _ = read("brat", tmp_path)
    assert spans(doc) == [("pain", "A"), ("pain", "B")]
    value = {"start": 7, "end": 17, "text": "chest pain"}
    result = [{"id": "r", "type": "labels", "value": {**value, "labels": [label]}} for label in "AB"]
    (tmp_path / "a.json").write_text(json.dumps([label_studio_task({"result": result})]))
    (doc,), _ = read("label_studio", tmp_path / "a.json")
    assert spans(doc) == [("chest pain", "A"), ("chest pain", "B")]
    (tmp_path / "n.con").write_text('c="pain" 1:0 1:0||t="problem"\n')
    (tmp_path / "n.ast").write_text("".join(f'c="pain" 1:0 1:0||t="problem"||a="{a}"\n' for a in ("absent", "present")))
    (doc,), report = read("i2b2_2010", tmp_path)
    assert span_attributes(doc) == [{"assertion": "absent"}]
    assert dict(report.dropped) == {"second assertions on one concept": 1}


def test_mtsamples_finds_the_ids_of_kaggles_notes_by_their_text(tmp_path, monkeypatch):
    from spacy_clinicalbert.corpora import mtsamples

    monkeypatch.setattr(mtsamples, "mtsamples_ids", lambda: {fingerprint(TEXT): 33})  # of the development set
    path = write_csv(tmp_path / "a.csv", ["medical_specialty", "transcription"], ["Surgery", TEXT.upper()])
    (doc,), _ = read("mtsamples", path, split="dev")
    assert doc._.note_id == 33 and split_of(33) == "dev"


def test_tcga_misses_unknown_fields(tmp_path):
    row = {"id": "i", "case": "c", "text": TEXT, "T": "T2", "N": None, "M": "M0", "T_raw": "T2a", "cancer_type": "X"}
    (doc,), _ = read("tcga", write_lines(tmp_path / "a.jsonl", row))
    assert doc.cats == {"T1": 0.0, "T2": 1.0, "T3": 0.0, "T4": 0.0, "M0": 1.0, "M1": 0.0}
    assert doc._.annotated["clinical_pathology"] == tuple(doc.cats)
    assert (doc._.patient, doc._.meta) == ("c", {"cancer_type": "X", "T_raw": "T2a"})


def test_tcga_has_types_of_cancer_as_categories_and_masks_stages(tmp_path):
    rows = [
        {"id": case, "case": case, "text": "Stage: pT2.", "T": None, "N": None, "M": None, "cancer_type": kind}
        for case, kind in (("a", "X"), ("b", "Y"), ("c", None))
    ]
    docs, _ = read("tcga", write_lines(tmp_path / "a.jsonl", *rows), cancer_types=True, mask=True)
    assert [doc.cats for doc in docs] == [{"X": 1.0, "Y": 0.0}, {"X": 0.0, "Y": 1.0}, {}]
    assert {doc.text for doc in docs} == {"Stage: ___."}


def test_prodigy_tells_accept_reject_and_ignore(tmp_path):
    span = {"start": 7, "end": 17, "label": "PROBLEM"}
    options = [{"id": "A", "text": "a"}, {"id": "B", "text": "b"}]
    rows = [
        {"text": TEXT, "spans": [span], "answer": "accept", "_input_hash": 7, "relations": [{}]},
        {"text": TEXT, "spans": [span], "answer": "reject"},
        {"text": TEXT, "answer": "ignore"},
        {"text": TEXT, "options": options, "accept": ["B"], "answer": "accept", "meta": {"id": "n", "patient": "p"}},
        {"text": TEXT, "label": "A", "spans": [span], "answer": "reject"},
    ]
    (one, refused, choice, binary), report = read("prodigy", write_lines(tmp_path / "a.jsonl", *rows))
    assert spans(one) == [("chest pain", "PROBLEM")] and one._.note_id == 7
    assert "gold" not in refused.spans and refused._.annotated["ner"] == ()
    assert choice.cats == {"A": 0.0, "B": 1.0} and (choice._.note_id, choice._.patient) == ("n", "p")
    assert binary.cats == {"A": 0.0} and "gold" not in binary.spans
    assert dict(report.dropped) == {"notes that the annotator passed over": 1}
    assert report.unread["relations"] == report.unread["spans that the annotator refused"] == 1


def label_studio_task(*annotations, **data):
    return {"id": 1, "data": {"text": TEXT, **data}, "annotations": list(annotations)}


def test_label_studio_reads_regions_choices_and_attributes(tmp_path):
    region = {"start": 7, "end": 17, "text": "chest pain"}
    result = [
        {"id": "r", "type": "labels", "value": {**region, "labels": ["PROBLEM"]}},
        {"id": "r", "type": "choices", "from_name": "negation", "value": {**region, "choices": ["negated"]}},
        {"id": "c", "type": "choices", "from_name": "kind", "value": {"choices": ["consult"]}},
        {"id": "s", "type": "labels", "value": {"start": 0, "end": 3, "text": "wrong", "labels": ["PROBLEM"]}},
        {"type": "relation", "from_id": "r", "to_id": "s"},
    ]
    tasks = [
        label_studio_task({"result": []}, {"result": result, "ground_truth": True}, {"result": []}, id="n1"),
        label_studio_task({"result": result, "was_cancelled": True}),
    ]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(tasks))
    (one, two), report = read("label_studio", path, choices=["consult", "letter"])
    assert spans(one) == [("chest pain", "PROBLEM")] and span_attributes(one) == [{"negation": "negated"}]
    assert one.cats == {"consult": 1.0, "letter": 0.0} and one._.note_id == "n1"
    assert "gold" not in two.spans and two.cats == {}
    assert dict(report.dropped) == {"entities whose text does not stand at their offsets": 1}
    assert dict(report.unread) == {"further annotations of a note": 2, "results of type relation": 1}
    path.write_text(json.dumps([label_studio_task({"result": [result[2]]})]))
    (one,), _ = read("label_studio", path)  # a project of categories
    assert one.cats == {"consult": 1.0} and one._.annotated["ner"] == ()


def test_doccano_reads_spans_and_categories(tmp_path):
    rows = [
        {"id": 1, "text": TEXT, "label": [[7, 17, "PROBLEM"]], "Comments": ["c"]},
        {"id": 2, "text": TEXT, "entities": [{"id": 9, "start_offset": 25, "end_offset": 32, "label": "DRUG"}]},
        {"id": 3, "text": TEXT, "label": []},
    ]
    docs, report = read("doccano", write_lines(tmp_path / "a.jsonl", *rows))
    assert [spans(doc) for doc in docs] == [[("chest pain", "PROBLEM")], [("aspirin", "DRUG")], []]
    assert dict(report.unread) == {"comments": 1}
    rows = [{"text": TEXT, "label": ["A"]}, {"text": TEXT, "label": ["B"]}, {"text": TEXT, "label": []}]
    docs, _ = read("doccano", write_lines(tmp_path / "a.jsonl", *rows), categories=True)
    assert [doc.cats for doc in docs] == [{"A": 1.0, "B": 0.0}, {"A": 0.0, "B": 1.0}, {}]


def write_xmi(folder, text=TEXT, begin=7, end=17):
    cassis = pytest.importorskip("cassis")
    system = cassis.TypeSystem()
    kind = system.create_type("de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity", "uima.tcas.Annotation")
    other = system.create_type("custom.Other", "uima.tcas.Annotation")
    system.create_feature(kind, "value", "uima.cas.String")
    system.create_feature(kind, "negation", "uima.cas.String")
    cas = cassis.Cas(system)
    cas.sofa_string = text
    cas.add(kind(begin=begin, end=end, value="PROBLEM", negation="negated"))
    cas.add(kind(begin=0, end=6))
    cas.add(other(begin=begin, end=end))
    folder.mkdir(exist_ok=True)
    system.to_xml(folder / "TypeSystem.xml")
    cas.to_xmi(folder / "n1.xmi")
    return folder


def test_uima_reads_entities_with_features_and_counts_other_types(tmp_path):
    # UIMA counts in UTF-16, where the first character is two.
    (doc,), report = read("uima", write_xmi(tmp_path / "a", "\U0001f600 " + TEXT, 9, 19))
    assert spans(doc) == [("chest pain", "PROBLEM")] and span_attributes(doc) == [{"negation": "negated"}]
    assert doc._.note_id == "n1" and dict(report.dropped) == {"annotations without a label": 1}
    assert dict(report.unread) == {"annotations of type Other": 1}
    (doc,), _ = read("uima", tmp_path / "a" / "n1.xmi", types={"custom.Other": ""})
    assert [label for _, label in spans(doc)] == ["Other"]
    with pytest.raises(ValueError, match="has no type"):
        read("uima", tmp_path / "a", types={"custom.Missing": ""})
    file = tmp_path / "a" / "n1.xmi"
    file.write_text(file.read_text(encoding="utf8").replace('end="20"', 'end="999"'), encoding="utf8")
    with pytest.raises(ValueError, match=r"n1\.xmi") as caught:
        read("uima", file)
    assert "Denies" not in str(caught.value)


def test_i2b2_2010_reads_concepts_and_assertions(tmp_path):
    for name, content in {
        "txt/r.txt": "HPI :\nDenies  chest pain .\nGiven aspirin .\n",
        "concept/r.con": 'c="chest pain" 2:1 2:2||t="problem"\nc="aspirin" 3:1 3:1||t="treatment"\nc="x" 3:0 3:0||t="test"\n',
        "ast/r.ast": 'c="chest pain" 2:1 2:2||t="problem"||a="absent"\nc="aspirin" 3:1 3:1||t="problem"||a="absent"\n',
        "txt/s.txt": "Not annotated .",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    (one, two), report = read("i2b2_2010", tmp_path)
    assert spans(one) == [("chest pain", "problem"), ("aspirin", "treatment")]
    assert span_attributes(one) == [{"assertion": "absent"}, {}] and one._.annotated["ner"][0] == "problem"
    assert "gold" not in two.spans
    assert dict(report.dropped) == {
        "entities whose text does not stand at their offsets": 1,
        "assertions on what is no concept": 1,
    }


def test_i2b2_xml_reads_the_shapes_of_the_challenges(tmp_path):
    tags = (
        '<NAME id="P0" start="7" end="17" text="chest pain" TYPE="PATIENT" comment="" />'
        '<EVENT id="E0" start="26" end="33" text="aspirin" polarity="POS" />'  # counted from 1
        '<TLINK id="T0" fromID="E0" toID="E1" /><DRUG id="D" start="0" end="3" text="wrong" />'
    )
    body = '<?xml version="1.0" encoding="UTF-8" ?>\n<r>\n<TEXT><![CDATA[{}]]></TEXT>\n<TAGS>{}</TAGS>\n</r>'
    (tmp_path / "220-01.xml").write_text(body.format(TEXT, tags))
    (doc,), report = read("i2b2_xml", tmp_path, label="TYPE")
    assert spans(doc) == [("chest pain", "PATIENT"), ("aspirin", "EVENT")]
    assert span_attributes(doc) == [{"TYPE": "PATIENT"}, {"polarity": "POS"}] and doc._.patient == "220"
    assert dict(report.unread) == {"tags TLINK without offsets": 1} and report.dropped.total() == 1
    (tmp_path / "220-01.xml").write_text(body.format(TEXT, '<ABDOMINAL met="met" /><ENGLISH met="not met" />'))
    (doc,), _ = read("i2b2_xml", tmp_path)
    assert doc.cats == {"ABDOMINAL": 1.0, "ENGLISH": 0.0} and doc._.annotated["ner"] == ()


def test_mimic_reads_both_tables_and_drops_errors(tmp_path):
    names = "ROW_ID SUBJECT_ID HADM_ID CHARTDATE CHARTTIME STORETIME CATEGORY DESCRIPTION CGID ISERROR TEXT".split()
    rows = [
        ["1", "22", "9", "2118-06-14", "", "", "Discharge summary", "Report", "", "", 'Said "no pain",\n\nstable.'],
        ["2", "22", "9", "2118-06-14", "", "", "Nursing", "Report", "", "1", "Wrong patient."],
    ]
    path = write_csv(tmp_path / "NOTEEVENTS.csv", names, *rows)
    (doc,), report = read("mimic", path)
    assert doc.text == 'Said "no pain",\n\nstable.' and (doc._.note_id, doc._.patient) == ("1", "22")
    assert doc._.meta["category"] == "Discharge summary" and doc._.annotated["ner"] == ()
    assert dict(report.dropped) == {"notes that are marked as errors": 1}
    assert read("mimic", path, kinds=["Nursing"])[1].read == 1
    names = "note_id subject_id hadm_id note_type note_seq charttime storetime text".split()
    path = write_csv(tmp_path / "discharge.csv", names, ["10-DS-1", "10", "2", "DS", "1", "", "", "x" * 200_000])
    packed = tmp_path / "discharge.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    (doc,), _ = read("mimic", packed)
    assert len(doc.text) == 200_000 and doc._.note_id == "10-DS-1"


def test_dialogues_reads_both_corpora(tmp_path):
    path = write_csv(
        tmp_path / "MTS-Dialog-TestSet-1-X.csv",
        ["ID", "section_header", "section_text", "dialogue"],
        [3, "CC", "Cough.", "A: B"],
    )
    (doc,), _ = read("dialogues", path)
    assert (doc._.note_id, doc.text, doc._.reference_summary, doc._.meta) == (
        "test1-3",
        "A: B",
        "Cough.",
        {"section": "CC"},
    )
    path = write_csv(
        tmp_path / "train.csv", ["dataset", "encounter_id", "dialogue", "note"], ["v", "D2N1", "A: B", "Note."]
    )
    (doc,), _ = read("dialogues", path)
    assert (doc._.note_id, doc._.reference_summary) == ("D2N1", "Note.")


def test_convert_passes_settings_on_and_refuses_unknown_ones(tmp_path):
    spec = importlib.util.spec_from_file_location("convert", ROOT / "scripts" / "convert.py")
    convert = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(convert)
    source = write_lines(tmp_path / "a.jsonl", {"text": TEXT, "label": ["A"]})
    call = ["doccano", str(source), str(tmp_path / "a.spacy")]
    done = CliRunner().invoke(convert.app, [*call, "--setting", "categories=true"])
    assert done.exit_code == 0 and "1 notes read, 1 kept" in done.output
    (doc,) = DocBin(store_user_data=True).from_disk(tmp_path / "a.spacy").get_docs(spacy.blank("en").vocab)
    assert doc.cats == {"A": 1.0} and doc._.annotated["ner"] == ()
    assert CliRunner().invoke(convert.app, [*call, "--split", "train"]).exit_code != 0
