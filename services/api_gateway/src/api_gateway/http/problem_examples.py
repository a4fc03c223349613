"""What every error looks like in the OpenAPI document: one response per status, an example per code."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from api_gateway.http.problems import MEDIA_TYPE, STATUS, problem_type
from parking_contracts.errors import ErrorCode

WORDS = {
    400: "the request is malformed: a body that is no JSON, an address that is no UTF-8",
    401: "no credential, a wrong, an expired or a revoked one",
    403: "the caller lacks a right",
    404: "there is no such record for this tenant",
    409: "the owner of the record refuses",
    412: "the record has moved on since the ETag that If-Match names",
    413: "the body is larger than 10 MiB",
    415: "the body is of another type than this route takes",
    422: "a value cannot be accepted; `details.errors` names the fields",
    429: "too many requests by this caller or its tenant; ask again after Retry-After",
    500: "a bug; the request id leads to it",
    502: "ChirpStack answers with an error",
    503: "a dependency is away; ask again after Retry-After",
    504: "no answer in time; whether a change was made is unknown: ask again with the same Idempotency-Key",
}
_SAID: dict[ErrorCode, tuple[str, dict[str, Any]]] = {
    ErrorCode.AUTHENTICATION_ERROR: ("the API key is unknown, wrong, expired or revoked", {}),
    ErrorCode.AUTHORIZATION_ERROR: ("the API key lacks the right spaces:write", {"missing": ["spaces:write"]}),
    ErrorCode.RECORD_NOT_FOUND: ("there is no space 7b9c1c1e-2f64-4a0e-9a3c-4b1d0c3f5a77", {}),
    ErrorCode.NOT_FOUND: ("there is nothing at this address", {}),
    ErrorCode.DUPLICATE_RESOURCE: ("the code A-17 is taken on this site", {"field": "code"}),
    ErrorCode.RESOURCE_IN_USE: ("spaces stand on this site: move or delete them first", {"spaces": 12}),
    ErrorCode.INVALID_STATE_TRANSITION: (
        "a space cannot go from maintenance to occupied",
        {"current": "maintenance", "requested": "occupied"},
    ),
    ErrorCode.SPACE_NOT_AVAILABLE: (
        "the space is taken at that time",
        {"conflicts": [{"starts_at": "2026-05-04T10:00:00Z", "ends_at": "2026-05-04T12:00:00Z"}]},
    ),
    ErrorCode.RESERVATION_NOT_ACTIVE: (
        "the reservation is cancelled: only an active one can be changed",
        {"status": "cancelled"},
    ),
    ErrorCode.RESERVATION_NOT_OPEN: (
        "the reservation is not open yet; one may check in from 2026-05-04T09:45:00+00:00",
        {"opens_at": "2026-05-04T09:45:00+00:00"},
    ),
    ErrorCode.RESERVATION_OPEN: (
        "the reservation is open: its start is fixed; its end may still move",
        {"field": "starts_at", "opened_at": "2026-05-04T09:45:00+00:00"},
    ),
    ErrorCode.DOWNLINK_NOT_QUEUED: ("the command was sent already: it can no longer be taken back", {"status": "sent"}),
    ErrorCode.DOWNLINK_NOT_ENDED: ("the command may still arrive: it cannot be repeated yet", {"status": "sent"}),
    ErrorCode.NO_GATEWAY_ONLINE: (
        "the gateway 0016c001f153a14c, over which this display was last heard, is offline: nothing would reach it",
        {"gateway_id": "0016c001f153a14c"},
    ),
    ErrorCode.REQUEST_IN_FLIGHT: ("the same request is being carried out: ask again in a moment", {}),
    ErrorCode.IDEMPOTENCY_KEY_REUSED: ("this Idempotency-Key came with another body before", {}),
    ErrorCode.PRECONDITION_FAILED: (
        "the space has moved on since that revision: read it again",
        {"updated_at": "2026-05-04T10:00:00+00:00"},
    ),
    ErrorCode.REPLAY_REFUSED: ("only the first 65536 of 300000 bytes were kept, so the message is incomplete", {}),
    ErrorCode.RATE_LIMITED: (
        "too many reads by this credential: at most 100 per second in the long run and 200 at once; ask again in 1 s",
        {"limit": "reads", "per": "credential", "per_second": 100.0, "burst": 200.0},
    ),
    ErrorCode.PAYLOAD_TOO_LARGE: ("the request body is larger than 10485760 bytes", {"limit_bytes": 10485760}),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: ("send the body as JSON, with the header Content-Type: application/json", {}),
    ErrorCode.DEPENDENCY_UNAVAILABLE: ("the database is not reachable; ask again in a moment", {}),
    ErrorCode.TIMEOUT: ("the occupancy service did not answer within 10 s", {}),
    ErrorCode.INTERNAL_ERROR: ("something went wrong on our side; the request id leads us to it", {}),
}
_MALFORMED: tuple[str, dict[str, Any]] = ("the body is not JSON: Expecting value at line 1, column 1", {})
_UNACCEPTABLE: tuple[str, dict[str, Any]] = (
    "query.limit: Input should be less than or equal to 1000",
    {"errors": [{"field": "query.limit", "message": "Input should be less than or equal to 1000"}]},
)
_HEADERS = {
    401: {"WWW-Authenticate": "how to ask"},
    429: {"Retry-After": "seconds", "RateLimit": "what is left", "RateLimit-Policy": "what is allowed"},
    503: {"Retry-After": "seconds"},
}


def response_name(status: int) -> str:
    """What `components/responses` calls it: `NotFound`."""
    return HTTPStatus(status).phrase.replace(" ", "").replace("-", "")


def describe_status(status: int) -> str:
    """The status in words, and the codes that come with it."""
    return f"{WORDS[status]}: {', '.join(f'`{code}`' for code in _codes(status))}"


def problem_response_of(status: int) -> dict[str, Any]:
    """The response object: its headers, and an example for each code."""
    headers = {"X-Request-Id": "also in the body and in the logs"} | _HEADERS.get(status, {})
    return {
        "description": describe_status(status),
        "headers": {name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()},
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {str(code): {"value": _example(status, code)} for code in _codes(status)},
            }
        },
    }


def _codes(status: int) -> list[ErrorCode]:
    return [code for code in ErrorCode if STATUS[code] == status] or [ErrorCode.VALIDATION_ERROR]


def _example(status: int, code: ErrorCode) -> dict[str, Any]:
    if code is ErrorCode.VALIDATION_ERROR:
        message, details = _MALFORMED if status == HTTPStatus.BAD_REQUEST else _UNACCEPTABLE
    else:
        message, details = _SAID.get(code, (code.replace("_", " ").lower(), {}))
    return {
        "type": problem_type(code),
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code.value,
        "message": message,
        "detail": message,
        "details": details,
        "instance": "/api/v6/spaces",
        "request_id": "0c9f6f3e-6a0b-4a3e-8f7a-3f1d2c5b9e10",
    }
