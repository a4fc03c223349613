"""Routes for exports: everything of a kind as CSV, which an import takes back and finds unchanged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
from fastapi import Request
from fastapi.responses import StreamingResponse

from api_gateway.http.openapi import READ
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import Caller, DevicesReader, SitesReader, SpacesReader
from api_gateway.identity.database import transaction_of
from api_gateway.imports import queries
from api_gateway.imports.csv_tables import write_lines
from parking_chassis.postgres import Connection
from parking_contracts.import_commands import COLUMNS, ImportKind

AT_ONCE = 1_000
router = NounRouter(prefix="/api/v6/exports", tags=["imports"])

Page = Callable[[Connection, UUID, asyncpg.Record | None, int], Awaitable[queries.Rows]]
PAGES: dict[ImportKind, Page] = {
    "sites": queries.sites_after,
    "spaces": queries.spaces_after,
    "devices": queries.devices_after,
}
EXAMPLES: dict[ImportKind, str] = {
    "sites": "name,time_zone,latitude,longitude\r\nMarket Square,Europe/Berlin,52.5,13.4\r\n",
    "spaces": "site,code,name,kind\r\nMarket Square,A-17,Bay A-17,ev\r\n",
    "devices": "dev_eui,name,codec\r\n70b3d57ed0061a2b,Bay A-17,bosch_tps110\r\n",
}


def _csv(kind: ImportKind) -> dict[str, Any]:
    content = {"text/csv": {"schema": {"type": "string"}, "example": EXAMPLES[kind]}}
    return {
        "responses": READ | {200: {"description": "all rows", "content": content}},
        "response_class": StreamingResponse,
    }


@router.get("/sites", **_csv("sites"))
async def export_sites(caller: SitesReader, request: Request) -> StreamingResponse:
    """All live sites. A text that a spreadsheet would execute has an apostrophe before it; an import takes it off."""
    return await _export(request, caller, "sites")


@router.get("/spaces", **_csv("spaces"))
async def export_spaces(caller: SpacesReader, request: Request) -> StreamingResponse:
    """All live spaces. A text that a spreadsheet would execute has an apostrophe before it; an import takes it off."""
    return await _export(request, caller, "spaces")


@router.get("/devices", **_csv("devices"))
async def export_devices(caller: DevicesReader, request: Request) -> StreamingResponse:
    """What is set for all devices. A text that a spreadsheet would execute has an apostrophe before it."""
    return await _export(request, caller, "devices")


async def _export(request: Request, caller: Caller, kind: ImportKind) -> StreamingResponse:
    # The first page before the answer begins: what is away then is still a clean 503.
    first = await _page(request, caller, kind, None)
    return StreamingResponse(
        _lines(request, caller, kind, first),
        media_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{kind}.csv"'},
    )


async def _lines(request: Request, caller: Caller, kind: ImportKind, rows: queries.Rows) -> AsyncIterator[str]:
    """Page by page, each in a transaction of its own: a slow reader holds no connection."""
    columns = [name for name in COLUMNS[kind] if name != "site_id"]
    yield ",".join(columns) + "\r\n"
    while rows:
        yield write_lines(columns, map(dict, rows))
        rows = await _page(request, caller, kind, rows[-1]) if len(rows) == AT_ONCE else ()


async def _page(request: Request, caller: Caller, kind: ImportKind, last: asyncpg.Record | None) -> queries.Rows:
    async with transaction_of(request, caller) as connection:
        return await PAGES[kind](connection, caller.tenant_id, last, AT_ONCE)
