"""Routes for displays: reads from the directory, a resync and counters as commands to their owner."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request

from api_gateway.displays import queries
from api_gateway.displays.models import CounterSettings, Display, DisplayEui, DisplayPage
from api_gateway.http.commands import Commands
from api_gateway.http.fields import Eui, FilterText
from api_gateway.http.openapi import READ, READ_ONE, WRITE
from api_gateway.http.paging import Paging
from api_gateway.http.problems import not_found
from api_gateway.http.routes import NounRouter
from api_gateway.http.sorting import sort_by
from api_gateway.identity.authentication import Caller, DisplaysReader, DisplaysWriter, DownlinksWriter
from api_gateway.identity.database import Database, transaction_of
from parking_contracts.downlink import DisplayTruth
from parking_contracts.downlink_commands import RemoveZoneCounter, ResyncDisplay, SetZoneCounter

router = NounRouter(prefix="/api/v6/displays", tags=["displays"])
ORDER = sort_by(queries.SORT_COLUMNS, default="dev_eui", tie="dev_eui")


@router.get("", responses=READ)
async def list_displays(
    caller: DisplaysReader,
    database: Database,
    order: Annotated[str, Depends(ORDER)],
    page: Paging,
    truth: Annotated[DisplayTruth | None, Query(description="only those of which this is known")] = None,
    codec: Annotated[FilterText | None, Query(description="only of this family", examples=["kuando_busylight"])] = None,
    space: Annotated[UUID | None, Query(description="only the display of this space")] = None,
    site: Annotated[UUID | None, Query(description="only on this site, or counting for it")] = None,
    gateway: Annotated[Eui | None, Query(description="only those last heard over this LoRaWAN gateway")] = None,
) -> DisplayPage:
    """The tenant's displays, by DevEUI unless `sort` says otherwise: what each should show, and what it does show.

    A display is known once it was heard in an application of the tenant and has had something to show.
    """
    filters = (truth, codec, space, site, gateway)
    total, rows = await queries.list_displays(database, caller.tenant_id, filters, order, page)
    return DisplayPage(**page.of(total), items=[Display(**row) for row in rows])


@router.get("/{display_eui}", responses=READ_ONE)
async def get_display(caller: DisplaysReader, database: Database, display_eui: DisplayEui) -> Display:
    """One display: what it should show, and what is known of what it shows."""
    row = await queries.get_display(database, caller.tenant_id, display_eui)
    if row is None:
        raise not_found("display", display_eui)
    return Display(**row)


@router.post("/{display_eui}/resync", responses=WRITE)
async def resync_display(
    caller: DownlinksWriter, commands: Commands, request: Request, display_eui: DisplayEui
) -> Display:
    """Send a display again what it should show, whatever it is believed to show."""
    await commands.send(caller, ResyncDisplay(dev_eui=display_eui))
    return await _as_stored(request, caller, display_eui)


@router.put("/{display_eui}/counter", responses=WRITE)
async def set_counter(
    caller: DisplaysWriter, commands: Commands, request: Request, display_eui: DisplayEui, body: CounterSettings
) -> Display:
    """Let a display show how many spaces of a site, or of a zone, are free. It must be of a family that can count."""
    command = SetZoneCounter(dev_eui=display_eui, site_id=body.site_id, zone=body.zone)
    await commands.send(caller, command, body_request_id=body.request_id)
    return await _as_stored(request, caller, display_eui)


@router.delete("/{display_eui}/counter", status_code=204, responses=WRITE)
async def remove_counter(caller: DisplaysWriter, commands: Commands, display_eui: DisplayEui) -> None:
    """Let a display count no more: it shows the state of its space again, or keeps what it shows if it has none."""
    await commands.send(caller, RemoveZoneCounter(dev_eui=display_eui))


async def _as_stored(request: Request, caller: Caller, dev_eui: str) -> Display:
    """The display as the directory shows it now: the owner has committed before it answered."""
    async with transaction_of(request, caller) as connection:
        row = await queries.get_display(connection, caller.tenant_id, dev_eui)
    if row is None:
        raise not_found("display", dev_eui)
    return Display(**row)
