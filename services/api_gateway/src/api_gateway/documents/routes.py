"""Routes of the documents: public, rendered once, without scripts and without a network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
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


def document_routes(app: FastAPI) -> list[Route]:
    """The index, both documents and their pages."""

    @cache
    def rest() -> bytes:
        return rest_page(app.openapi()).encode()

    @cache
    def bus() -> bytes:
        return bus_page(asyncapi.describe_bus()).encode()

    @cache
    def bus_document() -> bytes:
        return msgspec.json.encode(asyncapi.describe_bus())

    async def show_rest(_request: Request) -> Response:
        return HTMLResponse(rest(), headers=PAGE_HEADERS)

    async def show_bus(_request: Request) -> Response:
        return HTMLResponse(bus(), headers=PAGE_HEADERS)

    async def give_bus_document(_request: Request) -> Response:
        return Response(bus_document(), media_type="application/json")

    handlers: dict[str, Handler] = {
        "/": _index,
        "/docs": show_rest,
        "/docs/bus": show_bus,
        "/docs/style.css": _style,
        asyncapi.PATH: give_bus_document,
    }
    return [Route(path, handler) for path, handler in handlers.items()]


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
