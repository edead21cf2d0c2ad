import json
from importlib.util import find_spec

import numpy
import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_clinicalbert.cli import app
from spacy_clinicalbert.encoder import engines, quantize
from spacy_clinicalbert.encoder.quantize import RECIPES, quantize_network, quantize_pipeline
from tests.conftest import make_nlp

pytestmark = pytest.mark.skipif(find_spec("nncf") is None, reason="nncf is an extra")
TEXTS = [f"The patient denies chest pain {i}. History of cough; fever given {i % 7}." for i in range(24)]


def hidden(doc):
    return doc._.trf_data.model_output.last_hidden_state[0]


@pytest.fixture(scope="module")
def pipeline(toy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipelines") / "float"
    make_nlp(toy, ("textcat",), engine="auto").to_disk(folder)
    return folder


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    path = tmp_path_factory.mktemp("notes") / "notes.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in [*TEXTS, "", TEXTS[0]]))
    return path


@pytest.fixture(scope="module")
def quantized(pipeline, notes):
    """The folder of a quantized pipeline, and what the command said."""
    folder = pipeline.parent / "int8"
    done = CliRunner().invoke(app, ["quantize", str(pipeline), str(notes), str(folder), "--min-agreement", "0.5"])
    assert done.exit_code == 0, done.output
    return folder, done.output


def test_quantize_writes_a_pipeline_that_predicts_in_int8(pipeline, quantized):
    folder, said = quantized
    assert "on 12 other notes: categories" in said and TEXTS[0] not in said
    nlp, exact = spacy.load(folder), spacy.load(pipeline)
    shim = nlp.get_pipe("encoder").shim
    found, expected = hidden(nlp(TEXTS[3])), hidden(exact(TEXTS[3]))
    assert (shim.predictor.name, shim.predictor.precision) == ("openvino", "int8")
    cosine = (found * expected).sum(1) / numpy.linalg.norm(found, axis=1) / numpy.linalg.norm(expected, axis=1)
    assert cosine.min() > 0.9 and not numpy.allclose(found, expected, atol=1e-4)
    again = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert numpy.array_equal(hidden(again(TEXTS[3])), found)


def test_quantized_pipeline_opens_without_openvino(pipeline, quantized, monkeypatch, caplog):
    monkeypatch.setattr(engines, "has_openvino", lambda: False)
    nlp = spacy.load(quantized[0])
    exact = spacy.load(pipeline, config={"components.encoder.model.precision": "float32"})
    assert numpy.allclose(hidden(nlp(TEXTS[3])), hidden(exact(TEXTS[3])), atol=0.2)
    assert nlp.get_pipe("encoder").shim.predictor.name == "torch"
    assert "pip install" in caplog.text


def test_training_drops_the_int8_network(quantized):
    from tests.conftest import make_examples

    nlp = spacy.load(quantized[0])
    nlp.resume_training()
    nlp.update([example for example in make_examples(nlp)], sgd=nlp._optimizer)
    assert nlp.get_pipe("encoder").shim.quantized is None
    nlp.to_disk(quantized[0].parent / "trained")
    assert not list((quantized[0].parent / "trained").rglob("openvino*"))


def test_quantize_tries_every_recipe_and_refuses(pipeline, notes, tmp_path, monkeypatch):
    said, tried, right = [], [], quantize.quantize_network
    monkeypatch.setattr(quantize, "agreement", lambda expected, found: {"entities": 0.984})
    monkeypatch.setattr(
        quantize, "quantize_network", lambda model, docs, recipe: tried.append(recipe) or right(model, docs, recipe)
    )
    with pytest.raises(ValueError, match="98.50%"):
        quantize_pipeline(pipeline, notes, tmp_path / "out", say=said.append)
    assert tried == list(RECIPES) and len(said) == len(RECIPES)
    assert not (tmp_path / "out").exists()


def test_recipes_leave_products_as_they_are(toy, monkeypatch):
    nlp = make_nlp(toy, ())
    model = nlp.get_pipe("encoder").model
    network = engines.to_openvino(model.shims[0].network)
    kept = {recipe: quantize._kept_products(network, recipe) for recipe in RECIPES}
    # Two layers: three products of attention's inputs, its output, and the two of the feed-forward block.
    assert [len(names) for names in kept.values()] == [0, 2, 7]
    docs = [nlp.make_doc(text) for text in TEXTS]
    plain, careful = (quantize_network(model, docs, recipe).graph.count(b'"FakeQuantize"') for recipe in RECIPES[:2])
    assert plain > careful > 0


def test_quantize_says_what_is_missing(pipeline, notes, tmp_path, monkeypatch, toy):
    (tmp_path / "few.jsonl").write_text('{"text": "No pain."}\n')
    with pytest.raises(ValueError, match="1 different notes"):
        quantize_pipeline(pipeline, tmp_path / "few.jsonl", tmp_path / "out")
    with pytest.raises(ValueError, match="another folder"):
        quantize_pipeline(pipeline, notes, pipeline)
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(ValueError, match="no component of the factory clinicalbert"):
        quantize_pipeline(tmp_path / "blank", notes, tmp_path / "out")
    make_nlp(toy, ()).to_disk(tmp_path / "headless")
    DocBin(docs=[spacy.blank("en")(text) for text in TEXTS]).to_disk(tmp_path / "notes.spacy")
    with pytest.raises(ValueError, match="No head"):
        quantize_pipeline(tmp_path / "headless", tmp_path / "notes.spacy", tmp_path / "out")
    (tmp_path / "damaged.spacy").write_bytes(b"SECRET")
    with pytest.raises(ValueError, match="'.*damaged.spacy' is damaged, or no .spacy file"):
        quantize_pipeline(pipeline, tmp_path / "damaged.spacy", tmp_path / "out")
    (tmp_path / "damaged.spacy").unlink()
    with pytest.raises(ValueError, match="No head"):  # a folder of .spacy files
        quantize_pipeline(tmp_path / "headless", tmp_path, tmp_path / "out")
    monkeypatch.setattr(quantize, "has_openvino", lambda: False)
    done = CliRunner().invoke(app, ["quantize", str(pipeline), str(notes), str(tmp_path / "out")])
    assert done.exit_code == 1 and "pip install" in done.output
