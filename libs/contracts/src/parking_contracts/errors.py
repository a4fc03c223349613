"""What goes wrong, as values: refusals that answer a command, and dead letters that keep poison.

A refusal is a business answer and becomes one HTTP problem by one table in the gateway. A dead letter is a message
that can never succeed, kept with its reason and its original bytes so that it can be shown, mended and replayed.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

import msgspec

DEAD_LETTER_BODY_LIMIT_BYTES = 256 << 10
DEAD_LETTER_EXCERPT_BYTES = 64 << 10


class ErrorCode(StrEnum):
    """Why a request was not carried out; the `code` of a problem+json answer."""

    VALIDATION_ERROR = "VALIDATION_ERROR"
    RECORD_NOT_FOUND = "RECORD_NOT_FOUND"
    DUPLICATE_RESOURCE = "DUPLICATE_RESOURCE"
    RESOURCE_IN_USE = "RESOURCE_IN_USE"
    INVALID_STATE_TRANSITION = "INVALID_STATE_TRANSITION"
    SPACE_NOT_AVAILABLE = "SPACE_NOT_AVAILABLE"
    RESERVATION_NOT_ACTIVE = "RESERVATION_NOT_ACTIVE"
    RESERVATION_NOT_OPEN = "RESERVATION_NOT_OPEN"
    RESERVATION_OPEN = "RESERVATION_OPEN"
    DOWNLINK_NOT_QUEUED = "DOWNLINK_NOT_QUEUED"
    DOWNLINK_NOT_ENDED = "DOWNLINK_NOT_ENDED"
    AUTHENTICATION_ERROR = "AUTHENTICATION_ERROR"
    AUTHORIZATION_ERROR = "AUTHORIZATION_ERROR"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    REQUEST_IN_FLIGHT = "REQUEST_IN_FLIGHT"
    PRECONDITION_FAILED = "PRECONDITION_FAILED"
    REPLAY_REFUSED = "REPLAY_REFUSED"
    RATE_LIMITED = "RATE_LIMITED"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    NO_GATEWAY_ONLINE = "NO_GATEWAY_ONLINE"
    CHIRPSTACK_ERROR = "CHIRPSTACK_ERROR"
    DEPENDENCY_UNAVAILABLE = "DEPENDENCY_UNAVAILABLE"
    TIMEOUT = "TIMEOUT"
    INTERNAL_ERROR = "INTERNAL_ERROR"


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag="refused", tag_field="outcome"):
    """The owner of the noun said no: a value, not an exception."""

    code: ErrorCode
    message: str
    details: dict[str, Any] = {}


class Accepted(msgspec.Struct, frozen=True, kw_only=True, tag="accepted", tag_field="outcome"):
    """The command took effect and was committed; `result` is the command's own answer as JSON."""

    result: msgspec.Raw = msgspec.Raw(b"null")


Reply = Accepted | Refusal


class DeadLetterCode(StrEnum):
    """Why a message can never succeed; the last token of its subject."""

    INVALID_TOPIC = "invalid_topic"
    INVALID_ENCODING = "invalid_encoding"
    INVALID_EVENT = "invalid_event"
    INVALID_VALUE = "invalid_value"
    IDENTITY_MISMATCH = "identity_mismatch"
    OVERSIZE = "oversize"
    CODEC_FAILURE = "codec_failure"
    DOWNLINK_FAILED = "downlink_failed"
    UNEXPECTED_ERROR = "unexpected_error"


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """Poison, kept: where it came from, why it cannot succeed, and its bytes (or their first 64 KiB).

    `origin` is how it reached the service (an MQTT topic or a JetStream subject, named in `address`); `size_bytes`
    and `sha256` describe the original body even where `body` is only its beginning.
    """

    id: str
    service: str
    code: DeadLetterCode
    detail: str
    origin: Literal["mqtt", "jetstream"]
    address: str
    source: str = ""
    received_at: datetime
    failed_at: datetime
    attempts: int = 1
    size_bytes: int
    sha256: str
    truncated: bool = False
    body: bytes = b""
