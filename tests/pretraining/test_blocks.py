from collections import Counter
from itertools import pairwise

import numpy
import pytest

from spacy_clinicalbert.encoder.checkpoints import load_tokenizer
from spacy_clinicalbert.pretraining import blocks
from spacy_clinicalbert.pretraining.blocks import Frame, Mixture, SourceBlocks
from spacy_clinicalbert.pretraining.tokens import SPECIAL

SEPARATOR = 9999


class Tokens:
    """Notes of ever new ids, as a TokenCache has them."""

    def __init__(self, lengths, first=0):
        self.borders = numpy.cumsum([0, *lengths])
        self.ids = numpy.arange(first, first + self.borders[-1], dtype="uint16")
        self.flags = numpy.ones(len(self.ids), dtype="uint8")

    def __len__(self):
        return len(self.borders) - 1


@pytest.fixture(params=[50, 10**6], ids=["small shards", "one shard"])
def source(request, monkeypatch):
    monkeypatch.setattr(blocks, "_SHARD_PIECES", request.param)
    return SourceBlocks(Tokens([3, 40, 7, 1, 100, 12, 5, 33, 20]), 10, SEPARATOR, (0, 0))


def rows(source, epoch):
    n = len(source)
    return [source.block(cursor)[0].tolist() for cursor in range(epoch * n, (epoch + 1) * n)]


def test_an_epoch_has_every_wordpiece_and_a_separator_behind_every_note(source):
    for epoch in range(3):
        seen = Counter(piece for row in rows(source, epoch) for piece in row)
        assert seen.pop(SEPARATOR) >= len(source.tokens)
        assert set(seen) == set(source.tokens.ids.tolist())
        # What comes twice fills up the last block of a shard.
        assert sum(seen.values()) - len(seen) < source.body * len(source._n_blocks)


def test_blocks_are_shuffled_by_epoch_and_seed(source):
    other = SourceBlocks(source.tokens, source.body, SEPARATOR, (1, 0))
    assert len({str(rows(source, 0)), str(rows(source, 1)), str(rows(other, 0))}) == 3


def test_a_block_follows_from_its_number_alone(source):
    again = SourceBlocks(source.tokens, source.body, SEPARATOR, (0, 0))
    numbers = numpy.random.default_rng(0).permutation(2 * len(source))
    in_order = rows(source, 0) + rows(source, 1)
    assert all(again.block(int(number))[0].tolist() == in_order[number] for number in numbers)


def test_notes_are_consecutive_and_their_borders_marked(source):
    for row in rows(source, 0):
        for before, after in pairwise(row):
            same_note = after == before + 1 and after not in source.tokens.borders
            assert same_note or SEPARATOR in (before, after) or row.count(before) > 1 or after == row[0]


def test_a_text_shorter_than_a_block_fills_it():
    source = SourceBlocks(Tokens([3]), 10, SEPARATOR, (0, 0))
    assert len(source) == 1
    assert source.block(5)[0].tolist() == [0, 1, 2, SEPARATOR, 0, 1, 2, SEPARATOR, 0, 1]


def test_mixture_draws_by_weight_and_goes_on_where_it_was(toy):
    frame = Frame(load_tokenizer(toy))
    sources = {"a": Tokens([50] * 40), "b": Tokens([50] * 40, first=5000)}

    def make(cursors=None):
        return Mixture(sources, {"a": 3.0, "b": 1.0}, 12, frame, (0, 0), cursors)

    mixture = make()
    batches = [mixture.batch(step, 8) for step in range(50)]
    assert mixture.cursors["a"] / mixture.cursors["b"] == pytest.approx(3, rel=0.25)
    half = make()
    for step in range(25):
        half.batch(step, 8)
    resumed = make(half.cursors)
    assert all((resumed.batch(step, 8)[0] == batches[step][0]).all() for step in range(25, 50))
    ids, flags = batches[0]
    assert ids.shape == flags.shape == (8, 12)
    assert (ids[:, 0] == frame.prefix[0]).all() and (ids[:, -1] == frame.suffix[0]).all()
    assert (flags[:, [0, -1]] & SPECIAL > 0).all()
