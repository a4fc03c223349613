"""A NATS connection that never gives up: it reconnects for ever with jitter, and ends the process if it closes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import nats
import structlog
from nats.aio.client import Client, Server
from nats.errors import Error as NatsError

log = structlog.get_logger()

RECONNECT_SECONDS = (0.1, 2.0)
# Between attempts until the first connection, which nats-py makes without asking for a server.
FIRST_ATTEMPTS_SECONDS = (0.3, 1.0)


async def connect_nats(url: str, *, name: str) -> Client:
    """Connect, waiting for as long as it takes for the server to appear.

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
        log.warning("nats_error", client=name, error=repr(error))

    async def on_closed() -> None:
        if not closing:
            log.error("nats_closed", client=name)
            os.kill(os.getpid(), signal.SIGTERM)

    client = await nats.connect(
        url,
        name=name,
        max_reconnect_attempts=-1,
        reconnect_time_wait=random.uniform(*FIRST_ATTEMPTS_SECONDS),  # noqa: S311  a pause
        reconnect_to_server_handler=_any_server_after_a_random_pause,
        connect_timeout=3,
        ping_interval=10,
        max_outstanding_pings=2,
        disconnected_cb=on_disconnected,
        reconnected_cb=on_reconnected,
        error_cb=on_error,
        closed_cb=on_closed,
    )
    close = client.close

    async def close_on_purpose() -> None:
        nonlocal closing
        closing = True
        # While it reconnects, its transport is closed already and says so under uvloop.
        with contextlib.suppress(RuntimeError, OSError):
            await close()

    client.close = close_on_purpose  # type: ignore[method-assign]  # the one way to tell our close from theirs
    return client


async def connect_nats_unless(stop: asyncio.Event, url: str, *, name: str) -> Client | None:
    """Connect as `connect_nats` does, but give up when the service is told to stop; then there is no client."""
    connecting = asyncio.create_task(connect_nats(url, name=name))
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


def _any_server_after_a_random_pause(servers: list[Server], _info: dict[str, Any]) -> tuple[Server, float]:
    return random.choice(servers), random.uniform(*RECONNECT_SECONDS)  # noqa: S311  jitter, not a secret
