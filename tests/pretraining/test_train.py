"""Whole runs of a toy network: what is written, what a kill leaves, and that several processes do what one does."""

import json
import logging
import math
import os
import shutil
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import spacy
import torch
from safetensors.torch import load_file
from thinc.api import Config
from torch.distributed.run import main as torchrun
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer
from typer.testing import CliRunner

from spacy_clinicalbert.cli import app
from spacy_clinicalbert.folders import step_folders
from spacy_clinicalbert.pretraining import train
from spacy_clinicalbert.pretraining.config import read_config
from spacy_clinicalbert.pretraining.train import pretrain
from tests.conftest import encoder_config
from tests.processes import start

NO_DROPOUT = {"dropout": 0.0, "attention_dropout": 0.0}


def rows(output, group):
    lines = (output / "log.jsonl").read_text(encoding="utf8").splitlines()
    return [row for row in map(json.loads, lines) if row["group"] == group]


def weights(output, model="model-last"):
    return load_file(output / model / "model.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def command(config, output):
    """The arguments of `python -m spacy clinicalbert` for a run."""
    config.to_config().to_disk(output.with_suffix(".cfg"))
    return ["pretrain", str(output.with_suffix(".cfg")), "--output", str(output)]


def start_run(config, output, n_processes=1):
    """A run in a process of its own, or in several; what they say stands in a file beside its folder."""
    said, arguments = output.with_suffix(".said"), command(config, output)
    if n_processes == 1:
        return start(said, app, arguments)
    # Standalone: torchrun takes a free port by itself, for tests run beside each other.
    launch = ["--standalone", "--local_addr", "127.0.0.1", "--nproc_per_node", str(n_processes)]
    launch += ["-m", "spacy", "clinicalbert"]
    return start(said, torchrun, [*launch, *arguments])


@pytest.mark.parametrize("mode", ["keep", "replace", "add"])
def test_run_learns_and_writes_what_others_open(mode, make_run, tmp_path, toy):
    config = make_run(
        pretraining={"max_steps": 60},
        vocabulary={"mode": mode, "size": 600},
        stages={
            "short": {"length": 32, "batch_size": 8, "share": 0.5},
            "long": {"length": 64, "batch_size": 4, "share": 0.5},
        },
        optimizer={"learn_rate": 5e-3, "warmup_steps": 5},
        validation={"steps": 30},
    )
    output = tmp_path / "run"
    pretrain(config, output)
    held_out = rows(output, "dev")
    assert [row["step"] for row in held_out] == [0, 30, 60]
    assert held_out[-1]["loss"] < held_out[0]["loss"] - 0.3 and held_out[-1]["accuracy"] > held_out[0]["accuracy"]
    assert held_out[-1]["perplexity"] == pytest.approx(math.exp(held_out[-1]["loss"]))
    for model in ("model-last", "model-best"):
        folder = output / model
        network, tokenizer = AutoModelForMaskedLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
        assert AutoModel.from_pretrained(folder).config.hidden_dropout_prob == 0.1
        assert (len(tokenizer) == network.config.vocab_size) == (mode != "keep")  # the toy has rows to spare
        assert tokenizer.model_max_length == 512
        nlp = spacy.blank("en")
        nlp.add_pipe("clinicalbert", config=encoder_config(str(folder)))
        nlp.initialize()
        assert nlp("The Patient denies pain.")._.trf_data.model_output.last_hidden_state.shape == (1, 5, 32)
        card = (folder / "README.md").read_text(encoding="utf8")
        assert "| notes | not stated | 20 |" in card and "of 60 steps" in card and str(tmp_path) not in card
    assert step_folders(output)[-1].name == "step-00000060"


def test_same_seed_gives_the_same_weights_and_another_gives_others(make_run, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        pretrain(make_run(pretraining={"seed": seed}), tmp_path / name)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


def test_passes_of_any_size_give_the_same_step(make_run, tmp_path):
    for items in (64, 4096):
        config = make_run(pretraining={"max_batch_items": items, "max_steps": 2}, encoder=NO_DROPOUT)
        pretrain(config, tmp_path / str(items))
    one, other = weights(tmp_path / "64"), weights(tmp_path / "4096")
    assert all(torch.allclose(one[name], other[name], atol=2e-4) for name in one)
    logs = [rows(tmp_path / str(items), "train")[-1]["loss"] for items in (64, 4096)]
    assert logs[0] == pytest.approx(logs[1], rel=1e-4)


def test_killed_run_resumes_to_the_same_weights(make_run, tmp_path):
    """Killed for good in the middle of the first length, with dropout, and resumed: to the bit what an unbroken run gives."""
    config = make_run(pretraining={"max_steps": 80, "checkpoint_minutes": 0}, validation={"steps": 20})
    pretrain(config, tmp_path / "whole")
    process = start_run(config, tmp_path / "killed")
    while process.is_alive() and not any(path.name >= "step-00000010" for path in step_folders(tmp_path / "killed")):
        time.sleep(0.01)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, (tmp_path / "killed.said").read_text()
    left = step_folders(tmp_path / "killed")
    assert 1 <= len(left) <= 3 and left[-1].name < "step-00000080"
    pretrain(config, tmp_path / "killed", resume=True)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
    assert same(weights(tmp_path / "whole", "model-best"), weights(tmp_path / "killed", "model-best"))
    for group in ("train", "dev"):
        whole, killed = rows(tmp_path / "whole", group), rows(tmp_path / "killed", group)
        assert [row["step"] for row in whole] == [row["step"] for row in killed]
        # But for the mean over steps of which some were before the kill.
        assert sum(a["loss"] == b["loss"] for a, b in zip(whole, killed)) >= len(whole) - 1


@pytest.mark.parametrize("n_processes", [1, 2])
def test_signal_ends_a_run_behind_its_step_with_a_checkpoint(n_processes, make_run, tmp_path):
    def make(max_steps):
        stage = {"length": 32, "batch_size": 6}
        return make_run(
            pretraining={"max_steps": max_steps, "checkpoint_minutes": 60},
            optimizer={"schedule": "constant", "decay_steps": 0},
            stages={"short": {**stage, "share": 1 - 1e-9}, "long": {**stage, "share": 1e-9}},
            validation={"steps": 2000},
        )

    output = tmp_path / "stopped"
    process = start_run(make(2000), output, n_processes)
    while process.is_alive() and not ((output / "log.jsonl").is_file() and rows(output, "train")):
        time.sleep(0.01)
    process.terminate()
    process.join()
    said = output.with_suffix(".said").read_text()
    assert process.exitcode == (128 + signal.SIGTERM if n_processes == 1 else 1), said
    assert len(step_folders(output)) == 1, said
    (left,) = step_folders(output)
    n_done = int(left.name.removeprefix("step-"))
    assert 0 < n_done < 2000 and f"Stopped behind step {n_done}. Go on with --resume." in said
    assert pretrain(make(n_done + 2), output, resume=True) is None


def test_constant_run_made_longer_is_the_run_planned_so(make_run, tmp_path):
    def make(max_steps, decay_steps):
        optimizer = {"schedule": "constant", "decay_steps": decay_steps}
        stages = {"short": {"length": 32, "batch_size": 6, "share": 6 / 9}, "long": {"length": 64, "share": 3 / 9}}
        stages["long"]["batch_size"] = 4
        return make_run(pretraining={"max_steps": max_steps}, optimizer=optimizer, stages=stages)

    pretrain(make(9, 4), tmp_path / "planned")
    pretrain(make_run(pretraining={"max_steps": 5}, optimizer={"schedule": "constant"}, stages={
        "short": {"length": 32, "batch_size": 6, "share": 1 - 1e-9}, "long": {"length": 64, "batch_size": 4, "share": 1e-9}
    }), tmp_path / "longer")  # fmt: skip
    pretrain(make(9, 4), tmp_path / "longer", resume=True)
    assert same(weights(tmp_path / "planned"), weights(tmp_path / "longer"))
    assert read_config(tmp_path / "longer" / "config.cfg").pretraining.max_steps == 9


def test_two_processes_train_as_one(make_run, tmp_path):
    settings = {"pretraining": {"max_steps": 4, "max_batch_items": 64, "log_steps": 1}, "encoder": NO_DROPOUT}
    settings["optimizer"] = {"learn_rate": 1e-4, "eps": 1e-3}
    config = make_run(**settings)
    pretrain(config, tmp_path / "one")
    process = start_run(config, tmp_path / "two", n_processes=2)
    process.join()
    said = (tmp_path / "two.said").read_text()
    assert process.exitcode == 0 and "2 processes" in said, said
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert all(torch.allclose(one[name], two[name], atol=1e-6) for name in one)
    for group in ("train", "dev"):
        for a, b in zip(rows(tmp_path / "one", group), rows(tmp_path / "two", group), strict=True):
            assert a["loss"] == pytest.approx(b["loss"], rel=1e-4)


def test_processes_that_do_not_find_each_other_are_an_error(make_run, tmp_path, monkeypatch):
    monkeypatch.setattr("accelerate.Accelerator", lambda **_: SimpleNamespace(num_processes=1, is_main_process=True))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="2 processes were started, and 1 found each other"):
        pretrain(make_run(), tmp_path / "run")


def test_run_from_nothing_and_its_card(make_run, tmp_path):
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    config = make_run(
        pretraining={"max_steps": 3},
        encoder={"name": None, "lowercase": True, "config": {"model_type": "bert", **sizes}},
        vocabulary={"mode": "replace", "size": 400},
    )
    config.corpus.sources["notes"].licence = "CC BY 4.0"
    pretrain(config, tmp_path / "run")
    network = AutoModelForMaskedLM.from_pretrained(tmp_path / "run" / "model-last")
    assert network.config.vocab_size == len(AutoTokenizer.from_pretrained(tmp_path / "run" / "model-last"))
    card = (tmp_path / "run" / "model-last" / "README.md").read_text(encoding="utf8")
    figures = rows(tmp_path / "run", "dev")[-1]
    assert "from nothing (a new bert)" in card and "| notes | CC BY 4.0 | 20 |" in card
    assert f"| dev | {figures['loss']:.3f} | {figures['perplexity']:.3f} | {figures['accuracy']:.3f} |" in card


def test_next_sentence_run(make_run, tmp_path):
    pretrain(make_run(objective={"next_sentence": True, "units": "wordpieces"}), tmp_path / "run")
    assert AutoModelForMaskedLM.from_pretrained(tmp_path / "run" / "model-last").config.architectures == [
        "BertForPreTraining"
    ]


def test_concept_run_measures_terms(make_run, tmp_path):
    (tmp_path / "terms.txt").write_text("chest pain\nfever\ncough\nasthma\nhypertension\naspirin\n")
    config = make_run()
    corpus = {"concepts": {"terms": str(tmp_path / "terms.txt")}}
    config = make_run(corpus=corpus, objective={"units": "concepts"}, validation={"max_pieces": 5000})
    pretrain(config, tmp_path / "run")
    assert 0 <= rows(tmp_path / "run", "dev")[-1]["term_accuracy"] <= 1


def test_training_stops_early_and_goes_on_with_more_patience(make_run, tmp_path, caplog):
    caplog.set_level(logging.INFO)

    def make(patience):
        # A rate that moves nothing: no round is better than the first.
        optimizer, validation = {"learn_rate": 1e-12, "schedule": "constant"}, {"patience": patience, "steps": 3}
        return make_run(pretraining={"max_steps": 15}, optimizer=optimizer, validation=validation)

    output = tmp_path / "run"
    pretrain(make(2), output)
    assert step_folders(output)[-1].name == "step-00000006" and rows(output, "dev")[-1]["step"] == 6
    assert "there is no model-best" in caplog.text and not (output / "model-best").exists()
    progress = step_folders(output)[-1] / "progress.json"
    progress.write_text(json.dumps({**json.loads(progress.read_text()), "stopped": True}))  # as older ones say
    pretrain(make(3), output, resume=True)
    assert step_folders(output)[-1].name == "step-00000009"
    pretrain(make(0), output, resume=True)
    assert step_folders(output)[-1].name == "step-00000015"


def test_moved_text_and_cache_resume_and_other_text_does_not(make_run, tmp_path):
    def make(folder, max_steps=4):
        sources = {"notes": {"path": f"{folder}/train.jsonl"}}
        return make_run(
            pretraining={"max_steps": max_steps},
            optimizer={"schedule": "constant"},
            stages={"short": {"length": 32, "batch_size": 6, "share": 1 - 1e-9}, "long": {"length": 64, "batch_size": 4, "share": 1e-9}},
            corpus={"cache": f"{folder}/cache", "sources": sources},
            validation={"sets": {"dev": {"path": f"{folder}/dev.jsonl"}}},
        )  # fmt: skip

    make(tmp_path)
    with (tmp_path / "train.jsonl").open("a") as file:
        file.write("no JSON\n")  # is named with its path
    places = []
    for name in ("whole", "moved", "text", "held_out"):
        places.append(shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name}-{name}"))
    whole, moved, text, held_out = places
    pretrain(make(whole), tmp_path / "whole")
    pretrain(make(whole, 2), tmp_path / "run")
    for folder, name, match in ((text, "train", "The text is not"), (held_out, "dev", "held-out sets are not")):
        file = folder / f"{name}.jsonl"
        file.write_text("".join(reversed(file.read_text().splitlines(keepends=True))))  # all counts are the same
        with pytest.raises(ValueError, match=match):
            pretrain(make(folder), tmp_path / "run", resume=True)
    pretrain(make(moved), tmp_path / "run", resume=True)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "run"))
    assert read_config(tmp_path / "run" / "config.cfg").corpus.cache == f"{moved}/cache"


def test_stage_with_fewer_blocks_than_processes_is_an_error(make_run, tmp_path, monkeypatch):
    stand_in = SimpleNamespace(num_processes=5, is_main_process=False)
    monkeypatch.setattr("accelerate.Accelerator", lambda **_: stand_in)
    monkeypatch.setenv("WORLD_SIZE", "5")
    with pytest.raises(ValueError, match="The stage 'long' has batches of 4 blocks for 5 processes"):
        pretrain(make_run(), tmp_path / "run")


def test_float16_and_tensorboard(make_run, tmp_path):
    config = make_run(pretraining={"save_precision": "float16", "tensorboard": True, "precision": "bfloat16"})
    pretrain(config, tmp_path / "run")
    assert {values.dtype for values in weights(tmp_path / "run").values()} == {torch.float16}
    assert list((tmp_path / "run" / "tensorboard").glob("events*"))


def test_folder_in_use_and_run_that_differs_are_errors(make_run, tmp_path):
    config, output = make_run(pretraining={"max_steps": 2}), tmp_path / "run"
    pretrain(config, output)
    with pytest.raises(ValueError, match="holds a run already"):
        pretrain(config, output)
    with pytest.raises(ValueError, match=r"other settings: optimizer\.learn_rate\."):
        pretrain(make_run(pretraining={"max_steps": 2}, optimizer={"learn_rate": 1.0}), output, resume=True)
    with pytest.raises(ValueError, match="text is not that"):
        changed = make_run(pretraining={"max_steps": 2})
        (tmp_path / "train.jsonl").write_text('{"text": "Other notes."}\n')
        pretrain(changed, output, resume=True)


@pytest.mark.parametrize("begun", [False, True])
def test_resume_begins_where_there_is_no_checkpoint(make_run, tmp_path, begun):
    config, output = make_run(pretraining={"max_steps": 2}), tmp_path / "run"
    if begun:  # and killed before its first checkpoint
        output.mkdir()
        config.to_config().to_disk(output / "config.cfg")
        with pytest.raises(ValueError, match=r"other settings: optimizer\.learn_rate\."):
            pretrain(make_run(pretraining={"max_steps": 2}, optimizer={"learn_rate": 1.0}), output, resume=True)
    pretrain(config, output, resume=True)
    assert step_folders(output)[-1].name == "step-00000002"
    (output / "config.cfg").unlink()
    with pytest.raises(ValueError, match=r"checkpoints without a config\.cfg"):
        pretrain(config, output, resume=True)
    with pytest.raises(ValueError, match="holds a run already"):
        pretrain(config, output)


def test_damaged_checkpoint_is_an_error_that_names_it(make_run, tmp_path):
    config = make_run(pretraining={"max_steps": 2})
    pretrain(config, tmp_path / "run")
    state = step_folders(tmp_path / "run")[-1] / "state.pt"
    for left in (state.read_bytes()[:1000], b"", b"\0" * 1000, b"abc"):
        state.write_bytes(left)
        with pytest.raises(ValueError, match="step-00000002.* cannot be read"):
            pretrain(config, tmp_path / "run", resume=True)


def test_signal_in_the_first_round_leaves_nothing_done(make_run, tmp_path, monkeypatch):
    config, output, measure = make_run(validation={"patience": 1}), tmp_path / "run", train.validate
    pretrain(config, tmp_path / "whole")

    def interrupted(*args):
        os.kill(os.getpid(), signal.SIGTERM)
        return measure(*args)

    with monkeypatch.context() as patch:
        patch.setattr(train, "validate", interrupted)
        assert pretrain(config, output) == signal.SIGTERM
    pretrain(config, output, resume=True)
    assert same(weights(tmp_path / "whole"), weights(output))
    assert [row["loss"] for row in rows(output, "dev")] == [row["loss"] for row in rows(tmp_path / "whole", "dev")]


def test_finished_run_that_is_resumed_keeps_its_checkpoint(make_run, tmp_path):
    config, output = make_run(pretraining={"max_steps": 2}), tmp_path / "run"
    pretrain(config, output)
    (step_folders(output)[-1] / "mark").touch()
    pretrain(config, output, resume=True)
    assert (step_folders(output)[-1] / "mark").exists()


def test_kill_before_the_last_model_leaves_it_to_be_written(make_run, tmp_path, monkeypatch):
    config, output = make_run(pretraining={"max_steps": 2}, validation={"sets": {}}), tmp_path / "run"

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(train, "save_model", killed)
        pretrain(config, output)
    pretrain(config, output, resume=True)
    assert (output / "model-last").is_dir()


def test_full_disk_leaves_config_and_log_of_a_run_that_is_resumed(make_run, tmp_path, monkeypatch):
    config, output = make_run(pretraining={"max_steps": 2}), tmp_path / "run"
    pretrain(config, output)
    left = {name: (output / name).read_text() for name in ("config.cfg", "log.jsonl")}
    write = Path.write_text

    def full(path, text, **settings):
        write(path, "", **settings)
        raise OSError("No space left on device")

    for patched, name, stand_in in (
        (Config, "to_disk", lambda self, path, **_: full(path, "")),
        (Path, "write_text", full),
    ):
        with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
            patch.setattr(patched, name, stand_in)
            pretrain(config, output, resume=True)
        assert {name: (output / name).read_text() for name in left} == left


def test_run_that_diverges_is_an_error_before_its_weights_are_none(make_run, tmp_path):
    config = make_run(pretraining={"max_steps": 30, "checkpoint_minutes": 0}, optimizer={"learn_rate": 1e15})
    with pytest.raises(ValueError, match="The gradient of step .* is not finite: training diverged"):
        pretrain(config, tmp_path / "run")
    assert all(values.isfinite().all() for values in weights(tmp_path / "run").values())


def test_settings_that_a_network_does_not_know_are_an_error(make_run, tmp_path):
    network = {"model_type": "bert", "hidden_size": 32, "num_layers": 1}
    encoder = {"name": None, "lowercase": True, "config": network}
    with pytest.raises(ValueError, match="what a bert does not know: num_layers"):
        pretrain(make_run(encoder=encoder, vocabulary={"mode": "replace", "size": 500}), tmp_path / "run")


def test_block_longer_than_the_positions_is_an_error(make_run, tmp_path):
    with pytest.raises(ValueError, match="longer than the network's 512"):
        pretrain(make_run(stages={"short": {"length": 600, "batch_size": 1, "share": 0.5}}), tmp_path / "run")


def test_command_says_what_is_wrong_without_a_traceback(make_run, tmp_path):
    found = CliRunner().invoke(app, [*command(make_run(), tmp_path / "run"), "--optimizer.learn_rat", "1"])
    assert isinstance(found.exception, SystemExit) and found.exit_code == 1 and "optimizer.learn_rat" in found.output
