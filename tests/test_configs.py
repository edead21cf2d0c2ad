import json
from io import StringIO
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config, load_model_from_config

from spacy_clinicalbert.corpora.docs import Report, to_docs
from spacy_clinicalbert.corpora.jsonl import jsonl_records

pytestmark = pytest.mark.usefixtures("all_special_cases")
ROOT = Path(__file__).parent.parent
# tests/pretraining, tests/questions and tests/training have the others.
CONFIGS = [
    path
    for path in sorted((ROOT / "configs").glob("*.cfg"))
    if path.stem.split("-")[0] not in ("pretrain", "joint", "qa", "encoder")
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    for split in ("train", "dev"):
        records = [
            record for i, record in enumerate(jsonl_records(ROOT / "assets/sample_notes.jsonl", split)) if i % 7 == 0
        ]
        for record in records:  # something to learn for clinical_assertion and clinical_summary
            record["summary"] = record["text"][:200]
            for i, entity in enumerate(record["entities"]):
                entity.append({"certainty": ("present", "absent")[i % 2]})
        docs = list(to_docs(records, spacy.blank("en"), Report()))
        DocBin(docs=docs, store_user_data=True).to_disk(folder / f"{split}.spacy")
    return folder


@pytest.fixture(scope="module")
def base(toy, tmp_path_factory):
    """A pipeline of the encoder alone, as `spacy assemble` writes it."""
    folder = tmp_path_factory.mktemp("base")
    nlp = load_model_from_config(load_config(ROOT / "configs/encoder.cfg", {"paths.encoder": toy}), auto_fill=True)
    nlp.initialize()
    nlp.to_disk(folder)
    return folder


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_config_trains_and_a_seed_gives_the_same_scores_twice(config, corpus, toy, base, tmp_path):
    encoder = {"paths.encoder": toy}
    if config.stem == "pathology":  # its labels are those of the sample notes
        encoder = {"paths.base": str(base), "paths.labels": str(tmp_path / "none.json")}

    def scores():
        overrides = {"paths.train": str(corpus / "train.spacy"), "paths.dev": str(corpus / "dev.spacy"), **encoder}
        overrides.update({"training.max_steps": 3, "training.eval_frequency": 2, "training.max_epochs": 1})
        nlp = init_nlp(load_config(config, overrides=overrides))
        train(nlp, tmp_path, stdout=StringIO(), stderr=StringIO())
        meta = json.loads((tmp_path / "model-last" / "meta.json").read_text())
        return meta["performance"]

    first, second = scores(), scores()
    assert first == second
    assert any(value > 0 for name, value in first.items() if name.endswith("_loss"))
