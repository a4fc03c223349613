"""A TCP connection's middle, whose direction towards the server can be closed: what is sent then never arrives."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

CHUNK = 1 << 16


class Valve:
    """Listens on loopback and passes bytes on to a server, unless `is_shut`."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.is_shut = False

    async def on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        down = asyncio.create_task(_pass_on(server_reader, writer))
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while data := await reader.read(CHUNK):
                if not self.is_shut:
                    server_writer.write(data)
                    await server_writer.drain()
        down.cancel()
        for each in (server_writer, writer):
            each.transport.abort()
        self._tasks.discard(task)

    async def close(self) -> None:
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.CancelledError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def valve_before(port: int) -> AsyncIterator[Valve]:
    """A valve in front of the server on this port."""
    valve = Valve(port)
    server = await asyncio.start_server(valve.on_connection, "127.0.0.1", 0)
    valve.port = server.sockets[0].getsockname()[1]
    try:
        yield valve
    finally:
        server.close()
        await valve.close()
