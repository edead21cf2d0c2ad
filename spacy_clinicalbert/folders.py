"""Folders and files that a run writes, and that a kill or a full disk leaves whole."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import Callable, Iterator, List, Optional

from filelock import FileLock


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Write a file beside its place, and move it there when it is written. Several may do so at one time.

    path (Path): The place; what is there is replaced.
    YIELDS (Path): The file to write.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}-{get_ident()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def make_once(folder: Path, write: Callable[[Path], None]) -> None:
    """Have a folder written, unless it is there. Runs that want the same one at one time wait for the first.

    folder (Path): The place.
    write (Callable[[Path], None]): Gets an empty folder to write into.
    """
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            with whole_folder(folder) as part:
                write(part)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Write a folder beside its place, and move it there when it is written.

    folder (Path): The place; what is there is replaced. What a kill has left of an earlier replacement is put back first.
    YIELDS (Path): An empty folder to write into.
    """
    left = left_by_kill(folder)
    if left is not None:
        left.rename(folder)
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    yield part
    if folder.exists():
        old = folder.with_name(folder.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
        part.rename(folder)
        shutil.rmtree(old)
    else:
        part.rename(folder)


def left_by_kill(folder: Path) -> Optional[Path]:
    """Where the folder stands that was there before, if a kill has fallen between the two renames of `whole_folder`."""
    old, part = (folder.with_name(folder.name + ending) for ending in (".old", ".part"))
    return old if old.is_dir() and part.is_dir() and not folder.exists() else None


def step_folder(output: Path, step: int) -> Path:
    """Where the checkpoint of a step stands in the folder of a run."""
    return output / "checkpoints" / f"step-{step:08d}"


def step_folders(output: Path) -> List[Path]:
    """The checkpoints of a run, the latest last."""
    return sorted(path for path in (output / "checkpoints").glob("step-*") if not path.suffix)


def keep_latest(output: Path, n: int) -> None:
    """Delete all checkpoints of a run but the latest n, and what kills have left half written. Call it when one is written."""
    for old in step_folders(output)[:-n]:
        shutil.rmtree(old)
    for part in (output / "checkpoints").glob("step-*.part"):
        shutil.rmtree(part)
