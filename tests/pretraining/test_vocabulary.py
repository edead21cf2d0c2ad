import numpy
import pytest
from transformers import AutoTokenizer

from spacy_clinicalbert.encoder.checkpoints import load_tokenizer
from spacy_clinicalbert.pretraining.config import Vocabulary
from spacy_clinicalbert.pretraining.vocabulary import (
    learn_vocabulary,
    new_tokenizer,
    old_pieces,
    piece_characters,
    pieces_per_word,
    weighted,
)
from tests.conftest import write_bert, write_modernbert, write_roberta
from tests.pretraining.conftest import sample_notes

NOTES = sample_notes("train")


@pytest.fixture(params=["bert", "cased bert", "roberta", "modernbert"])
def tokenizer(request, tmp_path):
    folder = tmp_path / "base"
    if request.param.split()[-1] == "bert":
        return load_tokenizer(
            str(write_bert(folder, cased="cased" in request.param)), lowercase="cased" not in request.param
        )
    return load_tokenizer(str({"roberta": write_roberta, "modernbert": write_modernbert}[request.param](folder)))


def test_learned_vocabulary_cuts_coarser_and_keeps_what_the_base_does_with_text(tokenizer, tmp_path):
    learned = learn_vocabulary(tokenizer, NOTES, Vocabulary(mode="replace", size=900))
    learned.save_pretrained(tmp_path / "saved")
    learned = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert 500 < len(learned) <= 900
    held_out = sample_notes("dev")
    before, after = pieces_per_word(tokenizer, held_out), pieces_per_word(learned, held_out)
    assert after["words"] == before["words"]
    assert after["pieces_per_word"] < 0.8 * before["pieces_per_word"] and after["unknown"] <= 0.001
    assert set(learned.all_special_tokens) == set(tokenizer.all_special_tokens)
    assert learned.pad_token_id == tokenizer.pad_token_id
    text = "The Patient's BP"
    assert (
        learned.decode(learned(text, add_special_tokens=False)["input_ids"]).lower().replace(" ", "")
        == "thepatient'sbp"
    )
    upper = any(
        piece != piece.lower()
        for piece in learned.get_vocab()
        if piece not in learned.all_special_tokens and "Ġ" not in piece
    )
    assert upper == (not getattr(tokenizer, "do_lower_case", False))
    ids, base_ids = (each("pain")["input_ids"] for each in (learned, tokenizer))
    assert learned.convert_ids_to_tokens([ids[0], ids[-1]]) == tokenizer.convert_ids_to_tokens(
        [base_ids[0], base_ids[-1]]
    )


def test_added_wordpieces_stand_behind_the_bases(toy, tmp_path):
    tokenizer = load_tokenizer(toy)
    added = learn_vocabulary(tokenizer, NOTES, Vocabulary(mode="add", size=50))
    added.save_pretrained(tmp_path / "saved")
    added = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert len(added) == len(tokenizer) + 50
    assert all(added.get_vocab()[piece] == number for piece, number in tokenizer.get_vocab().items())
    assert len((tmp_path / "saved" / "vocab.txt").read_text(encoding="utf8").splitlines()) == len(added)
    assert pieces_per_word(added, NOTES)["pieces"] < pieces_per_word(tokenizer, NOTES)["pieces"]


def test_adding_to_a_byte_level_vocabulary_is_an_error(tmp_path):
    with pytest.raises(ValueError, match='Take "replace"'):
        learn_vocabulary(load_tokenizer(str(write_roberta(tmp_path / "base"))), NOTES, Vocabulary(mode="add", size=50))


def test_old_pieces_say_the_same_as_the_new_one(tokenizer):
    learned = learn_vocabulary(tokenizer, NOTES, Vocabulary(mode="replace", size=900))
    rows = old_pieces(tokenizer, learned)
    old = {number: piece for piece, number in tokenizer.get_vocab().items()}
    for piece, number in learned.get_vocab().items():
        cut = [old[i] for i in rows[number]]
        if piece in tokenizer.get_vocab():
            assert cut == [piece]
        elif cut:
            assert "".join(each.removeprefix("##") for each in cut) == piece.removeprefix("##")
            assert cut[0].startswith("##") == piece.startswith("##")
    assert sum(map(len, rows)) > len(rows) and sum(not row for row in rows) < len(rows) / 20


@pytest.mark.parametrize("lowercase", [True, False])
def test_vocabulary_from_nothing(lowercase):
    learned = learn_vocabulary(new_tokenizer(lowercase), NOTES, Vocabulary(mode="replace", size=2500))
    assert learned.tokenize("Patient")[0] == ("patient" if lowercase else "Patient")
    assert learned.convert_ids_to_tokens(learned("a")["input_ids"])[0] == "[CLS]" and learned.pad_token_id == 0


@pytest.mark.parametrize("weight, times", [(1.0, [1, 1, 1, 1]), (2.5, [2, 3, 2, 3]), (0.5, [0, 1, 0, 1])])
def test_weighted_repeats_notes(weight, times):
    notes = list(weighted("abcd", weight))
    assert [notes.count(note) for note in "abcd"] == times


def test_piece_characters(toy):
    tokenizer = load_tokenizer(toy)
    lengths = piece_characters(tokenizer)
    for piece, length in [("patient", 7), ("##ing", 3), ("[CLS]", 0), ("#", 1)]:
        assert lengths[tokenizer.convert_tokens_to_ids(piece)] == length
    assert lengths.dtype == numpy.int64
