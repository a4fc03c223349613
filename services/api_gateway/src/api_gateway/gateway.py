"""What the routes stand on: two database pools, the bus, and the live feed, opened once per process by `__main__`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Request

from api_gateway.bus import Bus
from api_gateway.dashboard.shared_answer import SharedAnswers
from api_gateway.identity.passwords import Passwords
from api_gateway.identity.sessions.signing_keys import SigningKeys
from api_gateway.identity.throttle.throttle import LoginThrottle
from api_gateway.live.feed import Feed
from api_gateway.webhooks.outgoing import Outgoing
from parking_chassis.postgres import Connection, Pool

if TYPE_CHECKING:
    from api_gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Gateway:
    """One process's resources.

    `pool` works in the request role, which sees nothing until a transaction names its tenant; `batch_pool` in the role
    of what runs by itself, which sees all tenants.
    """

    settings: Settings
    pool: Pool
    batch_pool: Pool
    bus: Bus
    feed: Feed
    passwords: Passwords
    signing_keys: SigningKeys
    throttle: LoginThrottle
    webhooks: Outgoing
    dashboards: SharedAnswers

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in the request role, waited for a bounded time (TimeoutError: away)."""
        async with self.pool.acquire(timeout=self.settings.database_acquire_seconds) as connection:
            yield connection


def make_gateway(settings: Settings, pool: Pool, batch_pool: Pool, bus: Bus, feed: Feed) -> Gateway:
    """The resources of a process, those of identity among them."""
    return Gateway(
        settings,
        pool,
        batch_pool,
        bus,
        feed,
        Passwords(concurrency=settings.password_hash_count, queue_count=settings.password_queue_count),
        SigningKeys(batch_pool, settings),
        LoginThrottle(batch_pool, settings),
        Outgoing(batch_pool, bus, settings),
        SharedAnswers(),
    )


def gateway_of(request: Request) -> Gateway:
    """The resources of the process that serves this request."""
    gateway: Gateway = request.app.state.gateway
    return gateway
