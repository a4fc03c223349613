"""Routes for devices: reads from the directory, settings and assignment as commands to their owner."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request

from api_gateway.devices import queries
from api_gateway.devices.models import (
    Assignment,
    Device,
    DevicePage,
    DeviceSettings,
    Orphan,
    OrphanPage,
    OrphanReason,
    RedecodeRequest,
    RedecodeResult,
)
from api_gateway.http.commands import Commands
from api_gateway.http.fields import EuiPath, FilterText, SearchText
from api_gateway.http.openapi import READ, READ_ONE, WRITE
from api_gateway.http.paging import Paging
from api_gateway.http.problems import not_found
from api_gateway.http.routes import NounRouter
from api_gateway.http.sorting import sort_by
from api_gateway.identity.authentication import Caller, DevicesReader, DevicesWriter, OrphansReader
from api_gateway.identity.database import Database, transaction_of
from parking_contracts.device_commands import AssignDevice, Redecode, RegisterDevice, RemoveDevice

router = NounRouter(prefix="/api/v6/devices", tags=["devices"])

DEVICE_ORDER = sort_by(queries.DEVICE_SORT_COLUMNS, default="dev_eui", tie="dev_eui")
ORPHAN_ORDER = sort_by(queries.ORPHAN_SORT_COLUMNS, default="-last_received_at", tie="dev_eui")


@router.get("", responses=READ)
async def list_devices(
    caller: DevicesReader,
    database: Database,
    order: Annotated[str, Depends(DEVICE_ORDER)],
    page: Paging,
    silent: Annotated[bool | None, Query(description="only those that have missed their reports, or not")] = None,
    assigned: Annotated[bool | None, Query(description="only those that are a space's sensor, or not")] = None,
    flapping: Annotated[bool | None, Query(description="only those that change their mind too often, or not")] = None,
    application_id: Annotated[FilterText | None, Query(description="only of this ChirpStack application")] = None,
    q: SearchText = None,
) -> DevicePage:
    """The tenant's devices, by DevEUI unless `sort` says otherwise; `q` searches DevEUI and name."""
    filters = (silent, assigned, flapping, application_id, q)
    total, rows = await queries.list_devices(database, caller.tenant_id, filters, order, page)
    return DevicePage(**page.of(total), items=[Device(**row) for row in rows])


@router.get("/orphans", responses=READ)
async def list_orphans(
    _caller: OrphansReader,
    database: Database,
    order: Annotated[str, Depends(ORPHAN_ORDER)],
    page: Paging,
    source: Annotated[FilterText | None, Query(description="only of this integration")] = None,
    application_id: Annotated[FilterText | None, Query(description="only of this ChirpStack application")] = None,
    reason: Annotated[OrphanReason | None, Query(description="only those that wait for this reason")] = None,
) -> OrphanPage:
    """Devices that were heard and not taken in, of whatever tenant, the last heard first; their frames wait."""
    total, rows = await queries.list_orphans(database, (source, application_id, reason), order, page)
    return OrphanPage(**page.of(total), items=[Orphan(**row) for row in rows])


@router.get("/{dev_eui}", responses=READ_ONE)
async def get_device(caller: DevicesReader, database: Database, dev_eui: EuiPath) -> Device:
    """One device, as last heard."""
    row = await queries.get_device(database, caller.tenant_id, dev_eui)
    if row is None:
        raise not_found("device", dev_eui)
    return Device(**row)


@router.put("/{dev_eui}", responses=WRITE)
async def register_device(
    caller: DevicesWriter, commands: Commands, request: Request, dev_eui: EuiPath, body: DeviceSettings
) -> Device:
    """Make a device known, or change its settings. Until it is heard from a bound application it has no effect."""
    command = RegisterDevice(dev_eui=dev_eui, **body.model_dump(exclude={"request_id"}, exclude_unset=True))
    await commands.send(caller, command, body_request_id=body.request_id)
    return await _as_stored(request, caller, dev_eui)


@router.delete("/{dev_eui}", status_code=204, responses=WRITE)
async def remove_device(caller: DevicesWriter, commands: Commands, dev_eui: EuiPath) -> None:
    """Forget a device; refused while a space uses it. Its readings stay."""
    await commands.send(caller, RemoveDevice(dev_eui=dev_eui))


@router.put("/{dev_eui}/assignment", responses=WRITE)
async def assign_device(
    caller: DevicesWriter, commands: Commands, request: Request, dev_eui: EuiPath, body: Assignment
) -> Device:
    """Make the device the sensor of a space, or of none."""
    command = AssignDevice(dev_eui=dev_eui, space_id=body.space_id)
    await commands.send(caller, command, body_request_id=body.request_id)
    return await _as_stored(request, caller, dev_eui)


@router.post("/{dev_eui}/redecode", responses=WRITE)
async def redecode_device(
    caller: DevicesWriter, commands: Commands, dev_eui: EuiPath, body: RedecodeRequest
) -> RedecodeResult:
    """Read the device's stored payloads again with today's codec; readings and stays follow."""
    command = Redecode(dev_eui=dev_eui, since=body.since)
    result = await commands.send(caller, command, body_request_id=body.request_id)
    return RedecodeResult.model_validate_json(result)


async def _as_stored(request: Request, caller: Caller, dev_eui: str) -> Device:
    """The device as the directory shows it now: the owner has committed before it answered."""
    async with transaction_of(request, caller) as connection:
        row = await queries.get_device(connection, caller.tenant_id, dev_eui)
    if row is None:
        raise not_found("device", dev_eui)
    return Device(**row)
