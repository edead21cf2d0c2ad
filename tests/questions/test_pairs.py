import numpy
import pytest
import torch
from tokenizers.processors import TemplateProcessing
from transformers import AutoModel, AutoTokenizer

from spacy_clinicalbert.encoder.batches import Grid
from spacy_clinicalbert.encoder.checkpoints import load_checkpoint
from spacy_clinicalbert.encoder.engines import last_hidden_state
from spacy_clinicalbert.questions.pairs import Pair, find_frame, pair_passes, row_starts
from tests.conftest import WRITERS


@pytest.mark.parametrize("kind, knows_pairs", [("bert", True), ("roberta", True), ("roberta", False)])
def test_frame_is_what_the_tokenizer_puts_around_two_texts(kind, knows_pairs, tmp_path):
    checkpoint = load_checkpoint(str(WRITERS[kind](tmp_path / kind)))
    (prefix,), (suffix,) = checkpoint.prefix, checkpoint.suffix
    if not knows_pairs:  # a tokenizer that was made for one text
        names = checkpoint.tokenizer.convert_ids_to_tokens([prefix, suffix])
        checkpoint.tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single=f"{names[0]} $A {names[1]}", special_tokens=list(zip(names, (prefix, suffix)))
        )
    frame = find_frame(checkpoint)
    assert frame == ([prefix], [suffix] * (2 if kind == "roberta" and knows_pairs else 1), [suffix])
    if knows_pairs:
        one, two = (checkpoint.tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("no", "pain"))
        assert [*frame.prefix, *one, *frame.middle, *two, *frame.suffix] == checkpoint.tokenizer("no", "pain")[
            "input_ids"
        ]


@pytest.mark.parametrize("grid", [Grid(), Grid(8, 2)])
def test_passes_are_bounded_and_give_each_pair_what_it_gets_alone(toy, grid):
    tokenizer, network = AutoTokenizer.from_pretrained(toy), AutoModel.from_pretrained(toy).eval()
    frame = find_frame(load_checkpoint(toy))
    texts = [
        ("no pain", "the patient denies chest pain"),
        ("fever", "cough"),
        ("given", "aspirin given for fever " * 5),
    ]
    pairs = [
        Pair(*(numpy.array(tokenizer(each, add_special_tokens=False)["input_ids"]) for each in pair)) for pair in texts
    ]
    starts = row_starts(pairs)
    vectors = torch.full((int(starts[-1]), 32), torch.nan)
    sizes = []
    with torch.no_grad():
        for inputs, kept, rows in pair_passes(
            pairs, frame, pad=0, max_items=40, max_padding=4, grid=grid, max_length=39
        ):
            sizes.append(inputs[0].size)
            assert inputs[0].shape[1] % grid.length == 0 or inputs[0].shape[1] == 39
            hidden = last_hidden_state(network, *map(torch.from_numpy, inputs))
            vectors[torch.from_numpy(rows)] = hidden.view(-1, 32)[torch.from_numpy(kept)]
        assert len(sizes) > 1 and max(sizes) <= 40
        for pair, start, end in zip(texts, starts, starts[1:]):
            inputs = tokenizer(*pair, return_tensors="pt")
            alone = network(**inputs).last_hidden_state[0]
            window = inputs["token_type_ids"][0].nonzero()[:-1, 0]  # without the last [SEP]
            wanted = torch.cat([alone[:1], alone[window]])
            assert torch.allclose(vectors[start:end], wanted, atol=1e-5)
