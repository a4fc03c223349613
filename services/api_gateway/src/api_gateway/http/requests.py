"""What every request gets before and after its route: an id, a limit on its body and its time, security headers.

Pure ASGI and outermost, so that it also dresses the answers that no route gave; an address that is no UTF-8 gets no
further. A response that has begun (an event stream) is no longer bound by the time limit.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from typing import Any

import structlog
from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_gateway import metrics
from api_gateway.http.addresses import address_problem
from api_gateway.http.problems import ProblemError, problem_response
from parking_contracts.errors import ErrorCode

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class RequestEnvelope:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp, *, body_bytes: int, seconds: float, hsts_seconds: int = 0) -> None:
        self._app = app
        self._body_bytes = body_bytes
        self._seconds = seconds
        hsts = {"Strict-Transport-Security": f"max-age={hsts_seconds}; includeSubDomains"} if hsts_seconds else {}
        self._headers = SECURITY_HEADERS | hsts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; anything but HTTP passes untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers.get("x-request-id", ""))
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        answer = _Answer(send, state, self._headers)
        refused = self._too_large() if _declared_length(headers) > self._body_bytes else address_problem(scope)
        try:
            async with asyncio.timeout(self._seconds) as limit:
                answer.limit = limit
                if refused is not None:
                    await problem_response(Request(scope), refused)(scope, receive, answer.send)
                else:
                    await self._app(scope, self._limited(receive), answer.send)
        except TimeoutError:
            if answer.status is not None or not limit.expired():
                raise
            late = ProblemError(ErrorCode.TIMEOUT, f"the request was not answered within {self._seconds:g} s")
            await problem_response(Request(scope), late)(scope, receive, answer.send)
        finally:
            metrics.observe_request(scope, answer.status, answer.seconds)

    def _limited(self, receive: Receive) -> Receive:
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._body_bytes:
                raise self._too_large()
            return message

        return receive_within_limit

    def _too_large(self) -> ProblemError:
        return ProblemError(
            ErrorCode.PAYLOAD_TOO_LARGE,
            f"the request body is larger than {self._body_bytes} bytes",
            details={"limit_bytes": self._body_bytes},
        )


class _Answer:
    """The response on its way out: gets its headers, and lifts the time limit once it begins.

    `state` is the request's: its id, and the `answer_headers` that a route's class has left there.
    """

    def __init__(self, send: Send, state: dict[str, Any], security_headers: dict[str, str]) -> None:
        self._send = send
        self._state = state
        self._security_headers = security_headers
        self._began = time.monotonic()
        self.limit: asyncio.Timeout | None = None
        self.status: int | None = None
        self.seconds = 0.0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.seconds = time.monotonic() - self._began
            if self.limit is not None and not self.limit.expired():
                self.limit.reschedule(None)
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._state["request_id"]
            for name, value in (self._state.get("answer_headers", {}) | self._security_headers).items():
                headers.setdefault(name, value)
        await self._send(message)


def _request_id(given: str) -> str:
    """The client's own id when it is harmless in logs and headers, else a new one."""
    return given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


def _declared_length(headers: Headers) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0
