"""Readers in general, and the formats of no tool or corpus."""

import gzip
import importlib.util
import json
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training.corpus import Corpus
from typer.testing import CliRunner

from spacy_clinicalbert.corpora.docs import span_attributes
from spacy_clinicalbert.corpora.formats import FORMATS
from tests.corpora.files import TEXT, read, spans, write_lines

ROOT = Path(__file__).parent.parent.parent


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


def test_parquet_reads_attributes_as_annotate_writes_them(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    entity = {"start": 7, "end": 17, "label": "PROBLEM", "attributes": json.dumps({"negation": "negated"})}
    parquet.write_table(pyarrow.Table.from_pylist([{"text": TEXT, "entities": [entity]}]), tmp_path / "a.parquet")
    (doc,), _ = read("parquet", tmp_path / "a.parquet")
    assert span_attributes(doc) == [{"negation": "negated"}]


def load_script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


@pytest.mark.parametrize("note_id, phrase", [("1", "aspirin"), ("n2", "fever"), (None, "cough"), ("None", None)])
def test_annotate_finds_a_note_by_its_id_as_it_is_typed(tmp_path, note_id, phrase):
    nlp = spacy.blank("en")
    words = ("aspirin", "fever", "cough")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "A", "pattern": word} for word in words])
    nlp.to_disk(tmp_path / "pipeline")
    rows = {"text": "cough"}, {"id": 1, "text": "aspirin"}, {"id": "n2", "text": "fever"}
    notes = write_lines(tmp_path / "notes.jsonl", *rows)
    option = [] if note_id is None else ["--note-id", note_id]
    done = CliRunner().invoke(load_script("annotate").app, [str(tmp_path / "pipeline"), str(notes), *option])
    assert (done.exit_code == 0) == (phrase is not None)
    if phrase:
        assert [each[3] for each in json.loads(done.output)["entities"]] == [phrase]


def test_convert_passes_settings_on_and_refuses_unknown_ones(tmp_path):
    convert = load_script("convert")
    source = write_lines(tmp_path / "a.jsonl", {"text": TEXT, "label": ["A"]})
    call = ["doccano", str(source), str(tmp_path / "a.spacy")]
    done = CliRunner().invoke(convert.app, [*call, "--setting", "categories=true"])
    assert done.exit_code == 0 and "1 notes read, 1 kept" in done.output
    (doc,) = DocBin(store_user_data=True).from_disk(tmp_path / "a.spacy").get_docs(spacy.blank("en").vocab)
    assert doc.cats == {"A": 1.0} and doc._.annotated["ner"] == ()
    assert CliRunner().invoke(convert.app, [*call, "--split", "train"]).exit_code != 0


@pytest.mark.parametrize("field", ['"cats": {"consult": NaN}', '"id": NaN', '"patient": NaN'])
def test_what_is_not_a_number_is_an_error(tmp_path, field):
    """Tables have it where nothing is known: as a category it would make all weights NaN, and one patient of all without."""
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"text": "{TEXT}", {field}}}\n')
    with pytest.raises(ValueError, match=r"Line 1 of .* NaN.* Write null") as error:
        read("jsonl", path)
    assert "pain" not in str(error.value)
