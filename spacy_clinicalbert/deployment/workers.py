"""Parts of a source through pipelines: in this process, or in several that have loaded theirs once."""

import multiprocessing
import os
import sys
from collections import deque
from contextlib import contextmanager
from datetime import datetime
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Deque, Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

from spacy.language import Language

from .annotator import Annotator, Failure, make_predictors
from .forms import make_convert, write_part
from .notes import Note

Part = Tuple[int, List[Note]]


class Job(NamedTuple):
    """What a worker needs to know.

    pipeline (str): A saved or installed pipeline.
    form (str): What becomes of a note; see `forms.FORMS`.
    folder (str): Where the parts go.
    concepts (Optional[str]): The user's table; see `concepts.read_concepts`.
    max_length (Optional[int]): The most characters of a note; None leaves the pipeline's own.
    threads (int): The threads of a worker.
    moment (datetime): When the run began.
    """

    pipeline: str
    form: str
    folder: str
    concepts: Optional[str]
    max_length: Optional[int]
    threads: int
    moment: datetime


class Done(NamedTuple):
    """A part that is finished and stands in its file.

    number (int): The part.
    notes (int): How many notes it has.
    rows (int): How many lines or Docs its file has.
    failures (List[Failure]): The notes that were not annotated.
    memory (int): The most bytes that the worker's process has taken so far; 0 where the system does not say.
    """

    number: int
    notes: int
    rows: int
    failures: List[Failure]
    memory: int


class Worker:
    """Loads a pipeline, and annotates parts with it."""

    def __init__(self, job: Job):
        nlp = load_pipeline(job.pipeline, job.threads, job.max_length)
        self.job = job
        self.annotate = Annotator(nlp, make_convert(job.form, nlp, job.concepts, job.moment))

    def __call__(self, number: int, notes: List[Note]) -> Done:
        found, failures = self.annotate(notes)
        rows = write_part(self.job.form, part_path(self.job.folder, self.job.form, number), found)
        return Done(number, len(notes), rows, failures, peak_memory())


def load_pipeline(pipeline: str, threads: int, max_length: Optional[int] = None) -> Language:
    """Load a pipeline in a process that shares a machine with others.

    threads (int): The threads that it may use.
    max_length (Optional[int]): The most characters of a note; None leaves the pipeline's own.
    RETURNS (Language): The pipeline.
    RAISES (OSError), (ValueError): It cannot be loaded, or not run on this machine.
    """
    import torch

    from ..loading import open_pipeline

    torch.set_num_threads(threads)
    nlp = open_pipeline(pipeline)
    make_predictors(nlp)
    nlp.max_length = max_length or nlp.max_length
    return nlp


def part_path(folder: Union[str, Path], form: str, number: int) -> Path:
    """RETURNS (Path): The file of a part."""
    return Path(folder) / f"part-{number:08d}.{'spacy' if form == 'docs' else 'jsonl'}"


def annotate_parts(job: Job, parts: Iterator[Part], n_workers: int) -> Iterator[Done]:
    """Annotate parts.

    parts (Iterator[Tuple[int, List[Note]]]): Numbers and notes.
    n_workers (int): How many processes; 1 is this one.
    YIELDS (Done): Each part when its file stands there, in any order.
    RAISES (ValueError): The pipeline cannot be loaded, or not be used for this.
    RAISES (OSError): A file cannot be written.
    RAISES (RuntimeError): A worker has died.
    """
    if n_workers > 1:
        yield from _in_processes(job, parts, n_workers)
        return
    worker: Optional[Worker] = None
    for number, notes in parts:
        worker = worker or Worker(job)
        yield worker(number, notes)


def _in_processes(job: Job, parts: Iterator[Part], n_workers: int) -> Iterator[Done]:
    # Pipes of our own rather than a pool: a process whose parent was killed reads the end of its pipe, and ends too.
    context = multiprocessing.get_context("spawn")
    workers: Dict[Connection, Any] = {}
    idle: List[Connection] = []
    waiting: Deque[Part] = deque()

    def collect() -> Iterator[Done]:
        for connection in wait([each for each in workers if each not in idle]):
            assert isinstance(connection, Connection)
            try:
                answer = connection.recv()
            except (EOFError, ConnectionError):
                raise RuntimeError(_died(workers[connection])) from None
            if isinstance(answer, Exception):
                raise answer
            idle.append(connection)
            if answer is not None:  # None: it is ready for its first part
                yield answer

    def start() -> None:
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, job), daemon=True)
        with _threads_of_libraries(job.threads):
            process.start()
        theirs.close()
        workers[ours] = process

    def hand_out() -> Iterator[Done]:
        while not idle:
            yield from collect()
        connection = idle.pop()
        try:
            connection.send(waiting.popleft())
        except ConnectionError:
            raise RuntimeError(_died(workers[connection])) from None

    try:
        for part in parts:
            waiting.append(part)
            if not idle and len(workers) < n_workers:
                start()  # and go on to the next part: workers load at one time
            while waiting and (idle or len(workers) == n_workers):
                yield from hand_out()
        while waiting:
            yield from hand_out()
        while len(idle) < len(workers):
            yield from collect()
    finally:
        for connection, process in workers.items():
            connection.close()
            process.terminate()
            process.join()


def _died(process: Any) -> str:
    process.join()
    return (
        f"A worker has died (exit code {process.exitcode}). If that was for want of memory, begin with fewer --workers or a "
        "smaller --part-size; else --resume goes on."
    )


def _serve(connection: Connection, job: Job) -> None:
    try:
        try:
            worker = Worker(job)
            connection.send(None)
            while True:
                connection.send(worker(*connection.recv()))
        except (ValueError, ImportError) as error:
            connection.send(ValueError(str(error)))
        except OSError as error:
            if isinstance(error, ConnectionError):
                raise
            is_system = error.errno is not None
            connection.send(OSError(error.errno, error.strerror, error.filename) if is_system else OSError(*error.args))
    except (EOFError, ConnectionError, KeyboardInterrupt):
        pass  # the run is over


@contextmanager
def _threads_of_libraries(threads: int) -> Iterator[None]:
    """Let a process that is started begin with so many threads: numpy's libraries read it when they are loaded."""
    name = "OMP_NUM_THREADS"
    before = os.environ.get(name)
    os.environ[name] = str(threads)
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def n_cores() -> int:
    """RETURNS (int): How many processors this process may use, or OMP_NUM_THREADS where it is set."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdecimal() and int(given):
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_memory() -> int:
    """RETURNS (int): The most bytes that this process has taken; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
