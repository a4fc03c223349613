"""Passwords at rest: argon2id in a bounded pool of threads.

A hash costs 19 MiB and some 50 ms of a core, so only a few run at a time and only some more may wait; beyond that a
log-in is told to come back. Whoever asks for an unknown user costs the same: a hash that nobody knows is verified.
"""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from api_gateway import metrics
from api_gateway.http.problems import ProblemError
from parking_contracts.errors import ErrorCode

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the password fits, and whether its hash is of other parameters than today's."""

    matches: bool
    is_outdated: bool = False


class Passwords:
    """One process's hashing. `concurrency` hashes run at a time, `queue_count` more may wait."""

    def __init__(self, *, concurrency: int, queue_count: int) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 << 10, parallelism=1)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="argon2")
        self._limit = concurrency + queue_count
        self._under_way = 0
        self._nobodys = self._hasher.hash(secrets.token_urlsafe(32))

    async def hash(self, password: str) -> str:
        """The hash of a new password, in PHC format.

        Raises:
            ProblemError: DEPENDENCY_UNAVAILABLE, too many wait already.
        """
        return await self._run(lambda: self._hasher.hash(_normal(password)))

    async def verify(self, password: str, stored: str | None) -> Verdict:
        """Compare with the stored hash; None (no such user) costs the same and never fits.

        Raises:
            ProblemError: DEPENDENCY_UNAVAILABLE, too many wait already.
        """
        return await self._run(lambda: self._verify(_normal(password), stored))

    def close(self) -> None:
        """End the threads once they are idle."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password: str, stored: str | None) -> Verdict:
        try:
            self._hasher.verify(stored or self._nobodys, password)
        except (VerificationError, InvalidHashError):
            return Verdict(matches=False)
        return Verdict(matches=stored is not None, is_outdated=self._hasher.check_needs_rehash(stored or self._nobodys))

    async def _run(self, work: Callable[[], T]) -> T:
        if self._under_way >= self._limit:
            raise ProblemError(
                ErrorCode.DEPENDENCY_UNAVAILABLE,
                "too many log-ins at once; ask again in a moment",
                headers={"Retry-After": "1"},
            )
        self._under_way += 1
        metrics.PASSWORD_HASHES.inc()
        loop = asyncio.get_running_loop()

        def on_done(_future: Future[T]) -> None:
            # A request that gave up does not stop its thread: the place is free only when the work is over.
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._leave)

        future = self._threads.submit(work)
        future.add_done_callback(on_done)
        return await asyncio.wrap_future(future)

    def _leave(self) -> None:
        self._under_way -= 1


def _normal(password: str) -> str:
    """The same text from every keyboard: é may arrive as one character or as two."""
    return unicodedata.normalize("NFC", password)
