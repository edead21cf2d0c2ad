"""What a note becomes in a part of a run: lines of JSON, or a Doc."""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from spacy.language import Language
from spacy.tokens import Doc, DocBin

from .annotator import Convert
from .concepts import Concepts, as_concepts
from .fhir_resources import check_version, fhir_resources, unknown_label
from .notes import Note
from .omop import omop_rows, system_name
from .records import Unwritable, to_record

# Form → FHIR's version where it has one. "records" are as `records.Record`, "omop" rows of NOTE_NLP, "docs" spaCy's.
FORMS: Dict[str, str] = {"records": "", "docs": "", "omop": "", "fhir-r4b": "R4B", "fhir-r5": "R5"}
VECTORS: Any = ("._.", "trf_data", None, None)  # spaCy's key of what encoders publish


def make_convert(form: str, nlp: Language, concepts: Optional[str], moment: datetime) -> Convert:
    """Make what turns Docs into a form.

    form (str): One of `FORMS`.
    nlp (Language): The pipeline.
    concepts (Optional[str]): The user's table.
    moment (datetime): What the rows of a run say as their date.
    RETURNS (Callable[[Doc, Note], Any]): Gives a list of lines, or of "docs" a DocBin of one Doc.
    RAISES (ValueError): The table is damaged, or does not say what becomes of the pipeline's labels.
    """
    if form == "docs":
        return _to_bin
    table = as_concepts(concepts)
    if form == "omop":
        return _to_omop(table, system_name(nlp.meta), moment)
    if FORMS[form]:
        return _to_fhir(nlp, table, FORMS[form])
    return lambda doc, note: [dump(to_record(doc, position=note.position))]


def dump(value: Any, default: Optional[Callable[[Any], str]] = None) -> str:
    """RETURNS (str): A line of JSON. RAISES (ValueError): The value has a number that JSON has not, or half of a surrogate pair."""
    line = json.dumps(value, ensure_ascii=False, allow_nan=False, default=default)
    line.encode("utf8")  # here, where it fails one note, and not where lines of many are written
    return line


def _to_bin(doc: Doc, note: Note) -> DocBin:
    doc.user_data.pop(VECTORS, None)  # they are many times the note, and no result
    return DocBin(store_user_data=True, docs=[doc])


def _to_omop(concepts: Concepts, system: str, moment: datetime) -> Convert:
    def convert(doc: Doc, note: Note) -> List[str]:
        if note.id is None:
            raise Unwritable("it has no id, and OMOP's rows are known by their note's")
        rows = omop_rows(to_record(doc), doc.text, concepts, system, moment)
        return [dump(row, default=lambda value: value.isoformat()) for row in rows]

    return convert


def _to_fhir(nlp: Language, concepts: Concepts, version: str) -> Convert:
    check_version(version)
    labels = {
        label
        for name, labels in nlp.pipe_labels.items()
        if "doc.ents" in nlp.get_pipe_meta(name).assigns
        for label in labels
    }
    unknown = sorted(label for label in labels if not concepts.find(label, "").resource)
    if unknown:
        raise ValueError(f"For this pipeline, {unknown_label(unknown)}.")

    def convert(doc: Doc, note: Note) -> List[str]:
        record = to_record(doc, position=note.position)
        return [each.model_dump_json() for each in fhir_resources(record, doc.text, concepts, version)]

    return convert


def write_part(form: str, path: Path, found: List[Any]) -> int:
    """Write the file of a part, whole or not at all.

    found (List[Any]): What `make_convert`'s function gave for its notes.
    RETURNS (int): How many lines or Docs it has.
    RAISES (OSError): It cannot be written.
    """
    if form == "docs":
        docs = DocBin(store_user_data=True)
        for each in found:
            docs.merge(each)
        write_whole(path, docs.to_bytes())
        return len(docs)
    lines = [line for each in found for line in each]
    write_whole(path, "".join(f"{line}\n" for line in lines).encode("utf8"))
    return len(lines)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it stands there with all of its bytes or not at all, whenever the process or the machine stops."""
    begun = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with begun.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(begun, path)
    except OSError:
        begun.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make sure that a file's new name outlives the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
