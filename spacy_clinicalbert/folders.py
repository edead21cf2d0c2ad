"""Folders that a run writes, and that a kill leaves whole."""

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, List


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Write a folder beside its place, and move it there when it is written.

    folder (Path): The place; what is there is replaced.
    YIELDS (Path): An empty folder to write into.
    """
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


def step_folder(output: Path, step: int) -> Path:
    """Where the checkpoint of a step stands in the folder of a run."""
    return output / "checkpoints" / f"step-{step:08d}"


def step_folders(output: Path) -> List[Path]:
    """The checkpoints of a run, the latest last."""
    return sorted(path for path in (output / "checkpoints").glob("step-*") if not path.suffix)


def keep_latest(output: Path, n: int) -> None:
    """Delete all checkpoints of a run but the latest n."""
    for old in step_folders(output)[:-n]:
        shutil.rmtree(old)
