"""What an integration proves itself with: a static token `it_<id>_<secret>`, or a Standard Webhooks signing secret.

Pure. ChirpStack can send static headers alone, hence the token; a proxy that can sign should.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets

_ID = re.compile(r"[a-z0-9]{8,32}")
_TOKEN = re.compile(r"it_([a-z0-9]{8,32})_([A-Za-z0-9_-]{32,200})")
_SECRET_BYTES = 32


def make_id() -> str:
    """The id of a new credential."""
    return secrets.token_hex(6)


def is_id(text: str) -> bool:
    """Whether this could be a credential's id."""
    return _ID.fullmatch(text) is not None


def make_token(credential_id: str) -> tuple[str, bytes]:
    """A new token with 256 random bits, to be shown once, and the SHA-256 that is kept of it."""
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    return f"it_{credential_id}_{secret}", hashlib.sha256(secret.encode()).digest()


def parse_bearer(authorization: str) -> tuple[str, bytes] | None:
    """The credential's id and the SHA-256 of the secret in `Bearer it_<id>_<secret>`; None when it is no such thing."""
    scheme, _, token = authorization.partition(" ")
    match = _TOKEN.fullmatch(token.strip()) if scheme.lower() == "bearer" else None
    return (match[1], hashlib.sha256(match[2].encode()).digest()) if match else None


def make_signing_secret() -> bytes:
    """256 random bits."""
    return secrets.token_bytes(_SECRET_BYTES)


def spell_signing_secret(secret: bytes) -> str:
    """As Standard Webhooks writes a secret: `whsec_` and base64."""
    return f"whsec_{base64.b64encode(secret).decode()}"
