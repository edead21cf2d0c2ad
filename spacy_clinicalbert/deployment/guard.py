"""What stands before the service's routes: the token, and bounds on what a client may send."""

import asyncio
import hmac
import logging
from typing import Callable, Collection, Optional

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .annotator import describe

logger = logging.getLogger(__name__)

OPEN = ("/health", "/ready")


class Guard:
    """ASGI middleware. Bodies are read here, so that none is read that will be refused, and none without end.

    app (ASGIApp): What is guarded.
    paths (Collection[str]): The paths that there are.
    token (Optional[str]): The bearer token, if one is wanted.
    max_body (int): Bytes of a body.
    max_requests (int): Requests at a time, but for those of `OPEN`.
    timeout (float): Seconds for a body to come in.
    count (Callable[[str, int], None]): Gets path and status of each answer.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        paths: Collection[str],
        token: Optional[str],
        max_body: int,
        max_requests: int,
        timeout: float,
        count: Callable[[str, int], None],
    ):
        self.app = app
        self._paths = paths
        self._expected = None if token is None else f"Bearer {token}".encode()
        self._max_body = max_body
        self._max_requests = max_requests
        self._timeout = timeout
        self._count = count
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        label = path if path in self._paths else "other"  # a client could put anything into a path
        begun = False

        async def counting(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                self._count(label, message["status"])
            await send(message)

        try:
            if path in OPEN:
                await self.app(scope, receive, counting)
            else:
                await self._guarded(scope, receive, counting)
        except Exception as error:  # whatever it is, its message could hold the note, and servers log that
            logger.error("A request to %s failed: %s", label, describe(error))
            if not begun:
                await JSONResponse({"detail": "The service failed."}, 500)(scope, receive, counting)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        if self._expected is not None and not hmac.compare_digest(headers.get(b"authorization", b""), self._expected):
            answer = JSONResponse({"detail": "Send the token."}, 401, {"WWW-Authenticate": "Bearer"})
        elif self._running >= self._max_requests:
            answer = JSONResponse({"detail": "Too many requests."}, 503, {"Retry-After": "1"})
        else:
            self._running += 1
            try:
                await self._read_and_pass(scope, receive, send)
            finally:
                self._running -= 1
            return
        await answer(scope, receive, send)

    async def _read_and_pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await asyncio.wait_for(self._read(receive), self._timeout)
        except asyncio.TimeoutError:
            await JSONResponse({"detail": "The body came too slowly."}, 408)(scope, receive, send)
            return
        except OverflowError:
            detail = f"The body has more than {self._max_body} bytes."
            await JSONResponse({"detail": detail}, 413, {"Connection": "close"})(scope, receive, send)
            return
        if body is None:  # the client has gone
            return
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replay, send)

    async def _read(self, receive: Receive) -> Optional[bytes]:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > self._max_body:
                raise OverflowError
            if not message.get("more_body", False):
                return bytes(body)
