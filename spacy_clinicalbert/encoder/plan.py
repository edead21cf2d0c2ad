"""What is to be computed for some Docs: their wordpieces, the windows over them, the passes over the windows."""

import itertools
import threading
from typing import Iterator, List, NamedTuple, Optional, Tuple

import numpy
import torch
from numpy import ndarray
from spacy.attrs import IS_SPACE
from spacy.tokens import Doc
from thinc.api import Model

from .alignment import align, first_pieces, token_offsets
from .batches import Grid, Work, make_passes, make_work
from .checkpoints import Checkpoint
from .network_types import sees_padding
from .shim import shim_of
from .windows import Windows, check_windows

# What of a pass may be padding: as much as a further one costs. With a backward that is more, for each adds up the gradient of all weights: an eighth trained a
# tenth faster than a thirty-second, with sentences, abstracts and notes (mini, bfloat16, one core).
MAX_PADDING = 1 / 32
MAX_UPDATE_PADDING = 1 / 8

# Nobody may set anything on a tokenizer while another thread tokenises ("Already borrowed"): the service looks at questions beside the pipeline.
_TOKENISING = threading.Lock()


class DocPlan(NamedTuple):
    """The wordpieces of one doc.

    ids (ndarray): Their ids, (n_pieces,).
    windows (Windows): Windows over them.
    token_pieces (ndarray): Those of every token, one token's behind the other's; if pooling is "first", the first of each.
    token_lengths (ndarray): How many each token has, (n_tokens,).
    token_windows (ndarray): The tokens whose vectors each window gives, first and behind the last, (n_windows, 2).
    n_unread (int): Tokens, white space apart, that have none.
    """

    ids: ndarray
    windows: Windows
    token_pieces: ndarray
    token_lengths: ndarray
    token_windows: ndarray
    n_unread: int


class Plan(NamedTuple):
    """What is to be computed for some docs.

    docs (List[DocPlan]): Their wordpieces.
    ids (ndarray): The wordpiece ids of all, one doc's behind the other's, (n_pieces,).
    work (Work): Which windows to encode, and whose vectors each wordpiece gets.
    token_rows (List[ndarray]): For each doc its `DocPlan.token_pieces`, as rows of the vectors.
    window_rows (List[ndarray]): For each doc the rows of its windows' first positions.
    """

    docs: List[DocPlan]
    ids: ndarray
    work: Work
    token_rows: List[ndarray]
    window_rows: List[ndarray]


def tokenize(checkpoint: Checkpoint, texts: List[str]) -> Iterator[Tuple[ndarray, ndarray, ndarray]]:
    """YIELDS (Tuple[ndarray, ndarray, ndarray]): For each text the ids of its wordpieces, without special tokens, and the characters at which
    these start and end, (n_pieces,) each. "[MASK]" and "</s>" in a text are text: what de-identification or a template left, and no mask or border."""
    tokenizer = checkpoint.tokenizer.backend_tokenizer
    with _TOKENISING:
        tokenizer.encode_special_tokens = True  # each time, for transformers sets it back whenever it tokenises
        encodings = tokenizer.encode_batch(texts, add_special_tokens=False)
    for encoding in encodings:
        starts, ends = numpy.array(encoding.offsets, dtype="int64").reshape(-1, 2).T
        yield numpy.array(encoding.ids, dtype="int64"), starts, ends


def plan_docs(model: Model, docs: List[Doc]) -> List[DocPlan]:
    """Tokenise each text once, cut it into windows and align its wordpieces with its tokens."""
    shim_of(model).settle()
    checkpoint, windower = shim_of(model).checkpoint, model.attrs["windows"]
    texts = [doc.text for doc in docs]
    plans = []
    for doc, text, (ids, starts, ends) in zip(docs, texts, tokenize(checkpoint, texts)):
        windows = windower(text, starts, ends)
        check_windows(windows, len(starts), checkpoint.max_window)
        token_starts, token_ends = token_offsets(doc)
        token_pieces, token_lengths = align(token_starts, token_ends, starts, ends)
        # A token belongs to the window that keeps its first wordpiece.
        inner = numpy.searchsorted(token_starts, starts[windows.keep_start[1:]])
        borders = numpy.concatenate([[0], inner, [len(doc)]]) if len(windows.start) else numpy.zeros(1, dtype="int64")
        is_unread = (token_lengths == 0) & (doc.to_array(IS_SPACE) == 0)
        if model.attrs["pooling"] == "first":
            token_pieces, token_lengths = first_pieces(token_pieces, token_lengths)
        plans.append(
            DocPlan(
                ids=ids,
                windows=windows,
                token_pieces=token_pieces,
                token_lengths=token_lengths,
                token_windows=numpy.stack([borders[:-1], borders[1:]], 1),
                n_unread=int(is_unread.sum()),
            )
        )
    return plans


def make_plan(docs: List[DocPlan], distinct: bool) -> Plan:
    """Put the docs of a batch together.

    distinct (bool): Let one window stand for all that are equal to it.
    """
    ids = numpy.concatenate([doc.ids for doc in docs]) if docs else numpy.zeros(0, dtype="int64")
    firsts = numpy.cumsum([0] + [len(doc.ids) for doc in docs])
    windows = [Windows(*(array + first for array in doc.windows)) for doc, first in zip(docs, firsts)]
    work = make_work(ids, Windows(*map(numpy.concatenate, zip(*windows))) if docs else Windows(*[ids] * 4), distinct)
    token_rows = [work.rows[doc.token_pieces + first] for doc, first in zip(docs, firsts)]
    ends = numpy.cumsum([0] + [len(doc.windows.start) for doc in docs])
    window_rows = [work.window_rows[slice(*each)] for each in itertools.pairwise(ends)]
    return Plan(docs, ids, work, token_rows, window_rows)


def allow_padding(
    checkpoint: Checkpoint, max_items: int, share: float = MAX_PADDING, grid: Grid = Grid()
) -> Tuple[int, Grid]:
    """How many positions of a pass may be padding, and the grid of its shape: none, and no grid, for a network that sees padding.

    max_items (int): Positions of a pass.
    share (float): The share of those that may be padding.
    grid (Grid): What the engine is fast with.
    """
    return (0, Grid()) if sees_padding(checkpoint.network.config) else (int(share * max_items), grid)


def plan_passes(
    model: Model,
    plan: Plan,
    numbers: ndarray,
    *,
    n_parallel: int = 1,
    max_items: Optional[int] = None,
    max_padding: float = MAX_PADDING,
    grid: Grid = Grid(),
) -> Iterator[Tuple[torch.Tensor, ...]]:
    """Build the forward passes for the numbered windows of a plan.

    n_parallel (int): How many passes run at a time. A few windows are shared out evenly among them.
    max_items (Optional[int]): The most positions of a pass; None takes the component's max_batch_items.
    max_padding (float): The share of those that may be padding.
    grid (Grid): Of the shapes.
    YIELDS (Tuple[torch.Tensor, ...]): `batches.Pass`, on the network's device.
    """
    shim = shim_of(model)
    checkpoint = shim.checkpoint
    max_items = max_items or model.attrs["max_batch_items"]
    share = max_items
    if n_parallel > 1:  # one alone takes them all at once, though padding makes them more
        n_special = len(checkpoint.prefix) + len(checkpoint.suffix)
        n_positions = int((plan.work.windows.end - plan.work.windows.start + n_special)[numbers].sum())
        share = min(max_items, -(-n_positions // n_parallel))
    padding, grid = allow_padding(checkpoint, max_items, max_padding, grid)
    passes = make_passes(
        plan.ids,
        plan.work,
        numbers,
        prefix=checkpoint.prefix,
        suffix=checkpoint.suffix,
        pad=checkpoint.tokenizer.pad_token_id or 0,
        max_items=share,
        max_padding=padding,
        grid=grid,
        max_length=checkpoint.positions,
    )
    for arrays in passes:
        yield tuple(torch.from_numpy(array).to(shim.device) for array in arrays)
