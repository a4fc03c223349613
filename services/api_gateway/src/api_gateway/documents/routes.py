"""Routes of the documents: public, each made once, without scripts and without a network.

Describing the whole API takes most of a second of work: it is done when first asked for, in a thread, so that neither
the start nor the live events of others wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib import resources

import msgspec
from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from api_gateway import VERSION
from api_gateway.documents import asyncapi
from api_gateway.documents.bus_page import bus_page
from api_gateway.documents.html import page, table
from api_gateway.documents.rest_page import rest_page
from api_gateway.http import openapi

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
}
ADDRESSES = {
    "/docs": "the API, for people",
    openapi.PATH: "the API, for programs (OpenAPI 3.1)",
    "/docs/bus": "the bus between the services, for people",
    asyncapi.PATH: "the bus, for programs (AsyncAPI 3.0)",
    "/health": "how the gateway is",
    "/metrics": "figures for Prometheus",
}
Handler = Callable[[Request], Awaitable[Response]]


class _Made:
    """Text that is made once, in a thread."""

    def __init__(self, make: Callable[[], bytes]) -> None:
        self._make = make
        self._making: asyncio.Task[bytes] | None = None

    async def text(self) -> bytes:
        if self._making is None:
            self._making = asyncio.create_task(asyncio.to_thread(self._make))
        # Whoever asks may go; the others still wait for the same text.
        return await asyncio.shield(self._making)


def document_routes(app: FastAPI) -> list[Route]:
    """The index, both documents and their pages."""
    return [
        Route("/", _index),
        Route("/docs/style.css", _style),
        Route(openapi.PATH, _giving_json(lambda: msgspec.json.encode(app.openapi()))),
        Route(asyncapi.PATH, _giving_json(lambda: msgspec.json.encode(asyncapi.describe_bus()))),
        Route("/docs", _showing(lambda: rest_page(app.openapi()).encode())),
        Route("/docs/bus", _showing(lambda: bus_page(asyncapi.describe_bus()).encode())),
    ]


def _giving_json(make: Callable[[], bytes]) -> Handler:
    made = _Made(make)

    async def give(_request: Request) -> Response:
        return Response(await made.text(), media_type="application/json")

    return give


def _showing(make: Callable[[], bytes]) -> Handler:
    made = _Made(make)

    async def show(_request: Request) -> Response:
        return HTMLResponse(await made.text(), headers=PAGE_HEADERS)

    return show


async def _index(request: Request) -> Response:
    """Links, as a page for browsers and as JSON for others."""
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"name": "Parkstream", "version": VERSION, "links": ADDRESSES})
    rows = [(f'<a href="{path}">{path}</a>', words) for path, words in ADDRESSES.items()]
    return HTMLResponse(
        page("Parkstream", f"<h1>Parkstream {VERSION}</h1>", table(("", ""), rows)), headers=PAGE_HEADERS
    )


async def _style(_request: Request) -> Response:
    text = resources.files("api_gateway.documents").joinpath("style.css").read_text(encoding="utf-8")
    return Response(text, media_type="text/css", headers={"Cache-Control": "max-age=3600"})
