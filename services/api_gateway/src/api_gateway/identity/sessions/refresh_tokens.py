"""What a refresh token looks like: `rt_<session id>_<secret>`. Pure.

Only digests are stored. A successor is derived from the secret that it replaces, so that the same request can be
answered again after its answer was lost, by nobody but who still holds that secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from uuid import UUID

_TOKEN = re.compile(r"rt_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")
SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """One link of a session's chain."""

    session_id: UUID
    secret: str

    @property
    def text(self) -> str:
        """As the client keeps it."""
        return f"rt_{self.session_id.hex}_{self.secret}"

    @property
    def digest(self) -> bytes:
        """As the database keeps it; the secret has 256 bits, so a plain digest is as hard to reverse as a slow one."""
        return hashlib.sha256(self.secret.encode()).digest()

    def successor(self, idempotency_key: str | None, salt: bytes) -> RefreshToken:
        """The next one: derived where the request has an idempotency key, else new."""
        if idempotency_key is None:
            return first_token(self.session_id)
        mac = hmac.digest(self.secret.encode(), salt + idempotency_key.encode(), "sha256")
        return RefreshToken(self.session_id, base64.urlsafe_b64encode(mac).rstrip(b"=").decode())


def first_token(session_id: UUID) -> RefreshToken:
    """A token with a new secret."""
    return RefreshToken(session_id, secrets.token_urlsafe(32))


def parse_refresh_token(text: str) -> RefreshToken | None:
    """The token, or None when it does not read like one."""
    match = _TOKEN.fullmatch(text)
    return RefreshToken(UUID(match[1]), match[2]) if match else None
