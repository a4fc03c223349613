"""Routes for LoRaWAN gateways: reads from the directory that the sync with the network server keeps."""

from __future__ import annotations

from typing import Annotated, get_args

import asyncpg
from fastapi import Depends, Query

from api_gateway.http.fields import SearchText
from api_gateway.http.openapi import READ, READ_ONE
from api_gateway.http.paging import Paging
from api_gateway.http.problems import not_found
from api_gateway.http.routes import NounRouter
from api_gateway.http.sorting import sort_by
from api_gateway.identity.authentication import Caller, GatewaysReader
from api_gateway.identity.database import Database
from api_gateway.lorawan_gateways import queries
from api_gateway.lorawan_gateways.models import (
    DisplayCounts,
    DownlinkCounts,
    GatewayId,
    LorawanGateway,
    LorawanGatewayPage,
    LorawanGatewayStats,
)
from parking_chassis.postgres import Connection
from parking_contracts.downlink import DisplayTruth, DownlinkStatus
from parking_contracts.network import GatewayState

router = NounRouter(prefix="/api/v6/gateways", tags=["gateways"])
ORDER = sort_by(queries.SORT_COLUMNS, default="name", tie="gateway_id")


@router.get("", responses=READ)
async def list_gateways(
    caller: GatewaysReader,
    database: Database,
    order: Annotated[str, Depends(ORDER)],
    page: Paging,
    state: Annotated[GatewayState | None, Query(description="only in this state")] = None,
    q: SearchText = None,
) -> LorawanGatewayPage:
    """The LoRaWAN gateways that serve the tenant, by name unless `sort` says otherwise; `q` searches id and name.

    They are those of the ChirpStack tenants in which an application of this tenant is; asked for every 5 minutes.
    """
    total, rows = await queries.list_gateways(database, caller.tenant_id, (state, q), order, page)
    return LorawanGatewayPage(**page.of(total), items=[LorawanGateway(**row) for row in rows])


@router.get("/{gateway_id}", responses=READ_ONE)
async def get_gateway(caller: GatewaysReader, database: Database, gateway_id: GatewayId) -> LorawanGateway:
    """One LoRaWAN gateway, as the network server told of it last."""
    return LorawanGateway(**await _gateway(database, caller, gateway_id))


@router.get("/{gateway_id}/stats", responses=READ_ONE)
async def show_gateway_stats(caller: GatewaysReader, database: Database, gateway_id: GatewayId) -> LorawanGatewayStats:
    """What goes over a LoRaWAN gateway: its packets, the tenant's displays behind it, and what was sent to them."""
    row = await _gateway(database, caller, gateway_id)
    displays = await queries.count_displays(database, caller.tenant_id, gateway_id)
    downlinks = await queries.count_downlinks(database, caller.tenant_id, gateway_id)
    times = await queries.time_to_air(database, caller.tenant_id, gateway_id)
    return LorawanGatewayStats(
        **{name: row[name] for name in LorawanGatewayStats.model_fields.keys() & row.keys()},
        displays=DisplayCounts(
            total=sum(displays.values()), **{truth: displays.get(truth, 0) for truth in get_args(DisplayTruth)}
        ),
        downlinks_24h=DownlinkCounts(
            total=sum(downlinks.values()), **{status: downlinks.get(status, 0) for status in DownlinkStatus}, **times
        ),
    )


async def _gateway(database: Connection, caller: Caller, gateway_id: str) -> asyncpg.Record:
    row = await queries.get_gateway(database, caller.tenant_id, gateway_id)
    if row is None:
        raise not_found("gateway", gateway_id)
    return row
