"""The OpenAPI document: what a route says, and (from `completion`) what holds for every route."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api_gateway.http.completion import complete
from api_gateway.http.problem_examples import describe_status
from api_gateway.http.problems import Problem

PATH = "/openapi.json"
Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """The `responses` of a route, with the codes that each status may carry."""
    return {status: {"model": Problem, "description": describe_status(status)} for status in sorted(statuses)}


# What goes without saying (a bad address, a missing credential, a limit, a body that is none) is added by `completion`.
READ = problems(401, 403, 422, 500, 503)
READ_ONE = problems(401, 403, 404, 422, 500, 503)
WRITE = problems(400, 401, 403, 404, 409, 413, 415, 422, 500, 503, 504)


def describe(app: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    if app.openapi_schema is None:
        app.openapi_schema = complete(
            get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
        )
    return app.openapi_schema
