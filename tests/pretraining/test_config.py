from pathlib import Path

import pytest

from spacy_clinicalbert.pretraining.config import FREE, read_config
from spacy_clinicalbert.settings import changed_settings

CONFIGS = Path(__file__).parent.parent.parent / "configs"


@pytest.mark.parametrize("name", ["pretrain.cfg", "pretrain-mini.cfg"])
def test_shipped_config_is_read_and_written_and_read_again(name, tmp_path):
    overrides = {"pretraining.max_steps": 7, "corpus.cache": "elsewhere"}
    if name == "pretrain.cfg":
        overrides.update({"paths.notes": "notes", "paths.held_out": "held_out"})
    config = read_config(CONFIGS / name, overrides)
    assert config.pretraining.max_steps == 7 and config.corpus.cache == "elsewhere"
    config.to_config().to_disk(tmp_path / "config.cfg")
    assert read_config(tmp_path / "config.cfg") == config


@pytest.mark.parametrize(
    "changes, named",
    [
        ({"pretraining": {"max_steps": 0}}, "pretraining.max_steps"),
        ({"pretraining": {"max_step": 3}}, "pretraining.max_step"),
        ({"objective": {"units": "sentences"}}, "objective.units"),
        ({"objective": {"units": "concepts"}}, "corpus.concepts"),
        ({"encoder": {"config": {"model_type": "bert"}}}, "either name"),
        ({"encoder": {"name": None}}, "either name"),
        ({"encoder": {"name": None, "config": {"model_type": "bert"}}}, "lowercase must be"),
        ({"stages": {"long": {"length": 64, "batch_size": 4, "share": 0.4}}}, "add up to 1"),
        ({"corpus": {"sources": {}}}, "corpus.sources"),
        ({"corpus": {"sources": {"a": {"path": "x", "weight": 0}}}}, "corpus.sources.a.weight"),
    ],
)
def test_wrong_setting_is_an_error_that_names_it(changes, named, make_run):
    with pytest.raises(ValueError, match=named):
        make_run(**changes)


def test_stages_end_by_their_shares(make_run):
    assert make_run(pretraining={"max_steps": 7}).stage_ends() == [4, 7]


def test_changed_settings_leave_out_what_may_change(make_run):
    other = make_run(optimizer={"learn_rate": 2e-3}, pretraining={"log_steps": 9, "checkpoint_minutes": 1})
    assert changed_settings(make_run().to_config(), other.to_config(), FREE) == ["optimizer.learn_rate"]
