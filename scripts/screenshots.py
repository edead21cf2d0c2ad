"""The pictures of docs/img: the pages, as headless Chromium shows them, of the repository's own sample notes."""

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import List, Optional

import typer
from playwright.sync_api import Page, sync_playwright

from spacy_clinicalbert.cli.view import make_command
from spacy_clinicalbert.page.explained import read_wanted
from spacy_clinicalbert.page.run import Extras, render_file

NOTES = "assets/sample_notes.jsonl"
SIZE = {"width": 1400, "height": 900}


def main(
    pipeline: str = typer.Argument(..., help="A pipeline, best with all components"),
    output: Path = typer.Argument(..., help="Folder for the pictures"),
    note: str = typer.Option("discharge_summary-04", help="The id of a sample note"),
    report: str = typer.Option("pathology_report-02", help="The id of a sample pathology report"),
    question: List[str] = typer.Option(["Which drugs were given?"]),
    explain: Optional[str] = typer.Option(None, help="COMPONENT:LABEL, as render takes it"),
    errors: Optional[str] = typer.Option(
        None, help="A pipeline that knows the labels of the sample notes, for the page of errors"
    ),
) -> None:
    """Take pictures of PIPELINE's pages."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = chromium.new_page(viewport=SIZE)  # type: ignore[arg-type]
        html = Path(folder) / "page.html"

        def take(name: str, given: str, note_id: Optional[str], **settings: object) -> None:
            render_file(given, NOTES, html, note_id=note_id, **settings)  # type: ignore[arg-type]
            page.goto(html.as_uri())
            page.screenshot(path=output / f"{name}.png")

        take("note", pipeline, note, questions=question)
        take("report", pipeline, report)
        if explain:
            take("explained", pipeline, note, extras=Extras([read_wanted(explain)]))
        if errors:
            take("errors", errors, None)
        view(page, pipeline, output)
        chromium.close()


def view(page: Page, pipeline: str, output: Path) -> None:
    """Start the app, and take its picture."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(make_command([pipeline], None, port), stdout=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        page.goto(f"http://127.0.0.1:{port}")
        page.frame_locator("iframe").locator(".note").wait_for(timeout=300_000)
        page.wait_for_timeout(1000)
        page.screenshot(path=output / "view.png")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    typer.run(main)
