"""Standard Webhooks signatures: `webhook-id`, `webhook-timestamp` and `webhook-signature` over the exact bytes. Pure.

The published library takes text alone; a protobuf body is none. The tests sign with that library.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

TOLERANCE_SECONDS = 300
SIGNATURES_AT_MOST = 10
_ID = re.compile(r"[!-~]{1,256}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class SignatureError(Exception):
    """The body is not what a holder of the secret has signed just now; the text says what is wrong."""


def check_signature(body: bytes, headers: Mapping[str, str], secrets: Sequence[bytes], now: datetime) -> None:
    """Return if one of the signatures is right under one of the secrets, and the timestamp is within five minutes.

    Raises:
        SignatureError: It is not.
    """
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not _ID.fullmatch(message_id) or not _TIMESTAMP.fullmatch(timestamp):
        raise SignatureError("send webhook-id, webhook-timestamp (seconds since 1970) and webhook-signature")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise SignatureError(f"webhook-timestamp is more than {TOLERANCE_SECONDS} s away from our clock")
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = [hmac.digest(secret, signed, hashlib.sha256) for secret in secrets]
    given = _signatures(headers.get("webhook-signature", ""))
    # Every pair is compared, so that the time taken tells nothing of where one matched.
    matches = [hmac.compare_digest(one, other) for one in expected for other in given]
    if not any(matches):
        raise SignatureError("no signature in webhook-signature is that of this body under a live secret")


def _signatures(header: str) -> list[bytes]:
    """`v1,<base64>` parts, separated by spaces; other versions are passed over."""
    found = []
    for part in header.split(" ")[:SIGNATURES_AT_MOST]:
        version, _, encoded = part.partition(",")
        if version == "v1":
            try:
                found.append(base64.b64decode(encoded, validate=True))
            except binascii.Error:
                continue
    return found
