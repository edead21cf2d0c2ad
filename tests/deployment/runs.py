"""Destinations of runs, and what stands there."""

import sqlite3
from pathlib import Path

from spacy_clinicalbert.deployment.delivery import find_target
from spacy_clinicalbert.deployment.run import find_places

TO = {
    "out.jsonl": None,
    "out.jsonl.gz": None,
    "out.parquet": None,
    "out.spacy": None,
    "sqlite:///out.db": None,
    "omop.csv": "omop",
    "omop.csv.gz": "omop",
    "omop.parquet": "omop",
    "omop.jsonl": "omop",
    "sqlite:///omop.db": "omop",
    "r4b.ndjson": "fhir-r4b",
    "r5.ndjson": "fhir-r5",
}
N_NOTES, PART = 10, 3


def contents(output):
    """What stands in a destination, in bytes or rows."""
    if output.startswith("sqlite"):
        with sqlite3.connect(output.removeprefix("sqlite:///")) as connection:
            table = "note_nlp" if "omop" in output else "annotations"
            return connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
    path = Path(output)
    if path.is_dir():
        return {each.name: each.read_bytes() for each in path.iterdir()}
    return path.read_bytes()


def remove(output):
    places = find_places(find_target(output, TO.get(output), None))
    for path in (Path(output.removeprefix("sqlite:///")), places.manifest, places.failed):
        if path.is_dir():
            for each in path.iterdir():
                each.unlink()
            path.rmdir()
        path.unlink(missing_ok=True)
