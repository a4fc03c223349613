"""Routes for the pool of devices: its figures, and taking a device off its space."""

from __future__ import annotations

from typing import Any

import asyncpg
from fastapi import Request

from api_gateway.devices import queries as device_queries
from api_gateway.devices.models import Device
from api_gateway.devices.pool import queries
from api_gateway.devices.pool.models import (
    Batteries,
    BatteryPercents,
    BatteryVolts,
    PoolCounts,
    PoolStats,
    ProfileCounts,
    Unassignment,
)
from api_gateway.http.commands import Commands
from api_gateway.http.fields import EuiPath
from api_gateway.http.openapi import READ, WRITE
from api_gateway.http.problems import not_found
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import DevicesReader, DevicesWriter
from api_gateway.identity.database import Database, transaction_of
from parking_contracts.device_commands import AssignDevice

router = NounRouter(prefix="/api/v6/devices", tags=["devices"])


@router.get("/pool/stats", responses=READ)
async def count_pool(caller: DevicesReader, database: Database) -> PoolStats:
    """How many devices are in use, left, silent or never heard, by profile, and how their batteries are."""
    everything, *profiles = await queries.count_devices(database, caller.tenant_id)
    return PoolStats(
        all=PoolCounts.model_validate(dict(everything)),
        by_profile=[ProfileCounts.model_validate(dict(row)) for row in profiles],
        batteries=_batteries(await queries.count_batteries(database, caller.tenant_id)),
    )


def _batteries(row: asyncpg.Record) -> Batteries:
    percent: dict[str, Any] = {"devices": row["percent_devices"], "lowest": row["percent_lowest"]}
    percent |= {name: row[name] for name in ("below_20", "from_20_to_50", "above_50")}
    return Batteries(
        percent=BatteryPercents(median=row["percent_median"], **percent),
        volts=BatteryVolts(
            devices=row["volts_devices"], median=_rounded(row["volts_median"]), lowest=_rounded(row["volts_lowest"])
        ),
        external_power=row["external_power"],
        unknown=row["unknown"],
    )


def _rounded(volts: float | None) -> float | None:
    """Single precision, as stored, has no more digits to tell."""
    return None if volts is None else round(volts, 3)


@router.post("/{dev_eui}/unassign", responses=WRITE)
async def unassign_device(
    caller: DevicesWriter, commands: Commands, request: Request, dev_eui: EuiPath, body: Unassignment | None = None
) -> Device:
    """Take the device off its space: its running stay ends, the space keeps its history. Harmless where it is on none.

    `PUT /api/v6/devices/{dev_eui}/assignment` puts it on one.
    """
    command = AssignDevice(dev_eui=dev_eui, space_id=None)
    await commands.send(caller, command, body_request_id=body.request_id if body else None)
    async with transaction_of(request, caller) as connection:
        row = await device_queries.get_device(connection, caller.tenant_id, dev_eui)
    if row is None:
        raise not_found("device", dev_eui)
    return Device(**row)
