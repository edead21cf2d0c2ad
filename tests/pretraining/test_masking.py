import numpy
import pytest

from spacy_clinicalbert.encoder.checkpoints import load_tokenizer
from spacy_clinicalbert.pretraining.masking import IGNORED, UnitCollator, choose_targets, unit_starts
from spacy_clinicalbert.pretraining.pairs import make_pairs
from spacy_clinicalbert.pretraining.tokens import CONCEPT, CONCEPT_START, HOLE, SPECIAL, WORD

S = SPECIAL | WORD
# [CLS] aa ##a b  chest  ##y  pain  c  12  ##3 [SEP] ##d d  e [SEP]
FLAGS = numpy.array(
    [S, WORD, 0, WORD, WORD | CONCEPT | CONCEPT_START, CONCEPT, WORD | CONCEPT, WORD, WORD, HOLE, S, 0, WORD, WORD, S]
)


@pytest.mark.parametrize(
    "units, starts",
    [
        ("wordpieces", range(15)),
        ("words", [0, 1, 3, 4, 6, 7, 8, 10, 11, 12, 13, 14]),
        ("concepts", [0, 1, 3, 4, 7, 8, 10, 11, 12, 13, 14]),
    ],
)
def test_unit_starts(units, starts):
    assert numpy.flatnonzero(unit_starts(FLAGS[None].astype("uint8"), units)[0]).tolist() == list(starts)


def many_blocks(n_blocks=400, length=64, seed=0):
    random = numpy.random.default_rng(seed)
    flags = numpy.where(random.random((n_blocks, length)) < 0.7, WORD, 0).astype("uint8")
    flags[:, [0, 20, -1]] = S
    flags[:, 30:33] = [HOLE | WORD, 0, 0]
    flags[:, 40:44] = [WORD | CONCEPT | CONCEPT_START, CONCEPT, CONCEPT | WORD, CONCEPT]
    flags[:, 44] = WORD
    return flags


@pytest.mark.parametrize("units", ["wordpieces", "words", "concepts"])
@pytest.mark.parametrize("rate", [0.15, 0.4])
def test_targets_are_whole_units_of_the_rate_and_never_special_or_holes(units, rate):
    flags = many_blocks()
    targets = choose_targets(flags, rate, units, 1.0, numpy.random.default_rng(1))
    assert targets[flags & (SPECIAL | HOLE) == 0].mean() == pytest.approx(rate, abs=0.02)
    assert not targets[flags & (SPECIAL | HOLE) > 0].any()
    inside = ~unit_starts(flags, units)  # each as the one before it
    assert (targets[:, 1:] == targets[:, :-1])[inside[:, 1:]].all()
    if units != "wordpieces":
        assert not targets[:, 30:33].any()  # the rest of a word with a hole
    share = targets.sum(1) / (flags & (SPECIAL | HOLE) == 0).sum(1)
    assert share.min() > rate - 0.08 and share.max() < rate + 0.08  # in every block


def test_concepts_are_chosen_more_often_by_their_weight():
    flags = many_blocks(4000)
    chosen = [choose_targets(flags, 0.15, "concepts", weight, numpy.random.default_rng(2)) for weight in (1.0, 3.0)]
    once, thrice = (targets[:, 40].mean() for targets in chosen)
    assert thrice / once == pytest.approx(2.6, abs=0.4)  # less than 3: without replacement
    assert all((targets[:, 40] == targets[:, 43]).all() for targets in chosen)


def test_collator_masks_four_fifths_and_labels_all_targets(toy):
    tokenizer = load_tokenizer(toy)
    collator = UnitCollator(tokenizer=tokenizer, mlm_probability=0.15)
    flags = many_blocks(2000)
    ids = numpy.random.default_rng(3).integers(100, 300, flags.shape)
    collator.random = numpy.random.default_rng(4)
    batch = collator([{"input_ids": row, "flags": flag} for row, flag in zip(ids, flags)])
    seen, labels = batch["input_ids"].numpy(), batch["labels"].numpy()
    targets = labels != IGNORED
    assert (labels[targets] == ids[targets]).all() and (seen[~targets] == ids[~targets]).all()
    assert (seen[targets] == tokenizer.mask_token_id).mean() == pytest.approx(0.8, abs=0.02)
    assert (seen[targets] == ids[targets]).mean() == pytest.approx(0.1, abs=0.02)
    assert not set(tokenizer.all_special_ids) - {tokenizer.mask_token_id} & set(seen[targets].tolist())
    collator.random = numpy.random.default_rng(4)
    assert (collator.mask(ids, flags)["input_ids"].numpy() == seen).all()
    assert (collator.mask(ids, flags)["input_ids"].numpy() != seen).any()  # dynamic


def test_pairs_are_cut_within_a_note_and_half_of_them_swapped():
    flags = many_blocks(2000)
    ids = numpy.arange(flags.size).reshape(flags.shape)
    pairs, pair_flags, types, answers = make_pairs(ids, flags, -1, numpy.random.default_rng(5))
    assert pairs.shape == pair_flags.shape == types.shape == (2000, 65) and answers.mean() == pytest.approx(
        0.5, abs=0.05
    )
    cuts = numpy.argmax(pairs == -1, axis=1)
    assert ((pairs == -1).sum(1) == 1).all() and (cuts > 0).all()
    for row, cut in enumerate(cuts):
        other = pairs[row, -1] // 64
        assert (pairs[row, :cut] == ids[row, :cut]).all()
        # What is swapped in begins as what follows does: at a word, and not the first of a note.
        assert flags[other, cut] & WORD and not (flags[other, cut] | flags[other, cut - 1]) & SPECIAL
        assert (other != row) == answers[row]
        assert (pairs[row, cut + 1 :] == ids[other, cut:]).all() and (
            pair_flags[row, cut + 1 :] == flags[other, cut:]
        ).all()
        assert types[row].tolist() == [0] * (cut + 1) + [1] * (64 - cut) and pair_flags[row, cut] & SPECIAL
