"""The manifest of a run: what was asked for, and which parts stand in their files. A line is added when a part is finished, so that a run
that was killed at any moment knows where it was."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

from .annotator import Failure
from .notes import Note
from .workers import Done

Json = Dict[str, Any]


class Manifest:
    """A file of JSON lines: the run's settings, its parts as they were finished, what of them has been handed over, the end.

    path (Path): The file.
    settings (Dict[str, Any]): What the parts' content follows from. A manifest that is there must have the same.
    fresh (Dict[str, Any]): What is noted when a run begins, and stays as it was then.
    RAISES (ValueError): The run that is there had other settings.
    """

    def __init__(self, path: Path, settings: Json, fresh: Json):
        self.path = path
        self.parts: Dict[int, Json] = {}
        self.delivered = 0  # so many parts, from the first
        self.first_id: Optional[int] = None
        self.totals: Optional[Json] = None
        lines = self._read()
        self.is_new = not lines
        if self.is_new:
            self.run: Json = {**settings, **fresh}
            try:
                self._add({"run": self.run})
            except OSError:
                self.path.unlink()
                raise
            return
        self.run = lines[0]["run"]
        differing = sorted(name for name, value in settings.items() if self.run.get(name) != value)
        if differing:
            raise ValueError(
                f"'{path}' is of a run with other settings ({', '.join(differing)}): --resume wants the same command, pipeline and "
                "versions. To begin anew, remove it and what stands beside it."
            )
        for line in lines[1:]:
            if "part" in line:
                self.parts[line["part"]] = line
            self.delivered = line.get("delivered", self.delivered)
            self.first_id = line.get("first_id", self.first_id)
            self.totals = line.get("finished", self.totals)

    def _read(self) -> List[Json]:
        """The whole lines. One that was being written when the run was killed is cut off."""
        if not self.path.exists():
            return []
        raw = self.path.read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]
        if len(whole) < len(raw):
            with self.path.open("r+b") as file:
                file.truncate(len(whole))
        try:
            lines = [json.loads(line) for line in whole.splitlines()]
        except ValueError:
            lines = [{}]
        if lines and "run" not in lines[0]:
            raise ValueError(f"'{self.path}' is no manifest of a run, or damaged.")
        return lines

    def _add(self, line: Json) -> None:
        with self.path.open("ab") as file:
            file.write((json.dumps(line, ensure_ascii=True) + "\n").encode("ascii"))
            file.flush()
            os.fsync(file.fileno())

    def add_part(self, done: Done, digest: str) -> None:
        """Note that a part is finished."""
        line = {
            "part": done.number,
            "notes": done.notes,
            "rows": done.rows,
            "digest": digest,
            "failed": [failure._asdict() for failure in done.failures],
        }
        self._add(line)
        self.parts[done.number] = line

    def set_first_id(self, first_id: int) -> None:
        """Note the key of the first row in the destination's table."""
        self._add({"first_id": first_id})
        self.first_id = first_id

    def set_delivered(self, n_parts: int) -> None:
        """Note that so many parts, from the first, are in the destination's table, or are about to be its file."""
        self._add({"delivered": n_parts})
        self.delivered = n_parts

    def finish(self) -> Json:
        """Note that all is done.

        RETURNS (Dict[str, Any]): How many notes there were, were annotated, and failed.
        """
        notes = sum(part["notes"] for part in self.parts.values())
        failed = sum(len(part["failed"]) for part in self.parts.values())
        self.totals = {"notes": notes, "annotated": notes - failed, "failed": failed}
        self._add({"finished": self.totals})
        return self.totals

    def failures(self) -> Iterator[Failure]:
        """RETURNS (Iterator[Failure]): The notes that were not annotated, in the order of the source."""
        for number in sorted(self.parts):
            yield from (Failure(**failure) for failure in self.parts[number]["failed"])


def digest_of(notes: List[Note]) -> str:
    """RETURNS (str): A fingerprint of some notes, by which a changed source is known."""
    digest = hashlib.blake2b(digest_size=16)
    for note in notes:
        digest.update(json.dumps(note).encode("ascii"))
    return digest.hexdigest()


def fingerprint(path: Path) -> str:
    """RETURNS (str): A fingerprint of a file, or of all files in a folder, names and contents."""
    digest = hashlib.blake2b(digest_size=16)
    inside = sorted(each for each in path.rglob("*") if each.is_file() and "__pycache__" not in each.parts)
    for each in inside if path.is_dir() else [path]:
        digest.update(f"{each.relative_to(path).as_posix()}\0{each.stat().st_size}\0".encode())
        with each.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
