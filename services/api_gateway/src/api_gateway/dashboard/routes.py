"""The route of the console's first screen: one answer, from which the live events go on without a gap.

The place in the event stream is taken before the database is read: what is published by then is committed already, and
what follows is heard again at worst.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
from fastapi import Request, Response

from api_gateway.alerts import queries as alert_queries
from api_gateway.dashboard import queries
from api_gateway.dashboard.models import Dashboard
from api_gateway.devices.pool.queries import count_devices
from api_gateway.gateway import gateway_of
from api_gateway.http.openapi import READ
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import Caller, SpacesReader
from api_gateway.identity.database import transaction_of
from api_gateway.statistics.states import count_states
from parking_chassis.postgres import Connection

router = NounRouter(prefix="/api/v6/dashboard", tags=["dashboard"])

MOST_SPACES = 2000
NEWEST_CHANGES = 20
NEWEST_ALERTS = 10
Json = dict[str, Any]


@router.get("/data", response_model=Dashboard, responses=READ)
async def show_dashboard(caller: SpacesReader, request: Request) -> Response:
    """Everything a console's first screen needs, in one call.

    Counts of now, up to 2,000 spaces with position and state, the newest changes, arrivals today, how full it was in
    the last 24 hours, open alerts, the device pool, and the place in the live events from which to go on without a gap.
    Who asks soon after another gets his answer, at most two seconds old; `taken_at` says when it was read.
    """
    rights = caller.may("alerts:read"), caller.may("devices:read")
    answer = await gateway_of(request).dashboards.get(
        (caller.tenant_id, *rights), lambda: _make(request, caller, *rights)
    )
    return Response(answer, media_type="application/json")


async def _make(request: Request, caller: Caller, with_alerts: bool, with_devices: bool) -> bytes:
    feed = gateway_of(request).feed
    events_after = feed.ids.of(feed.ring.position) if feed.is_following else None
    tenant_id = caller.tenant_id
    async with transaction_of(request, caller) as database:
        places = await _places(database, tenant_id)
        answer = {
            "events_after": events_after,
            "taken_at": datetime.now(UTC),
            **places,
            "spaces": await _spaces(database, tenant_id, places["all"]["total"]),
            "changes": _dicts(await queries.newest_changes(database, tenant_id, NEWEST_CHANGES)),
            "occupancy": [
                {"from": row["hour"], "occupancy_rate": row["occupancy_rate"]}
                for row in await queries.occupancy_by_hour(database, tenant_id)
            ],
            "alerts": await _alerts(database, tenant_id) if with_alerts else None,
            "devices": await _devices(database, tenant_id) if with_devices else None,
        }
    # Encoded here: to check a thousand spaces of our own field by field would take longer than to read them.
    return msgspec.json.encode(answer)


def _dicts(rows: Iterable[asyncpg.Record]) -> list[Json]:
    return [dict(row) for row in rows]


async def _places(connection: Connection, tenant_id: UUID) -> Json:
    """`all` and `sites`: the live spaces counted, in all and by site and zone."""
    sites = await queries.list_sites(connection, tenant_id)
    counted = await queries.count_states(connection, tenant_id)
    now = datetime.now(UTC)
    today = {site["id"]: now.astimezone(ZoneInfo(site["time_zone"])).date() for site in sites}
    arrivals = {row["site_id"]: row["arrivals"] for row in await queries.count_arrivals(connection, tenant_id, today)}
    of_site: dict[UUID, list[asyncpg.Record]] = {}
    for row in counted:
        of_site.setdefault(row["site_id"], []).append(row)
    return {
        "all": count_states(counted),
        "sites": [
            {
                **dict(site),
                **count_states(of_site.get(site["id"], [])),
                "arrivals_today": arrivals.get(site["id"], 0),
                "zones": _zones(of_site.get(site["id"], [])),
            }
            for site in sites
        ],
    }


def _zones(rows: Sequence[asyncpg.Record]) -> list[Json]:
    zones: dict[str | None, list[asyncpg.Record]] = {}
    for row in rows:
        zones.setdefault(row["zone"], []).append(row)
    return [{"zone": zone, **count_states(of_zone)} for zone, of_zone in zones.items()]


async def _spaces(connection: Connection, tenant_id: UUID, live: int) -> Json:
    items = await queries.list_spaces(connection, tenant_id, MOST_SPACES)
    return {"items": msgspec.Raw(items.encode()), "is_cut": live > MOST_SPACES}


async def _alerts(connection: Connection, tenant_id: UUID) -> Json:
    counted = await queries.count_alerts(connection, tenant_id)
    newest = await alert_queries.newest_alerts(connection, tenant_id, NEWEST_ALERTS)
    return {**dict(counted), "newest": _dicts(newest)}


async def _devices(connection: Connection, tenant_id: UUID) -> Json:
    everything = dict((await count_devices(connection, tenant_id))[0])
    return {name: everything[name] for name in everything.keys() - {"profile_name", "everything"}}
