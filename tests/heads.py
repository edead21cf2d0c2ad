"""Folders of fine-tuned heads, as transformers itself writes them, with random weights."""

import json
from pathlib import Path
from typing import Any, Callable, Dict, List

import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertConfig,
    CamembertConfig,
    DebertaConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    MegatronBertConfig,
    MPNetConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from tests.conftest import SIZES, vocabulary, write_byte_level

IOB = ["O", "B-PROBLEM", "I-PROBLEM", "B-DRUG", "I-DRUG"]
TYPES = ["progress", "radiology", "discharge"]
CLASSES = {"tokens": AutoModelForTokenClassification, "texts": AutoModelForSequenceClassification}
# Weights that are not near zero, or all logits would be.
WIDE = {"initializer_range": 0.5, **SIZES}
OFFSET = {"max_position_embeddings": 514, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
CONFIGS: Dict[str, Callable[..., Any]] = {
    "bert": lambda **more: BertConfig(**{**WIDE, **more}),
    "camembert": lambda **more: CamembertConfig(**{**WIDE, **OFFSET, **more}),
    "deberta": lambda **more: DebertaConfig(
        **{**WIDE, "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "pooler_hidden_size": 32, **more}
    ),
    "deberta-v2": lambda **more: DebertaV2Config(
        **{**WIDE, "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "pooler_hidden_size": 32, **more}
    ),
    "distilbert": lambda **more: DistilBertConfig(
        **{
            "vocab_size": 400,
            "dim": 32,
            "n_layers": 2,
            "n_heads": 2,
            "hidden_dim": 48,
            "initializer_range": 0.5,
            **more,
        }
    ),
    "electra": lambda **more: ElectraConfig(**{**WIDE, "embedding_size": 16, **more}),
    "megatron-bert": lambda **more: MegatronBertConfig(**{**WIDE, **more}),
    "mpnet": lambda **more: MPNetConfig(**{**WIDE, **OFFSET, **more}),
    "roberta": lambda **more: RobertaConfig(**{**WIDE, **OFFSET, **more}),
    "xlm-roberta": lambda **more: XLMRobertaConfig(**{**WIDE, **OFFSET, **more}),
}
BYTE_LEVEL = ("camembert", "mpnet", "roberta", "xlm-roberta")


def write_head(folder: Path, kind: str = "bert", task: str = "tokens", names: List[str] = IOB, **config: Any) -> Path:
    """A folder of a token classifier (task "tokens") or a sequence classifier ("texts").

    kind (str): A key of `CONFIGS`.
    names (List[str]): The labels.
    config (Any): More settings of its config.
    """
    config = {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}, **config}
    settings = CONFIGS[kind](**config)
    torch.manual_seed(0)
    if kind in BYTE_LEVEL:
        write_byte_level(folder, settings, "<s>", "</s>", {"tokenizer_class": "PreTrainedTokenizerFast"})
        torch.manual_seed(0)
    else:
        folder.mkdir(parents=True)
        (folder / "vocab.txt").write_text("\n".join(vocabulary(False)) + "\n", encoding="utf8")
        if kind.startswith("deberta"):  # whose tokenizers have other files
            from transformers import BertTokenizerFast

            BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    CLASSES[task].from_config(settings).save_pretrained(folder)
    return folder


def change_json(path: Path, **values: Any) -> None:
    """Set values of a JSON file; None takes one out."""
    content = {**json.loads(path.read_text(encoding="utf8")), **values}
    kept = {key: value for key, value in content.items() if value is not None}
    path.write_text(json.dumps(kept), encoding="utf8")
