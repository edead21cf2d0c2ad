"""A stream of Docs in buffers, each encoded while what comes behind the encoder works on the one before."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any, Callable, Deque, Iterable, Iterator, List, Tuple

from spacy.tokens import Doc
from spacy.util import minibatch

from .plan import DocPlan

Planned = Tuple[Doc, DocPlan]
Buffer = List[Planned]


def gather(
    stream: Iterable[Doc], plan: Callable[[List[Doc]], Buffer], batch_size: int, max_items: int
) -> Iterator[Buffer]:
    """Gather the Docs of a stream.

    stream (Iterable[Doc]): The Docs.
    plan (Callable[[List[Doc]], Buffer]): Tokenises Docs; those that fail it leaves out.
    batch_size (int): How many at a time.
    max_items (int): The wordpieces that end a buffer.
    YIELDS (Buffer): Docs, in their order.
    """
    buffer: Buffer = []
    n_items = 0
    for docs in minibatch(stream, size=batch_size):
        planned = plan(list(docs))
        buffer.extend(planned)
        n_items += sum(len(each.ids) for _, each in planned)
        del docs, planned
        if n_items >= max_items:
            yield buffer
            buffer, n_items = [], 0
    if buffer:
        yield buffer


def encode_ahead(
    buffers: Iterable[Buffer],
    start: Callable[[Buffer, Callable[[], bool]], Callable[[], Any]],
    publish: Callable[[Buffer, Future], List[Doc]],
) -> Iterator[Doc]:
    """Encode buffers in a thread, one ahead of what is given out. Where the reader breaks off, the thread ends after its pass.

    buffers (Iterable[Buffer]): The Docs.
    start (Callable): Takes a buffer and what says whether it is still wanted; gives what encodes it in the thread.
    publish (Callable): Takes a buffer and its vectors, when it is its turn; gives the Docs that have them.
    YIELDS (Doc): The Docs, in their order.
    """
    thread, is_over = ThreadPoolExecutor(max_workers=1), Event()
    waiting: Deque[Tuple[Buffer, Future]] = deque()
    try:
        for buffer in buffers:
            waiting.append((buffer, thread.submit(start(buffer, lambda: not is_over.is_set()))))
            del buffer
            if len(waiting) > 1:
                yield from _give_out(publish(*waiting.popleft()))
        while waiting:
            yield from _give_out(publish(*waiting.popleft()))
    finally:  # also where who reads breaks off
        is_over.set()
        thread.shutdown(wait=False, cancel_futures=True)


def _give_out(docs: List[Doc]) -> Iterator[Doc]:
    docs.reverse()
    while docs:
        yield docs.pop()  # behind the last component, nothing of it need be held
