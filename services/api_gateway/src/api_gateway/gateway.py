"""What the routes stand on: the database pool, the bus, and the live feed, opened once per process by `__main__`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from api_gateway.bus import Bus
from api_gateway.live.feed import Feed
from parking_chassis.postgres import Connection, Pool

if TYPE_CHECKING:
    from api_gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Gateway:
    """One process's resources."""

    settings: Settings
    pool: Pool
    bus: Bus
    feed: Feed

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A database connection, waited for a bounded time (TimeoutError: away)."""
        async with self.pool.acquire(timeout=self.settings.database_acquire_seconds) as connection:
            yield connection


def gateway_of(request: Request) -> Gateway:
    """The resources of the process that serves this request."""
    gateway: Gateway = request.app.state.gateway
    return gateway


async def _connection(request: Request) -> AsyncIterator[Connection]:
    async with gateway_of(request).connection() as connection:
        yield connection


# Given back before the answer is sent: a slow reader must not hold a connection.
Database = Annotated[Connection, Depends(_connection, scope="function")]
