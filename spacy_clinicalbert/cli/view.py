"""`python -m spacy clinicalbert view`."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import List, Optional

import typer

from .app import app

# Nothing is sent anywhere, nobody else reaches it, and no error shows a note.
SETTINGS = {
    "server.address": "127.0.0.1",
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.maxUploadSize": "20",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
}


@app.command()
def view(
    pipeline: str = typer.Argument(..., help="A saved or installed pipeline"),
    compare: Optional[str] = typer.Option(None, help="Another one, to be shown beside it"),
    concepts: Optional[Path] = typer.Option(
        None, exists=True, dir_okay=False, help="Your concept ids, FHIR resources and codes, .csv"
    ),
    port: int = typer.Option(8501, min=1, max=65535, help="The port of this machine"),
) -> None:
    """Look at what a pipeline finds, in the browser.

    Notes are pasted, uploaded as text or PDF, or chosen from the samples; questions about them are answered, and what is found is downloaded as JSON, OMOP and FHIR
    (extra app). Only this machine reaches it, and nothing leaves it.

        python -m spacy clinicalbert view PIPELINE

        python -m spacy clinicalbert view PIPELINE --compare PIPELINE_INT8
    """
    from ..loading import find_pipeline

    if importlib.util.find_spec("streamlit") is None:
        typer.echo("The app needs more packages: pip install 'spacy-clinicalbert[app]'.", err=True)
        raise typer.Exit(1)
    pipelines = [each for each in (pipeline, compare) if each is not None]
    try:
        for each in pipelines:
            find_pipeline(each)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(f"http://127.0.0.1:{port} shows it. Ctrl+C ends it.")
    raise typer.Exit(subprocess.run(make_command(pipelines, concepts, port)).returncode)


def make_command(pipelines: List[str], concepts: Optional[Path], port: int) -> List[str]:
    """RETURNS (List[str]): The command that starts Streamlit."""
    script = Path(__file__).parent.parent / "page" / "app.py"
    settings = [f"--{name}={value}" for name, value in {**SETTINGS, "server.port": str(port)}.items()]
    arguments = [*pipelines, *([f"--concepts={concepts}"] if concepts else [])]
    return [sys.executable, "-m", "streamlit", "run", str(script), *settings, "--", *arguments]
