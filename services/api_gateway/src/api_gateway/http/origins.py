"""Web pages of other origins that may call the API (CORS): none, unless the settings name them."""

from __future__ import annotations

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ASKED_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "Last-Event-ID", "X-API-Key")
TOLD_HEADERS = (
    *("ETag", "Link", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate"),
    "X-Request-Id",
)


def allow_origins(app: ASGIApp, origins: str) -> ASGIApp:
    """The application behind the rules; outermost, so that a page can read its problems too.

    Credentials travel in headers that a page sets itself, never in cookies: none are allowed across origins.
    """
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=tuple(filter(None, origins.split(","))),
        allow_methods=METHODS,
        allow_headers=(*ASKED_HEADERS, "X-Request-Id"),
        expose_headers=TOLD_HEADERS,
    )
