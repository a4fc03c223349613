"""The log-in throttle: who fails too often must wait, and nobody can make another wait.

Two buckets, in the database. The pair (address, e-mail) holds 5 failures and leaks one per 30 s. The address holds 30
and leaks one per 10 s; a pair that has logged in within 30 days is not counted there, so that a stranger behind the
same address does not shut out who is known. There is no bucket of an e-mail alone: anybody could fill it.

An attempt counts as a failure before its password is looked at, or a burst of them would all be looked at; success
takes it back.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from api_gateway.http.problems import ProblemError
from api_gateway.identity.client_address import throttled_address
from api_gateway.identity.throttle import queries
from parking_chassis.postgres import Connection, Pool
from parking_contracts.errors import ErrorCode

if TYPE_CHECKING:
    from api_gateway.settings import Settings

KNOWN_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Allowance:
    """A bucket's size, and how long one failure stays in it."""

    burst: int
    leak_seconds: float


OF_PAIR = Allowance(5, 30.0)
OF_ADDRESS = Allowance(30, 10.0)
OF_REGISTRATION = Allowance(10, 60.0)


class LoginThrottle:
    """`pool` works in the batch role: a bucket belongs to no tenant."""

    def __init__(self, pool: Pool, settings: Settings) -> None:
        self._pool = pool
        self._settings = settings

    async def attempt(self, address: str, email: str) -> bool:
        """Count an attempt to log in; whether the pair is known, so that its address was not charged.

        Raises:
            ProblemError: RATE_LIMITED, with Retry-After; nothing was counted.
        """
        pair, place = _pair(address, email), _place("log-in", address)
        async with self._transaction() as connection:
            found = await self._fill(connection, pair, OF_PAIR)
            known = found is not None and found > datetime.now(UTC) - KNOWN_FOR
            if not known:
                await self._fill(connection, place, OF_ADDRESS)
        return known

    async def succeed(self, address: str, email: str, *, known: bool) -> None:
        """The attempt was a good one: it counts no more (`known` as `attempt` said), and the pair is known from now on.

        Only what was charged is taken back: nobody washes his failures away with an account of his own.
        """
        async with self._transaction() as connection:
            await queries.empty(connection, _pair(address, email))
            if not known:
                await queries.take_back(connection, _place("log-in", address))

    async def register(self, address: str) -> None:
        """Count a registration.

        Raises:
            ProblemError: RATE_LIMITED, with Retry-After.
        """
        async with self._transaction() as connection:
            await self._fill(connection, _place("register", address), OF_REGISTRATION)

    async def _fill(self, connection: Connection, bucket: bytes, allowance: Allowance) -> datetime | None:
        """When the bucket's pair last succeeded. A full bucket ends the transaction, so that all is as before."""
        burst, leak_seconds = allowance.burst, allowance.leak_seconds
        row = await queries.fill(connection, bucket, burst=burst, leak_seconds=leak_seconds)
        if row is not None:
            succeeded_at: datetime | None = row["succeeded_at"]
            return succeeded_at
        wait = await queries.seconds_until_room(connection, bucket, burst=burst, leak_seconds=leak_seconds)
        seconds = max(1, math.ceil(wait))
        raise ProblemError(
            ErrorCode.RATE_LIMITED,
            f"too many failed attempts from here; ask again in {seconds} s",
            details={"retry_after_seconds": seconds},
            headers={"Retry-After": str(seconds)},
        )

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        async with (
            self._pool.acquire(timeout=self._settings.database_acquire_seconds) as connection,
            connection.transaction(),
        ):
            yield connection


def _pair(address: str, email: str) -> bytes:
    return _digest("pair", throttled_address(address), email.casefold())


def _place(what: str, address: str) -> bytes:
    return _digest(what, throttled_address(address))


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode()).digest()
