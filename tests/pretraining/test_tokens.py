import time

import numpy
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from spacy_clinicalbert.encoder.checkpoints import load_tokenizer
from spacy_clinicalbert.pretraining import texts
from spacy_clinicalbert.pretraining.concepts import _apart, make_finder
from spacy_clinicalbert.pretraining.config import Concepts, Source
from spacy_clinicalbert.pretraining.tokens import (
    CONCEPT,
    CONCEPT_START,
    HOLE,
    SPECIAL,
    WORD,
    fill_holes,
    open_tokens,
    same_text,
)
from spacy_clinicalbert.pretraining.vocabulary import pieces_per_word
from tests.pretraining.conftest import write_notes

TEXTS = ["The patient denies chest pain.", "No cough, <dig> fevers of <dig>.<dig>."]
NO_CONCEPTS = make_finder(Concepts())


@pytest.fixture
def tokenizer(toy):
    return load_tokenizer(toy)


def caches(tmp_path):
    return [path for path in (tmp_path / "cache").iterdir() if path.suffix not in (".lock", ".part")]


def open_notes(tmp_path, tokenizer, texts=TEXTS, finder=NO_CONCEPTS, **settings):
    source = Source(path=write_notes(tmp_path / "notes.jsonl", texts), **settings)
    return open_tokens("notes", source, tokenizer, tmp_path / "cache", *finder, 0)


def test_cache_holds_the_tokenizers_wordpieces_note_by_note(tmp_path, tokenizer):
    tokens = open_notes(tmp_path, tokenizer)
    assert len(tokens) == 2 and tokens.meta["notes"] == 2 and tokens.meta["words"] == (tokens.flags & WORD > 0).sum()
    for number, text in enumerate(TEXTS):
        inside = slice(tokens.borders[number], tokens.borders[number + 1])
        encoding = tokenizer(text, add_special_tokens=False)
        assert tokens.ids[inside].tolist() == encoding["input_ids"]
        words = encoding.word_ids()
        assert (tokens.flags[inside] & WORD > 0).tolist() == [
            i == 0 or words[i] != words[i - 1] for i in range(len(words))
        ]


def test_cache_is_made_once_and_anew_for_another_text_or_vocabulary(tmp_path, toy, tokenizer):
    open_notes(tmp_path, tokenizer)
    (first,) = caches(tmp_path)
    stamp = (first / "ids.bin").stat().st_mtime_ns
    source = Source(path=str(tmp_path / "notes.jsonl"), weight=3.0)
    open_tokens("notes", source, tokenizer, tmp_path / "cache", *NO_CONCEPTS, 0)
    assert (first / "ids.bin").stat().st_mtime_ns == stamp and len(caches(tmp_path)) == 1
    open_notes(tmp_path, tokenizer, ["Other text."])
    tokenizer.add_tokens(["chest"])
    open_tokens("notes", source, tokenizer, tmp_path / "cache", *NO_CONCEPTS, 0)
    assert len(caches(tmp_path)) == 3


def test_cache_of_a_public_corpus_is_made_anew_when_other_notes_are_held_out(tmp_path, tokenizer, monkeypatch):
    (tmp_path / "corpora" / "medquad").mkdir(parents=True)
    (tmp_path / "corpora" / "medquad" / "medquad.jsonl").write_text(
        '{"id": 1, "question": "Fever?", "answer": "Yes."}\n'
    )
    source = Source(path=str(tmp_path / "corpora"), format="public")
    for digest, n_caches in (("a", 1), ("a", 1), ("b", 2)):
        monkeypatch.setattr(texts, "splits_digest", lambda digest=digest: digest)
        open_tokens("medquad", source, tokenizer, tmp_path / "cache", *NO_CONCEPTS, 0)
        assert len(caches(tmp_path)) == n_caches


def test_concepts_that_overlap_are_kept_longest_first_in_linear_time():
    assert _apart([(4, 9), (0, 5), (9, 12), (12, 14), (13, 15), (2, 4)]) == [(2, 4), (4, 9), (9, 12), (12, 14)]
    many = [(10 * i, 10 * i + 5) for i in range(100_000)]
    start = time.process_time()
    assert _apart(many[::-1]) == many
    assert time.process_time() - start < 20  # each against each takes many minutes


def test_holes_are_numbers_that_are_flagged(tmp_path, tokenizer):
    tokens = open_notes(tmp_path, tokenizer, hole="<dig>")
    pieces = tokenizer.convert_ids_to_tokens(tokens.ids.tolist())
    held = [piece.removeprefix("##") for piece, flag in zip(pieces, tokens.flags) if flag & HOLE]
    assert tokens.meta["holes"] == 3 and "".join(held).isdigit() and not {"<", "dig"} & set(pieces)
    assert "." in [piece for piece, flag in zip(pieces, tokens.flags) if not flag & HOLE]


def test_fill_holes_gives_the_spans_of_the_numbers():
    text, spans = fill_holes("<dig>a<dig><dig> b", "<dig>", numpy.random.default_rng(0))
    assert len(spans) == 3 and all(text[start:end].isdigit() for start, end in spans)
    rest = list(text)
    for start, end in reversed(spans):
        del rest[start:end]
    assert "".join(rest) == "a b"
    assert fill_holes("<dig>", None, numpy.random.default_rng(0)) == ("<dig>", [])


def test_terms_are_flagged_whole_longest_first(tmp_path, tokenizer):
    (tmp_path / "terms.txt").write_text("pain\nCHEST PAIN\n\nfever\n")
    tokens = open_notes(tmp_path, tokenizer, finder=make_finder(Concepts(terms=str(tmp_path / "terms.txt"))))
    pieces = tokenizer.convert_ids_to_tokens(tokens.ids.tolist())
    assert [piece for piece, flag in zip(pieces, tokens.flags) if flag & CONCEPT] == ["chest", "pain"]
    assert [piece for piece, flag in zip(pieces, tokens.flags) if flag & CONCEPT_START] == ["chest"]


def test_entities_of_a_pipeline_are_concepts(tmp_path):
    import spacy

    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": "cough"}])
    nlp.to_disk(tmp_path / "pipeline")
    (tmp_path / "terms.txt").write_text("lungs\n")
    find, key = make_finder(Concepts(pipeline=str(tmp_path / "pipeline"), terms=str(tmp_path / "terms.txt")))
    assert find(["Lungs: no cough.", ""]) == [[(0, 5), (10, 15)], []] and key


@pytest.mark.parametrize(
    "concepts, message", [({"terms": "t.txt"}, "no terms"), ({"pipeline": "nowhere"}, "cannot be loaded")]
)
def test_concepts_that_are_not_there_are_an_error(concepts, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.txt").write_text("\n")
    with pytest.raises(ValueError, match=message):
        make_finder(Concepts(**concepts))


def test_unknown_wordpieces_are_counted_and_no_targets(tmp_path, tokenizer):
    tokens = open_notes(tmp_path, tokenizer, ["The 痛 patient."])
    assert tokens.meta["unknown"] == 1 and (tokens.flags & SPECIAL > 0).sum() == 1


def other_tokenizer(kind):
    """A tokenizer of another kind than BERT's, with special tokens as RoBERTa's and XLM-R's have them."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    if kind == "BPE":
        vocabulary = [*special, *pre_tokenizers.ByteLevel.alphabet()]
        made = Tokenizer(models.BPE({piece: number for number, piece in enumerate(vocabulary)}, []))
        made.pre_tokenizer = pre_tokenizers.ByteLevel()
    else:  # whose wordpieces the special tokens are too
        letters = [(letter, -3.0) for letter in "▁abcdefghijklmnopqrstuvwxyz<>/"]
        made = Tokenizer(models.Unigram([(piece, 0.0) for piece in special] + letters, special.index("<unk>")))
        made.pre_tokenizer = pre_tokenizers.Metaspace()
    names = ("cls_token", "pad_token", "sep_token", "unk_token", "mask_token")
    return PreTrainedTokenizerFast(tokenizer_object=made, **dict(zip(names, special)))


@pytest.mark.parametrize("kind, n_unknown", [("WordPiece", 0), ("BPE", 0), ("Unigram", 3)])
def test_special_tokens_in_a_note_are_text(kind, n_unknown, tmp_path, tokenizer):
    """As [MASK] of notes that were de-identified: a mask in the input has a label, and no special token is predicted."""
    if kind != "WordPiece":
        tokenizer = other_tokenizer(kind)
    mask, end = tokenizer.mask_token, tokenizer.sep_token
    text = f"seen by {mask} on {mask} {end} for pain"
    tokens = open_notes(tmp_path, tokenizer, [text])
    assert not set(tokens.ids.tolist()) & set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    assert (tokens.flags & SPECIAL > 0).tolist() == (tokens.ids == tokenizer.unk_token_id).tolist()
    assert tokens.meta["unknown"] == n_unknown
    # The tokenizer itself stays as it is.
    assert tokenizer(text)["input_ids"].count(tokenizer.mask_token_id) == 2
    assert pieces_per_word(tokenizer, [text])["pieces"] == tokens.meta["pieces"]


def test_same_text_is_known_by_its_digest_wherever_it_lies(tmp_path, tokenizer):
    found = {}
    for name, text in (("a", "chest pain and fever"), ("b", "chest pain and fever"), ("c", "fever and chest pain")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes.jsonl").write_text(f'{{"text": "{text}"}}\nno JSON\n')
        source = Source(path=str(tmp_path / name))
        found[name] = {"x": open_tokens("x", source, tokenizer, tmp_path / "cache", *NO_CONCEPTS, 0).meta}
    assert same_text(found["a"], found["b"]) and not same_text(found["a"], found["c"])
    older = {"x": {key: value for key, value in found["c"]["x"].items() if key != "digest"}}
    assert same_text(older, found["a"])  # by its counts
    assert not same_text(found["a"], {**found["a"], **{"y": found["a"]["x"]}})


def test_source_of_which_nothing_can_be_read_is_an_error(tmp_path, tokenizer):
    with pytest.raises(ValueError, match="Nothing of the source 'notes'"):
        open_notes(tmp_path, tokenizer, [" "])
    assert not caches(tmp_path)
