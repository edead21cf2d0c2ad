"""One small file in the format of each corpus, and what is read of it."""

import gzip
import json

import pytest

from spacy_clinicalbert.corpora.docs import span_attributes, split_of
from spacy_clinicalbert.corpora.i2b2_xml import i2b2_xml_records
from spacy_clinicalbert.corpora.negex import _find
from spacy_clinicalbert.corpora.splits import fingerprint
from tests.corpora.files import TEXT, read, spans, write_csv, write_lines


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
    assert _find("İİİ denies fever today", "Fever") == [11, 16]  # whose lower case is longer


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
        ["3", "22", "9", "2118-06-14", "", "", "Nursing", "Report", "", "1.0", "Of a table that pandas wrote."],
    ]
    path = write_csv(tmp_path / "NOTEEVENTS.csv", names, *rows)
    (doc,), report = read("mimic", path)
    assert doc.text == 'Said "no pain",\n\nstable.' and (doc._.note_id, doc._.patient) == ("1", "22")
    assert doc._.meta["category"] == "Discharge summary" and doc._.annotated["ner"] == ()
    assert dict(report.dropped) == {"notes that are marked as errors": 2}
    assert read("mimic", path, kinds=["Nursing"])[1].read == 2
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


def test_i2b2_xml_does_not_take_lost_entities_for_none(tmp_path):
    file = tmp_path / "220-01.xml"
    file.write_text('<r><TEXT>No pain.</TEXT><TAGS><P id="1" start="0" end="4" text="pain"/></TAGS></r>')
    (record,) = i2b2_xml_records(file)
    assert record["partial"] and len(record["drops"]) == 1
