"""A connection's middle: passes bytes on, late, not at all, or breaks.

In: connections to a port of ours. Out: connections to a server's port. One proxy stands for one link (this service to
that server), so that a single service can be cut off. What is held up by a black hole is not lost, as in a network
whose packets TCP sends again: it goes on when the hole closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol, Self

from parkstream.embedded.ports import LOOPBACK

CHUNK = 1 << 16
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Mode(StrEnum):
    """What becomes of bytes."""

    PASS = "pass"
    LATENCY = "latency"
    BLACK_HOLE = "black_hole"
    RESET = "reset"


class Tap(Protocol):
    """Listens to one connection; both ends of it are told apart."""

    def up(self, data: bytes) -> None:
        """From the client to the server."""

    def down(self, data: bytes) -> None:
        """From the server to the client."""


class Proxy:
    """`async with Proxy(port) as proxy:` listens on `proxy.port`, and passes on to `port` until told otherwise."""

    def __init__(self, upstream_port: int, make_tap: Callable[[], Tap] | None = None) -> None:
        self.upstream_port = upstream_port
        self.port = 0
        self.mode = Mode.PASS
        self._latency_seconds = 0.0
        self._open = asyncio.Event()
        self._open.set()
        self._make_tap = make_tap
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._on_connection, LOOPBACK, self.port, limit=CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        while self._connections:
            for task in self._connections:
                task.cancel()
            await asyncio.wait(self._connections)

    def set_mode(self, mode: Mode, *, latency_seconds: float = 0.0) -> None:
        """From now on; RESET also ends the connections that there are."""
        self.mode = mode
        self._latency_seconds = latency_seconds if mode is Mode.LATENCY else 0.0
        (self._open.clear if mode is Mode.BLACK_HOLE else self._open.set)()
        if mode is Mode.RESET:
            for writer in list(self._writers):
                _reset(writer)

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._join(reader, writer)
        finally:
            _reset(writer)
            self._connections.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until either side has nothing more to say."""
        if self.mode is Mode.RESET:
            return
        await self._open.wait()
        server_reader, server_writer = await asyncio.open_connection(LOOPBACK, self.upstream_port, limit=CHUNK)
        tap = self._make_tap() if self._make_tap is not None else None
        self._writers |= {writer, server_writer}
        pumps = [
            asyncio.create_task(self._pump(reader, server_writer, tap.up if tap else None)),
            asyncio.create_task(self._pump(server_reader, writer, tap.down if tap else None)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._writers -= {writer, server_writer}
            for each in (server_writer, writer):
                each.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hear: Callable[[bytes], None] | None
    ) -> None:
        while data := await reader.read(CHUNK):
            if self._latency_seconds:
                await asyncio.sleep(self._latency_seconds)
            await self._open.wait()
            if hear is not None:
                hear(data)
            writer.write(data)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a crashed router would: the other side reads ECONNRESET."""
    sock = writer.get_extra_info("socket")
    if sock is not None and not writer.transport.is_closing():
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    writer.transport.abort()
