"""Several corpora, each annotated for some components, train configs/joint.cfg's pipeline together."""

import importlib.util
import json
from configparser import ConfigParser

import numpy
import pytest
import spacy
from spacy.pipeline import TrainablePipe
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import create_train_batches, train
from spacy.util import registry, resolve_dot_names
from thinc.api import Adam
from typer.testing import CliRunner

from spacy_clinicalbert.cli import app
from spacy_clinicalbert.corpora.docs import Report, to_docs
from spacy_clinicalbert.corpora.missing import may_learn
from spacy_clinicalbert.encoder.listener import ClinicalBertListener
from spacy_clinicalbert.training.labels import find_labels, write_labels
from tests.conftest import encoder_weights
from tests.training.conftest import ROOT

HEADS = {
    "clinical_ner": ("maccrobat2020",),
    "chemical_disease_ner": ("bc5cdr", "ncbi_disease"),
    "clinical_assertion": ("negex", "maccrobat2020"),
    "clinical_note_classifier": ("mtsamples", "tcga_tnm"),
    "pathology_classifier": ("tcga_tnm",),
    "clinical_summary": ("mtsamples",),
    "clinical_qa": ("questions",),
}
LISTENING = [head for head in HEADS if head != "clinical_qa"]


def corpus_of(nlp, name):
    """The examples of one corpus, as the mix gives them."""
    (reader,) = resolve_dot_names(nlp.config.interpolate(), ["corpora.dev"])
    return list(reader.whole(nlp, [name]))


def listener_gradients(nlp, name, examples):
    """What a head gives back to its listener for each Doc, and the gradients of its weights."""
    pipe = nlp.get_pipe(name)
    (listener,) = [node for node in pipe.model.walk() if isinstance(node, ClinicalBertListener)]
    encoder = nlp.get_pipe("clinicalbert")
    examples = [Example(nlp.make_doc(example.reference.text), example.reference) for example in examples]
    docs = [example.predicted for example in examples]
    batch = encoder.predict(docs)
    given = [None]
    listener.receive(listener.get_batch_id(docs), batch.doc_data, lambda d: given.append([each.copy() for each in d]))
    for node in pipe.model.walk():
        for param in node.param_names:
            if node.has_grad(param):
                node.get_grad(param)[...] = 0
    pipe.update(examples, drop=0.0)
    weights = {
        (i, param): node.get_grad(param).copy()
        for i, node in enumerate(pipe.model.walk())
        for param in node.param_names
        if node.has_grad(param)
    }
    return given[-1], weights


@pytest.mark.parametrize("head", LISTENING)
def test_what_a_corpus_is_not_annotated_for_has_no_gradient(joint_nlp, head):
    for node in joint_nlp.get_pipe(head).model.walk():
        for param in node.param_names:  # layers that begin with zeros let no gradient through
            if node.has_param(param) and not node.get_param(param).any():
                node.set_param(
                    param,
                    numpy.linspace(-1, 1, node.get_param(param).size, dtype="f").reshape(node.get_param(param).shape),
                )
    own, foreign = [], []
    for corpus in ("maccrobat2020", "bc5cdr", "ncbi_disease", "negex", "mtsamples", "tcga_tnm", "questions"):
        (own if corpus in HEADS[head] else foreign).extend(corpus_of(joint_nlp, corpus))
    alone, of_own = listener_gradients(joint_nlp, head, own)
    mixed, of_mixed = listener_gradients(joint_nlp, head, own + foreign)
    assert all(d_array.any() for d_array in alone)
    assert not any(d_array.any() for d_array in mixed[len(own) :])
    for one, other in zip(alone, mixed):
        assert numpy.allclose(one, other, atol=1e-5)
    for key, gradient in of_mixed.items():
        assert numpy.allclose(gradient, of_own[key], atol=1e-4)


def test_a_label_that_a_corpus_does_not_annotate_has_no_gradient(joint_nlp):
    """NCBI-disease says nothing of chemicals, which BC5CDR does, to the same component."""
    ner = joint_nlp.get_pipe("chemical_disease_ner")
    chemical = ner.labels.index("Chemical")
    for corpus, is_known in (("bc5cdr", True), ("ncbi_disease", False)):
        examples = corpus_of(joint_nlp, corpus)
        scores = [numpy.zeros((len(example.predicted), 8), dtype="f") for example in examples]
        _, d_scores = ner.get_loss(examples, scores)
        by_label = numpy.concatenate(d_scores).reshape(-1, 4, 2)
        assert by_label[:, :, chemical].any() == is_known
        assert by_label[:, :, 1 - chemical].any()


def test_missing_categories_have_no_gradient_and_known_ones_do(joint_nlp):
    pipe = joint_nlp.get_pipe("clinical_note_classifier")
    examples = corpus_of(joint_nlp, "mtsamples")
    _, d_scores = pipe._loss(numpy.full((len(examples), 3), 0.25, dtype="f"), *pipe._targets(examples))
    row = next(i for i, example in enumerate(examples) if "radiology" not in example.reference.cats)
    column = pipe.labels.index("radiology")
    assert d_scores[row, column] == 0
    assert numpy.count_nonzero(d_scores) == d_scores.size - 1


def batches_of(nlp, *sections):
    batcher = {**nlp.config.interpolate()["training"]["batcher"], "size": 110}  # the first has notes of all corpora
    T = registry.resolve({"batcher": batcher})
    (reader,) = resolve_dot_names(nlp.config.interpolate(), ["corpora.train"])
    if sections:
        for settings in (reader.corpora, reader.weights, reader.annotated):
            for name in set(settings) - set(sections):
                del settings[name]
    return [batch for epoch, batch in create_train_batches(nlp, reader, T["batcher"], 1)]


@pytest.mark.parametrize(
    "only", [(), *((name,) for name in ("maccrobat2020", "bc5cdr", "negex", "mtsamples", "tcga_tnm", "questions"))]
)
def test_encoder_trains_whichever_heads_a_batch_feeds(joint_nlp, only):
    """On the batches that reader and batcher make, of all corpora and of one alone: the last head of the pipeline is silent in most."""
    nlp, optimizer = joint_nlp, Adam(0.01)
    fed_by = []
    for batch in batches_of(nlp, *only)[:8]:
        feeds = {head for head in HEADS if any(may_learn(example, head) for example in batch)}
        before = {name: weights.clone() for name, weights in encoder_weights(nlp, "clinicalbert").named_parameters()}
        losses = nlp.update(batch, sgd=False, losses={})
        for _, pipe in nlp.pipeline:
            if isinstance(pipe, TrainablePipe):
                pipe.finish_update(optimizer)
        after = dict(encoder_weights(nlp, "clinicalbert").named_parameters())
        moved = any(not weights.equal(before[name]) for name, weights in after.items())
        assert moved == bool(feeds)
        assert {head for head in HEADS if losses[head]} == feeds
        fed_by.append(frozenset(feeds))
    wanted = [{head for head in HEADS if name in HEADS[head]} for name in only] or [set(HEADS)]
    assert set(fed_by[-1]) <= wanted[0] and any(set(feeds) == wanted[0] for feeds in fed_by)


def test_batch_that_feeds_no_head_leaves_the_encoder_as_it_is(joint_nlp):
    nlp = joint_nlp
    examples = corpus_of(nlp, "negex")
    for example in examples:
        example.reference._.annotated = {name: () for name in nlp.pipe_names}
    before = {name: weights.clone() for name, weights in encoder_weights(nlp, "clinicalbert").named_parameters()}
    nlp.update(examples, sgd=Adam(0.01))
    assert all(weights.equal(before[name]) for name, weights in encoder_weights(nlp, "clinicalbert").named_parameters())


def test_labels_command_reads_each_corpus_for_its_own_components(joint_config, corpora):
    found = find_labels(joint_config())
    assert found["clinical_ner"] == ["Sign_symptom", "Medication"]
    assert sorted(found["chemical_disease_ner"]) == ["Chemical", "Disease"]
    assert found["clinical_assertion"] == {"certainty": ["present", "absent"], "time": ["recent", "historical"]}
    assert sorted(found["clinical_note_classifier"]) == ["pathology_report", "progress", "radiology"]
    assert found["pathology_classifier"] == ["T1", "T2", "N0", "N1"]
    for name, labels in found.items():
        assert json.loads((corpora / "labels" / f"{name}.json").read_text()) == labels


def test_label_that_first_occurs_after_a_hundred_examples_is_learned(joint_config, corpora, tmp_path):
    """spaCy initialises an endless stream from its first 100 examples."""
    rows = [{"text": "No cough.", "entities": [[3, 8, "Disease"]]}] * 400
    rows.append({"text": "Aspirin given.", "entities": [[0, 7, "Chemical"]]})
    path = tmp_path / "rare.spacy"
    DocBin(docs=to_docs(rows, spacy.blank("en"), Report()), store_user_data=True).to_disk(path)
    settings = {"corpora.train.corpora.bc5cdr.path": str(path), "paths.labels": str(tmp_path / "labels")}
    with_file, without = joint_config(**settings), joint_config(**settings)
    write_labels(with_file, tmp_path / "labels")
    assert init_nlp(with_file).get_pipe("chemical_disease_ner").labels == ("Disease", "Chemical")
    del without["initialize"]["components"]["chemical_disease_ner"]["labels"]
    assert init_nlp(without).get_pipe("chemical_disease_ner").labels == ("Disease",)


def test_labels_that_are_listed_hold_for_stock_components_too(joint_config):
    config = joint_config()
    listener = {"@architectures": "spacy-clinicalbert.Listener.v1", "upstream": "clinicalbert"}
    model = {"@architectures": "spacy.TextCatParametricAttention.v1", "exclusive_classes": False, "tok2vec": listener}
    names = config["nlp"]["pipeline"]
    names[names.index("clinical_note_classifier")] = "note_type"
    config["components"]["note_type"] = {"factory": "textcat_multilabel", "model": model}
    config["corpora"]["train"]["annotated"]["mtsamples"] = {"note_type": ["progress"]}
    del config["corpora"]["train"]["annotated"]["tcga_tnm"]["clinical_note_classifier"]
    assert list(find_labels(config)["note_type"]) == ["progress"]
    config["corpora"]["train"]["annotated"]["mtsamples"] = {}
    with pytest.raises(ValueError, match="No note is annotated for 'note_type'"):
        find_labels(config)


def load_script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def test_plain_spacy_train_learns_every_head(joint_config, tmp_path):
    settings = {"training.max_steps": 80, "training.eval_frequency": 40, "training.batcher.size": 120}
    settings["training.optimizer.learn_rate.initial_rate"] = 5e-3
    settings["components.clinicalbert.model.lr_scale"] = 0.2
    (tmp_path / "out").mkdir()
    with open(tmp_path / "log", "w") as log:
        _, folder = train(init_nlp(joint_config(**settings)), tmp_path / "out", stdout=log, stderr=log)
    scores = json.loads((folder / "meta.json").read_text())["performance"]
    whole = ["spans_entities_f", "spans_chemicals_diseases_f", "assertion_macro_f"]
    half = ["cats_score", "stages_macro_auc", "qa_f1", "summary_rougeL"]
    assert all(scores[part] > 0.8 for part in [*whole, *half[:2]])
    weighted = sum(0.2 * scores[part] for part in whole) + sum(0.1 * scores[part] for part in half)
    rows = [line.split() for line in (tmp_path / "log").read_text().splitlines() if line.strip()[:1].isdigit()]
    assert len(rows) == 3 and float(rows[-1][-1]) == pytest.approx(weighted, abs=0.01)
    doc = spacy.load(folder)("Aspirin given for chest pain.")
    assert doc.spans["entities"] and doc.spans["chemicals_diseases"] and doc.spans["assertions"] and doc.cats
    config = tmp_path / "config.cfg"
    joint_config(**settings).to_disk(config, interpolate=False)
    script = load_script("evaluate")
    arguments = [str(folder), str(config), str(tmp_path / "scores.json"), "--training.max_steps", "1"]
    said = CliRunner().invoke(script.app, arguments, catch_exceptions=False).output
    found = json.loads((tmp_path / "scores.json").read_text())
    assert {head: tuple(name for name in found if head in found[name]) for head in HEADS} == {
        head: tuple(name for name in found if name in HEADS[head]) for head in HEADS
    }
    of_types = found["mtsamples"]["clinical_note_classifier"]["cats_score"]
    assert found["tcga_tnm"]["pathology_classifier"]["stages_macro_auc"] == pytest.approx(scores["stages_macro_auc"])
    assert not any(key.startswith("ents_") for heads in found.values() for values in heads.values() for key in values)
    assert f"mtsamples, clinical_note_classifier: cats_score {of_types:.4f}" in said
    options = [str(config), str(tmp_path / "calibrated"), "--training.max_steps", "1"]
    result = CliRunner().invoke(app, ["calibrate", str(folder), *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    # Each on the corpora that are annotated for it: NegEx and MACCROBAT have 6 and 6 spans.
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in result.output.splitlines()]
    assert {row[0] for row in rows if row and row[0] in HEADS} == set(HEADS) - {"clinical_summary"}
    calibrated = spacy.load(tmp_path / "calibrated")
    assert calibrated.max_length == 10_000_000
    assert set(calibrated.get_pipe("clinical_note_classifier").cfg["temperatures"]) == {
        "pathology_report",
        "progress",
        "radiology",
    }
    about, meta = tmp_path / "about.json", tmp_path / "meta.json"
    about.write_text(json.dumps({"license": "CC0"}))
    write_meta = load_script("write_meta")
    write_meta.main(tmp_path / "calibrated", about, tmp_path / "scores.json", meta)
    written = json.loads(meta.read_text())
    assert written["license"] == "CC0" and written["pipeline"] == calibrated.pipe_names
    key = "mtsamples.clinical_note_classifier.cats_score"
    assert written["performance"][key] == pytest.approx(of_types)


def test_package_installs_what_questions_want():
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg")
    about = json.loads((ROOT / "configs" / "joint_package.json").read_text(encoding="utf8"))
    assert about["requirements"] == settings["options.extras_require"]["questions"].split()
