"""What identity forgets by itself: ended sessions with their refresh tokens, old answers and failures to log in."""

from __future__ import annotations

from datetime import timedelta

from api_gateway.identity import queries as identity
from api_gateway.identity.audit import queries as audit
from api_gateway.identity.sessions import queries as sessions
from api_gateway.identity.throttle import queries as throttle
from api_gateway.identity.throttle.throttle import KNOWN_FOR
from parking_chassis.postgres import Pool

EVERY_SECONDS = 3600.0
# So long is an ended session shown, and a request repeatable.
KEEP = timedelta(days=7)


class IdentityUpkeep:
    """Replicas may do it side by side."""

    def __init__(self, pool: Pool, *, keep_audit: timedelta) -> None:
        self._pool = pool
        self._keep_audit = keep_audit

    async def forget_what_is_old(self) -> None:
        """One round."""
        async with self._pool.acquire() as connection:
            await sessions.delete_old_sessions(connection, keep=KEEP)
            await identity.delete_old_answers(connection, keep=KEEP)
            await throttle.delete_old_buckets(connection, keep=KNOWN_FOR)
            while await audit.forget_entries(connection, keep=self._keep_audit):
                pass
