"""`python -m spacy clinicalbert serve`."""

import ipaddress
import os
from pathlib import Path
from typing import Optional

import typer

from .app import app

TOKEN = "SPACY_CLINICALBERT_TOKEN"


@app.command()
def serve(
    pipeline: str = typer.Argument(..., help="A saved or installed pipeline"),
    host: str = typer.Option("127.0.0.1", help="The address to listen on; by default this machine alone can reach it"),
    port: int = typer.Option(8000, min=0, max=65535, help="The port to listen on"),
    token_file: Optional[Path] = typer.Option(
        None, exists=True, dir_okay=False, help=f"Holds the bearer token; by default the environment's {TOKEN}, if set"
    ),
    max_body: int = typer.Option(4_000_000, min=1, help="Bytes of a request"),
    max_length: int = typer.Option(200_000, min=1, help="Characters of a note"),
    max_waiting: int = typer.Option(256, min=1, help="Notes that may wait; more are refused with 429"),
    batch_notes: int = typer.Option(32, min=1, help="Notes that are annotated together"),
    batch_characters: int = typer.Option(200_000, min=1, help="Their characters"),
    gathering: float = typer.Option(0.005, min=0, help="Seconds to wait for more notes of a batch"),
    timeout: float = typer.Option(60.0, min=0.001, help="Seconds that a note may take, its waiting included"),
) -> None:
    """Serve a pipeline over HTTP.

    It answers /annotate; /summarize, /pathology and /ask where the pipeline has the components; /health, /ready, /metrics and /openapi.json. Wants the
    extra service.

        python -m spacy clinicalbert serve PIPELINE --port 8000
    """
    try:
        import uvicorn

        from ..deployment.service import make_app
    except ImportError:
        typer.echo("The service needs more packages: pip install 'spacy-clinicalbert[service]'.", err=True)
        raise typer.Exit(1) from None
    from ..deployment.annotator import make_predictors
    from ..loading import open_pipeline

    try:
        token = read_token(token_file)
        nlp = open_pipeline(pipeline)
        make_predictors(nlp)
    except (OSError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    if token is None and not is_loopback(host):
        typer.echo(f"Anybody who reaches {host} can use the service: give it a token, see --token-file.", err=True)
    service = make_app(
        nlp, token=token, max_body=max_body, max_length=max_length, timeout=timeout, max_waiting=max_waiting,
        max_notes=batch_notes, max_characters=batch_characters, gathering=gathering,
    )  # fmt: skip
    # A path can hold anything that a client puts there: no access log.
    uvicorn.run(service, host=host, port=port, access_log=False, server_header=False)


def read_token(file: Optional[Path]) -> Optional[str]:
    """RETURNS (Optional[str]): The token of the file, or of the environment, if there is one.
    RAISES (ValueError): It is empty.
    """
    token = file.read_text(encoding="utf-8-sig") if file else os.environ.get(TOKEN)
    if token is not None and not token.strip():
        raise ValueError(f"The token is empty: write one into '{file}'." if file else f"{TOKEN} is empty: unset it.")
    return token.strip() if token is not None else None


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
