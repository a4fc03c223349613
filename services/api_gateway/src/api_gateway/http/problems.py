"""Errors as `application/problem+json` (RFC 9457): every one carries code, message, details and the request's id.

In: refusals of the owners, broken requests, dependencies that are away, and bugs. Out: one shape, and one table from
`ErrorCode` to HTTP status. A bug's answer tells nothing but the request id, under which the log has the story.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from nats.errors import Error as NatsError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from parking_chassis.postgres import DATABASE_AWAY
from parking_contracts.errors import ErrorCode, Refusal

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = {"Retry-After": "5"}

STATUS: dict[ErrorCode, int] = {
    ErrorCode.VALIDATION_ERROR: 422,
    ErrorCode.RECORD_NOT_FOUND: 404,
    ErrorCode.DUPLICATE_RESOURCE: 409,
    ErrorCode.RESOURCE_IN_USE: 409,
    ErrorCode.INVALID_STATE_TRANSITION: 409,
    ErrorCode.SPACE_NOT_AVAILABLE: 409,
    ErrorCode.RESERVATION_NOT_ACTIVE: 409,
    ErrorCode.RESERVATION_NOT_OPEN: 409,
    ErrorCode.RESERVATION_OPEN: 409,
    ErrorCode.DOWNLINK_NOT_QUEUED: 409,
    ErrorCode.DOWNLINK_NOT_ENDED: 409,
    ErrorCode.AUTHENTICATION_ERROR: 401,
    ErrorCode.AUTHORIZATION_ERROR: 403,
    ErrorCode.IDEMPOTENCY_KEY_REUSED: 422,
    ErrorCode.REQUEST_IN_FLIGHT: 409,
    ErrorCode.PRECONDITION_FAILED: 412,
    ErrorCode.REPLAY_REFUSED: 409,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.PAYLOAD_TOO_LARGE: 413,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ErrorCode.NO_GATEWAY_ONLINE: 503,
    ErrorCode.CHIRPSTACK_ERROR: 502,
    ErrorCode.DEPENDENCY_UNAVAILABLE: 503,
    ErrorCode.TIMEOUT: 504,
    ErrorCode.INTERNAL_ERROR: 500,
}
_FRAMEWORK_CODES = {
    404: (ErrorCode.NOT_FOUND, "there is nothing at this address"),
    405: (ErrorCode.METHOD_NOT_ALLOWED, "this address does not know this method"),
    413: (ErrorCode.PAYLOAD_TOO_LARGE, "the request body is too large"),
}


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(description="names the kind of problem", examples=["urn:parkstream:problem:record_not_found"])
    title: str = Field(description="the HTTP status in words", examples=["Not Found"])
    status: int = Field(description="the HTTP status", examples=[404])
    code: ErrorCode = Field(description="for programs: why the request was not carried out")
    message: str = Field(description="for people: what is wrong, and the remedy where there is one")
    detail: str = Field(description="the message again, under RFC 9457's own name")
    details: dict[str, Any] = Field(
        description="figures of this case, e.g. `errors` with each field at fault, or `current` and `requested`"
    )
    instance: str = Field(description="the path that was asked", examples=["/api/v6/spaces"])
    request_id: str = Field(description="also in the X-Request-Id header and in the logs")


class ProblemError(HTTPException):
    """Ends a request with a problem. `status` overrides the table's: 400 is malformed JSON, 422 malformed values."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        status: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status or STATUS[code], message, headers)
        self.code = code
        self.message = message
        self.details = details or {}


def refused(refusal: Refusal) -> ProblemError:
    """The owner's no, as the HTTP problem it becomes."""
    is_passing = STATUS[refusal.code] in {STATUS[ErrorCode.DEPENDENCY_UNAVAILABLE], STATUS[ErrorCode.RATE_LIMITED]}
    headers = RETRY_AFTER if is_passing else None
    return ProblemError(refusal.code, refusal.message, details=refusal.details, headers=headers)


def not_found(noun: str, key: object) -> ProblemError:
    """No such record; the same answer whether it never existed or belongs to another tenant."""
    return ProblemError(ErrorCode.RECORD_NOT_FOUND, f"there is no {noun} {key}")


def unavailable(what: str) -> ProblemError:
    """A dependency is away; asking again later is right."""
    return ProblemError(
        ErrorCode.DEPENDENCY_UNAVAILABLE, f"{what} is not reachable; ask again in a moment", headers=RETRY_AFTER
    )


def problem_type(code: ErrorCode) -> str:
    """The URI of a kind of problem."""
    return f"urn:parkstream:problem:{code.lower()}"


def problem_response(request: Request, error: ProblemError) -> JSONResponse:
    """The answer itself."""
    problem = Problem(
        type=problem_type(error.code),
        title=HTTPStatus(error.status_code).phrase,
        status=error.status_code,
        code=error.code,
        message=error.message,
        detail=error.message,
        details=error.details,
        instance=request.url.path,
        request_id=request.state.request_id,
    )
    return JSONResponse(problem.model_dump(mode="json"), error.status_code, error.headers, MEDIA_TYPE)


def install_problem_handlers(app: FastAPI) -> None:
    """Give every way in which a request can fail its problem."""
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_values)
    for away in DATABASE_AWAY:
        app.add_exception_handler(away, _on_database_away)  # type: ignore[arg-type]  # starlette types Exception only
    app.add_exception_handler(NatsError, _on_nats_away)
    app.add_exception_handler(Exception, _on_bug)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, ProblemError):
        return problem_response(request, error)
    assert isinstance(error, HTTPException)  # noqa: S101  what it was registered for
    code, message = _FRAMEWORK_CODES.get(error.status_code, (ErrorCode.VALIDATION_ERROR, str(error.detail)))
    headers = dict(error.headers or {})
    return problem_response(request, ProblemError(code, message, status=error.status_code, headers=headers))


async def _on_invalid_values(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  what it was registered for
    errors = [{"field": _path(one["loc"]), "message": one["msg"]} for one in error.errors()[:20]]
    message = "; ".join(f"{one['field']}: {one['message']}" for one in errors[:3])
    return problem_response(request, ProblemError(ErrorCode.VALIDATION_ERROR, message, details={"errors": errors}))


def _path(location: tuple[str | int, ...]) -> str:
    """`body.metadata.floor`; the names come from the client, so they are cut."""
    return ".".join(str(part)[:100] for part in location)[:300]


async def _on_database_away(request: Request, _error: Exception) -> JSONResponse:
    return problem_response(request, unavailable("the database"))


async def _on_nats_away(request: Request, _error: Exception) -> JSONResponse:
    return problem_response(request, unavailable("NATS"))


async def _on_bug(request: Request, _error: Exception) -> JSONResponse:
    """The server logs the traceback with the request id; the client learns the id alone."""
    message = "something went wrong on our side; the request id leads us to it"
    return problem_response(request, ProblemError(ErrorCode.INTERNAL_ERROR, message))
