"""An HTTP/1.1 client that costs next to nothing, so that it does not compete with what it measures.

In: whole requests as bytes. Out: status and body. It keeps connections open, opens another when all are busy, and reads
nothing of an answer but its status and its length. A general client takes more CPU per request than the gateway does.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import Self, cast
from urllib.parse import urlsplit

import msgspec

CONNECTIONS = 128
IDLE_SECONDS = 3.0  # the gateway closes what is idle for 5 s; a request must not meet that
HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """A status and the body as it came."""

    status: int
    body: bytes


class _Connection(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._received = bytearray()
        self._waiting: asyncio.Future[Answer] | None = None
        self.closed = False
        self.used_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is one without saying so

    def send(self, request: bytes) -> asyncio.Future[Answer]:
        assert self._transport is not None
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._waiting

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(HEAD_END)
        if end < 0 or self._waiting is None:
            return
        head = bytes(self._received[:end]).lower()
        begin = end + len(HEAD_END)
        at = head.find(b"content-length:")
        length = int(head[at + 15 : (head.find(b"\r\n", at) + 1 or len(head) + 1) - 1]) if at >= 0 else 0
        if len(self._received) >= begin + length:
            answer = Answer(int(head[9:12]), bytes(self._received[begin : begin + length]))
            del self._received[: begin + length]
            waiting, self._waiting = self._waiting, None
            waiting.set_result(answer)

    def connection_lost(self, _error: Exception | None) -> None:
        self.closed = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionResetError("the gateway closed the connection"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class LightClient:
    """Connections to one server, with the headers that every request carries."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        lines = {"Host": f"{self._host}:{self._port}", **headers}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._free: deque[_Connection] = deque()
        self._places = asyncio.Semaphore(CONNECTIONS)
        self._all: list[_Connection] = []

    def request(self, method: str, path: str, body: object = None, **headers: str) -> bytes:
        """A whole request, to be sent as often as wanted."""
        content = b"" if body is None else msgspec.json.encode(body)
        more = {"Content-Type": "application/json", "Content-Length": str(len(content))} if body is not None else {}
        more |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = "".join(f"{name}: {value}\r\n" for name, value in more.items())
        return f"{method} {path} HTTP/1.1\r\n{self._head}{lines}\r\n".encode() + content

    async def send(self, request: bytes) -> Answer:
        """Send it over a free connection, or a new one; waits only when there are too many already."""
        async with self._places:
            connection = self._taken() or await self._open()
            answer = await connection.send(request)
            connection.used_at = time.monotonic()
            self._free.append(connection)
            return answer

    def _taken(self) -> _Connection | None:
        while self._free:
            connection = self._free.pop()
            if not connection.closed and time.monotonic() - connection.used_at < IDLE_SECONDS:
                return connection
            connection.close()
        return None

    async def _open(self) -> _Connection:
        _, connection = await asyncio.get_running_loop().create_connection(_Connection, self._host, self._port)
        self._all.append(connection)
        return connection

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self._all:
            connection.close()
