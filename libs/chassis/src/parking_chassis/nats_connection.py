"""A NATS connection that never gives up: it reconnects for ever with jitter, and ends the process if it closes.

In: the settings, which name one server, or all those of a cluster. When a server goes, another one is tried almost at
once, one that has just refused us only after the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import nats
import structlog
from nats.aio.client import Client, Server
from nats.aio.transport import TcpTransport
from nats.errors import AuthorizationError
from nats.errors import Error as NatsError

from parking_chassis import metrics, tls

if TYPE_CHECKING:
    from parking_chassis.settings import NatsSettings

log = structlog.get_logger()

# nats-py waits without end for the socket of a failed TLS handshake to close, and never tries again.
CLOSE_SECONDS = 1.0
RECONNECT_SECONDS = (0.1, 2.0)
# To a server of a cluster that has not failed us: short, and still not all clients in the same instant.
NEXT_SERVER_SECONDS = (0.02, 0.2)
# Between attempts until the first connection, which nats-py makes without asking for a server.
FIRST_ATTEMPTS_SECONDS = (0.3, 1.0)
# Two pings without an answer: the connection goes nowhere any more, and another one is made.
PING_SECONDS = 5
MEND_SECONDS = 1.0

_mending: set[asyncio.Task[None]] = set()  # a loop alone does not keep its tasks alive


_wait_without_end = TcpTransport.wait_closed


async def _wait_closed(self: TcpTransport) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await _wait_without_end(self)  # type: ignore[no-untyped-call]  # nats-py leaves it untyped


TcpTransport.wait_closed = _wait_closed  # type: ignore[method-assign]  # of every connection, FastStream's too


async def connect_nats(settings: NatsSettings, *, name: str) -> Client:
    """Connect to one of the servers, waiting for as long as it takes; replies come to inboxes of `name` alone.

    A connection that is closed for good (never by us: credentials revoked, protocol error) ends the process with
    SIGTERM, so that whoever supervises it starts it afresh.
    """
    closing = False

    async def on_disconnected() -> None:
        if not closing:
            log.warning("nats_disconnected", client=name)

    async def on_reconnected() -> None:
        log.info("nats_reconnected", client=name)

    async def on_error(error: Exception) -> None:
        remedy = remedy_of(error)
        log.warning("nats_error", client=name, error=repr(error), **({"remedy": remedy} if remedy else {}))

    async def on_closed() -> None:
        if not closing:
            log.error("nats_closed", client=name)
            os.kill(os.getpid(), signal.SIGTERM)

    client = await nats.connect(
        **settings.nats_options(name),
        max_reconnect_attempts=-1,
        reconnect_time_wait=random.uniform(*FIRST_ATTEMPTS_SECONDS),  # noqa: S311  a pause
        reconnect_to_server_handler=next_server,
        connect_timeout=3,
        ping_interval=PING_SECONDS,
        max_outstanding_pings=2,
        disconnected_cb=on_disconnected,
        reconnected_cb=on_reconnected,
        error_cb=on_error,
        closed_cb=on_closed,
    )
    metrics.NATS_CONNECTED.set_function(lambda: client.is_connected)
    keep_hearing(client)
    close = client.close

    async def close_on_purpose() -> None:
        nonlocal closing
        closing = True
        # While it reconnects, its transport is closed already and says so under uvloop.
        with contextlib.suppress(RuntimeError, OSError):
            await close()

    client.close = close_on_purpose  # type: ignore[method-assign]  # the one way to tell our close from theirs
    return client


def keep_hearing(client: Client) -> None:
    """Mend from now on, until the client is closed, what nats-py leaves broken: see `_mend`."""
    task = asyncio.create_task(_mend(client))
    _mending.add(task)
    task.add_done_callback(_mending.discard)


async def _mend(client: Client) -> None:
    """Begin to reconnect anew where reading, or reconnecting itself, has ended by an error.

    The answer to a flush that came after its time-out ends the reading, and a transport that uvloop has closed already
    ends the reconnecting; the client would be deaf until its pings are missed, or away for ever. It rests on private
    parts of nats-py (pinned, contract-tested).
    """
    while not client.is_closed:
        await asyncio.sleep(MEND_SECONDS)
        if client.is_connected and _has_ended(client._reading_task):  # noqa: SLF001
            log.warning("nats_deaf")
            await client.force_reconnect()
        elif client.is_reconnecting and _has_ended(client._reconnection_task):  # noqa: SLF001
            log.warning("nats_reconnecting_anew")
            client._reconnection_task = asyncio.create_task(client._attempt_reconnect())  # noqa: SLF001


def _has_ended(task: asyncio.Task[None] | None) -> bool:
    return task is not None and task.done()


async def connect_nats_unless(stop: asyncio.Event, settings: NatsSettings, *, name: str) -> Client | None:
    """Connect as `connect_nats` does, but give up when the service is told to stop; then there is no client."""
    connecting = asyncio.create_task(connect_nats(settings, name=name))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return await connecting if connecting.done() else None
    finally:
        for task in (connecting, stopping):
            task.cancel()


def nats_check(client: Client) -> Callable[[], Awaitable[str | None]]:
    """A health check: what is wrong with the connection, or None."""

    async def check() -> str | None:
        if not client.is_connected:
            return "nats: not connected, trying again"
        try:
            await client.flush(timeout=2)
        except NatsError as error:
            return f"nats: {error!r}"
        return None

    return check


def remedy_of(error: Exception) -> str | None:
    """What to do about it, where somebody has to do something."""
    words = str(error).lower()
    if "permissions violation" in words:
        return "this user lacks a right: give NATS the users of `parkstream permissions nats`, and each service its own"
    if isinstance(error, AuthorizationError) or "authorization violation" in words:
        return "user or password is wrong: correct PARKSTREAM_NATS_URL, PARKSTREAM_NATS_PASSWORD or its _FILE"
    if remedy := tls.remedy_of(error, "PARKSTREAM_NATS_TLS"):
        return f"{remedy}; the tls block of a NATS server needs `handshake_first: auto`"
    return None


def next_server(servers: list[Server], _info: dict[str, Any]) -> tuple[Server, float]:
    """The server to try next, and after how many seconds: one of those that failed least often, soon if never."""
    fewest = min(server.reconnects for server in servers)
    server = random.choice([server for server in servers if server.reconnects == fewest])  # noqa: S311  no secret
    is_soon = fewest == 0 and len(servers) > 1
    return server, random.uniform(*(NEXT_SERVER_SECONDS if is_soon else RECONNECT_SECONDS))  # noqa: S311  a pause
