"""Wordpieces learned from the user's notes, in place of those of the base or added to them."""

import json
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional

import numpy
from tokenizers import Tokenizer, models
from transformers import BertTokenizerFast

from ..encoder.checkpoints import load_tokenizer
from .config import Encoder, Vocabulary

_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_ALPHABET = 1000  # characters that get a wordpiece of their own, the most frequent ones; as BERT's vocabulary has


def base_tokenizer(encoder: Encoder) -> Optional[Any]:
    """The tokenizer that an encoder was pretrained with; None where training starts from nothing."""
    if encoder.name is None:
        return None
    return load_tokenizer(
        encoder.name,
        revision=encoder.revision,
        local_files_only=encoder.local_files_only,
        lowercase=encoder.lowercase,
    )


def new_tokenizer(lowercase: bool) -> Any:
    """A WordPiece tokenizer as BERT's, which knows special tokens only and is to learn from text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vocab.txt"
        path.write_text("\n".join(_SPECIAL) + "\n", encoding="utf8")
        return BertTokenizerFast(vocab_file=str(path), do_lower_case=lowercase)


def weighted(notes: Iterable[str], weight: float) -> Iterator[str]:
    """Repeat notes as often as the mixture reads them: a weight of 2.5 twice and three times by turns, one of 0.5 every other note."""
    for number, note in enumerate(notes):
        for _ in range(int(weight * (number + 1)) - int(weight * number)):
            yield note


def learn_vocabulary(tokenizer: Any, texts: Iterable[str], settings: Vocabulary) -> Any:
    """Learn wordpieces from text, cut into words as the tokenizer cuts it, with its casing and special tokens.

    tokenizer (transformers.PreTrainedTokenizerFast): The base's.
    texts (Iterable[str]): What to learn from.
    settings (Vocabulary): "replace" makes a vocabulary of `size` wordpieces; "add" puts the first `size` of what it
        learns and the base lacks behind the base's.
    RETURNS (transformers.PreTrainedTokenizerFast): The new tokenizer.
    RAISES (ValueError): The base's kind of vocabulary cannot be added to.
    """
    kind = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["type"]
    options: Dict[str, Any] = {"show_progress": False}
    if kind in ("WordPiece", "BPE"):
        options["min_frequency"] = settings.min_frequency
    if kind == "WordPiece":
        options["limit_alphabet"] = _ALPHABET
    size = settings.size
    if settings.mode == "add":
        if kind != "WordPiece":
            raise ValueError(
                f'[vocabulary] mode = "add" is for WordPiece vocabularies; this one is {kind}. Take "replace".'
            )
        size += len(tokenizer)  # more than enough, should all of the base's be among them
    learned = tokenizer.train_new_from_iterator(_batched(texts), size, **options)
    if learned.pad_token_id != tokenizer.pad_token_id and len(tokenizer) > len(_SPECIAL):
        raise ValueError(
            "The base's padding token cannot keep its id in a new vocabulary, on which its positions rest."
        )
    learned.model_max_length = tokenizer.model_max_length
    return _add(tokenizer, learned, settings.size) if settings.mode == "add" else learned


def _batched(texts: Iterable[str], size: int = 1000) -> Iterator[List[str]]:
    batch: List[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _add(tokenizer: Any, learned: Any, size: int) -> Any:
    vocabulary = tokenizer.get_vocab()
    pieces = sorted(learned.get_vocab().items(), key=lambda item: item[1])  # in the order in which they were learned
    new = [piece for piece, _ in pieces if piece not in vocabulary][:size]
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        path = Path(folder) / "tokenizer.json"
        content = json.loads(path.read_text(encoding="utf8"))
        content["model"]["vocab"].update({piece: len(vocabulary) + number for number, piece in enumerate(new)})
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf8")
        (Path(folder) / "vocab.txt").unlink(missing_ok=True)  # the old one
        return type(tokenizer).from_pretrained(folder)


def old_pieces(old: Any, new: Any) -> List[List[int]]:
    """For each wordpiece of the new vocabulary the ids of the old one that say the same: itself, or what it was cut into.

    old, new (transformers.PreTrainedTokenizerFast): The tokenizers.
    RETURNS (List[List[int]]): By the new ids; empty where the old vocabulary has nothing for it.
    """
    vocabulary = old.get_vocab()
    special = dict(zip(new.all_special_tokens, new.all_special_tokens))
    named = {
        getattr(new, name): getattr(old, name) for name in new.SPECIAL_TOKENS_ATTRIBUTES if getattr(new, name, None)
    }
    special.update(
        {token: other for token, other in named.items() if isinstance(token, str) and isinstance(other, str)}
    )
    starts, goes_on = _cutters(old)
    rows: List[List[int]] = [[] for _ in range(len(new))]
    for piece, number in new.get_vocab().items():
        piece = special.get(piece, piece)
        if piece in vocabulary:
            rows[number] = [vocabulary[piece]]
        else:
            cut = goes_on(piece[2:]) if piece.startswith("##") and goes_on else starts(piece)
            rows[number] = [i for i in cut if i != old.unk_token_id]
    return rows


def _cutters(old: Any) -> Any:
    """What cuts a word of the old vocabulary, and what a word's rest: with WordPiece a rest has pieces of its own."""
    model = json.loads(old.backend_tokenizer.to_str())["model"]

    def cutter(network: Any) -> Any:
        return lambda piece: [token.id for token in network.tokenize(piece)]

    if model["type"] != "WordPiece":
        return cutter(old.backend_tokenizer.model), None
    prefix, unknown = model["continuing_subword_prefix"], model["unk_token"]
    rests = {piece.removeprefix(prefix): i for piece, i in model["vocab"].items() if piece.startswith(prefix)}
    rest_model = models.WordPiece(
        {**rests, unknown: model["vocab"][unknown]}, unk_token=unknown, continuing_subword_prefix=""
    )
    return cutter(Tokenizer(models.WordPiece(model["vocab"], unk_token=unknown)).model), cutter(rest_model)


def text_tokenizer(tokenizer: Any) -> Tokenizer:
    """What cuts notes into wordpieces, whose "[MASK]" and "<s>" are text: marks that de-identification has left, and no special tokens.

    tokenizer (transformers.PreTrainedTokenizerFast): Stays as it is.
    RETURNS (tokenizers.Tokenizer): A copy, which takes special tokens for text.
    """
    copy = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    copy.encode_special_tokens = True
    return copy


def pieces_per_word(tokenizer: Any, texts: Iterable[str]) -> Dict[str, float]:
    """How finely a tokenizer cuts: a word is what its pre-tokenizer makes, so punctuation marks count as words.

    RETURNS (Dict[str, float]): "words", "pieces", "pieces_per_word", and "unknown", the share of pieces that are [UNK].
    """
    words = pieces = unknown = 0
    cutter = text_tokenizer(tokenizer)
    for batch in _batched(texts):
        for encoding in cutter.encode_batch(batch, add_special_tokens=False):
            pieces += len(encoding.ids)
            words += len(set(encoding.word_ids))
            unknown += encoding.ids.count(tokenizer.unk_token_id)
    return {
        "words": words,
        "pieces": pieces,
        "pieces_per_word": pieces / max(words, 1),
        "unknown": unknown / max(pieces, 1),
    }


def piece_characters(tokenizer: Any) -> numpy.ndarray:
    """Characters (bytes, of a byte-level vocabulary) of each wordpiece, of shape (n_vocabulary,); special tokens have none."""
    lengths = numpy.zeros(len(tokenizer), dtype="int64")
    special = set(tokenizer.all_special_tokens)
    for piece, number in tokenizer.get_vocab().items():
        if piece not in special:
            lengths[number] = len(piece.removeprefix("##"))
    return lengths
