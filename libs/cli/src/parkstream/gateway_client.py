"""The commands' way to the gateway's HTTP API: requests, problems in plain words, and the stream of events.

In: the API's URL and a key. Out: decoded answers, server-sent events, `OperatorError` for everything else.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

import httpx
import msgspec

from parkstream.errors import OperatorError
from parkstream.platform_access import IS_IT_RUNNING
from parkstream.settings import Connections

REQUEST_SECONDS = 30.0
SILENT_STREAM_SECONDS = 60.0  # the gateway sends a comment every 15 s

Answer = TypeVar("Answer")


class GatewayAwayError(OperatorError):
    """The gateway is not there, or one of its own dependencies is not: asking again later may help."""


class ServerSentEvent(msgspec.Struct, frozen=True):
    """One event of a stream: its type, its data, and the id from which to resume."""

    type: str
    data: str
    id: str


class Problem(msgspec.Struct, frozen=True):
    """problem+json (RFC 9457), as much of it as a person needs."""

    title: str = ""
    detail: str = ""
    code: str = ""


class GatewayClient:
    """Use as `async with GatewayClient(connections()) as gateway`."""

    def __init__(self, found: Connections) -> None:
        if not found.api_key:
            raise OperatorError(
                "No platform is known here, nor an API key for one.",
                "Start one with `parkstream up`, name its --data-dir in PARKSTREAM_DATA_DIR, or set "
                "PARKSTREAM_API_URL and PARKSTREAM_BOOTSTRAP_API_KEY.",
            )
        self._url = found.api_url
        self._http = httpx.AsyncClient(
            base_url=found.api_url, headers={"X-API-Key": found.api_key}, timeout=REQUEST_SECONDS, trust_env=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_raised: object) -> None:
        await self._http.aclose()

    async def get(self, path: str, answer: type[Answer], **parameters: str | int | None) -> Answer:
        """GET a path; parameters that are None are left out."""
        given = {name: value for name, value in parameters.items() if value is not None}
        return await self._ask("GET", path, answer, params=given)

    async def post(self, path: str, answer: type[Answer]) -> Answer:
        """POST without a body."""
        return await self._ask("POST", path, answer)

    async def post_csv(self, path: str, answer: type[Answer], body: bytes, *, key: str, **parameters: str) -> Answer:
        """POST a CSV file; the same `key` again is answered as the first time."""
        headers = {"Content-Type": "text/csv", "Idempotency-Key": key}
        return await self._ask("POST", path, answer, content=body, headers=headers, params=parameters)

    @asynccontextmanager
    async def download(self, path: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes of a large answer, as they come."""
        try:
            async with self._http.stream("GET", path) as response:
                if response.status_code != httpx.codes.OK:
                    _raise_for_problem(response.status_code, await response.aread())
                yield response.aiter_bytes()
        except httpx.TransportError as error:
            raise self._away(error) from error

    async def _ask(self, method: str, path: str, answer: type[Answer], **request: Any) -> Answer:
        try:
            response = await self._http.request(method, path, **request)
        except httpx.TransportError as error:
            raise self._away(error) from error
        _raise_for_problem(response.status_code, response.content)
        return msgspec.json.decode(response.content, type=answer)

    @asynccontextmanager
    async def events(self, path: str, last_event_id: str) -> AsyncIterator[AsyncIterator[ServerSentEvent]]:
        """The event stream, once the gateway has opened it; from after `last_event_id` unless that is empty.

        Raises GatewayAwayError when the connection is lost or none can be made.
        """
        headers = {"Accept": "text/event-stream"}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        timeout = httpx.Timeout(REQUEST_SECONDS, read=SILENT_STREAM_SECONDS)
        try:
            async with self._http.stream("GET", path, headers=headers, timeout=timeout) as response:
                if response.status_code != httpx.codes.OK:
                    _raise_for_problem(response.status_code, await response.aread())
                yield read_events(response.aiter_lines())
        except httpx.TransportError as error:
            raise self._away(error) from error

    def _away(self, error: httpx.TransportError) -> GatewayAwayError:
        reason = str(error) or type(error).__name__
        return GatewayAwayError(f"The gateway at {self._url} cannot be reached: {reason}.", IS_IT_RUNNING)


def _raise_for_problem(status: int, body: bytes) -> None:
    if status < httpx.codes.BAD_REQUEST:
        return
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = Problem(detail=body[:200].decode(errors="replace"))
    said = f"The gateway answers {status} {problem.code}: {problem.detail or problem.title or 'no reason given'}"
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise GatewayAwayError(said, IS_IT_RUNNING)
    remedy = ""
    if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        remedy = "Check PARKSTREAM_BOOTSTRAP_API_KEY: it must be a key of this gateway, with the right to do this."
    raise OperatorError(said, remedy)


async def read_events(lines: AsyncIterator[str]) -> AsyncIterator[ServerSentEvent]:
    """Take a text/event-stream apart by the rules of the HTML standard; comments and empty events are passed over."""
    kind, data, identity = "", list[str](), ""
    async for line in lines:
        if not line:
            if data:
                yield ServerSentEvent(kind or "message", "\n".join(data), identity)
            kind, data = "", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif name == "id" and "\0" not in value:
            identity = value
