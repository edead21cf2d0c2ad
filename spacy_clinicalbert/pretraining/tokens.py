"""The tokenised cache: a source's wordpieces on disk, written once as a stream and mapped into memory, so that they may be
more than fit there. Beside each wordpiece stand flags: where words and concepts begin, and what is no target."""

import json
import logging
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Tuple

import numpy

from ..folders import make_once
from .config import Source
from .texts import Reading, read_notes, source_state
from .vocabulary import text_tokenizer

logger = logging.getLogger(__name__)

WORD = 1  # begins a word, as the tokenizer's pre-tokenizer cuts it
CONCEPT = 2  # is in a concept
CONCEPT_START = 4  # begins a concept
HOLE = 8  # stands for text that is not there
SPECIAL = 16  # is a special token; within a note, [UNK]

Span = Tuple[int, int]
FindConcepts = Callable[[List[str]], List[List[Span]]]
_VERSION = 2
_BATCH_CHARACTERS = 1_000_000


class TokenCache:
    """The wordpieces of a source's notes, one note after the other.

    folder (Path): Written by `open_tokens`.

    ids (numpy.ndarray): All wordpieces, of shape (n_pieces,), without special tokens.
    flags (numpy.ndarray): Of shape (n_pieces,), uint8.
    borders (numpy.ndarray): Note i is ids[borders[i] : borders[i + 1]].
    meta (Dict[str, Any]): Counts, what could not be read, and a digest of all that is above.
    """

    def __init__(self, folder: Path) -> None:
        self.meta: Dict[str, Any] = json.loads((folder / "meta.json").read_text(encoding="utf8"))
        self.ids = numpy.memmap(folder / "ids.bin", dtype=self.meta["dtype"], mode="r")
        self.flags = numpy.memmap(folder / "flags.bin", dtype="uint8", mode="r")
        ends = numpy.memmap(folder / "ends.bin", dtype="int64", mode="r")
        self.borders = numpy.concatenate([[0], ends])

    def __len__(self) -> int:
        return len(self.borders) - 1


def open_tokens(
    name: str, source: Source, tokenizer: Any, cache: Path, find_concepts: FindConcepts, concepts_key: str, seed: int
) -> TokenCache:
    """Open a source's wordpieces, after writing them if the cache lacks them.

    name (str): The source's name.
    source (Source): Where its text is.
    tokenizer (transformers.PreTrainedTokenizerFast): Cuts it.
    cache (Path): The folder of all caches; one that another text, tokenizer or list of terms made is not used.
    find_concepts (FindConcepts): Texts → the spans of their concepts, in characters.
    concepts_key (str): Says which concepts it finds.
    seed (int): Of the numbers put into holes.
    RETURNS (TokenCache): At least one wordpiece.
    RAISES (ValueError): Nothing of the source can be read.
    """
    folder = cache / f"{name}-{_fingerprint(name, source, tokenizer, concepts_key, seed)}"
    make_once(folder, lambda part: _write(part, name, source, tokenizer, find_concepts, seed))
    return TokenCache(folder)


def _fingerprint(name: str, source: Source, tokenizer: Any, concepts_key: str, seed: int) -> str:
    settings = source.model_dump(exclude={"weight", "licence"})
    files, held_out = source_state(name, source)
    key = [_VERSION, files, settings, tokenizer.backend_tokenizer.to_str(), concepts_key, seed, held_out]
    return sha256(json.dumps(key).encode()).hexdigest()[:12]


def _write(folder: Path, name: str, source: Source, tokenizer: Any, find_concepts: FindConcepts, seed: int) -> None:
    reading = Reading()
    dtype = "uint16" if len(tokenizer) <= 2**16 else "uint32"
    random = numpy.random.default_rng([seed, 1])
    counts = {"pieces": 0, "words": 0, "unknown": 0, "holes": 0, "concepts": 0}
    cutter, special, digest = text_tokenizer(tokenizer), tokenizer.all_special_ids, sha256()
    with ExitStack() as stack:
        files = [stack.enter_context((folder / name).open("wb")) for name in ("ids.bin", "flags.bin", "ends.bin")]
        for texts in _batches(read_notes(name, source, reading)):
            filled, holes = zip(*(fill_holes(text, source.hole, random) for text in texts))
            concepts = find_concepts(list(filled))
            encodings = cutter.encode_batch(list(filled), add_special_tokens=False)
            for encoding, hole_spans, concept_spans in zip(encodings, holes, concepts):
                ids = numpy.array(encoding.ids, dtype=dtype)
                flags = _flag(encoding, hole_spans, concept_spans)
                # Beside [UNK] only what a vocabulary has as a wordpiece too, as Unigram's can have <mask>: the text is no such token.
                unknown = numpy.isin(ids, special)
                if tokenizer.unk_token_id is not None:
                    ids[unknown] = tokenizer.unk_token_id
                flags[unknown] |= SPECIAL
                counts["pieces"] += len(ids)
                counts["words"] += int((flags & WORD > 0).sum())
                counts["unknown"] += int(unknown.sum())
                counts["holes"] += len(hole_spans)
                counts["concepts"] += int((flags & CONCEPT_START > 0).sum())
                for file, values in zip(files, (ids, flags, numpy.int64(counts["pieces"]))):
                    digest.update(values.tobytes())
                    file.write(values.tobytes())
    if counts["pieces"] == 0:
        raise ValueError(
            f"Nothing of the source '{name}' can be read: {reading.as_dict()['unreadable'] or 'no notes'}."
        )
    meta = {"dtype": dtype, **counts, "digest": digest.hexdigest()[:16], **reading.as_dict()}
    (folder / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf8")
    logger.info(
        "The source '%s': %d notes, %d words, %d wordpieces", name, reading.notes, counts["words"], counts["pieces"]
    )


def same_text(before: Dict[str, Any], now: Dict[str, Any]) -> bool:
    """Whether caches hold the text that others held, wherever its files lie.

    before (Dict[str, Any]): Source → its cache's `meta`, which can be of an older version and say less.
    now (Dict[str, Any]): The same, of the present caches.
    RETURNS (bool): Whether they do.
    """
    return before.keys() == now.keys() and all(
        now[name].get(key) == value for name, meta in before.items() for key, value in meta.items() if key != "places"
    )


def _batches(notes: Iterable[str]) -> Iterator[List[str]]:
    batch: List[str] = []
    size = 0
    for text in notes:
        batch.append(text)
        size += len(text)
        if size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def fill_holes(text: str, hole: Any, random: numpy.random.Generator) -> Tuple[str, List[Span]]:
    """Put a number where a corpus has a token for what was taken out, so that the words around it read as usual.

    text (str): The note.
    hole (Optional[str]): That token; None where the corpus has none.
    random (numpy.random.Generator): Draws numbers of one to three digits, small ones as often as large ones.
    RETURNS (Tuple[str, List[Tuple[int, int]]]): The text, and the spans of the numbers.
    """
    first, *rest = text.split(hole) if hole else [text]
    parts, spans, at = [first], [], len(first)
    for part in rest:
        number = str(int(10 ** random.uniform(0, 3)))
        spans.append((at, at + len(number)))
        parts += [number, part]
        at += len(number) + len(part)
    return "".join(parts), spans


def _flag(encoding: Any, holes: List[Span], concepts: List[Span]) -> numpy.ndarray:
    """The flags of one note's wordpieces."""
    words = numpy.array(encoding.word_ids, dtype="int64")
    flags = numpy.zeros(len(words), dtype="uint8")
    flags[numpy.diff(words, prepend=-1) != 0] |= WORD
    if holes or concepts:
        starts, ends = numpy.array(encoding.offsets, dtype="int64").reshape(-1, 2).T
        for start, end in holes:
            flags[numpy.searchsorted(ends, start, "right") : numpy.searchsorted(starts, end, "left")] |= HOLE
        for start, end in concepts:
            inside = slice(numpy.searchsorted(ends, start, "right"), numpy.searchsorted(starts, end, "left"))
            flags[inside] |= CONCEPT
            flags[inside][:1] |= CONCEPT_START
    return flags
