"""The service: a pipeline behind HTTP. No text of a note stands in a log or in the body of an error."""

import asyncio
import time
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, AsyncIterator, Dict, Optional, Union

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from pydantic import BaseModel
from spacy.language import Language

from .answers import ANSWERS, Answer, find_answers
from .gathering import Closed, Gatherer, NoteFailed, QueueFull
from .guard import OPEN, Guard

RETRY: Dict[str, str] = {"Retry-After": "1"}  # seconds
METERS = ("/metrics", "/openapi.json")
PLACES = {"body", *(name for answer in ANSWERS for name in answer.body.model_fields)}

# pydantic's names of what is wrong; its sentences can hold what was sent.
PLAIN = {
    "missing": "is missing",
    "extra_forbidden": "has a field that is not known",
    "json_invalid": "is not JSON",
    "model_attributes_type": "is not a JSON object; is the header Content-Type: application/json there?",
    "string_type": "is not a string",
}


class Problem(BaseModel):
    """What went wrong, without anything of the request's body."""

    detail: str


REFUSALS: Dict[Union[int, str], Dict[str, Any]] = {
    code: {"model": Problem, "description": why}
    for code, why in [
        (400, "The body could not be read"),
        (401, "The token is missing or wrong"),
        (408, "The body came too slowly"),
        (413, "The body or the note is too long"),
        (422, "Not a note, or the pipeline failed on it"),
        (429, "Too many notes wait"),
        (503, "Shutting down, too many requests, or not done in time"),
    ]
}


def make_app(
    nlp: Language,
    *,
    token: Optional[str] = None,
    max_body: int = 4_000_000,
    max_length: int = 200_000,
    timeout: float = 60.0,
    **gathering: Any,
) -> FastAPI:
    """Put a pipeline behind HTTP.

    nlp (Language): The pipeline; the service's alone from now on.
    token (Optional[str]): What clients must send as `Authorization: Bearer TOKEN`, but for `/health` and `/ready`.
    max_body (int): Bytes of a request.
    max_length (int): Characters of a note; no more than the pipeline's own `max_length` holds.
    timeout (float): Seconds for the body to come in, and again for the note to be annotated.
    gathering (Any): See `gathering.Gatherer`.
    RETURNS (FastAPI): The app. Its `state.gatherer` is closed when the app shuts down.
    """
    registry = CollectorRegistry()
    requests = Counter("clinicalbert_requests", "Requests", ["path", "status"], registry=registry)
    seconds = Histogram("clinicalbert_request_seconds", "Time of a request with a note", ["path"], registry=registry)
    batches = Histogram(
        "clinicalbert_batch_notes", "Notes of a batch", buckets=[1, 2, 4, 8, 16, 32, 64], registry=registry
    )
    answers = find_answers(nlp)
    gatherer = Gatherer(nlp, observe=batches.observe, **gathering)
    max_length = min(max_length, nlp.max_length)
    Gauge("clinicalbert_waiting_notes", "Notes that wait", registry=registry).set_function(lambda: len(gatherer))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(gatherer.close)

    # FastAPI's pages of documentation load scripts from a CDN; /openapi.json says the same.
    app = FastAPI(
        title="spacy-clinicalbert",
        version=version("spacy-clinicalbert"),
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.gatherer = gatherer
    # The guard refuses before a body is read; this is for /openapi.json to say that a token is wanted.
    wants_token = [Depends(HTTPBearer(auto_error=False))] if token else []
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_middleware(
        Guard,
        paths={*OPEN, *METERS, *(answer.path for answer in answers)},
        token=token,
        max_body=max_body,
        max_requests=gatherer.max_waiting + 2 * gatherer.max_notes,
        timeout=timeout,
        count=lambda path, status: requests.labels(path, str(status)).inc(),
    )

    def add(answer: Answer) -> None:
        prepare = answer.prepare

        async def handle(note: answer.body) -> Response:  # type: ignore[name-defined]
            if len(note.text) > max_length:
                return _problem(413, f"The note has {len(note.text)} characters, and {max_length} are taken.")
            if answer.check is not None:
                try:
                    await asyncio.to_thread(answer.check, nlp, note)
                except ValueError as error:
                    return _problem(422, str(error))
            begun = time.monotonic()
            try:
                future = gatherer.submit(
                    note.text,
                    note.id,
                    note.patient,
                    lambda doc: answer.say(doc, note),
                    None if prepare is None else lambda doc: prepare(doc, note),
                )
            except QueueFull as error:
                return _problem(429, str(error))
            except Closed as error:
                return _problem(503, str(error))
            try:
                line = await asyncio.wait_for(asyncio.wrap_future(future), timeout)
            except NoteFailed as error:
                return _problem(422, str(error))
            except asyncio.TimeoutError:  # what still waited is cancelled
                return _problem(503, f"The note was not annotated within {timeout:g} seconds.")
            finally:
                seconds.labels(answer.path).observe(time.monotonic() - begun)
            return Response(line, media_type="application/json")

        responses = {200: {"description": "The answer", "content": {"application/json": {}}}, **REFUSALS}
        name = answer.path.removeprefix("/")
        about: Dict[str, Any] = {"name": name, "description": answer.about, "responses": responses}
        app.post(answer.path, dependencies=wants_token, **about)(handle)

    for answer in answers:
        add(answer)

    @app.get("/health")
    async def health() -> Dict[str, str]:
        """Whether the process answers."""
        return {"status": "ok"}

    @app.get("/ready", responses={503: REFUSALS[503]})
    async def ready() -> Response:
        """Whether notes are taken."""
        return JSONResponse({"status": "ready"}) if gatherer.ready else _problem(503, "No notes are taken.")

    @app.get("/metrics", response_class=PlainTextResponse, dependencies=wants_token)
    async def metrics() -> Response:
        """Counts and times, as Prometheus reads them."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return app


def _problem(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, RETRY if status in (429, 503) else None)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """FastAPI's own answer repeats the input, and names fields that the client made up."""
    assert isinstance(error, RequestValidationError)
    said = {
        f"{'.'.join(str(part) for part in each['loc'] if part in PLACES)} {PLAIN.get(each['type'], each['type'])}"
        for each in error.errors()
    }
    return _problem(422, "; ".join(sorted(said)))
