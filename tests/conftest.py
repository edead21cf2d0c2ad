"""Toy checkpoints in folders shaped as the hub has them, and pipelines over them. Nothing here needs a network."""

import gc
import json
import os
import string
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

# Before torch is imported: a toy is done sooner than its threads are woken, and pytest-xdist has a process for each core.
os.environ["OMP_NUM_THREADS"] = "1"

import catalogue
import numpy
import pytest
import spacy
import torch
from spacy.lang.en import English
from spacy.language import Language
from spacy.training import Example
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoModel, BertConfig, DistilBertConfig, ModernBertConfig, RobertaConfig

SIZES = {
    "vocab_size": 400,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
}
WORDS = "the patient denies chest pain fever aspirin given for no history of cough lungs clear stable ##s ##ing".split()
NOTES = [
    ("The patient denies chest pain and fever.", [(19, 29, "PROBLEM"), (34, 39, "PROBLEM")], "progress"),
    ("Aspirin given for chest pain.", [(0, 7, "DRUG"), (18, 28, "PROBLEM")], "progress"),
    ("Lungs clear. No cough.", [(16, 21, "PROBLEM")], "radiology"),
    ("History of fever, stable.", [(11, 16, "PROBLEM")], "radiology"),
]


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A process for each core where all tests run; for a few files it would cost more than it spares."""
    return (os.cpu_count() or 1) if config.args == config.getini("testpaths") else 0


# Where a test imports OpenVINO or nncf ahead of the package, they would fork a process that reports each conversion over the network.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

# spaCy looks through all entry points of the environment whenever it wants one function, or reads one Doc.
_ENTRY_POINTS = catalogue.AVAILABLE_ENTRY_POINTS
catalogue.AVAILABLE_ENTRY_POINTS = {group: list(_ENTRY_POINTS.select(group=group)) for group in _ENTRY_POINTS.groups}

# English's 1,347 special cases of tokens take longer to make than all else of a toy pipeline.
SPECIAL_CASES = English.Defaults.tokenizer_exceptions
FEW = (" ", "\t", "\n", ":)", "a.", "a.m.", "8am", "can't", "don't", "it's", "cannot", "vs.", "Dr.", "Mr.")
English.Defaults.tokenizer_exceptions = {text: SPECIAL_CASES[text] for text in FEW}


@pytest.fixture
def process_seconds():
    """The processor seconds of a call: the least of three, none with the garbage of all other tests collected in it."""

    def measure(function: Callable[..., Any], *args: Any) -> float:
        taken = []
        for _ in range(3):
            start = time.process_time()  # other processes do not count
            function(*args)
            taken.append(time.process_time() - start)
        return min(taken)

    gc.collect()
    gc.disable()
    yield measure
    gc.enable()


@pytest.fixture(scope="module")
def all_special_cases():
    """For modules that hold what comes of text, in pipelines as users have them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(English.Defaults, "tokenizer_exceptions", SPECIAL_CASES)
        yield


def vocabulary(cased: bool) -> List[str]:
    letters = string.ascii_lowercase + string.digits + string.punctuation + (string.ascii_uppercase if cased else "")
    words = WORDS + ([word.title() for word in WORDS if word.isalpha()] if cased else [])
    return [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *dict.fromkeys([*letters, *("##" + x for x in letters), *words]),
    ]


def write_weights(folder: Path, config: Any, pickled: bool = False) -> None:
    torch.manual_seed(0)
    network = AutoModel.from_config(config)
    network.save_pretrained(folder, safe_serialization=not pickled)


def write_bert(folder: Path, *, cased: bool = False, pickled: bool = False, **config: Any) -> Path:
    """BERT as Bio_ClinicalBERT's folder: config.json, vocab.txt and weights, and no word about case."""
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary(cased)) + "\n", encoding="utf8")
    write_weights(folder, BertConfig(**{**SIZES, **config}), pickled)
    return folder


def write_distilbert(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary(True)) + "\n", encoding="utf8")
    (folder / "tokenizer_config.json").write_text('{"model_max_length": 512}', encoding="utf8")
    write_weights(folder, DistilBertConfig(vocab_size=400, dim=32, n_layers=2, n_heads=2, hidden_dim=48))
    return folder


def write_byte_level(folder: Path, config: Any, bos: str, eos: str, tokenizer_config: Dict) -> Path:
    """A byte-level BPE checkpoint: RoBERTa and ModernBERT."""
    folder.mkdir(parents=True)
    specials = [bos, "<pad>", eos, "<unk>", "<mask>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: i for i, token in enumerate([*specials, *alphabet, "Ġp", "ai", "Ġpai"])}
    tokenizer = Tokenizer(models.BPE(vocab, [("Ġ", "p"), ("a", "i"), ("Ġp", "ai")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}", special_tokens=[(bos, vocab[bos]), (eos, vocab[eos])]
    )
    tokenizer.add_special_tokens(specials)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos_token": bos, "eos_token": eos, "cls_token": bos, "sep_token": eos, "pad_token": "<pad>"}
    names.update(unk_token="<unk>", mask_token="<mask>", **tokenizer_config)
    (folder / "tokenizer_config.json").write_text(json.dumps(names), encoding="utf8")
    if tokenizer_config["tokenizer_class"].startswith("Roberta"):
        (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf8")
        (folder / "merges.txt").write_text("#version: 0.2\nĠ p\na i\nĠp ai\n", encoding="utf8")
    write_weights(folder, config)
    return folder


def write_roberta(folder: Path) -> Path:
    """With offsets that leave out white space, as RoBERTa's own tokenizer.json has them; `write_modernbert` has the others."""
    config = RobertaConfig(**SIZES, max_position_embeddings=514, pad_token_id=1, bos_token_id=0, eos_token_id=2)
    write_byte_level(folder, config, "<s>", "</s>", {"tokenizer_class": "RobertaTokenizer"})
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def write_modernbert(folder: Path) -> Path:
    config = ModernBertConfig(
        **SIZES, max_position_embeddings=1024, pad_token_id=1, cls_token_id=0, sep_token_id=2, bos_token_id=0,
        eos_token_id=2, attn_implementation="sdpa", reference_compile=False,
    )  # fmt: skip
    return write_byte_level(folder, config, "[CLS]", "[SEP]", {"tokenizer_class": "PreTrainedTokenizerFast"})


WRITERS: Dict[str, Callable[[Path], Path]] = {
    "bert": write_bert,
    "distilbert": write_distilbert,
    "roberta": write_roberta,
    "modernbert": write_modernbert,
}


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A two-layer lower-case BERT in a folder."""
    return str(write_bert(tmp_path_factory.mktemp("toy") / "bert"))


@pytest.fixture(scope="session")
def other_toy(tmp_path_factory: pytest.TempPathFactory) -> str:
    """As `toy`, of another width."""
    return str(write_bert(tmp_path_factory.mktemp("toy") / "other", hidden_size=16))


def encoder_config(folder: str, **model: Any) -> Dict:
    return {"model": {"name": folder, "precision": "float32", "engine": "torch", **model}}


def listener_config(stock: bool = False, upstream: str = "*") -> Dict:
    if stock:
        pooling = {"@layers": "reduce_mean.v1"}
        return {"@architectures": "spacy-transformers.TransformerListener.v1", "upstream": upstream, "pooling": pooling}
    return {"@architectures": "spacy-clinicalbert.Listener.v1", "upstream": upstream}


def head_config(head: str, tok2vec: Dict) -> Dict:
    """The config of a head over a listener: spaCy's, or clinical_ner."""
    model: Dict = {"tok2vec": tok2vec}
    if head == "ner":
        model.update({"@architectures": "spacy.TransitionBasedParser.v2", "state_type": "ner", "hidden_width": 16})
        model.update(extra_state_tokens=False, maxout_pieces=2, use_upper=False)
    elif head == "spancat":
        model.update({"@architectures": "spacy.SpanCategorizer.v1"})
        model["reducer"] = {"@layers": "spacy.mean_max_reducer.v1", "hidden_size": 16}
        model["scorer"] = {"@layers": "spacy.LinearLogistic.v1", "nO": None, "nI": None}
    elif head == "clinical_ner":
        model.update({"@architectures": "spacy-clinicalbert.SpanTagger.v1"})
    else:
        model.update({"@architectures": "spacy.TextCatReduce.v1", "exclusive_classes": head == "textcat"})
        model.update(use_reduce_first=False, use_reduce_last=False, use_reduce_max=False, use_reduce_mean=True)
    return {"model": model}


def make_examples(nlp: Language, silent: tuple = ()) -> List[Example]:
    """The toy notes, annotated for every head that is not silent."""
    examples = []
    for text, entities, category in NOTES:
        reference = nlp.make_doc(text)
        spans = [reference.char_span(start, end, label=label) for start, end, label in entities]
        if "ner" not in silent:
            reference.set_ents(spans)
        if "spancat" not in silent:
            reference.spans["sc"] = spans
        if "textcat" not in silent:
            reference.cats = {"progress": float(category == "progress"), "radiology": float(category == "radiology")}
        examples.append(Example(nlp.make_doc(text), reference))
    return examples


def make_nlp(folder: str, heads: tuple = ("ner",), *, factory: str = "clinicalbert", stock: bool = False, **model: Any):
    """A pipeline with an encoder named "encoder" and heads over it, initialised on the toy notes."""
    nlp = spacy.blank("en")
    if factory == "clinicalbert":
        nlp.add_pipe(factory, name="encoder", config=encoder_config(folder, **model))
    else:
        nlp.add_pipe(factory, name="encoder", config={"model": {"name": folder}})
        stock = True
    for head in heads:
        nlp.add_pipe(head, config=head_config(head, listener_config(stock)))
    spacy.util.fix_random_seed(0)
    nlp.initialize(lambda: make_examples(nlp))
    for _, pipe in nlp.pipeline:
        for node in pipe.model.walk():
            # spaCy starts softmax layers from zeros, through which the first gradient is zero.
            if node.name == "softmax" and node.has_param("W"):
                node.set_param(
                    "W", numpy.linspace(-1, 1, node.get_param("W").size, dtype="f").reshape(node.get_param("W").shape)
                )
    return nlp


def encoder_weights(nlp: Language, name: str = "encoder") -> torch.nn.Module:
    """The torch network in an encoder component, either project's."""
    for node in nlp.get_pipe(name).model.walk():
        for shim in node.shims:
            return shim.network if hasattr(shim, "network") else shim._model
    raise AssertionError("no shim")
