"""One small file of each annotation tool, and what is read of it."""

import json

import pytest

from spacy_clinicalbert.corpora.docs import span_attributes
from tests.corpora.files import TEXT, read, spans, write_lines


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


def test_prodigy_knows_of_a_binary_recipe_what_was_asked_alone(tmp_path):
    pain, drug = {"start": 7, "end": 17, "label": "PROBLEM"}, {"start": 25, "end": 32, "label": "DRUG"}
    other = {"start": 0, "end": 6, "label": "PROBLEM"}
    teach = {"text": TEXT, "_input_hash": 7, "_view_id": "ner"}
    rows = [
        {**teach, "_is_binary": True, "spans": [pain], "answer": "accept"},
        {**teach, "spans": [other], "answer": "reject"},
        {**teach, "spans": [drug], "answer": "accept"},
        {**teach, "spans": [drug], "answer": "accept"},
        {**teach, "_input_hash": 8, "spans": [other], "answer": "reject"},
        {"text": TEXT, "_view_id": "ner_manual", "_is_binary": False, "spans": [pain, {**drug, "answer": "reject"}, {**other, "answer": "ignore"}]},
    ]  # fmt: skip
    (manual, asked, refused), report = read("prodigy", write_lines(tmp_path / "a.jsonl", *rows))
    assert spans(asked) == [("chest pain", "PROBLEM"), ("aspirin", "DRUG")] and asked._.note_id == 7
    assert [token.ent_iob_ for token in asked] == ["", "B", "I", "", "", "B", ""]
    assert "gold" not in refused.spans and refused._.annotated["ner"] == ()
    assert spans(manual) == [("chest pain", "PROBLEM")]
    assert [token.ent_iob_ for token in manual] == ["", "B", "I", "O", "O", "O", "O"]
    assert dict(report.unread) == {"spans that the annotator refused": 3}
    assert dict(report.dropped) == {"spans that the annotator passed over": 1}


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


@pytest.mark.parametrize("utf16", [True, False])
def test_doccano_says_how_it_counts_an_emoji(tmp_path, utf16):
    path = write_lines(
        tmp_path / "a.jsonl", {"text": "😀 Has chest pain.", "label": [[6 + utf16, 16 + utf16, "PROBLEM"]]}
    )
    with pytest.raises(ValueError, match="Line 1 .* Set utf16 = true"):
        read("doccano", path)
    docs, _ = read("doccano", path, utf16=utf16)
    assert spans(docs[0]) == [("chest pain", "PROBLEM")]
    within = write_lines(tmp_path / "b.jsonl", {"text": "😀 Has chest pain.", "label": [[1, 17, "PROBLEM"]]})
    with pytest.raises(ValueError, match="not within the text"):
        read("doccano", within, utf16=True)
    no_spans = write_lines(tmp_path / "c.jsonl", {"text": "😀", "label": []})
    assert len(read("doccano", no_spans)[0]) == 1


@pytest.mark.parametrize("shift", [0, 1], ids=["characters", "utf16"])
def test_label_studio_knows_how_an_emoji_was_counted(tmp_path, shift):
    regions = [
        {
            "id": "a",
            "type": "labels",
            "value": {"start": 6 + shift, "end": 11 + shift, "text": "fever", "labels": ["P"]},
        },
        {"id": "b", "type": "labels", "value": {"start": 900, "end": 905, "text": "fever", "labels": ["P"]}},
    ]
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"id": 1, "data": {"text": "😀 Has fever"}, "annotations": [{"result": regions}]}]))
    (doc,), report = read("label_studio", path)
    assert spans(doc) == [("fever", "P")]
    assert dict(report.dropped) == {"entities whose text does not stand at their offsets": 1}


def write_xmi(folder, text=TEXT, begin=7, end=17, number=2):
    cassis = pytest.importorskip("cassis")
    system = cassis.TypeSystem()
    kind = system.create_type("de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity", "uima.tcas.Annotation")
    other = system.create_type("custom.Other", "uima.tcas.Annotation")
    system.create_feature(kind, "value", "uima.cas.String")
    system.create_feature(kind, "negation", "uima.cas.String")
    system.create_feature(other, "typeID", "uima.cas.Integer")
    cas = cassis.Cas(system)
    cas.sofa_string = text
    cas.add(kind(begin=begin, end=end, value="PROBLEM", negation="negated"))
    cas.add(kind(begin=0, end=6))
    cas.add(other(begin=begin, end=end, typeID=number))
    folder.mkdir(exist_ok=True)
    system.to_xml(folder / "TypeSystem.xml")
    cas.to_xmi(folder / "n1.xmi")
    return folder


def test_uima_reads_entities_with_features_and_counts_other_types(tmp_path):
    # UIMA counts in UTF-16, where the first character is two.
    (doc,), report = read("uima", write_xmi(tmp_path / "a", "\U0001f600 " + TEXT, 9, 19))
    assert spans(doc) == [("chest pain", "PROBLEM")] and span_attributes(doc) == [{"negation": "negated"}]
    assert doc._.note_id == "n1" and dict(report.dropped) == {"annotations without a label": 1}
    assert [token.ent_iob_ for token in doc] == ["", "", "B", "I", "O", "O", "O", "O"]  # nobody knows what "Denies" is
    assert dict(report.unread) == {"annotations of type Other": 1}
    (doc,), _ = read("uima", tmp_path / "a" / "n1.xmi", types={"custom.Other": ""})
    assert [label for _, label in spans(doc)] == ["Other"]
    (doc,), _ = read("uima", tmp_path / "a" / "n1.xmi", types={"custom.Other": "typeID"})
    assert [label for _, label in spans(doc)] == ["2"]
    with pytest.raises(ValueError, match="has no type"):
        read("uima", tmp_path / "a", types={"custom.Missing": ""})
    file = tmp_path / "a" / "n1.xmi"
    file.write_text(file.read_text(encoding="utf8").replace('end="20"', 'end="999"'), encoding="utf8")
    with pytest.raises(ValueError, match=r"n1\.xmi") as caught:
        read("uima", file)
    assert "Denies" not in str(caught.value)
