"""What the app does with a note, apart from how it looks."""

import csv
import io
from datetime import datetime, timezone
from importlib.resources import files
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from spacy.language import Language
from spacy.tokens import Doc

from ..corpora.jsonl import jsonl_records
from ..deployment.concepts import Concepts
from ..deployment.fhir_resources import fhir_resources
from ..deployment.forms import dump
from ..deployment.notes import make_note
from ..deployment.omop import NOTE_NLP, omop_rows, system_name
from ..deployment.records import to_record
from ..pipeline.assertion import ClinicalAssertion
from ..pipeline.note_classifier import ClinicalNoteClassifier
from .run import Extras, make_page, run_note
from .sources import Asked

MAX_PAGES = 500  # of a PDF


class Download(NamedTuple):
    """A file to be had.

    title (str): What it is.
    name (str), mime (str): Its name and type.
    data (str): What it holds; "" where there is a reason.
    reason (str): Why it is not to be had.
    """

    title: str
    name: str
    mime: str
    data: str
    reason: str = ""


class View(NamedTuple):
    """What a pipeline made of a note.

    page (str): HTML for an iframe.
    downloads (List[Download]): Its files.
    """

    page: str
    downloads: List[Download]


def read_samples() -> Dict[str, str]:
    """RETURNS (Dict[str, str]): The sample notes that come with the package, by their ids."""
    path = files("spacy_clinicalbert.assets") / "sample_notes.jsonl"
    return {record["id"]: record["text"] for record in jsonl_records(str(path))}


def read_upload(name: str, data: bytes) -> str:
    """Read a note that was uploaded.

    name (str): The file's name; .pdf says that it is one.
    data (bytes): The file.
    RETURNS (str): The text.
    RAISES (ValueError): It has none, or cannot be read. RAISES (ImportError): pypdf is not installed.
    """
    if not name.lower().endswith(".pdf"):
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ValueError("The file is not UTF-8 text. Convert it, or paste the note.") from None
    try:
        import pypdf
    except ImportError:
        raise ImportError("PDF files are read with pypdf: pip install 'spacy-clinicalbert[app]'.") from None
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        n_pages = len(reader.pages)
        pages = [page.extract_text() for page in reader.pages] if n_pages <= MAX_PAGES else []
    except Exception as error:  # damaged files raise whatever they make it stumble over
        raise ValueError(f"The PDF cannot be read ({type(error).__name__}): it is damaged, or encrypted.") from None
    if n_pages > MAX_PAGES:
        raise ValueError(
            f"The PDF has {n_pages} pages, and {MAX_PAGES} are read. Split it, so that no page is left out."
        )
    text = "\n\n".join(pages)
    if not text.strip():
        raise ValueError("The PDF has no text: it may be scanned. Paste the note instead.")
    return text


def can_explain(nlp: Language) -> List[str]:
    """RETURNS (List[str]): What can be explained, as COMPONENT:LABEL."""
    return [
        f"{name}:{label}"
        for name, pipe in nlp.pipeline
        if isinstance(pipe, (ClinicalAssertion, ClinicalNoteClassifier))
        for label in pipe.labels
    ]


def view_note(
    nlp: Language,
    text: str,
    *,
    note_id: Optional[str] = None,
    questions: Sequence[str] = (),
    extras: Extras = Extras(),
    concepts: Optional[Concepts] = None,
    labels: Sequence[str] = (),
) -> View:
    """Run a pipeline on a note, and make all that the app shows.

    nlp (Language): The pipeline.
    text (str): The note.
    note_id (Optional[str]): Its name, if it has one.
    questions (Sequence[str]), extras (Extras): What is asked and explained.
    concepts (Optional[Concepts]): The user's table, for OMOP and FHIR.
    labels (Sequence[str]): See `note_page`.
    RETURNS (View): The page and the files.
    RAISES (ValueError): The pipeline fails on the note; the error does not hold its text.
    """
    asked = Asked(make_note(0, note_id, text, None), questions)

    def make(doc: Doc, problems: List[str]) -> View:
        page = make_page(doc, nlp, extras, problems, labels=labels, embedded=True)
        return View(page, make_downloads(doc, nlp, concepts or Concepts()))

    return run_note(nlp, asked, make)


def make_downloads(doc: Doc, nlp: Language, concepts: Concepts) -> List[Download]:
    """RETURNS (List[Download]): The record as JSON, the rows of OMOP's NOTE_NLP as CSV, and FHIR R4B, a resource a line."""
    record = to_record(doc)
    found = [Download("JSON", "record.json", "application/json", dump(record))]

    def omop() -> str:
        # OMOP knows notes by whole numbers; another id leaves the column empty.
        own: Any = record if str(record["id"]).isdecimal() else {**record, "id": None}
        rows = omop_rows(own, doc.text, concepts, system_name(nlp.meta), datetime.now(timezone.utc))
        file = io.StringIO()
        writer = csv.DictWriter(file, list(NOTE_NLP))
        writer.writeheader()
        writer.writerows({"note_nlp_id": number, **row} for number, row in enumerate(rows, start=1))
        return file.getvalue()

    def fhir() -> str:
        resources = fhir_resources(record, doc.text, concepts, "R4B")
        return "".join(f"{each.model_dump_json()}\n" for each in resources)

    for title, name, mime, make in (
        ("OMOP", "note_nlp.csv", "text/csv", omop),
        ("FHIR", "fhir.ndjson", "application/fhir+ndjson", fhir),
    ):
        try:
            found.append(Download(title, name, mime, make()))
        except (ImportError, ValueError) as error:
            found.append(Download(title, name, mime, "", str(error)))
    return found
