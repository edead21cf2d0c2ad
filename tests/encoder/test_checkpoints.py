import json
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import pytest
import spacy
import torch
from safetensors import safe_open
from transformers import CONFIG_MAPPING, AutoConfig, AutoModel

from spacy_clinicalbert.encoder import checkpoints
from spacy_clinicalbert.encoder.checkpoints import (
    checkpoint_from_files,
    checkpoint_to_files,
    load_checkpoint,
    load_tokenizer,
    resolve_name,
)
from spacy_clinicalbert.encoder.forward import last_hidden_state
from spacy_clinicalbert.encoder.model import Encoder
from spacy_clinicalbert.encoder.network_types import sees_padding, usable_positions
from spacy_clinicalbert.encoder.plan import tokenize
from spacy_clinicalbert.encoder.presets import PRESETS
from spacy_clinicalbert.encoder.windows import strided_windows
from tests.conftest import SIZES, WRITERS, write_bert

POSITIONS = {"bert": 512, "distilbert": 512, "roberta": 512, "modernbert": 1024}


def test_threads_may_tokenise_at_one_time(toy):
    """As the service does, which looks at questions beside the pipeline."""
    checkpoint = load_checkpoint(toy)
    notes = ["The pain is bad. " * 2000] * 4
    expected = [len(ids) for ids, _, _ in tokenize(checkpoint, notes)]
    with ThreadPoolExecutor() as pool:
        pipeline = pool.submit(lambda: [[len(ids) for ids, _, _ in tokenize(checkpoint, notes)] for _ in range(5)])
        while not pipeline.done():
            assert len(list(tokenize(checkpoint, ["Is it bad?"]))) == 1
    assert pipeline.result() == [expected] * 5


@pytest.mark.parametrize("kind", WRITERS)
def test_folder_of_each_kind_encodes(tmp_path, kind):
    folder = WRITERS[kind](tmp_path / kind)
    checkpoint = load_checkpoint(str(folder))
    assert checkpoint.positions == POSITIONS[kind]
    assert len(checkpoint.prefix) == len(checkpoint.suffix) == 1
    model = Encoder(str(folder), strided_windows(checkpoint.positions - 2, 8), precision="float32")
    model.initialize()
    docs = [spacy.blank("en").make_doc(text) for text in ("The pain 😀 is bad. " * 300, "", " \n")]
    long, _, blank = model.predict(docs).doc_data
    array = long.model_output.last_hidden_state[0]
    assert array.shape == (len(docs[0]), 32) and numpy.isfinite(array).all()
    # Byte-level vocabularies have pieces for white space too.
    assert (numpy.abs(array).sum(1) > 0).all()
    assert blank.model_output.last_hidden_state.shape == (1, 1, 32)
    again = checkpoint_from_files(checkpoint_to_files(model.shims[0].checkpoint))
    weights = again.network.state_dict()
    assert all(value.equal(weights[name]) for name, value in model.shims[0].network.state_dict().items())
    assert again.tokenizer.tokenize("The pain") == checkpoint.tokenizer.tokenize("The pain")


def test_hub_shaped_cased_bert_stays_cased_and_reads_512(tmp_path):
    """Bio_ClinicalBERT's files, of which transformers by itself makes a lower-casing tokenizer without an end."""
    folder = write_bert(tmp_path / "bio", cased=True, pickled=True)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "pytorch_model.bin", "vocab.txt"]
    checkpoint = load_checkpoint(str(folder))
    assert checkpoint.tokenizer.tokenize("The Patient") == ["The", "Patient"]
    assert checkpoint.positions == checkpoint.tokenizer.model_max_length == 512


def test_vocabulary_decides_where_the_files_are_silent(tmp_path):
    assert load_tokenizer(str(write_bert(tmp_path / "lower"))).tokenize("THE PATIENT") == ["the", "patient"]
    assert load_tokenizer(str(WRITERS["distilbert"](tmp_path / "cased"))).tokenize("The") == ["The"]


@pytest.mark.parametrize("cased, declared", [(True, True), (False, False)])
def test_casing_that_contradicts_the_vocabulary_is_an_error(tmp_path, cased, declared):
    folder = write_bert(tmp_path / "bert", cased=cased)
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": declared}))
    with pytest.raises(ValueError, match="lowercase = "):
        load_tokenizer(str(folder))
    for wanted in (True, False):
        tokenizer = load_tokenizer(str(folder), lowercase=wanted)
        assert (tokenizer.tokenize("THE") == tokenizer.tokenize("the")) == wanted
        saved = checkpoint_from_files(checkpoint_to_files(load_checkpoint(str(folder), lowercase=wanted)))
        assert saved.tokenizer.tokenize("THE") == tokenizer.tokenize("THE")


def test_lowercase_without_effect_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="has no effect"):
        load_tokenizer(str(WRITERS["modernbert"](tmp_path / "modernbert")), lowercase=True)


def test_lowercase_survives_saving(tmp_path):
    checkpoint = load_checkpoint(str(write_bert(tmp_path / "bert", cased=True)))
    again = checkpoint_from_files(checkpoint_to_files(checkpoint))
    assert again.tokenizer.tokenize("The") == ["The"]


def test_truncation_and_padding_of_the_tokenizer_file_are_switched_off(tmp_path):
    folder = write_bert(tmp_path / "bert")
    tokenizer = load_tokenizer(str(folder)).backend_tokenizer
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(folder / "tokenizer.json"))
    encoding = load_tokenizer(str(folder)).backend_tokenizer.encode("chest pain " * 20, add_special_tokens=False)
    assert len(encoding.ids) == 40
    assert len(load_tokenizer(str(folder)).backend_tokenizer.encode("pain", add_special_tokens=False).ids) == 1


def test_pickled_code_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    folder = write_bert(tmp_path / "bert", pickled=True)
    state = torch.load(folder / "pytorch_model.bin", weights_only=True)
    with open(folder / "pytorch_model.bin", "wb") as file:
        pickle.dump({**state, "evil": Evil()}, file)
    with pytest.raises(ValueError, match="Cannot load the weights"):
        load_checkpoint(str(folder))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "Cannot load the weights"),
        (lambda folder: (folder / "vocab.txt").unlink(), "Cannot load the tokenizer"),
        (lambda folder: (folder / "config.json").unlink(), "holds model.safetensors, vocab.txt"),
        (lambda folder: (folder / "config.json").write_text("{}"), "contradicts itself|Unrecognized"),
        (lambda folder: (folder / "vocab.txt").write_text("\n".join(map(str, range(500)))), "wordpieces"),
        (lambda folder: shutil.rmtree(folder), "no folder"),
    ],
)
def test_incomplete_folder_is_an_error_with_the_fix(tmp_path, damage, message):
    folder = write_bert(tmp_path / "bert")
    damage(folder)
    with pytest.raises(ValueError, match=message):
        load_checkpoint(str(folder), lowercase=True)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_weights_of_another_network_are_an_error(tmp_path):
    folder = write_bert(tmp_path / "bert")
    shutil.copy(WRITERS["distilbert"](tmp_path / "other") / "model.safetensors", folder)
    with pytest.raises(ValueError, match="lacks"):
        load_checkpoint(str(folder))


def test_hub_checkpoint_without_network_is_an_error_with_the_fix(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="give its path"):
        load_checkpoint("bio-clinicalbert", local_files_only=True)


@pytest.mark.parametrize("name", ["bio-clinicalbert", "emilyalsentzer/Bio_ClinicalBERT"])
def test_hub_checkpoint_loads_from_the_local_cache(tmp_path, monkeypatch, name):
    """The hub's cache as huggingface_hub lays it out, so that the hub path itself runs."""
    snapshot = tmp_path / "hub" / "models--emilyalsentzer--Bio_ClinicalBERT"
    write_bert(snapshot / "snapshots" / ("0" * 40), cased=True)
    (snapshot / "refs").mkdir()
    (snapshot / "refs" / "main").write_text("0" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("transformers.utils.hub.TRANSFORMERS_CACHE", str(tmp_path / "hub"), raising=False)
    checkpoint = load_checkpoint(name, local_files_only=True)
    assert checkpoint.tokenizer.tokenize("The") == ["The"] and checkpoint.positions == 512


# What a tiny network of a type wants beside the sizes.
MORE = {
    "convbert": {"embedding_size": 32, "head_ratio": 1},
    "lilt": {"hidden_size": 48},
    "longformer": {"attention_window": 16},
    "luke": {"entity_vocab_size": 10, "entity_emb_size": 8},
    "mobilebert": {"embedding_size": 32, "true_hidden_size": 32, "intra_bottleneck_size": 32},
    "nystromformer": {"num_landmarks": 64, "segment_means_seq_len": 64},
    "squeezebert": {"embedding_size": 32},
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
}
KINDS = """albert bert big_bird camembert convbert data2vec-text deberta deberta-v2 distilbert electra ernie esm ibert layoutlm lilt longformer luke
    megatron-bert mobilebert modernbert mpnet mra nezha nystromformer rembert roberta roberta-prelayernorm roc_bert squeezebert xlm-roberta
    xlm-roberta-xl xmod yoso""".split()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind in CONFIG_MAPPING])
def test_window_of_all_usable_positions_fits(kind):
    config = AutoConfig.for_model(
        kind, **{**SIZES, "max_position_embeddings": 64, "pad_token_id": 1, **MORE.get(kind, {})}
    )
    network = AutoModel.from_config(config).eval()
    ids = torch.full((1, usable_positions(config)), 7)
    with torch.no_grad():
        assert last_hidden_state(network, ids, torch.ones_like(ids)).shape[1] == ids.shape[1] >= 62


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind in CONFIG_MAPPING])
def test_padding_changes_no_vector_or_is_known_to(kind):
    torch.manual_seed(0)
    sizes = {**SIZES, "max_position_embeddings": 64, "pad_token_id": 1, "initializer_range": 0.2}
    network = AutoModel.from_config(AutoConfig.for_model(kind, **{**sizes, **MORE.get(kind, {})})).eval()
    ids = torch.randint(5, 20, (1, 50))
    ids[0, 20:] = 1
    with torch.no_grad():
        alone = last_hidden_state(network, ids[:, :20], torch.ones(1, 20, dtype=torch.int64))
        padded = last_hidden_state(network, ids, (ids != 1).long())[:, :20]
    assert torch.allclose(alone, padded, atol=1e-4) != sees_padding(network.config)


def test_presets_are_whole():
    assert PRESETS["bio-clinicalbert"].hub_id == "emilyalsentzer/Bio_ClinicalBERT"
    for name, preset in PRESETS.items():
        assert name == name.lower() and preset.hub_id.count("/") == 1
        assert preset.positions in (512, 8192)
        assert preset.source.startswith(("arXiv ", "doi "))
    assert len({preset.hub_id for preset in PRESETS.values()}) == len(PRESETS)


def test_mini_comes_with_the_package():
    folder = Path(resolve_name("mini", None, False)[0])
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 36_000_000
    with safe_open(folder / "model.safetensors", framework="pt") as weights:
        names = list(weights.keys())
        assert {str(weights.get_slice(name).get_dtype()) for name in names} == {"F16"}
    assert not [name for name in names if "pooler" in name or name.startswith("cls.")]
    checkpoint = load_checkpoint("mini")
    assert (checkpoint.width, checkpoint.positions) == (384, 512)
    assert len(checkpoint.tokenizer) == checkpoint.network.config.vocab_size <= 16_000
    # A clinical vocabulary: what is one piece here is two or more with the base's.
    for word in ("Hypertension", "cholecystectomy", "metoprolol"):
        assert checkpoint.tokenizer.tokenize(word) == [word.lower()]


def test_mini_knows_which_words_are_of_one_kind():
    """Its masked-language head is left out; the vectors of its wordpieces show what was learned."""
    checkpoint = load_checkpoint("mini")
    rows = checkpoint.network.get_input_embeddings().weight.detach()
    pairs = [("hypertension", "diabetes"), ("metoprolol", "lisinopril"), ("cholecystectomy", "appendectomy")]
    words = [word for pair in pairs for word in pair]
    vectors = torch.nn.functional.normalize(rows[checkpoint.tokenizer.convert_tokens_to_ids(words)], dim=1)
    cosines = (vectors @ vectors.T).fill_diagonal_(-1)
    assert cosines.argmax(1).tolist() == [1, 0, 3, 2, 5, 4]


def test_embedded_encoder_that_is_not_there_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "files", lambda package: tmp_path)
    with pytest.raises(ValueError, match="this installation lacks it .* Install spacy-clinicalbert again"):
        load_checkpoint("mini")
