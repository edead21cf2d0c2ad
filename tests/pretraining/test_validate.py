import math
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from torch.nn.functional import cross_entropy

from spacy_clinicalbert.encoder.checkpoints import load_tokenizer
from spacy_clinicalbert.pretraining.config import Encoder
from spacy_clinicalbert.pretraining.model import MaskedLM, load_network
from spacy_clinicalbert.pretraining.tokens import CONCEPT, WORD
from spacy_clinicalbert.pretraining.validate import validate
from tests.pretraining.test_model import make_batch


def test_figures_are_those_of_hugging_faces_forward(toy):
    tokenizer = load_tokenizer(toy)
    network, _ = load_network(Encoder(name=toy), tokenizer, tokenizer)
    network.eval()
    ids, labels = make_batch(400)
    masked = labels != -100
    with torch.no_grad():
        logits = network(input_ids=ids).logits[masked]
    best, targets = logits.argmax(-1), labels[masked].clone()
    targets[::2] = best[::2]  # half of it is right
    labels[masked] = targets
    is_term = torch.arange(len(targets)) % 3 == 0
    flags = torch.zeros_like(ids, dtype=torch.uint8)
    flags[masked] = torch.where(is_term, CONCEPT, WORD).to(torch.uint8)
    characters = torch.arange(400)
    batches = [{"input_ids": ids[i : i + 2], "labels": labels[i : i + 2], "flags": flags[i : i + 2]} for i in (0, 2)]
    network.train()
    found = validate(MaskedLM(network).train(), batches, characters, "float32", Accelerator(cpu=True))
    assert network.training  # and not while it was measured: no dropout
    lost = float(cross_entropy(logits, targets, reduction="sum"))
    right = best == targets
    assert found["targets"] == len(targets) and found["loss"] == pytest.approx(lost / len(targets), rel=1e-5)
    assert found["perplexity"] == pytest.approx(math.exp(lost / len(targets)), rel=1e-5)
    assert found["accuracy"] == pytest.approx(float(right.float().mean())) and found["accuracy"] >= 0.5
    assert found["term_accuracy"] == pytest.approx(float(right[is_term].float().mean()))
    assert found["bits_per_character"] == pytest.approx(lost / math.log(2) / int(targets.sum()), rel=1e-5)
    assert found["loss_per_word"] == pytest.approx(lost / int((~is_term).sum()), rel=1e-5)


def test_set_without_terms_has_no_accuracy_on_them(toy):
    tokenizer = load_tokenizer(toy)
    network, _ = load_network(Encoder(name=toy), tokenizer, tokenizer)
    ids, labels = make_batch(400)
    batch = {"input_ids": ids, "labels": labels, "flags": torch.full_like(ids, WORD, dtype=torch.uint8)}
    found = validate(MaskedLM(network), [batch], torch.ones(400), "float32", Accelerator(cpu=True))
    assert math.isnan(found["term_accuracy"]) and found["loss"] > 0


def test_loss_beyond_what_has_an_exponential_is_measured():
    model = torch.nn.Identity()
    model.predict = lambda ids, labels: (torch.tensor([[0.0, 1000.0]]), None)
    batch = {name: torch.zeros((1, 1), dtype=torch.int64) for name in ("input_ids", "labels", "flags")}
    one = SimpleNamespace(process_index=0, num_processes=1, device=torch.device("cpu"), reduce=lambda sums, reduction: sums)  # fmt: skip
    found = validate(model, [batch], torch.ones(2, dtype=torch.int64), "float32", one)
    assert found["loss"] == 1000 and found["perplexity"] == math.inf
