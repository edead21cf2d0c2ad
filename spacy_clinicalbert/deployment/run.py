"""A run over a source of notes: what `python -m spacy clinicalbert annotate` does."""

import json
import secrets
import shutil
import sys
from contextlib import contextmanager
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from filelock import FileLock, Timeout
from tqdm import tqdm

from ..loading import find_pipeline
from .database import check_query, query_digest, shown
from .delivery import Target, check_delivered, deliver, prepare
from .forms import write_whole
from .manifest import Manifest, digest_of, fingerprint
from .notes import Note, Source, count_notes, read_notes, slices
from .workers import Job, Part, annotate_parts, n_cores

# What decides to the last bit what a pipeline finds.
PACKAGES = "spacy-clinicalbert spacy spacy-transformers transformers tokenizers thinc torch numpy openvino nncf".split()


class Totals(NamedTuple):
    """How a run ended.

    notes (int): Notes of the source.
    annotated (int), failed (int): Those of them that were annotated, and that were not.
    memory (int): The most bytes that a worker took; 0 if none was needed any more, or the system does not say.
    """

    notes: int
    annotated: int
    failed: int
    memory: int = 0


class Places(NamedTuple):
    """What a run leaves beside its destination.

    manifest (Path): What was asked for and done.
    failed (Path): The notes that were not annotated, if there are any.
    folder (Path): The parts, until all of them have been put into the destination.
    """

    manifest: Path
    failed: Path
    folder: Path


def find_places(target: Target) -> Places:
    """RETURNS (Places): They begin with the destination's name; those of a table stand in the working directory, with the table's."""
    base = target.table or target.path.rstrip("/")
    return Places(Path(f"{base}.manifest.jsonl"), Path(f"{base}.failed.jsonl"), Path(f"{base}.parts"))


def annotate_notes(
    pipeline: str,
    source: Source,
    target: Target,
    *,
    concepts: Optional[str] = None,
    max_length: Optional[int] = None,
    part_size: int = 1000,
    n_workers: int = 1,
    resume: bool = False,
) -> Totals:
    """Annotate the notes of a source, in parts of one size. A part is annotated as if there were no others, and stands in its file whole or
    not at all: a run that was broken off goes on to exactly what it would have given.

    pipeline (str): A saved or installed pipeline.
    source (Source): The notes.
    target (Target): Where the results go.
    concepts (Optional[str]): The user's table; see `concepts.read_concepts`.
    max_length (Optional[int]): The most characters of a note; None leaves the pipeline's own.
    part_size (int): Notes a part.
    n_workers (int): How many processes; 1 is this one.
    resume (bool): Go on with a run that was broken off, if there is one.
    RETURNS (Totals): How it ended.
    RAISES (ValueError): Source, pipeline or settings cannot be used; says what to do.
    RAISES (OSError): Something cannot be read or written.
    RAISES (ImportError): A library is not installed; says which.
    RAISES (RuntimeError): A worker has died.
    """
    if source.form == "sql":
        check_query(source.query)
    elif source.query is not None:
        raise ValueError(f"--query selects the notes of a database, and '{source.path}' is none: leave it out.")
    if concepts and target.form in ("records", "docs"):
        raise ValueError("--concepts is for --to omop and FHIR alone: leave it out.")
    places = find_places(target)
    anew = _anew(target, places)
    changed = f"The input has changed since the run began. {anew}"
    _check_free(target, places, resume)
    threads = max(1, n_cores() // n_workers)
    settings = {
        "manifest": 1,
        "pipeline": fingerprint(find_pipeline(pipeline)),
        "concepts": fingerprint(Path(concepts)) if concepts else None,
        "input": {**source._asdict(), "path": shown(source.path), "url_query": query_digest(source.path)},
        "output": {**target._asdict(), "path": shown(target.path), "url_query": query_digest(target.path)},
        "max_length": max_length,
        "part_size": part_size,
        "workers": n_workers,
        "threads": threads,
        "versions": {name: _version(name) for name in PACKAGES},
        "code": fingerprint(Path(__file__).parents[1]),  # the version alone says little of a checkout
    }
    if not places.manifest.exists():
        prepare(target)
    now = datetime.now(timezone.utc).replace(microsecond=0)
    with _locked(places.folder):
        # Parts have a folder that no other run has: workers whose run was killed may still write to theirs.
        fresh = {"name": pipeline, "moment": now.isoformat(), "folder": secrets.token_hex(8)}
        manifest = Manifest(places.manifest, settings, fresh)
        folder = places.folder / manifest.run["folder"]
        folder.mkdir(exist_ok=True)
        memory = 0
        if manifest.totals is None:
            moment = datetime.fromisoformat(manifest.run["moment"])
            job = Job(pipeline, target.form, str(folder), concepts, max_length, threads, moment)
            try:
                memory = _annotate(job, source, manifest, part_size, n_workers, changed)
            except BaseException:
                if not manifest.parts:  # there is nothing to go on with
                    places.manifest.unlink()
                raise
            deliver(target, manifest, folder, anew)
            _write_failures(manifest, places.failed)
            manifest.finish()
        else:
            for _ in _open_parts(source, manifest, part_size, changed):
                raise ValueError(changed)
            check_delivered(target, manifest, anew)
            _write_failures(manifest, places.failed)
    shutil.rmtree(places.folder)
    return Totals(**(manifest.totals or {}), memory=memory)


def _open_parts(
    source: Source, manifest: Manifest, part_size: int, changed: str
) -> Iterator[Tuple[int, List[Note], str]]:
    """Read the whole source.

    YIELDS (Tuple[int, List[Note], str]): The parts that are not done, with their digests.
    RAISES (ValueError): One that is done has other notes now.
    """
    number = -1
    for number, notes in enumerate(slices(read_notes(source), part_size)):
        digest = digest_of(notes)
        done = manifest.parts.get(number)
        if done is None:
            yield number, notes, digest
        elif done["digest"] != digest:
            raise ValueError(changed)
    if max(manifest.parts, default=-1) > number:
        raise ValueError(changed)


def _annotate(job: Job, source: Source, manifest: Manifest, part_size: int, n_workers: int, changed: str) -> int:
    """Annotate the parts that are not done. RETURNS (int): The most memory of a worker, in bytes."""
    digests: Dict[int, str] = {}

    def parts() -> Iterator[Part]:
        for number, notes, digest in _open_parts(source, manifest, part_size, changed):
            digests[number] = digest
            yield number, notes

    memory = 0
    total = count_notes(source) if sys.stderr.isatty() else None  # the bar is for whoever looks on
    n_done = sum(part["notes"] for part in manifest.parts.values())
    with tqdm(total=total, initial=n_done, unit=" notes", disable=None) as bar:
        for done in annotate_parts(job, parts(), n_workers):
            manifest.add_part(done, digests.pop(done.number))
            memory = max(memory, done.memory)
            bar.update(done.notes)
    return memory


def _write_failures(manifest: Manifest, path: Path) -> None:
    lines = [json.dumps(failure._asdict(), ensure_ascii=False) for failure in manifest.failures()]
    if lines and not path.exists():
        write_whole(path, "".join(f"{line}\n" for line in lines).encode("utf8"))


def _anew(target: Target, places: Places) -> str:
    """What is to be removed before a run can begin anew."""
    what = f"this run's rows of the table '{target.table}'" if target.container == "sql" else f"'{target.path}'"
    return f"To begin anew, remove '{places.manifest}', what else stands beside it, and {what}."


def _check_free(target: Target, places: Places, resume: bool) -> None:
    """Raise ValueError where a run would write over something that is not its own."""
    taken = [] if target.container == "sql" else [Path(target.path)]
    if not (resume and places.manifest.exists()):
        taken += [places.manifest, places.failed]
        for path in taken:
            if path.exists():
                raise ValueError(
                    f"'{path}' is there already. --resume goes on with a run that was broken off; to begin anew, remove it."
                )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder of a run, so that no other writes to it; the system lets go of it if the process is killed."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "lock", timeout=0):
            yield
    except Timeout:
        raise ValueError(f"Another run is writing to '{folder}'.") from None
    except BaseException:
        if not any(each.is_file() and each.name != "lock" for each in folder.rglob("*")):
            shutil.rmtree(folder)
        raise


def _version(name: str) -> Optional[str]:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
