"""Processes of their own for what is killed, or what would spoil others: forked from one that has imported what takes long to import."""

import os
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Callable, Sequence

CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.conftest", "spacy_clinicalbert.encoder.component"])


def _write_to(path: Path, function: Callable, args: Sequence[Any]) -> None:
    with open(path, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    function(*args)


def start(path: Path, function: Callable, *args: Any) -> BaseProcess:
    """Start a function that can be imported, in a process whose output goes to a file. An exception is exit code 1."""
    process = CONTEXT.Process(target=_write_to, args=(path, function, args))
    process.start()
    return process
