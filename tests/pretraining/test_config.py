from pathlib import Path

import pytest

from spacy_clinicalbert.pretraining.config import changes_of_run, read_config
from spacy_clinicalbert.pretraining.schedule import rate_at

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
        ({"pretraining": {"max_step": 3}}, "pretraining.max_step: there is no such setting"),
        ({"corpus": {"sources": {"a": {"path": None}}}}, "corpus.sources.a.path: it has no value; set it"),
        ({"objective": {"units": "sentences"}}, "objective.units"),
        ({"objective": {"units": "concepts"}}, "corpus.concepts"),
        ({"encoder": {"config": {"model_type": "bert"}}}, "either name"),
        ({"encoder": {"name": None}}, "either name"),
        ({"encoder": {"name": None, "config": {"model_type": "bert"}}}, "lowercase must be"),
        ({"stages": {"long": {"length": 64, "batch_size": 4, "share": 0.4}}}, "add up to 1"),
        ({"corpus": {"sources": {}}}, "corpus.sources"),
        (
            {"objective": {"next_sentence": True}, "stages": {"long": {"length": 64, "batch_size": 1, "share": 0.5}}},
            r"raise batch_size of stages\.long",
        ),
        ({"optimizer": {"decay_steps": 5}}, "decay_steps is for the schedule 'constant'"),
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
    assert changes_of_run(make_run(), other) == ["optimizer.learn_rate"]
    moved = make_run(
        corpus={"cache": "b", "sources": {"notes": {"path": "c"}}}, validation={"sets": {"dev": {"path": "d"}}}
    )
    assert changes_of_run(make_run(), moved) == []
    other = make_run(corpus={"sources": {"notes": {"path": "c", "weight": 2}}})
    assert changes_of_run(make_run(), other) == ["corpus.sources.notes.weight"]


def test_length_of_a_constant_run_may_change_before_it_falls(make_run):
    def make(max_steps, decay_steps=10, share=1.0):
        stages = {"short": {"length": 32, "batch_size": 6, "share": share}}
        stages["long"] = {"length": 64, "batch_size": 4, "share": max(1 - share, 1e-9)}
        optimizer = {"schedule": "constant", "warmup_steps": 3, "decay_steps": decay_steps}
        return make_run(pretraining={"max_steps": max_steps}, optimizer=optimizer, stages=stages)

    old = make(100)
    assert changes_of_run(old, make(60), 50) == []
    assert changes_of_run(old, make(60, decay_steps=20, share=0.9), 40) == []
    assert changes_of_run(old, make(55), 50) == ["pretraining.max_steps"]  # whose rate had begun to fall at 45
    assert "stages.short.share" in changes_of_run(old, make(100, share=0.4), 50)
    assert changes_of_run(old, make(40, decay_steps=0), 50) == ["pretraining.max_steps", "optimizer.decay_steps"]


def test_constant_rate_falls_over_the_last_steps(make_run):
    optimizer = make_run(
        optimizer={"schedule": "constant", "learn_rate": 1.0, "warmup_steps": 2, "decay_steps": 4}
    ).optimizer
    assert [rate_at(step, optimizer, 10) for step in range(10)] == [0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25]
