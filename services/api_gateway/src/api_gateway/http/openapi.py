"""The OpenAPI document: what every route may answer besides its success, as problem+json."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api_gateway.http.problems import MEDIA_TYPE, STATUS, Problem
from parking_contracts.errors import ErrorCode

Responses = dict[int | str, dict[str, Any]]
_WORDS = {
    400: "the body is no JSON",
    401: "no key, a wrong or a revoked one",
    403: "the key lacks a right",
    404: "there is no such record for this tenant",
    409: "the owner of the record refuses",
    413: "the body is larger than 10 MiB",
    415: "the body is no application/json",
    422: "a value cannot be accepted; `details.errors` names the fields",
    500: "a bug; the request id leads to it",
    503: "a dependency is away; ask again after Retry-After",
    504: "no answer in time; whether the change was made is unknown",
}


def problems(*statuses: int) -> Responses:
    """The `responses` of a route, with the codes that each status may carry."""
    return {status: {"model": Problem, "description": _describe(status)} for status in sorted(statuses)}


def _describe(status: int) -> str:
    codes = [f"`{code}`" for code in ErrorCode if STATUS[code] == status] or ["`VALIDATION_ERROR`"]
    return f"{_WORDS[status]}: {', '.join(codes)}"


READ = problems(401, 403, 422, 500, 503)
READ_ONE = problems(401, 403, 404, 422, 500, 503)
WRITE = problems(400, 401, 403, 404, 409, 413, 415, 422, 500, 503, 504)


def describe(app: FastAPI) -> dict[str, Any]:
    """The document, made once; its error responses carry their own media type."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        for operations in document["paths"].values():
            for operation in operations.values():
                _name_media_types(operation["responses"])
        app.openapi_schema = document
    return app.openapi_schema


def _name_media_types(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        content = response.get("content", {})
        if status >= "400" and "application/json" in content:
            response["content"] = {MEDIA_TYPE: content["application/json"]}
