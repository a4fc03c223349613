"""What an API key looks like: `pk_<id>_<secret>`. Pure."""

from __future__ import annotations

import hashlib
import re
import secrets

_KEY = re.compile(r"pk_([a-z0-9]{8,32})_([A-Za-z0-9_-]{32,200})")


def parse_key(text: str) -> tuple[str, bytes] | None:
    """A key's id and the SHA-256 of its secret; None when it does not read `pk_<id>_<secret>`."""
    match = _KEY.fullmatch(text)
    return (match[1], hashlib.sha256(match[2].encode()).digest()) if match else None


def make_key() -> str:
    """A new key with 256 random bits."""
    return f"pk_{secrets.token_hex(6)}_{secrets.token_urlsafe(32)}"
