"""The keys that sign access tokens (Ed25519): made in the database, shared by all replicas, changed by the clock.

The newest key signs for 30 days; the one that finds none makes the next, under a lock. An old key verifies until the
last token that it signed has run out. Each process remembers them, and looks again when a token names another.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from api_gateway.identity.sessions import queries
from parking_chassis.postgres import Pool

if TYPE_CHECKING:
    from api_gateway.settings import Settings

log = structlog.get_logger()

RELOAD_SECONDS = 1.0
# Clocks of replicas may differ.
MARGIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key; it signs until `signs_until` and verifies until `retires_at`."""

    kid: str
    private: Ed25519PrivateKey
    signs_until: datetime
    retires_at: datetime

    @property
    def public(self) -> Ed25519PublicKey:
        """What verifies its signatures."""
        return self.private.public_key()

    @property
    def public_text(self) -> str:
        """The same as JWKS writes it: 32 bytes in base64url."""
        return base64.urlsafe_b64encode(self.public.public_bytes_raw()).rstrip(b"=").decode()


class SigningKeys:
    """The keys as one process knows them. `pool` works in the batch role: no request may read a key."""

    def __init__(self, pool: Pool, settings: Settings) -> None:
        self._pool = pool
        self._settings = settings
        self._known: dict[str, SigningKey] = {}
        self._loaded_at = -RELOAD_SECONDS
        self._loading = asyncio.Lock()

    async def current(self) -> SigningKey:
        """The key to sign with now."""
        newest = self._newest()
        if newest is None:
            async with self._loading:
                newest = self._newest() or await self._make()
        return newest

    async def find(self, kid: str) -> SigningKey | None:
        """The key of this id, while it verifies. An unknown id is looked for once a second at most, by all together."""
        arrived = time.monotonic()
        if kid not in self._known:
            async with self._loading:
                if kid not in self._known and self._loaded_at < arrived:
                    await asyncio.sleep(max(self._loaded_at + RELOAD_SECONDS - time.monotonic(), 0))
                    await self._load()
        key = self._known.get(kid)
        return key if key is not None and datetime.now(UTC) < key.retires_at else None

    async def all(self) -> list[SigningKey]:
        """Every key that verifies now, for JWKS; there is always one."""
        await self.current()
        now = datetime.now(UTC)
        return [key for key in self._known.values() if now < key.retires_at]

    def _newest(self) -> SigningKey | None:
        now = datetime.now(UTC)
        signing = [key for key in self._known.values() if now < key.signs_until]
        return max(signing, key=lambda key: key.signs_until, default=None)

    async def _load(self) -> None:
        async with self._pool.acquire(timeout=self._settings.database_acquire_seconds) as connection:
            self._remember(await queries.list_signing_keys(connection))

    async def _make(self) -> SigningKey:
        """The newest key that signs, made when there is none; one process at a time."""
        signs = timedelta(days=self._settings.signing_key_days)
        verifies = signs + timedelta(seconds=self._settings.access_token_seconds) + MARGIN
        async with (
            self._pool.acquire(timeout=self._settings.database_acquire_seconds) as connection,
            connection.transaction(),
        ):
            await queries.lock_signing_keys(connection)
            self._remember(await queries.list_signing_keys(connection))
            if (newest := self._newest()) is None:
                private = Ed25519PrivateKey.generate()
                await queries.delete_retired_keys(connection)
                await queries.insert_signing_key(
                    connection, secrets.token_hex(8), private.private_bytes_raw(), signs=signs, verifies=verifies
                )
                self._remember(await queries.list_signing_keys(connection))
                newest = self._newest()
                log.info("signing_key_made", kid=newest.kid if newest else None)
        assert newest is not None  # noqa: S101  just made
        return newest

    def _remember(self, rows: queries.Rows) -> None:
        self._known = {
            row["kid"]: SigningKey(
                row["kid"],
                Ed25519PrivateKey.from_private_bytes(row["private_key"]),
                row["signs_until"],
                row["retires_at"],
            )
            for row in rows
        }
        self._loaded_at = time.monotonic()
