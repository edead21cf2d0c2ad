"""Pipelines of fine-tuned heads, beside Hugging Face's own forward."""

import numpy
import pytest
import spacy
import torch
from spacy.training import Example
from thinc.api import Adam
from transformers import AutoTokenizer
from typer.testing import CliRunner

from spacy_clinicalbert.cli import app
from spacy_clinicalbert.pipeline import import_head as module
from spacy_clinicalbert.pipeline.import_head import import_head
from tests.heads import CLASSES, CONFIGS, IOB, TYPES, change_json, write_head

FLOAT32 = {"components": {"clinicalbert": {"model": {"precision": "float32", "engine": "torch"}}}}
TEXTS = [
    "The patient denies chest pain.",
    "fevers",
    "Aspirin 81mg given for chest-pain; no coughs, lungs clear on 2024-03-05!",
]
LONG = "The patient denies chest pain; history of fever, cough stable. Aspirin given.\n" * 60
PLAIN = ["O", "PROBLEM", "DRUG"]
BILOU = ["B-X", "I-X", "L-X", "U-X", "O"]


def load(folder, tmp_path):
    """The pipeline of a folder, saved and loaded, in float32 with torch."""
    import_head(str(folder)).nlp.to_disk(tmp_path / "nlp")
    return spacy.load(tmp_path / "nlp", config=FLOAT32)


def run_alone(folder, task, text):
    """Hugging Face's own logits, and the offsets of its wordpieces."""
    tokenizer, network = AutoTokenizer.from_pretrained(folder), CLASSES[task].from_pretrained(folder).eval()
    encoding = tokenizer(text, return_offsets_mapping=True, return_tensors="pt")
    with torch.no_grad():
        logits = network(input_ids=encoding["input_ids"], attention_mask=encoding["attention_mask"]).logits
    return logits[0].numpy(), encoding["offset_mapping"][0].tolist()


@pytest.mark.parametrize("names", [IOB, PLAIN, BILOU], ids=["IOB", "plain", "BILOU"])
@pytest.mark.parametrize("kind", CONFIGS)
def test_token_logits_are_hugging_faces(tmp_path, kind, names):
    folder = write_head(tmp_path / "head", kind, "tokens", names)
    nlp = load(folder, tmp_path)
    pipe = nlp.get_pipe("clinical_ner")
    tags = {"B": 0, "I": 1, "L": 2, "U": 3}
    outside = names.index("O")
    for text in TEXTS:
        logits, offsets = run_alone(folder, "tokens", text)
        doc = nlp(text)
        scores = pipe.model.predict([doc])[0].reshape(len(doc), 4, -1)
        for token in doc:
            piece = next(
                i for i, (start, end) in enumerate(offsets) if start < token.idx + len(token) and end > token.idx
            )
            for i, name in enumerate(names):
                if i != outside:
                    prefix, _, label = name.rpartition("-")
                    score = scores[token.i, tags[prefix or "I"], pipe.labels.index(label)]
                    assert score == pytest.approx(logits[piece, i] - logits[piece, outside], abs=1e-4)


@pytest.mark.parametrize("problem", ["single_label_classification", "multi_label_classification"])
@pytest.mark.parametrize("kind", CONFIGS)
def test_text_logits_and_probabilities_are_hugging_faces(tmp_path, kind, problem):
    folder = write_head(tmp_path / "head", kind, "texts", TYPES, problem_type=problem)
    nlp = load(folder, tmp_path)
    for text in TEXTS:
        expected = torch.tensor(run_alone(folder, "texts", text)[0])
        doc = nlp(text)
        scores = nlp.get_pipe("clinical_note_classifier").model.predict([doc])
        assert numpy.allclose(scores.logits, expected, atol=1e-4) and scores.windows[0].tolist() == [[0, len(doc)]]
        probabilities = expected.softmax(0) if problem.startswith("single") else expected.sigmoid()
        assert doc.cats == pytest.approx(dict(zip(TYPES, probabilities.tolist())), abs=1e-4)


def most_probable(names, logits, offsets, doc):
    """The entities that the most probable tags spell, read in the simplest way, for a text without white space tokens."""
    found, opened = [], None
    for token in doc:
        piece = next(i for i, (start, end) in enumerate(offsets) if start < token.idx + len(token) and end > token.idx)
        prefix, _, label = names[logits[piece].argmax()].rpartition("-")
        if names[logits[piece].argmax()] == "O":
            opened = None
        elif opened == label and prefix in ("I", ""):
            found[-1] = (found[-1][0], token.i + 1, label)
        else:
            found.append((token.i, token.i + 1, label))
            opened = label
    return found


@pytest.mark.parametrize("names", [IOB, PLAIN], ids=["IOB", "plain"])
def test_entities_are_those_that_the_most_probable_tags_spell(tmp_path, names):
    folder = write_head(tmp_path / "head", "bert", "tokens", names)
    nlp = load(folder, tmp_path)
    text = LONG.replace("\n", " ")[:1500].strip()
    doc = nlp(text)
    logits, offsets = run_alone(folder, "tokens", text)
    found = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
    assert found == most_probable(names, logits, offsets, doc) and len(found) > 20
    assert len(doc.spans["entities"].attrs["scores"]) == len(found) and all(
        0 < ent._.confidence <= 1 for ent in doc.ents
    )
    nlp.get_pipe("clinical_ner").cfg["threshold"] = 0.5
    kept = [(ent.start, ent.end, ent.label_) for ent in nlp(text).ents]
    assert set(kept) < set(found) and all(ent._.confidence >= 0.5 for ent in nlp(text).ents)


def test_entities_go_on_behind_white_space_and_are_never_white_space(tmp_path):
    folder = write_head(tmp_path / "head", "bert", "tokens", ["PROBLEM", "O"])
    with torch.no_grad():  # a head that finds entities everywhere, where no vector is too
        network = CLASSES["tokens"].from_pretrained(folder)
        network.classifier.bias += torch.tensor([50.0, 0.0])
        network.save_pretrained(folder)
    nlp = load(folder, tmp_path)
    doc = nlp(" \n chest \n pain \x07 fever\n\n")
    assert [ent.text for ent in doc.ents] == ["chest \n pain \x07 fever"]
    assert [doc.ents for doc in nlp.pipe(["", " \n ", "\x07"])] == [(), (), ()]


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_long_notes_are_read_to_their_end_in_windows_of_full_length(tmp_path, kind):
    folder = write_head(tmp_path / "head", kind, "texts", TYPES)
    nlp = load(folder, tmp_path)
    assert nlp.config["components"]["clinicalbert"]["model"]["windows"]["size"] == 510
    doc = nlp(LONG)
    group = doc.spans["windows"]
    assert len(group) > 1 and group[0].start == 0 and group[-1].end == len(doc)
    lengths = numpy.array([len(span) for span in group])
    for label in TYPES:
        own = numpy.array([each[label] for each in group.attrs["cats"]])
        assert doc.cats[label] == pytest.approx(float((own * lengths).sum() / len(doc)), abs=1e-5)
    changed = nlp(LONG + "cough " * 300)
    assert len(changed.spans["windows"]) > len(group) and changed.cats != pytest.approx(doc.cats, abs=1e-3)


def test_entities_of_a_long_note_are_found_to_its_end(tmp_path):
    folder = write_head(tmp_path / "head", "bert", "tokens", IOB)
    nlp = load(folder, tmp_path)
    doc = nlp(LONG)
    assert len(doc._.trf_data.windows) > 1 and doc.ents[-1].end > len(doc) - 20
    middle = doc._.trf_data.windows[1][0]
    assert any(ent.start < middle for ent in doc.ents) and any(ent.start >= middle for ent in doc.ents)


@pytest.mark.parametrize("task, names", [("tokens", IOB), ("texts", TYPES)])
def test_saved_pipeline_needs_neither_network_nor_the_folder(tmp_path, monkeypatch, task, names):
    folder = write_head(tmp_path / "head", "bert", task, names)
    nlp = import_head(str(folder)).nlp
    nlp.to_disk(tmp_path / "nlp")
    as_bytes = nlp.to_bytes()
    folder.rename(tmp_path / "gone")
    monkeypatch.setattr("socket.socket.connect", lambda *args: pytest.fail("a connection was tried"))
    expected = nlp(LONG)
    for other in (spacy.load(tmp_path / "nlp"), spacy.blank("en").from_config(nlp.config).from_bytes(as_bytes)):
        doc = other(LONG)
        assert doc.cats == pytest.approx(expected.cats, abs=1e-6)
        assert [(ent.start, ent.label_) for ent in doc.ents] == [(ent.start, ent.label_) for ent in expected.ents]


@pytest.mark.parametrize("task, names", [("tokens", IOB), ("texts", TYPES)])
def test_pipe_gives_what_a_call_gives_and_hands_failures_to_the_error_handler(tmp_path, monkeypatch, task, names):
    nlp = load(write_head(tmp_path / "head", "bert", task, names), tmp_path)
    texts = [*TEXTS, "", LONG, " \n "]
    for doc, text in zip(nlp.pipe(texts), texts):
        assert doc.text == text and doc.cats == pytest.approx(nlp(text).cats, abs=1e-5)
        assert [(ent.start, ent.end) for ent in doc.ents] == [(ent.start, ent.end) for ent in nlp(text).ents]
    pipe, failed = nlp.get_pipe(nlp.pipe_names[-1]), []
    predict = pipe.predict

    def fail(docs):
        if any(doc.text == "bad" for doc in docs):
            raise RuntimeError("no memory")
        return predict(docs)

    monkeypatch.setattr(pipe, "predict", fail)
    with pytest.raises(RuntimeError, match="no memory"):
        list(nlp.pipe(["fever", "bad"]))
    nlp.set_error_handler(lambda name, pipe, docs, error: failed.extend(doc.text for doc in docs))
    assert [doc.text for doc in nlp.pipe(["fever", "bad", "cough"], batch_size=1)] == ["fever", "cough"]
    assert failed == ["bad"]


@pytest.mark.parametrize("names", [IOB, PLAIN, BILOU], ids=["IOB", "plain", "BILOU"])
def test_imported_token_head_goes_on_learning_in_its_scheme(tmp_path, names):
    folder = write_head(tmp_path / "head", "bert", "tokens", names, initializer_range=0.02)  # wide ones do not settle
    nlp = import_head(str(folder)).nlp
    pipe = nlp.get_pipe("clinical_ner")
    label = pipe.labels[0]
    example = Example.from_dict(nlp.make_doc(TEXTS[0]), {"entities": [(19, 29, label)]})
    sgd = Adam(0.003)
    for _ in range(60):
        losses = nlp.update([example], sgd=sgd)
    assert losses["clinical_ner"] < 0.5
    assert [(ent.text, ent.label_) for ent in nlp(TEXTS[0]).ents] == [("chest pain", label)]
    bias = pipe.model.get_ref("output_layer").get_param("b").reshape(4, -1)
    missing = {4: (), 2: (2, 3), 1: (0, 2, 3)}[len({name[0] for name in names if "-" in name}) or 1]
    assert [tag for tag in range(4) if (bias[tag] < -9000).all()] == list(missing)


def test_imported_text_head_goes_on_learning(tmp_path):
    nlp = import_head(str(write_head(tmp_path / "head", "bert", "texts", TYPES))).nlp
    example = Example.from_dict(nlp.make_doc(TEXTS[0]), {"cats": {"progress": 0.0, "radiology": 1.0, "discharge": 0.0}})
    sgd = Adam(0.01)
    losses = [nlp.update([example], sgd=sgd)["clinical_note_classifier"] for _ in range(40)]
    assert losses[-1] < losses[0] / 5 and nlp(TEXTS[0]).cats["radiology"] > 0.8


def test_cased_folder_without_tokenizer_config_stays_cased(tmp_path):
    from tests.conftest import vocabulary

    folder = write_head(tmp_path / "head", "bert", "texts", TYPES)
    (folder / "vocab.txt").write_text("\n".join(vocabulary(True)) + "\n", encoding="utf8")
    nlp = load(folder, tmp_path)
    assert nlp("FEVER").cats != pytest.approx(nlp("fever").cats, abs=1e-4)


def test_labels_without_names_are_an_error_for_tokens_and_names_for_texts(tmp_path):
    unnamed = ["LABEL_0", "LABEL_1", "LABEL_2"]
    with pytest.raises(ValueError, match="Set id2label"):
        import_head(str(write_head(tmp_path / "tokens", "bert", "tokens", unnamed)))
    assert list(import_head(str(write_head(tmp_path / "texts", "bert", "texts", unnamed))).nlp("fever").cats) == unnamed


def test_an_import_that_computes_something_else_is_an_error(tmp_path, monkeypatch):
    folder = write_head(tmp_path / "head", "roberta", "texts", TYPES)
    right = module.load_head

    def wrong(name):
        head = right(name)
        head.activation = "relu"
        return head

    monkeypatch.setattr(module, "load_head", wrong)
    with pytest.raises(ValueError, match="RobertaForSequenceClassification does: logits differ by"):
        import_head(str(folder))


def test_command_writes_a_pipeline_and_says_what_it_is(tmp_path):
    folder = write_head(tmp_path / "head", "distilbert", "tokens", IOB)
    result = CliRunner().invoke(app, ["import-head", str(folder), str(tmp_path / "nlp")])
    assert result.exit_code == 0, result.output
    assert "DistilBertForTokenClassification: entities PROBLEM, DRUG (prefixes BI)" in result.output
    assert spacy.load(tmp_path / "nlp").pipe_names == ["clinicalbert", "clinical_ner"]


def test_command_writes_nothing_of_a_folder_that_is_not_what_it_says(tmp_path):
    folder = write_head(tmp_path / "head")
    change_json(folder / "config.json", architectures=["BertModel"])
    for output, message in ((tmp_path / "nlp", "no head"), (folder, "another folder")):
        result = CliRunner().invoke(app, ["import-head", str(folder), str(output)])
        assert result.exit_code == 1 and message in result.output and "Traceback" not in result.output
    assert not (tmp_path / "nlp").exists()
