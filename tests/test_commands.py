import gzip
import importlib
import sys

import pytest
import spacy
from typer.testing import CliRunner

from spacy_clinicalbert.cli import app
from spacy_clinicalbert.encoder.checkpoints import load_tokenizer, without_warnings
from spacy_clinicalbert.loading import find_pipeline, open_config, open_pipeline, save_pipeline

NOTE = "SECRET CONSULT\nDenies chest pain.\n"
OVERRIDDEN = [
    ["train", "config.cfg", "--output", "out"],
    ["pretrain", "config.cfg", "--output", "out"],
    ["labels", "config.cfg", "out"],
    ["calibrate", "nowhere", "config.cfg", "out"],
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "note.cfg").write_text(NOTE, encoding="utf8")
    (tmp_path / "config.cfg").write_text("# of a run\n\n[paths]\nnotes = null\n", encoding="utf8")
    return tmp_path


def run(*arguments):
    done = CliRunner().invoke(app, list(arguments))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def test_commands_are_listed_with_whole_sentences():
    listed = run("--help").output.partition("Commands")[2]
    assert listed.count("\n") > 14 and "..." not in listed


@pytest.mark.parametrize("command", OVERRIDDEN, ids=lambda command: command[0])
def test_commands_say_that_an_option_is_misspelt(command):
    done = run(*command, "--maxsteps", "5")
    assert done.exit_code == 2 and "There is no option --maxsteps" in done.output


@pytest.mark.parametrize("command", [each for each in OVERRIDDEN if each[0] != "calibrate"], ids=lambda each: each[0])
def test_commands_do_not_show_a_note_that_is_given_for_a_config(command):
    done = run(*("note.cfg" if each == "config.cfg" else each for each in command))
    assert done.exit_code == 1 and "'note.cfg' is not a config" in done.output
    assert "SECRET" not in done.output


@pytest.mark.parametrize("head", ["", "{", '[{"text": "SECRET"}]\n', "\ufeff[paths\n"])
def test_open_config_wants_a_section(folder, head):
    (folder / "other.cfg").write_text(head, encoding="utf8")
    with pytest.raises(ValueError, match=r"^'other.cfg' is not a config: it does not begin with a \[section\]\.$"):
        open_config("other.cfg")


@pytest.mark.parametrize(
    "text", ["[HPI]\nSECRET denies pain\n", "[paths]\nSECRET = 1\n[paths]\n", "[**2151-7-16**]\nSECRET\n"]
)
def test_open_config_shows_no_line_of_a_note_with_brackets(folder, text):
    (folder / "other.cfg").write_text(text, encoding="utf8")
    with pytest.raises(ValueError, match="^'other.cfg' is not a config: ") as error:
        open_config("other.cfg")
    assert "SECRET" not in str(error.value) and error.value.__suppress_context__


def test_open_config_wants_what_is_needed():
    with pytest.raises(
        ValueError, match=r"^'config.cfg' has no section \[training\]: it is a config for something else\.$"
    ):
        open_config("config.cfg", needs=("paths", "training"))


def test_open_config_reads_what_is_one():
    assert open_config("config.cfg", {"paths.notes": "here"})["paths"] == {"notes": "here"}


def test_an_installed_package_without_pipeline_is_named(folder):
    with pytest.raises(ValueError, match=r"'numpy' is an installed package, but no pipeline"):
        open_pipeline("numpy")


def test_find_pipeline_says_what_is_there(folder):
    save_pipeline(spacy.blank("en"), folder / "run" / "model-last")
    assert find_pipeline("run/model-last").is_dir() and open_pipeline(folder / "run" / "model-last").lang == "en"
    for name, said in (
        ("nowhere", "'nowhere' is neither the folder of a saved pipeline nor an installed one."),
        ("note.cfg", "'note.cfg' is not a saved pipeline: it has no config.cfg. Name the folder"),
        ("run", "'run' is not a saved pipeline: it has no config.cfg. It holds one as 'run/model-last'."),
    ):
        with pytest.raises(ValueError) as error:
            open_pipeline(name)
        assert str(error.value).startswith(said)


@pytest.mark.parametrize(
    "name, said",
    [
        ("note.cfg", "^'note.cfg' is a file. Give the folder"),
        ("bio-clincalbert", "Without a network there is 'mini'. Did you mean 'bio-clinicalbert'?"),
    ],
)
def test_checkpoint_that_is_none_is_told_plainly(name, said):
    with pytest.raises(ValueError, match=said):
        load_tokenizer(name, local_files_only=True)


def test_checkpoint_of_no_known_network_does_not_list_all_networks(folder):
    (folder / "checkpoint").mkdir()
    (folder / "checkpoint" / "config.json").write_text("{}")
    with pytest.raises(ValueError) as error:
        load_tokenizer("checkpoint")
    assert "Unrecognized model" in str(error.value) and "it holds config.json" in str(error.value)
    assert len(str(error.value)) < 800


def test_without_warnings_is_quiet_about_the_hub_too():
    from huggingface_hub.utils import logging

    before = logging.get_verbosity()
    with without_warnings():
        assert logging.get_verbosity() == logging.ERROR
    assert logging.get_verbosity() == before


@pytest.mark.parametrize(
    "command",
    [["init", "new", "notes.parquet"], ["labels", "p.cfg", "out"], ["train", "p.cfg", "--output", "out"]],
    ids=lambda each: each[0],
)
def test_commands_say_which_extra_reads_a_corpus(folder, command, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (folder / "notes.parquet").touch()
    config = """
        [nlp]
        lang = "en"
        pipeline = ["textcat"]
        [components]
        [components.textcat]
        factory = "textcat"
        [corpora]
        [corpora.train]
        @readers = "spacy-clinicalbert.parquet.v1"
        path = "notes.parquet"
        [corpora.dev]
        @readers = "spacy-clinicalbert.parquet.v1"
        path = "notes.parquet"
        [training]
        seed = 0
        gpu_allocator = null
    """
    (folder / "p.cfg").write_text("\n".join(map(str.strip, config.splitlines())))
    done = run(*command)
    assert done.exit_code == 1 and "pip install 'spacy-clinicalbert[corpora]'" in done.output


@pytest.fixture
def script():
    return lambda name, *arguments: CliRunner().invoke(importlib.import_module(f"scripts.{name}").app, list(arguments))


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("jsonl", "broken.jsonl"), "Line 2 of 'broken.jsonl' is not a JSON object."),
        (("brat", "broken.jsonl"), "The folder 'broken.jsonl' has no texts"),
        (("jsonl", "notes.jsonl", "--split", "dve"), "There is no note in the split 'dve' of 'notes.jsonl'"),
        (("jsonl", "."), "directory"),
        (("questions", "squad.json", "--setting", "n_questions=many"), "A --setting has a value of another kind"),
    ],
)
def test_convert_says_what_is_wrong(folder, script, arguments, said):
    (folder / "broken.jsonl").write_text('{"text": "SECRET"}\n{"text": "SECRET', encoding="utf8")
    (folder / "squad.json").write_text(
        '{"data": [{"paragraphs": [{"context": "SECRET", "qas": []}]}]}', encoding="utf8"
    )
    (folder / "notes.jsonl").write_text('{"text": "SECRET", "split": "dev"}\n', encoding="utf8")
    done = script("convert", *arguments, "out.spacy")
    assert isinstance(done.exception, SystemExit) and done.exit_code == 1
    assert said in done.output and "SECRET" not in done.output and not (folder / "out.spacy").exists()


@pytest.mark.parametrize(
    "name, arguments, said",
    [
        ("annotate", ("nowhere", "notes.jsonl"), "'nowhere' is neither the folder of a saved pipeline"),
        ("annotate", ("nowhere", "notes.jsonl", "--note-id", "n9"), "'notes.jsonl' has no note with the id 'n9'."),
        (
            "annotate",
            ("nowhere", "notes.jsonl.gz", "--note-id", "n9"),
            "'notes.jsonl.gz' has no note with the id 'n9'.",
        ),
        ("evaluate", ("run", "note.cfg", "out.json"), "'note.cfg' is not a config"),
        ("evaluate", ("run", "plain.cfg", "out.json"), "[corpora.dev] of 'plain.cfg' is not"),
        ("evaluate", ("run", "plain.cfg", "out.json", "--smaples", "5"), "There is no option --smaples"),
    ],
)
def test_scripts_say_what_is_wrong(folder, script, name, arguments, said):
    (folder / "run").mkdir()
    (folder / "notes.jsonl").write_text('{"id": "n1", "text": "SECRET"}\n', encoding="utf8")
    (folder / "notes.jsonl.gz").write_bytes(gzip.compress((folder / "notes.jsonl").read_bytes()))
    plain = '[corpora]\n\n[corpora.dev]\n@readers = "spacy.Corpus.v1"\npath = null\n\n[training]\ndev_corpus = "corpora.dev"\n'
    (folder / "plain.cfg").write_text(plain, encoding="utf8")
    done = script(name, *arguments)
    assert isinstance(done.exception, SystemExit) and done.exit_code in (1, 2)
    assert said in done.output and "SECRET" not in done.output
