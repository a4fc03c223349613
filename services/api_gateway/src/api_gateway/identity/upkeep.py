"""What identity forgets by itself: ended sessions with their refresh tokens, old answers and failures to log in."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from api_gateway.identity import queries as identity
from api_gateway.identity.sessions import queries as sessions
from api_gateway.identity.throttle import queries as throttle
from api_gateway.identity.throttle.throttle import KNOWN_FOR
from parking_chassis.postgres import DATABASE_AWAY, Pool

if TYPE_CHECKING:
    from api_gateway.settings import Settings

EVERY_SECONDS = 3600.0
# So long is an ended session shown, and a request repeatable.
KEEP = timedelta(days=7)


async def keep_up(pool: Pool, settings: Settings) -> None:
    """Forget what is old, once an hour; replicas may do it side by side. A database that is away has time."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        try:
            async with pool.acquire(timeout=settings.database_acquire_seconds) as connection:
                await sessions.delete_old_sessions(connection, keep=KEEP)
                await identity.delete_old_answers(connection, keep=KEEP)
                await throttle.delete_old_buckets(connection, keep=KNOWN_FOR)
        except DATABASE_AWAY:
            continue
