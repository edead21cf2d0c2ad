"""`python -m spacy clinicalbert train`: what spaCy's own command gives, stopped, killed and resumed."""

import json
import os
import signal
import time
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import numpy
import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as spacy_train
from spacy.util import load_config
from typer.testing import CliRunner

from spacy_clinicalbert.cli import app
from spacy_clinicalbert.folders import step_folders
from spacy_clinicalbert.training import loop
from spacy_clinicalbert.training.loop import train
from spacy_clinicalbert.training.paths import NodePaths
from tests.conftest import encoder_config, make_examples, write_bert
from tests.processes import start

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def shuffled_config(toy, tmp_path):
    """configs/quickstart.cfg, with all that has a state: a shuffled corpus, averages, a growing batch, layers that unfreeze, dropout, and
    `ner`, which draws random numbers of the kind that the corpus is shuffled with."""
    nlp = spacy.blank("en")
    docs = [example.reference for example in make_examples(nlp)]
    DocBin(docs=docs * 2, store_user_data=True).to_disk(tmp_path / "notes.spacy")

    def make(**overrides):
        notes = str(tmp_path / "notes.spacy")
        settings = {"paths.train": notes, "paths.dev": notes, "paths.encoder": toy, "training.max_epochs": 0}
        settings.update({"training.max_steps": 11, "training.eval_frequency": 3, "training.accumulate_gradient": 2})
        settings.update({"training.optimizer.use_averages": True, "training.optimizer.learn_rate.warmup_steps": 2})
        config = load_config(
            ROOT / "configs" / "quickstart.cfg", overrides={**settings, **overrides}, interpolate=False
        )
        config["training"]["optimizer"]["@optimizers"] = "spacy-clinicalbert.Adam.v1"
        size = {"@schedules": "compounding.v1", "start": 8, "stop": 40, "compound": 1.2}
        batcher = {"@batchers": "spacy.batch_by_words.v1", "size": size, "tolerance": 0.2, "discard_oversize": False}
        config["training"]["batcher"] = {**batcher, "get_length": None}
        unfreeze = {"@callbacks": "spacy-clinicalbert.unfreeze_gradually.v1", "steps_per_layer": 2}
        config["training"]["before_update"] = unfreeze
        return config

    return make


@pytest.fixture(params=["joint", "shuffled"])
def make_config(request):
    return request.getfixturevalue(f"{request.param}_config")


def weights(folder):
    nlp = spacy.load(folder)
    found = NodePaths(nlp).weights()
    return {name: array.copy() for name, array in found.items()}


def same(one, other):
    return one.keys() == other.keys() and all(numpy.array_equal(one[name], other[name]) for name in one)


def check_same_runs(one, other):
    for model in ("model-last", "model-best"):
        assert same(weights(one / model), weights(other / model))
        metas = [json.loads((each / model / "meta.json").read_text())["performance"] for each in (one, other)]
        assert metas[0] == metas[1]


def run(config, output, **settings):
    said = StringIO()
    stopped_by = train(config, output, stdout=said, stderr=said, **{"checkpoint_minutes": 60, **settings})
    return stopped_by, said.getvalue()


def table(said):
    return [line for line in said.splitlines() if line.strip()[:1].isdigit()]


@pytest.fixture
def stop_in(monkeypatch):
    """Lets this process get SIGTERM in the midst of a step."""

    @contextmanager
    def stop_in(step):
        steps = loop.train_while_improving

        def interrupted(*args, before_update, **rest):
            def send(nlp, state):
                if before_update is not None:
                    before_update(nlp, state)
                if state["step"] == step:
                    os.kill(os.getpid(), signal.SIGTERM)

            return steps(*args, before_update=send, **rest)

        with monkeypatch.context() as patch:
            patch.setattr(loop, "train_while_improving", interrupted)
            yield

    return stop_in


def test_unbroken_run_is_spacys_and_a_stopped_one_goes_on_to_the_same(make_config, tmp_path, stop_in):
    nlp, said = init_nlp(make_config()), StringIO()
    (tmp_path / "spacy").mkdir()
    spacy_train(nlp, tmp_path / "spacy", stdout=said, stderr=said)
    stopped_by, whole = run(make_config(), tmp_path / "whole")
    assert stopped_by is None and table(whole) == table(said.getvalue()) and len(table(whole)) >= 3
    check_same_runs(tmp_path / "spacy", tmp_path / "whole")
    # Stopped twice: behind a step that is evaluated, and behind one that is not.
    output = tmp_path / "stopped"
    for step in (3, 7):
        with stop_in(step):
            stopped_by, said_now = run(make_config(), output, resume=True)
        assert stopped_by == signal.SIGTERM and f"Stopped behind step {step}. Go on with --resume" in said_now
        assert [path.name for path in step_folders(output)] == [f"step-{step:08d}"]
        assert (output / "model-last").is_dir()
    stopped_by, rest = run(make_config(), output, resume=True)
    assert stopped_by is None and "Going on behind step 7" in rest
    assert table(rest) == table(whole)  # the log tells the whole run
    check_same_runs(tmp_path / "whole", output)
    # Once more: it is at its end.
    assert run(make_config(), output, resume=True)[0] is None
    check_same_runs(tmp_path / "whole", output)


def test_killed_run_resumes_to_the_same_weights(joint_config, tmp_path):
    # Batches of a note or two, in which heads are silent.
    config = joint_config(**{"training.max_steps": 30, "training.batcher.size": 12})
    run(config, tmp_path / "whole")
    config.to_disk(tmp_path / "config.cfg", interpolate=False)
    options = [str(tmp_path / "config.cfg"), "--output", str(tmp_path / "killed"), "--checkpoint-minutes", "0"]
    process = start(tmp_path / "said", app, ["train", *options])
    while process.is_alive() and not any(path.name >= "step-00000005" for path in step_folders(tmp_path / "killed")):
        time.sleep(0.01)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, (tmp_path / "said").read_text()
    left = step_folders(tmp_path / "killed")
    assert "step-00000005" <= left[-1].name < "step-00000030"
    loaded = load_config(tmp_path / "config.cfg", interpolate=False)
    assert run(loaded, tmp_path / "killed", resume=True)[0] is None
    check_same_runs(tmp_path / "whole", tmp_path / "killed")


def test_more_steps_go_on_behind_a_finished_run(joint_config, tmp_path):
    run(joint_config(**{"training.max_steps": 7}), tmp_path / "whole")
    run(joint_config(**{"training.max_steps": 4}), tmp_path / "run")
    file = step_folders(tmp_path / "run")[-1] / "progress.json"
    values = json.loads(file.read_text())
    del values["tokenizers"]  # as older ones are
    file.write_text(json.dumps(values))
    run(joint_config(**{"training.max_steps": 7, "training.patience": 1000}), tmp_path / "run", resume=True)
    check_same_runs(tmp_path / "whole", tmp_path / "run")
    with pytest.raises(ValueError, match="is of step 7, and training now ends at step 4. Raise max_steps"):
        run(joint_config(**{"training.max_steps": 4}), tmp_path / "run", resume=True)
    check_same_runs(tmp_path / "whole", tmp_path / "run")


def test_finished_run_that_is_resumed_keeps_its_checkpoint(joint_config, tmp_path):
    run(joint_config(**{"training.max_steps": 1}), tmp_path)
    (step_folders(tmp_path)[-1] / "mark").touch()
    run(joint_config(**{"training.max_steps": 1}), tmp_path, resume=True)
    assert (step_folders(tmp_path)[-1] / "mark").exists()


def test_frozen_encoder_resumes(joint_config, toy, tmp_path, stop_in):
    # Without its cache, out of which come vectors that were made in another batch: their last bits can differ.
    nlp = spacy.blank("en")
    nlp.add_pipe("clinicalbert", name="encoder", config={**encoder_config(toy), "max_cache_items": 0})
    nlp.initialize()
    nlp.to_disk(tmp_path / "pretrained")

    def make():
        config = joint_config(**{"training.max_steps": 5, "training.eval_frequency": 2})
        config["components"]["clinicalbert"] = {"source": str(tmp_path / "pretrained"), "component": "encoder"}
        config["training"]["frozen_components"] = ["clinicalbert"]
        config["training"]["annotating_components"] = ["clinicalbert"]
        return config

    run(make(), tmp_path / "whole")
    with stop_in(1):
        assert run(make(), tmp_path / "run")[0] == signal.SIGTERM
    run(make(), tmp_path / "run", resume=True)
    check_same_runs(tmp_path / "whole", tmp_path / "run")


def test_resuming_without_a_checkpoint_begins(joint_config, tmp_path):
    _, said = run(joint_config(**{"training.max_steps": 1}), tmp_path / "run", resume=True)
    assert "Going on" not in said and (tmp_path / "run" / "model-best").is_dir()


def test_what_is_not_the_run_that_was_begun_is_an_error(joint_config, tmp_path):
    output = tmp_path / "run"
    few = {"training.max_steps": 2}
    other = joint_config(**few)
    other["training"]["optimizer"]["@optimizers"] = "Adam.v1"
    with pytest.raises(ValueError, match=r'Set @optimizers = "spacy-clinicalbert.Adam.v1" in \[training.optimizer\]'):
        run(other, output)
    run(joint_config(**few), output)
    with pytest.raises(ValueError, match="holds a run already. Go on with --resume"):
        run(joint_config(**few), output)
    with pytest.raises(ValueError, match=r"with other settings: training\.optimizer\.L2, training\.dropout\. Go on"):
        run(joint_config(**few, **{"training.optimizer.L2": 0.5, "training.dropout": 0.3}), output, resume=True)
    with pytest.raises(ValueError, match="The encoder 'clinicalbert' has another tokenizer than the checkpoint"):
        cased = write_bert(tmp_path / "cased", cased=True)
        run(joint_config(**few, **{"paths.encoder": str(cased)}), output, resume=True)
    with pytest.raises(ValueError, match="training data or their order are not those"):
        other = {"corpora.train.corpora.bc5cdr.path": joint_config()["paths"]["corpora"] + "/ncbi_disease/train.spacy"}
        run(moved(joint_config(**few, **other), output), output, resume=True)
    moved(joint_config(**few), output)
    file = step_folders(output)[-1] / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match="does not fit the pipeline, or is damaged"):
        run(joint_config(**few), output, resume=True)
    (step_folders(output)[-1] / "progress.json").write_text("{")
    with pytest.raises(ValueError, match="does not fit the pipeline, or is damaged"):
        run(joint_config(**few), output, resume=True)


def moved(config, output):
    """The same run, with its corpus exchanged behind its back."""
    config.to_disk(step_folders(output)[-1] / "config.cfg", interpolate=False)
    return config


def test_commands_say_how_they_ended(joint_config, tmp_path, stop_in):
    config, output = tmp_path / "config.cfg", tmp_path / "run"
    joint_config(**{"training.max_steps": 2}).to_disk(config, interpolate=False)
    found = CliRunner().invoke(app, ["labels", str(config), str(tmp_path / "labels"), "--paths.labels", "none"])
    assert (
        found.exit_code == 0
        and f"clinical_note_classifier: {tmp_path}" in found.output
        and (tmp_path / "labels").is_dir()
    )
    command = ["train", str(config), "--output", str(output)]
    found = CliRunner().invoke(app, [*command, "--paths.labels", str(tmp_path / "nowhere")])
    assert isinstance(found.exception, SystemExit) and found.exit_code == 1 and "nowhere" in found.output
    found = CliRunner().invoke(app, [*command, "--gpu-id", "99"])
    assert isinstance(found.exception, SystemExit) and found.exit_code == 1 and "GPU" in found.output
    with stop_in(1):
        found = CliRunner().invoke(app, command)
    assert found.exit_code == 128 + signal.SIGTERM and "Stopped behind step 1" in found.output
    found = CliRunner().invoke(app, command)
    assert found.exit_code == 1 and "holds a run already" in found.output
    found = CliRunner().invoke(app, [*command, "--resume"])
    assert found.exit_code == 0 and "Saved pipeline" in found.output
