"""Servers that speak TLS, with certificates of a test's authority: NATS, and whatever stands behind a `TlsFront`."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

from parkstream.embedded import ports
from parkstream.embedded.nats import SYNC_LATER, NatsPorts, NatsServer
from stack.authority import Authority, Issued

POSTGRES_ASKS_FOR_TLS = bytes.fromhex("0000000804d2162f")


class TlsNats(NatsServer):
    """An embedded NATS as config/nats/nats.conf has it with its `tls` block; `verify` wants certificates of clients."""

    def __init__(self, directory: Path, authority: Authority, *, verify: bool = False) -> None:
        server_ports = NatsPorts(ports.free_port(), ports.free_port())
        super().__init__(directory, server_ports, sync_interval=SYNC_LATER)
        self._issued, self._ca, self._verify = authority.issue("nats"), authority.ca, verify

    def url(self, user: str = "parkstream") -> str:
        """By the name that is in its certificate."""
        return self.login(user=user).url.replace("nats://", "tls://").replace("127.0.0.1", "localhost")

    def _configuration(self) -> str:
        return super()._configuration() + (
            f'tls {{ cert_file: "{self._issued.certificate}", key_file: "{self._issued.key}", ca_file: "{self._ca}", '
            f"verify: {str(self._verify).lower()}, handshake_first: auto }}\n"
        )


@contextlib.asynccontextmanager
async def postgres_over_tls(port: int, issued: Issued) -> AsyncIterator[int]:
    """The port at which a PostgreSQL answers by TLS alone, as behind a pooler that ends TLS: ours is built without."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(issued.certificate, issued.key)
    tasks: set[asyncio.Task[None] | None] = set()

    async def on_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if await reader.readexactly(8) != POSTGRES_ASKS_FOR_TLS:
                writer.close()
                return
            writer.write(b"S")
            await writer.start_tls(context)
            upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_pump(reader, upstream), _pump(upstream_reader, writer))
        writer.close()

    server = await asyncio.start_server(on_client, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in filter(None, tasks):
            task.cancel()
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
