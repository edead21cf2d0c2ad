import json

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import DocBin, Span
from spacy.training import Example
from typer.testing import CliRunner

from spacy_clinicalbert.cli import app
from spacy_clinicalbert.corpora.docs import Report, install_extensions, to_docs
from spacy_clinicalbert.corpora.formats import read_corpus
from spacy_clinicalbert.evaluation.gold import read_gold
from spacy_clinicalbert.evaluation.heads import find_answers, find_heads
from spacy_clinicalbert.evaluation.mistakes import WrongCategories, find_mistakes
from spacy_clinicalbert.evaluation.plot_sources import confusion
from spacy_clinicalbert.evaluation.tables import transfer_tables
from spacy_clinicalbert.evaluation.transfer import check_installed, transfer
from spacy_clinicalbert.tokenizer import blank_clinical
from tests.evaluation.conftest import ASPIRIN, PNEUMONIA, entities, write_notes, write_rules


def run(pipelines, corpora, **settings):
    """The result, with its cells by pipeline and corpus."""
    result = transfer(pipelines, corpora, **{"n_samples": 20, "say": lambda line: None, **settings})
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    return result, {(cell["pipeline"], cell["corpus"]): cell for cell in result["scores"]}


def test_scores_are_those_of_the_counts(pipelines, corpora, label_map):
    _, cells = run(pipelines, corpora, label_map=label_map)
    assert {name: cell["f1"]["value"] for name, cell in cells.items()} == {
        ("careful", "full"): 1.0,
        ("careful", "few"): pytest.approx(2 / 3),  # misses fever
        ("loose", "full"): pytest.approx(2 / 6),  # one of three is right, of three gold
        ("loose", "few"): 1.0,
    }
    cell = cells["loose", "full"]
    assert (cell["gold"], cell["found"], cell["labels"]) == (3, 3, ["DISEASE"])
    assert cell["precision"]["value"] == cell["recall"]["value"] == pytest.approx(1 / 3)
    # "chest pain in pneumonia" overlaps both gold spans, fever none.
    assert cell["overlap_f1"]["value"] == pytest.approx(2 * (2 / 3) * 1 / (2 / 3 + 1))
    assert cells["careful", "few"]["overlap_f1"]["value"] == pytest.approx(2 / 3)


def test_scores_are_spacys_where_the_labels_are_the_same(tmp_path):
    found = {"A": ["pneumonia", "chest pain"], "B": ["Aspirin", "fever"]}
    pipeline = write_rules(tmp_path / "pipeline", **found)
    gold = write_notes(
        tmp_path / "gold.jsonl",
        {"text": PNEUMONIA, "entities": entities(PNEUMONIA, A=["pneumonia and"], B=["fever"])},
        {"text": ASPIRIN, "entities": entities(ASPIRIN, A=["chest pain", "Aspirin"], B=["pneumonia"])},
    )
    nlp = spacy.load(pipeline)
    docs = list(read_corpus(gold, nlp, Report()))
    expected = nlp.evaluate([Example(nlp.make_doc(doc.text), doc) for doc in docs])
    cell = run({"p": pipeline}, {"c": gold})[1]["p", "c"]
    ours = [cell[name]["value"] for name in ("precision", "recall", "f1")]
    assert ours == pytest.approx([expected[name] for name in ("ents_p", "ents_r", "ents_f")])
    assert 0 < ours[2] < 1


def test_without_a_map_labels_that_one_side_lacks_do_not_count(pipelines, corpora):
    result, cells = run(pipelines, corpora)
    assert cells["careful", "full"]["labels"] == ["Disease", "Drug"]
    assert cells["careful", "full"]["f1"]["value"] == 1.0
    cell = cells["careful", "few"]
    assert cell["labels"] == [] and cell["f1"] == {"value": None, "low": None, "high": None}
    assert cell["left_out"] == {
        "found, not annotated in the corpus": {"Disease": 1},
        "gold, not a label of the pipeline": {"Disorder": 2},
    }
    assert [each["difference"]["value"] for each in result["differences"]] == [None, None]


def test_what_the_map_leaves_out_is_counted(pipelines, corpora, label_map):
    _, cells = run(pipelines, corpora, label_map=label_map)
    assert cells["careful", "full"]["left_out"] == {
        "gold, outside the label map": {"Drug": 1},
        "found, outside the label map": {"Drug": 1},
    }
    assert cells["loose", "few"]["left_out"] == {}


@pytest.mark.parametrize(
    "record, n_found, n_left_out",
    [
        ({}, 4, 1),  # this corpus annotates drugs elsewhere, so that Aspirin is wrong here
        ({"labels": ["Disease"]}, 3, 2),
        ({"annotated": {"entity_ruler": ["Disease"], "ner": []}}, 3, 2),  # by the name that the component has
    ],
)
def test_not_annotated_is_not_none(tmp_path, pipelines, record, n_found, n_left_out):
    text, other = "Aspirin for pneumonia.", "Aspirin again."
    gold = write_notes(
        tmp_path / "gold.jsonl",
        {"text": text, "entities": [], **record},
        {"text": other, "entities": entities(other, Drug=["Aspirin"])},
        {"text": text, "entities": entities(text, Disease=["pneumonia"]), "labels": ["Disease"]},
    )
    cell = run({"p": pipelines["careful"]}, {"c": gold})[1]["p", "c"]
    assert (cell["gold"], cell["found"]) == (2, n_found)
    assert cell["f1"]["value"] == pytest.approx(2 * 2 / (n_found + 2))
    assert cell["left_out"] == {"found, not annotated in the corpus": {"Drug": n_left_out}}


def test_a_common_label_counts_where_all_that_it_joins_was_annotated(tmp_path, pipelines):
    notes = [
        {"text": PNEUMONIA, "entities": entities(PNEUMONIA, Disorder=["fever"]), "labels": ["Disorder"]},
        {"text": PNEUMONIA, "entities": entities(PNEUMONIA, Disease=["pneumonia"]), "labels": ["Disease", "Disorder"]},
    ]
    gold = write_notes(tmp_path / "gold.jsonl", *notes)
    label_map = {"Disease": "DISEASE", "Disorder": "DISEASE"}
    cell = run({"p": pipelines["careful"]}, {"c": gold}, label_map=label_map)[1]["p", "c"]
    assert (cell["gold"], cell["found"], cell["f1"]["value"]) == (1, 1, 1.0)
    assert cell["left_out"] == {
        "gold, in a note with other labels of the common one not annotated": {"DISEASE": 1},
        "found, not annotated in the corpus": {"DISEASE": 1},
    }


def test_tokens_without_annotation_are_passed_over(tmp_path, pipelines):
    nlp = spacy.blank("en")
    doc = nlp(ASPIRIN)  # Aspirin for chest pain in pneumonia .
    doc.set_ents([Span(doc, 2, 4, label="Disease")], missing=[doc[4:7]], default="outside")
    path = tmp_path / "gold.spacy"
    DocBin(docs=[doc]).to_disk(path)
    cell = run({"p": pipelines["careful"]}, {"c": str(path)})[1]["p", "c"]
    assert (cell["gold"], cell["found"], cell["f1"]["value"]) == (1, 1, 1.0)
    assert cell["left_out"] == {"found, not annotated in the corpus": {"Disease": 1, "Drug": 1}}


def test_gold_is_not_lost_to_the_tokens_of_another_tokenizer(tmp_path):
    text = "Stage T2N0M0."
    nlp = blank_clinical()
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": "N0"}])
    nlp.to_disk(tmp_path / "rules")
    notes = write_notes(tmp_path / "notes.jsonl", {"text": text, "entities": entities(text, X=["N0"])})
    _, cells = run({"rules": str(tmp_path / "rules")}, {"notes": notes})
    assert (cells["rules", "notes"]["gold"], cells["rules", "notes"]["f1"]["value"]) == (1, 1.0)


def test_tables_hold_labels_with_bars(tmp_path):
    pipeline = write_rules(tmp_path / "rules", **{"A|B": ["fever"]})
    notes = write_notes(tmp_path / "notes.jsonl", {"text": "No fever.", "entities": [[3, 8, "A|B"]]})
    result, _ = run({"rules": pipeline}, {"notes": notes})
    assert "| 1 | 1 | A\\|B | 1.00" in transfer_tables(result)


def test_differences_are_between_the_pipelines_on_the_same_notes(pipelines, corpora, label_map):
    result, _ = run(pipelines, corpora, label_map=label_map, n_samples=200)
    first, second = result["differences"]
    assert (first["corpus"], first["first"], first["second"], first["score"]) == ("full", "careful", "loose", "f1")
    # Both notes: 1 - 1/3. The first note alone: 1 - 2/3; the second alone: 1 - 0.
    assert first["difference"]["value"] == pytest.approx(2 / 3)
    assert (first["difference"]["low"], first["difference"]["high"]) == (pytest.approx(1 / 3), pytest.approx(1.0))
    assert second["difference"]["value"] == pytest.approx(-1 / 3)
    same, _ = run({"one": pipelines["loose"], "two": pipelines["loose"]}, corpora, label_map=label_map)
    assert [set(each["difference"].values()) for each in same["differences"]] == [{0.0}, {0.0}]


def test_differences_are_on_the_labels_that_both_pipelines_have(tmp_path, corpora):
    # The first finds all diseases, and a drug in the wrong place; the second, which knows no drugs, two of three diseases.
    first = write_rules(tmp_path / "first", Disease=["pneumonia", "chest pain"], Drug=["for"])
    second = write_rules(tmp_path / "second", Disease=["pneumonia"])
    result, cells = run({"first": first, "second": second}, {"full": corpora["full"]})
    assert cells["first", "full"]["f1"]["value"] == pytest.approx(2 * 3 / (4 + 4))
    assert cells["second", "full"]["f1"]["value"] == pytest.approx(2 * 2 / (2 + 3))
    (difference,) = result["differences"]
    assert difference["labels"] == ["Disease"]
    assert difference["difference"]["value"] == pytest.approx(1 - 2 * 2 / (2 + 3))


def test_corpora_are_described_and_may_be_cut(pipelines, corpora, label_map):
    result, cells = run(pipelines, corpora, label_map=label_map)
    few = result["corpora"]["few"]
    assert (few["docs"], few["docs_not_annotated"], few["labels"]) == (2, 1, ["Disorder"])
    assert few["gold"] == {"DISEASE": 2} and few["report"].startswith("3 notes read, 3 kept")
    cut, cells = run(pipelines, {"few": corpora["few"]}, label_map=label_map, max_docs=2)
    assert (cut["corpora"]["few"]["docs"], cut["corpora"]["few"]["docs_not_annotated"]) == (1, 1)
    assert cells["loose", "few"]["f1"] == {"value": 1.0, "low": 1.0, "high": 1.0}


@Language.factory("toy_cats", assigns=["doc.cats"])
class ToyCats:
    """A multilabel head with known probabilities: 0.5 for each label whose name stands in the text."""

    labels = ("fever", "cough", "rash")
    cfg = {"threshold": 0.5}  # noqa: RUF012

    def __init__(self, nlp, name):
        pass

    def __call__(self, doc):
        doc.cats = {label: 0.5 if label in doc.text else 0.4 for label in self.labels}
        return doc


def test_categories_that_are_not_known_do_not_count(tmp_path):
    from sklearn.metrics import f1_score

    nlp = spacy.blank("en")
    nlp.add_pipe("toy_cats")
    nlp.to_disk(tmp_path / "pipeline")
    gold = write_notes(
        tmp_path / "gold.jsonl",
        {"text": "fever, cough", "cats": {"fever": 1, "cough": 0}},
        {"text": "fever, cough", "cats": {"fever": 1, "cough": None}},
        {"text": "well", "cats": {"fever": 1, "cough": 1}},
        {"text": "nothing known"},
    )
    result, cells = run({"p": str(tmp_path / "pipeline")}, {"c": gold}, task="cats")
    cell = cells["p", "c"]
    assert cell["labels"] == ["cough", "fever"] and result["corpora"]["c"]["docs_not_annotated"] == 1
    assert (cell["gold"], cell["found"]) == (4, 3) and "overlap_f1" not in cell
    assert cell["left_out"] == {"found, not annotated in the corpus": {"cough": 1}}
    fever, cough = f1_score([1, 1, 1], [1, 1, 0]), f1_score([0, 1], [1, 0])
    assert cell["macro_f1"]["value"] == pytest.approx((fever + cough) / 2)
    assert cell["f1"]["value"] == pytest.approx(2 * 2 / (4 + 3))


def test_exclusive_categories_take_the_most_probable(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat", config={"model": {"@architectures": "spacy.TextCatBOW.v3", "exclusive_classes": True, "ngram_size": 1, "no_output_layer": False, "length": 64}})  # fmt: skip
    texts = {"fever": "fever fever", "cough": "cough cough", "rash": "rash rash"}
    examples = [
        Example.from_dict(nlp.make_doc(text), {"cats": {label: float(label == each) for label in texts}})
        for each, text in texts.items()
    ]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(tmp_path / "pipeline")
    gold = write_notes(
        tmp_path / "gold.jsonl",
        *({"text": text, "cats": {each: label == each for each in texts}} for label, text in texts.items()),
    )
    # The probability of the best is made small by the third word, so that a threshold would not give it.
    assert max(nlp("fever fever cough rash").cats.values()) < 0.9
    label_map = {"fever": "symptom", "cough": "symptom", "rash": "skin"}
    for settings, labels in (({}, ["cough", "fever", "rash"]), ({"label_map": label_map}, ["skin", "symptom"])):
        cell = run({"p": str(tmp_path / "pipeline")}, {"c": gold}, task="cats", **settings)[1]["p", "c"]
        assert cell["labels"] == labels and (cell["gold"], cell["found"]) == (3, 3)
        assert cell["macro_f1"]["value"] == 1.0


@Language.factory("toy_class", assigns=["doc.cats"])
class ToyClass:
    """Takes every note for a progress note."""

    labels = ("progress", "radiology")
    cfg = {"exclusive_classes": True}  # noqa: RUF012

    def __init__(self, nlp, name):
        pass

    def __call__(self, doc):
        doc.cats = {"progress": 0.9, "radiology": 0.1}
        return doc


@pytest.mark.parametrize("named", [{"progress": 1}, {"progress": 1, "radiology": 0}])
def test_the_class_that_holds_says_it_of_all_others(tmp_path, named):
    nlp = spacy.blank("en")
    nlp.add_pipe("toy_class")
    nlp.to_disk(tmp_path / "pipeline")
    other = {"radiology": 1, **{label: 0 for label in named if len(named) > 1 and label != "radiology"}}
    records = [{"text": "one", "cats": named}, {"text": "two", "cats": other}, {"text": "x", "cats": {"discharge": 1}}]
    gold = write_notes(tmp_path / "gold.jsonl", *records)
    cell = run({"p": str(tmp_path / "pipeline")}, {"c": gold}, task="cats")[1]["p", "c"]
    assert (cell["gold"], cell["found"]) == (2, 2) and cell["f1"]["value"] == pytest.approx(0.5)
    assert cell["macro_f1"]["value"] == pytest.approx((2 / 3 + 0) / 2)
    only = write_notes(tmp_path / "only.jsonl", {"text": "two", "cats": {"radiology": 1}})
    cell = run({"p": str(tmp_path / "pipeline")}, {"c": only}, task="cats")[1]["p", "c"]
    assert cell["left_out"] == {"found, not annotated in the corpus": {"progress": 1}}
    mistakes = find_mistakes(nlp, list(to_docs(records, spacy.blank("en"), Report())))
    assert mistakes.categories == [WrongCategories(1, ["radiology"], [("progress", 0.9)])]
    assert confusion(mistakes, "cats") == {("radiology", "progress"): 1, ("progress", "progress"): 1}


@pytest.mark.parametrize("exclusive, given", [(True, {"fever"}), (False, set())])
def test_classes_are_exclusive_where_the_component_is_set_so(exclusive, given):
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("clinical_note_classifier", config={"exclusive_classes": exclusive})
    cats = {"fever": 0.4, "cough": 0.3, "rash": 0.3}
    for label in cats:
        pipe.add_label(label)
    doc = nlp.make_doc("fever")
    doc.cats = cats
    assert {label for *_, label in find_answers(doc, find_heads(nlp, "cats"), "cats")} == given


@pytest.mark.parametrize(
    "change, message",
    [
        ({"task": "cats"}, "The pipeline 'careful' has no component with labels that sets doc.cats"),
        ({"corpora": "missing"}, "The corpus 'none' has no gold annotation for doc.ents"),
        ({"label_map": {"Desease": "DISEASE", "Disease": "DISEASE"}}, "no pipeline and no corpus has: Desease"),
        ({"label_map": {"Drug": "DRUG"}, "corpora": "few"}, "No pipeline shares a label with a corpus"),
    ],
)
def test_what_cannot_be_compared_is_an_error(tmp_path, pipelines, corpora, change, message):
    corpora["none"] = write_notes(tmp_path / "none.jsonl", {"text": PNEUMONIA})
    if change.get("corpora") == "few":
        taken = {"few": corpora["few"]}
    else:
        taken = {"none": corpora["none"]} if "corpora" in change else {"full": corpora["full"]}
    settings = {name: value for name, value in change.items() if name != "corpora"}
    with pytest.raises(ValueError, match=message) as error:
        transfer(pipelines, taken, say=lambda line: None, **settings)
    assert "pneumonia" not in str(error.value)


@Language.component("fails_on_aspirin")
def fails_on_aspirin(doc):
    if "Aspirin" in doc.text:
        raise RuntimeError("cannot")
    return doc


def test_a_note_that_the_pipeline_passes_over_is_an_error(pipelines, corpora, monkeypatch):
    right = spacy.load

    def load(path):
        nlp = right(path)
        nlp.add_pipe("fails_on_aspirin")
        nlp.set_error_handler(lambda *_: None)
        return nlp

    monkeypatch.setattr(spacy, "load", load)
    with pytest.raises(ValueError, match="1 notes are missing"):
        run({"p": pipelines["careful"]}, {"full": corpora["full"]})


def invoke(pipelines, corpora, *options):
    arguments = [x for name, path in pipelines.items() for x in ("--pipeline", f"{name}={path}")]
    arguments += [x for name, path in corpora.items() for x in ("--corpus", f"{name}={path}")]
    return CliRunner().invoke(app, ["transfer", *arguments, *options])


def test_command_gives_tables_json_and_plot_without_text(tmp_path, pipelines, corpora):
    labels = tmp_path / "labels.json"
    labels.write_text('{"DISEASE": ["Disease", "Disorder"]}')
    out, plot = tmp_path / "new" / "out.json", tmp_path / "new" / "out.svg"
    done = invoke(
        pipelines,
        corpora,
        "--labels",
        str(labels),
        "--json",
        str(out),
        "--plot",
        str(plot),
        "--samples",
        "50",
        "--max-notes",
        "9",
    )
    assert done.exit_code == 0, done.output
    assert "| careful | full | 2 | 3 | 3 | DISEASE | 1.00 (1.00 to 1.00) |" in done.output
    assert "| careful | full | gold, outside the label map | 1 | Drug |" in done.output
    assert "| full | careful − loose | DISEASE | +0.67 (" in done.output
    result = json.loads(out.read_text())
    assert set(result) == {
        "task", "samples", "seed", "level", "label_map", "pipelines", "corpora", "scores", "differences", "distances"
    }  # fmt: skip
    assert (result["task"], result["samples"], result["seed"], result["level"]) == ("ents", 50, 0, 0.95)
    assert len(result["scores"]) == 4 and plot.exists()
    for shown in (done.output, out.read_text(), plot.read_text()):
        for word in ("pneumonia", "fever", "Aspirin", "chest"):
            assert word not in shown


@pytest.mark.parametrize(
    "options, message",
    [
        (["--plot", "a.pdf"], "A heat map is written as .png or .svg, not as '.pdf'"),
        (["--pipeline", "nowhere"], "--pipeline wants NAME=PATH"),
        (["--pipeline", "careful=again"], "--pipeline has the same name twice"),
        (["--pipeline", "new=not/there"], "'not/there' is neither the folder"),
        (["--corpus", "new=not/there.spacy"], "'not/there.spacy' is not there"),
    ],
)
def test_command_says_what_is_wrong(pipelines, corpora, options, message):
    done = invoke(pipelines, corpora, *options)
    assert done.exit_code == 1 and message in done.output


def test_command_says_where_it_cannot_write(tmp_path, pipelines, corpora):
    (tmp_path / "file").touch()
    done = invoke(pipelines, corpora, "--samples", "2", "--json", str(tmp_path / "file" / "out.json"))
    assert done.exit_code == 1 and "| careful | full |" in done.output and "File exists" in done.output
    assert isinstance(done.exception, SystemExit)
    plot = ("--json", str(tmp_path / "out.json"), "--plot", str(tmp_path / "file" / "out.svg"))
    assert invoke(pipelines, corpora, "--samples", "2", *plot).exit_code == 1 and (tmp_path / "out.json").exists()


def test_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"spacy-clinicalbert\[evaluation\]"):
        check_installed()


def test_a_component_that_may_learn_all_labels_says_nothing_of_them():
    install_extensions()
    docs = [spacy.blank("en").make_doc("Has fever.") for _ in range(2)]
    docs[0].set_ents([docs[0].char_span(4, 9, label="X")])
    docs[1].set_ents([])
    docs[0]._.annotated = {"ner": None}
    assert [note.labels for note in read_gold(docs, "ents", ["ner"], None).notes] == [{"X"}, {"X"}]
