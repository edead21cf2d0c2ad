"""Notes packed into blocks of one length, without padding: [CLS] a note [SEP] the next one [SEP] … [SEP]. Which blocks a step
gets follows from seed, step and a few counters, so that a run can be resumed."""

from typing import Any, Dict, List, Optional, Tuple

import numpy

from .tokens import SPECIAL, WORD, TokenCache

_SHARD_PIECES = 4_000_000  # what is shuffled at a time, in memory


class Frame:
    """What a tokenizer puts around a text and between two.

    tokenizer (transformers.PreTrainedTokenizerFast): Has a separator.
    """

    def __init__(self, tokenizer: Any) -> None:
        encoding = tokenizer("a", return_special_tokens_mask=True)
        ids, special = encoding["input_ids"], encoding["special_tokens_mask"]
        self.prefix: List[int] = ids[: special.index(0)]
        self.suffix: List[int] = ids[len(special) - special[::-1].index(0) :]
        self.separator: int = tokenizer.sep_token_id

    def body(self, length: int) -> int:
        """How many wordpieces a block of this length has between its ends."""
        return length - len(self.prefix) - len(self.suffix)

    def close(self, bodies: numpy.ndarray, flags: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """Put prefix and suffix around blocks and their flags, each of shape (n_blocks, body)."""
        ends = [numpy.tile(numpy.array(ids, dtype="int64"), (len(bodies), 1)) for ids in (self.prefix, self.suffix)]
        special = [numpy.full_like(each, SPECIAL | WORD, dtype="uint8") for each in ends]
        return (
            numpy.concatenate([ends[0], bodies.astype("int64"), ends[1]], axis=1),
            numpy.concatenate([special[0], flags, special[1]], axis=1),
        )


def pack(
    tokens: TokenCache, notes: numpy.ndarray, separator: int, max_pieces: Optional[int] = None
) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Join notes, each with a separator behind it.

    RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): Ids and flags, of shape (n_pieces + n_notes,), cut at `max_pieces`.
    """
    ids: List[Any] = []
    flags: List[Any] = []
    size = 0
    ends = numpy.array([separator], dtype=tokens.ids.dtype), numpy.array([SPECIAL | WORD], dtype="uint8")
    for note in notes:
        inside = slice(tokens.borders[note], tokens.borders[note + 1])
        ids += [tokens.ids[inside], ends[0]]
        flags += [tokens.flags[inside], ends[1]]
        size += inside.stop - inside.start + 1
        if max_pieces is not None and size >= max_pieces:
            break
    return numpy.concatenate(ids)[:max_pieces], numpy.concatenate(flags)[:max_pieces]


class SourceBlocks:
    """The blocks of a source, in another order in each epoch: shards of consecutive notes are shuffled, in each the notes, and the
    blocks that they are packed into. A note that is longer than a block goes on in another; the last block of a shard
    is filled up from its beginning.

    tokens (TokenCache): The source's wordpieces.
    body (int): Wordpieces in a block, without its ends.
    separator (int): Stands between notes.
    seed (Tuple[int, ...]): What the order follows from.
    """

    def __init__(self, tokens: TokenCache, body: int, separator: int, seed: Tuple[int, ...]) -> None:
        self.tokens = tokens
        self.body = body
        self.separator = separator
        self.seed = seed
        cuts = numpy.searchsorted(tokens.borders, numpy.arange(_SHARD_PIECES, tokens.borders[-1], _SHARD_PIECES))
        self._shards = numpy.unique(numpy.concatenate([[0], cuts, [len(tokens)]]))  # shard i has notes [i] to [i + 1]
        lengths = numpy.diff(tokens.borders[self._shards]) + numpy.diff(self._shards)
        self._n_blocks = -(-lengths // body)
        self._loaded: Tuple[Any, Any, Any] = (None, None, None)

    def __len__(self) -> int:
        return int(self._n_blocks.sum())

    def block(self, cursor: int) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """The ids and flags, each of shape (body,), of a block: number `cursor` since training began."""
        epoch, number = divmod(cursor, len(self))
        order = numpy.random.default_rng([*self.seed, epoch]).permutation(len(self._n_blocks))
        ends = numpy.cumsum(self._n_blocks[order])
        place = int(numpy.searchsorted(ends, number, "right"))
        shard = int(order[place])
        if self._loaded[0] != (epoch, shard):
            self._loaded = ((epoch, shard), *self._load(epoch, shard))
        row = number - (ends[place] - self._n_blocks[shard])
        return self._loaded[1][row], self._loaded[2][row]

    def _load(self, epoch: int, shard: int) -> Tuple[numpy.ndarray, numpy.ndarray]:
        random = numpy.random.default_rng([*self.seed, epoch, shard])
        notes = random.permutation(numpy.arange(self._shards[shard], self._shards[shard + 1]))
        shape = (int(self._n_blocks[shard]), self.body)
        rows = random.permutation(shape[0])
        ids, flags = pack(self.tokens, notes, self.separator)
        return numpy.resize(ids, shape)[rows], numpy.resize(flags, shape)[rows]


class Mixture:
    """Batches of blocks from all sources: a source is drawn by its weight times its number of blocks, and gives its next block.

    sources (Dict[str, TokenCache]): The wordpieces of each.
    weights (Dict[str, float]): How often a source is read in the time in which one of weight 1 is read once.
    length (int): Of the blocks, with their ends.
    frame (Frame): Their ends.
    seed (Tuple[int, ...]): What order and choice follow from.
    cursors (Optional[Dict[str, int]]): How many blocks of each source were given, in a run that is resumed.
    """

    def __init__(
        self,
        sources: Dict[str, TokenCache],
        weights: Dict[str, float],
        length: int,
        frame: Frame,
        seed: Tuple[int, ...],
        cursors: Optional[Dict[str, int]] = None,
    ) -> None:
        self.frame = frame
        self.seed = seed
        self.blocks = {
            name: SourceBlocks(tokens, frame.body(length), frame.separator, (*seed, number))
            for number, (name, tokens) in enumerate(sources.items())
        }
        shares = numpy.array([weights[name] * len(blocks) for name, blocks in self.blocks.items()])
        self.shares = dict(zip(self.blocks, (shares / shares.sum()).tolist()))
        self.cursors = dict(cursors) if cursors else {name: 0 for name in self.blocks}

    def batch(self, step: int, size: int) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """The ids and flags, each of shape (size, length), of the next batch; steps are to be asked for in their order."""
        random = numpy.random.default_rng([*self.seed, step])
        rows = []
        for name in random.choice(list(self.shares), size=size, p=list(self.shares.values())):
            rows.append(self.blocks[name].block(self.cursors[name]))
            self.cursors[name] += 1
        ids, flags = zip(*rows)
        return self.frame.close(numpy.stack(ids), numpy.stack(flags))
