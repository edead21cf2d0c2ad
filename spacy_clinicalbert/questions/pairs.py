"""A question and a window as one input: [CLS] question [SEP] window [SEP]. Padded passes of bounded size, and what comes of them."""

from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Tuple

import numpy
import torch
from numpy import ndarray
from thinc.api import Model

from ..encoder.batches import Grid, group_by_length
from ..encoder.checkpoints import Checkpoint
from ..encoder.engines import Inputs, grid_of
from ..encoder.plan import MAX_PADDING, MAX_UPDATE_PADDING, allow_padding
from ..encoder.shim import shim_of
from ..encoder.updates import update_passes


class Pair(NamedTuple):
    """A question and a window, as wordpieces.

    question (ndarray): (n_question,).
    window (ndarray): (n_window,).
    """

    question: ndarray
    window: ndarray


class Frame(NamedTuple):
    """The special tokens around a question and a window.

    prefix, middle, suffix (List[int]): Before the question, between the two, behind the window.
    """

    prefix: List[int]
    middle: List[int]
    suffix: List[int]

    @property
    def n_special(self) -> int:
        return len(self.prefix) + len(self.middle) + len(self.suffix)


def find_frame(checkpoint: Checkpoint) -> Frame:
    """The special tokens that a checkpoint's tokenizer puts around two texts; where it knows of one text only, those behind one text
    stand between the two."""
    encoding = checkpoint.tokenizer("a", "a", add_special_tokens=True)
    ids, texts = encoding["input_ids"], numpy.array([-1 if each is None else each for each in encoding.sequence_ids()])
    (first, *_, last), (second, *_, end) = (
        [*places, places[-1]] for places in map(numpy.flatnonzero, (texts == 0, texts == 1))
    )
    if end - first + 1 == len(ids) and last + 1 == second:
        return Frame(checkpoint.prefix, checkpoint.suffix, checkpoint.suffix)
    return Frame(ids[:first], ids[last + 1 : second], ids[end + 1 :])


def row_starts(pairs: List[Pair]) -> ndarray:
    """The vectors of pairs are rows of one array: of each the vector at its first position, where BERT has [CLS], then those of its
    window. Where each pair's begin, and how many there are, (n_pairs + 1,)."""
    return numpy.cumsum([0] + [1 + len(pair.window) for pair in pairs])


def pair_passes(
    pairs: List[Pair],
    frame: Frame,
    *,
    pad: int,
    max_items: int,
    max_padding: int,
    grid: Grid = Grid(),
    max_length: Optional[int] = None,
) -> Iterator[Tuple[Tuple[ndarray, ndarray, ndarray], ndarray, ndarray]]:
    """Build the forward passes.

    pad (int): The id that fills up.
    max_items (int): The most positions of a pass, padding included.
    max_padding (int): The most positions of a pass that are padding, those that the grid wants apart.
    grid (Grid): Of the shapes.
    max_length (Optional[int]): The most positions of a pair that the network has, to which the grid keeps.
    YIELDS (Tuple[Tuple[ndarray, ndarray, ndarray], ndarray, ndarray]): Ids, mask and token types, (n_pairs, length) each; the positions in the
        flattened pass whose vectors are used; the rows (see `row_starts`) that these go to. Longest pairs first.
    """
    starts = row_starts(pairs)
    before = numpy.array([len(frame.prefix) + len(pair.question) + len(frame.middle) for pair in pairs])
    sizes = numpy.array([len(pair.window) for pair in pairs])
    lengths = before + sizes + len(frame.suffix)
    padded = grid.pad(lengths, max_length)
    for group in group_by_length(padded, max_items, max_padding, grid.windows):
        column = numpy.arange(int(padded[group].max()))[None]
        ids = numpy.full((len(group), column.shape[1]), pad, dtype="int64")
        for row, number in zip(ids, group.tolist()):
            question, window = pairs[number]
            row[: lengths[number]] = numpy.concatenate([frame.prefix, question, frame.middle, window, frame.suffix])
        first, end = before[group, None], (before + sizes)[group, None]
        is_window = (column >= first) & (column < end)
        mask = (column < lengths[group, None]).astype("int64")
        heads = numpy.arange(len(group)) * column.shape[1]
        rows = (starts[group, None] + 1 + column - first)[is_window]
        yield (
            (ids, mask, ((column >= first) & (mask == 1)).astype("int64")),
            numpy.concatenate([heads, numpy.flatnonzero(is_window)]),
            numpy.concatenate([starts[group], rows]),
        )


def _torch_passes(
    encoder: Model, pairs: List[Pair], frame: Frame, share: float, grid: Grid
) -> Iterator[Tuple[Inputs, Any, Any]]:
    shim = shim_of(encoder)
    checkpoint, max_items = shim.checkpoint, encoder.attrs["max_batch_items"]
    padding, grid = allow_padding(checkpoint, max_items, share, grid)
    passes = pair_passes(
        pairs,
        frame,
        pad=checkpoint.tokenizer.pad_token_id or 0,
        max_items=max_items,
        max_padding=padding,
        grid=grid,
        max_length=checkpoint.positions,
    )
    for inputs, kept, rows in passes:
        arrays = (torch.from_numpy(array).to(shim.device) for array in (*inputs, kept, rows))
        ids, mask, types, *places = arrays
        yield (ids, mask, types), *places  # type: ignore[misc]


def predict_pairs(encoder: Model, pairs: List[Pair], frame: Frame) -> torch.Tensor:
    """Read pairs with a network, as in use.

    encoder (Model): Of the component `clinicalbert`.
    RETURNS (torch.Tensor): Their vectors, float32, (n_rows, width); see `row_starts`.
    """
    shim = shim_of(encoder)
    width = shim.checkpoint.width
    vectors = torch.empty((int(row_starts(pairs)[-1]), width), device=shim.device)
    targets: List[Tuple[torch.Tensor, torch.Tensor]] = []

    def inputs() -> Iterator[Inputs]:
        for arrays, kept, rows in _torch_passes(encoder, pairs, frame, MAX_PADDING, engine.grid):
            targets.append((kept, rows))
            yield arrays

    with shim.lock:
        engine = shim.predictor
        for hidden in engine.encode(inputs()):
            kept, rows = targets.pop(0)
            vectors[rows] = hidden.reshape(-1, width)[kept]
    return vectors


def update_pairs(
    encoder: Model, pairs: List[Pair], frame: Frame
) -> Tuple[torch.Tensor, Callable[[torch.Tensor], None]]:
    """As `predict_pairs`, with dropout and a backward; see `encoder.updates.update_passes`."""
    shim = shim_of(encoder)
    passes = _torch_passes(encoder, pairs, frame, MAX_UPDATE_PADDING, grid_of(shim.device.type, shim.precision))
    return update_passes(encoder, passes, int(row_starts(pairs)[-1]))
