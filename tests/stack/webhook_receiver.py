"""A receiver of webhooks on loopback, plain or with TLS: it keeps what it was sent and answers as it is told."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook

from stack.waiting import eventually


@dataclass
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    server_name: str | None

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        return json.loads(self.body)

    def verify(self, secret: str) -> Any:
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Reply:
    """What to answer: after `wait`, with these headers; `raw` instead of all of it."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    wait: asyncio.Event | None = None
    raw: bytes | None = None


Answer = Callable[[Received], Reply]


@dataclass
class Receiver:
    """`answer` decides on each request; `most_at_once` is the greatest number of requests it had open."""

    answer: Answer = lambda _: Reply()
    received: list[Received] = field(default_factory=list)
    open_now: int = 0
    most_at_once: int = 0
    connections: int = 0
    scheme: str = "http"
    port: int = 0
    server_name: str | None = None
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.received]

    async def gets(self, count: int, within: float = 15.0) -> list[Received]:
        await eventually(lambda: len(self.received) >= count, within, message=f"{count} webhooks at {self.port}")
        return self.received

    async def on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        # The end of the test cancels; streams would report that as an error of this callback.
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            while not reader.at_eof():
                await self._exchange(reader, writer)
        writer.transport.abort()
        self.tasks.discard(task)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1)[:1] + line.split(": ", 1)[1:] for line in head[1:] if line)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        received = Received(head[0].split(" ")[1], headers, body, self.server_name)
        self.received.append(received)
        self.open_now += 1
        self.most_at_once = max(self.most_at_once, self.open_now)
        try:
            reply = self.answer(received)
            if reply.wait is not None:
                await reply.wait.wait()
            writer.write(reply.raw if reply.raw is not None else _bytes_of(reply))
            await writer.drain()
        finally:
            self.open_now -= 1


def _bytes_of(reply: Reply) -> bytes:
    headers = {"content-length": str(len(reply.body)), **reply.headers}
    lines = [f"HTTP/1.1 {reply.status} X", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + reply.body


@contextlib.asynccontextmanager
async def receiving(answer: Answer | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver that listens inside the block."""
    receiver = Receiver(scheme="https" if tls else "http")
    if answer is not None:
        receiver.answer = answer
    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: setattr(receiver, "server_name", name)
    server = await asyncio.start_server(receiver.on_connection, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        while receiver.tasks:
            for task in receiver.tasks:
                task.cancel()
            await asyncio.wait(receiver.tasks)


def make_certificate(directory: Path, *names: str) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS for these names, and the file of the authority to trust (SSL_CERT_FILE)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Parkstream test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority, secret = directory / "authority.pem", directory / "key.pem"
    authority.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, secret)
    return context, authority
