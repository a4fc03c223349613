"""Routes for what one device said, and how it fares."""

from __future__ import annotations

from typing import Annotated

import asyncpg
from fastapi import Query, Request, Response

from api_gateway.alerts import queries as alert_queries
from api_gateway.alerts.models import Alert
from api_gateway.devices.readings import queries
from api_gateway.devices.readings.models import Battery, DeviceHealth, Radio, Reading, ReadingPage
from api_gateway.http.cursors import Cursor, make_cursor, read_cursor
from api_gateway.http.fields import EuiPath, Instant, Limit
from api_gateway.http.openapi import READ_ONE
from api_gateway.http.paging import link_next
from api_gateway.http.problems import not_found
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import DevicesReader
from api_gateway.identity.database import Database
from parking_contracts.moment import Moment

router = NounRouter(prefix="/api/v6/devices", tags=["devices"])


@router.get("/{dev_eui}/readings", responses=READ_ONE)
async def list_readings(
    caller: DevicesReader,
    database: Database,
    request: Request,
    response: Response,
    dev_eui: EuiPath,
    since: Annotated[Instant | None, Query(alias="from", description="received at this moment or later")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="received before this moment")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> ReadingPage:
    """What the device said, frame by frame, in the order in which it spoke, the newest first.

    A frame that came late stands where it belongs. Readings are kept for 30 days unless `keep_readings_days` says
    otherwise.
    """
    bound_to = ("readings", caller.tenant_id, dev_eui)
    rows = await queries.list_readings(
        database,
        caller.tenant_id,
        dev_eui,
        since=since,
        until=until,
        before=read_cursor(cursor, tuple[Moment, int], *bound_to),
        limit=limit + 1,
    )
    if not rows and not await queries.is_known(database, caller.tenant_id, dev_eui):
        raise not_found("device", dev_eui)
    shown = rows[:limit]
    more = make_cursor((shown[-1]["session_at"], shown[-1]["f_cnt"]), *bound_to) if len(rows) > limit else None
    link_next(request, response, more)
    return ReadingPage(items=[Reading(**row) for row in shown], next_cursor=more)


@router.get("/{dev_eui}/health", responses=READ_ONE)
async def get_health(caller: DevicesReader, database: Database, dev_eui: EuiPath) -> DeviceHealth:
    """How the device fares: when it was heard, its battery and its trend, its radio, its errors, its alerts."""
    row = await queries.get_health(database, caller.tenant_id, dev_eui)
    if row is None:
        raise not_found("device", dev_eui)
    day, week = await queries.measure_radio(database, caller.tenant_id, dev_eui)
    alerts = await alert_queries.alerts_of_device(database, caller.tenant_id, dev_eui)
    return DeviceHealth(
        **{name: row[name] for name in DeviceHealth.model_fields.keys() & row.keys()},
        battery=_battery(row),
        last_24_hours=_radio(day),
        last_7_days=_radio(week),
        alerts=[Alert(**alert) for alert in alerts],
    )


def _battery(row: asyncpg.Record) -> Battery:
    return Battery(
        percent=row["battery_percent"],
        volts=row["battery_volts"],
        external_power=row["external_power"],
        unit=row["battery_unit"],
        per_day=row["battery_per_day"],
        days_left=row["battery_days_left"],
        measured_at=row["measured_at"],
    )


def _radio(row: asyncpg.Record) -> Radio:
    return Radio(**{name: row[name] for name in Radio.model_fields})
