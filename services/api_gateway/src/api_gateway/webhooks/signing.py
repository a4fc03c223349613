"""Secrets and signatures, as Standard Webhooks has them (https://www.standardwebhooks.com). Pure but for its dice.

A secret is 32 random bytes, written `whsec_<base64>`. Each request carries `webhook-id` (the event's, the same at every
attempt), `webhook-timestamp` (of the attempt) and `webhook-signature`: one `v1,<HMAC-SHA256>` per secret in force.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime

from standardwebhooks import Webhook

SECRET_BYTES = 32
PREFIX = "whsec_"


def make_secret() -> bytes:
    """A new secret."""
    return secrets.token_bytes(SECRET_BYTES)


def show_secret(secret: bytes) -> str:
    """A secret as receivers take it."""
    return PREFIX + base64.b64encode(secret).decode()


def signed_headers(message_id: str, at: datetime, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """The three headers of one attempt; `at` is in UTC."""
    text = body.decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(key).sign(message_id, at, text) for key in keys),
    }
