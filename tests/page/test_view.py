import csv
import io
import json
import sys
from pathlib import Path

import pytest
import spacy
from typer.testing import CliRunner

import spacy_clinicalbert.page
from spacy_clinicalbert.cli import app
from spacy_clinicalbert.cli.view import make_command
from spacy_clinicalbert.deployment.concepts import as_concepts
from spacy_clinicalbert.page import viewing
from spacy_clinicalbert.page.viewing import read_samples, read_upload, view_note
from tests.deployment.conftest import TEXT, make_nlp
from tests.page.html import check

SCRIPT = Path(spacy_clinicalbert.page.__file__).parent / "app.py"
HOSTILE = "<script>alert(1)</script> fever \u202e</iframe>"


def write_pdf(*pages):
    """A PDF as small as they get, with a line on each page."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", None]
    kids = []
    for page in pages:
        stream = f"BT /F1 12 Tf 72 720 Td ({page}) Tj ET"
        number = len(objects) + 1
        kids.append(f"{number} 0 R")
        font = "<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources {font} /Contents {number + 1} 0 R >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    data, places = "%PDF-1.4\n", []
    for number, each in enumerate(objects, start=1):
        places.append(len(data))
        data += f"{number} 0 obj\n{each}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(data)}\n%%EOF"
    return f"{data}xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{end}".encode("ascii")


def test_uploads_are_read():
    assert read_upload("note.txt", "\ufeffDenies pain.\r\n".encode()) == "Denies pain.\r\n"
    pytest.importorskip("pypdf")
    assert read_upload("Note.PDF", write_pdf("Denies pain.", "No fever.")) == "Denies pain.\n\nNo fever."


def test_a_pdf_of_too_many_pages_is_an_error_and_not_cut(monkeypatch):
    pytest.importorskip("pypdf")
    monkeypatch.setattr(viewing, "MAX_PAGES", 1)
    assert read_upload("a.pdf", write_pdf("Denies pain.")) == "Denies pain."
    with pytest.raises(ValueError, match="has 2 pages, and 1 are read"):
        read_upload("a.pdf", write_pdf("Denies pain.", "No fever."))


@pytest.mark.parametrize(
    "name, data, message",
    [
        ("a.txt", b"\xff\xfe secret", "not UTF-8"),
        ("a.pdf", b"secret", "cannot be read"),
        ("a.pdf", write_pdf("secret")[:200], "cannot be read"),
        ("a.pdf", write_pdf(" "), "no text"),
    ],
)
def test_uploads_that_cannot_be_read_say_so(name, data, message):
    pytest.importorskip("pypdf")
    with pytest.raises(ValueError, match=message) as error:
        read_upload(name, data)
    assert "secret" not in str(error.value)


def test_view_has_the_page_and_its_files(tmp_path):
    table = tmp_path / "concepts.csv"
    table.write_text("label,resource\nPROBLEM,Condition\nDRUG,MedicationStatement\nTEST,none\n", encoding="utf8")
    view = view_note(make_nlp(), TEXT, note_id="n1", concepts=as_concepts(str(table)))
    assert check(view.page).notes == [TEXT]
    record, omop, fhir = view.downloads
    assert json.loads(record.data)["id"] == "n1" and len(json.loads(record.data)["entities"]) == 3
    rows = list(csv.DictReader(io.StringIO(omop.data)))
    assert [row["lexical_variant"] for row in rows] == ["chest pain", "aspirin", "CXR"] and rows[0]["note_id"] == ""
    pytest.importorskip("fhir.resources")
    kinds = [json.loads(line)["resourceType"] for line in fhir.data.splitlines()]
    assert kinds == ["DocumentReference", "Condition", "MedicationStatement"]


def test_view_says_why_a_file_is_not_to_be_had():
    *_, fhir = view_note(make_nlp(), "a thing", concepts=None).downloads
    assert fhir.data or fhir.reason
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "UNHEARD", "pattern": "thing"}])
    *_, fhir = view_note(nlp, "a thing").downloads
    assert not fhir.data and "UNHEARD" in fhir.reason


@pytest.fixture
def page(monkeypatch):
    testing = pytest.importorskip("streamlit.testing.v1")

    def start(*arguments):
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
        # It puts the app in the place of the program, which processes of later tests would run.
        monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
        return testing.AppTest.from_file(str(SCRIPT), default_timeout=60).run()

    return start


def pages_of(shown):
    assert not shown.exception
    return [check(each.proto.srcdoc) for each in shown.get("iframe")]


def test_app_shows_a_sample_a_pasted_note_and_nothing(page, pipeline):
    samples = read_samples()
    shown = page(pipeline)
    assert [each.notes for each in pages_of(shown)] == [[next(iter(samples.values()))]]
    last = list(samples)[-1]
    shown.selectbox(key="sample").select(last).run()
    assert pages_of(shown)[0].notes == [samples[last]]
    shown.radio(key="way").set_value("Paste").run()
    assert not pages_of(shown) and "paste or upload" in shown.info[0].value
    shown.text_area(key="text").set_value(HOSTILE).run()
    assert pages_of(shown)[0].notes == [HOSTILE.replace("\u202e", "⟨U+202E⟩")]
    assert [each.label for each in shown.get("download_button")][:2] == ["JSON", "OMOP"]


def test_app_compares_two_pipelines(page, pipeline, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "OTHER", "pattern": "chest pain"}])
    nlp.to_disk(tmp_path / "other")
    shown = page(pipeline, str(tmp_path / "other"))
    assert [each.value for each in shown.subheader] == [pipeline, str(tmp_path / "other")]
    shown.radio(key="way").set_value("Paste").run()
    shown.text_area(key="text").set_value("chest pain").run()
    first, second = pages_of(shown)
    assert "PROBLEM" in first.text and "OTHER" in second.text and "OTHER" not in first.text


def test_app_says_what_went_wrong_without_the_note(page, tmp_path):
    make_nlp("bulk_fails_on_bad").to_disk(tmp_path / "bad")
    shown = page(str(tmp_path / "bad"))
    shown.radio(key="way").set_value("Paste").run()
    shown.text_area(key="text").set_value("bad secret").run()
    assert not shown.exception and not shown.get("iframe")
    assert "bulk_fails_on_bad" in shown.error[0].value and "secret" not in shown.error[0].value


def test_view_serves_this_machine_alone_and_sends_nothing():
    command = make_command(["a", "b"], Path("c.csv"), 9000)
    assert {"--server.address=127.0.0.1", "--browser.gatherUsageStats=false", "--server.port=9000"} <= set(command)
    assert command[-4:] == ["--", "a", "b", "--concepts=c.csv"] and SCRIPT.samefile(command[4])
    config = pytest.importorskip("streamlit.config")
    for option in command[5 : command.index("--")]:
        section, _, name = option.removeprefix("--").partition("=")[0].partition(".")
        assert name in config.get_options_for_section(section)


def test_view_says_that_there_is_no_such_pipeline():
    pytest.importorskip("streamlit")
    shown = CliRunner().invoke(app, ["view", "nowhere"])
    assert (
        shown.exit_code == 1
        and "'nowhere' is neither the folder of a saved pipeline nor an installed one" in shown.output
    )
