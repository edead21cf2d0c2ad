"""configs/joint-notes.cfg goes on from the pipeline of configs/joint.cfg, with two components alone."""

from io import StringIO

import numpy
import spacy
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config

from spacy_clinicalbert.deployment.records import to_record
from spacy_clinicalbert.encoder.shim import shim_of
from tests.training.conftest import ROOT
from tests.training.test_joint_questions import NOTE, weights_of

LEARN = {"clinical_note_classifier", "pathology_classifier", "clinical_summary"}


def test_second_stage_trains_note_types_and_summaries_and_leaves_the_rest(joint_config, corpora, tmp_path):
    train(init_nlp(joint_config()), tmp_path, stdout=StringIO(), stderr=StringIO())
    first = (tmp_path / "model-last").rename(tmp_path / "first")
    settings = {
        "paths.joint": str(first),
        "paths.corpora": str(corpora),
        "paths.labels": str(corpora / "labels"),
        "training.max_steps": 4,
        "training.eval_frequency": 2,
    }
    nlp = init_nlp(load_config(ROOT / "configs" / "joint-notes.cfg", overrides=settings))
    assert shim_of(nlp.get_pipe("clinicalbert").model).cache.max_pieces == 1_000_000
    train(nlp, tmp_path, stdout=StringIO(), stderr=StringIO())
    before, after = spacy.load(first), spacy.load(tmp_path / "model-last")
    assert after.pipe_names == before.pipe_names
    assert shim_of(after.get_pipe("clinicalbert").model).cache.max_pieces == 65536
    for name in before.pipe_names:
        if hasattr(before.get_pipe(name), "model"):
            old, new = weights_of(before, name), weights_of(nlp, name)
            same = old.keys() == new.keys() and all(numpy.array_equal(old[key], new[key]) for key in old)
            assert same == (name not in LEARN), name
    one, other = to_record(before(NOTE)), to_record(after(NOTE))
    assert one.get("entities") == other.get("entities") and one["cats"] != other["cats"]
