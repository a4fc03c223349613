"""`api.GatewayService`: the LoRaWAN gateways, whether they are online, and what they received and sent.

A gateway is online while its statistics came within twice their interval; the double's gateways have a state, and the
moment they were last seen follows from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import grpc
from chirpstack_api import api, common  # type: ignore[import-untyped]  # generated code without stubs

from parking_simulator.chirpstack.access import Access, not_found, read_eui, read_uuid
from parking_simulator.chirpstack.directory_services import page, stamp
from parking_simulator.chirpstack.network import CREATED_AT, Gateway, Network

OFFLINE_SINCE: Final = timedelta(hours=1)
MOST_BUCKETS: Final = 10_000
SECONDS_OF: Final = {"MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}


class GatewayService(api.GatewayServiceServicer):  # type: ignore[misc]  # generated code without stubs
    """List, Get, GetMetrics."""

    def __init__(self, network: Network, access: Access) -> None:
        self._network = network
        self._access = access

    async def List(self, request: Any, context: Any) -> Any:  # noqa: N802  the service's name
        """The gateways of a tenant or, for an admin key that names none, of all; by name unless told otherwise."""
        tenant_id = await read_uuid(context, request.tenant_id) if request.tenant_id else None
        await self._access.of_tenant(context, tenant_id)
        found = [
            one
            for one in sorted(self._network.gateways.values(), key=_order(request.order_by))
            if tenant_id in (None, one.tenant_id) and request.search.lower() in one.name.lower()
        ]
        if request.order_by_desc:
            found.reverse()
        return api.ListGatewaysResponse(total_count=len(found), result=[_listed(one) for one in page(found, request)])

    async def Get(self, request: Any, context: Any) -> Any:  # noqa: N802  the service's name
        """One gateway."""
        gateway = await self._gateway(request, context)
        told = api.Gateway(
            gateway_id=gateway.id,
            name=gateway.name,
            description=gateway.description,
            location=_location(gateway),
            tenant_id=gateway.tenant_id,
            stats_interval=gateway.stats_interval_seconds,
        )
        return api.GetGatewayResponse(
            gateway=told,
            created_at=stamp(CREATED_AT),
            updated_at=stamp(CREATED_AT),
            last_seen_at=stamp(_last_seen(gateway)),
        )

    async def GetMetrics(self, request: Any, context: Any) -> Any:  # noqa: N802  the service's name
        """Packets received and sent between two moments, by minute, hour, day or month of UTC."""
        gateway = await self._gateway(request, context)
        for side in ("start", "end"):
            if not request.HasField(side):
                await context.abort(grpc.StatusCode.INTERNAL, f"{side} is None")
        aggregation = common.Aggregation.Name(request.aggregation)
        buckets = _buckets(request.start.ToDatetime(UTC), request.end.ToDatetime(UTC), aggregation)
        return api.GetGatewayMetricsResponse(
            rx_packets=_metric("Received", "rx_count", buckets, gateway.received, aggregation),
            tx_packets=_metric("Transmitted", "tx_count", buckets, gateway.sent, aggregation),
        )

    async def _gateway(self, request: Any, context: Any) -> Gateway:
        gateway_id = await read_eui(context, request.gateway_id)
        gateway = self._network.gateways.get(gateway_id)
        await self._access.of_tenant(context, gateway.tenant_id if gateway else None)
        if gateway is None:
            await not_found(context, gateway_id)
        return gateway


def _order(order_by: int) -> Any:
    field = api.ListGatewaysRequest.OrderBy.Name(order_by)
    if field == "GATEWAY_ID":
        return lambda one: one.id
    if field == "LAST_SEEN_AT":
        return lambda one: (_last_seen(one) or datetime.min.replace(tzinfo=UTC), one.name)
    return lambda one: (one.name, one.id)


def _last_seen(gateway: Gateway) -> datetime | None:
    if gateway.state == "never_seen":
        return None
    now = datetime.now(UTC)
    if gateway.state == "online":
        return now - timedelta(seconds=gateway.stats_interval_seconds / 2)
    return gateway.last_seen_at or now - OFFLINE_SINCE


def _location(gateway: Gateway) -> Any:
    return common.Location(latitude=gateway.latitude, longitude=gateway.longitude, altitude=gateway.altitude)


def _listed(gateway: Gateway) -> Any:
    return api.GatewayListItem(
        tenant_id=gateway.tenant_id,
        gateway_id=gateway.id,
        name=gateway.name,
        description=gateway.description,
        location=_location(gateway),
        created_at=stamp(CREATED_AT),
        updated_at=stamp(CREATED_AT),
        last_seen_at=stamp(_last_seen(gateway)),
        state=gateway.state.upper(),
    )


def _bucket(at: datetime, aggregation: str) -> datetime:
    """The beginning of the bucket that a moment is in."""
    if aggregation == "MONTH":
        return at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    seconds = SECONDS_OF[aggregation]
    return datetime.fromtimestamp(int(at.timestamp()) // seconds * seconds, UTC)


def _buckets(start: datetime, end: datetime, aggregation: str) -> list[datetime]:
    """Every bucket from the one of `start` to the one of `end`, empty ones included."""
    buckets = [_bucket(start, aggregation)]
    step = timedelta(days=32) if aggregation == "MONTH" else timedelta(seconds=SECONDS_OF[aggregation])
    while (following := _bucket(buckets[-1] + step, aggregation)) <= end and len(buckets) < MOST_BUCKETS:
        buckets.append(following)
    return buckets


def _metric(name: str, label: str, buckets: Iterable[datetime], by_minute: Counter[int], aggregation: str) -> Any:
    totals: Counter[datetime] = Counter()
    for minute, count in by_minute.items():
        totals[_bucket(datetime.fromtimestamp(minute * 60, UTC), aggregation)] += count
    beginnings = list(buckets)
    return common.Metric(
        name=name,
        timestamps=[stamp(one) for one in beginnings],
        datasets=[common.MetricDataset(label=label, data=[float(totals[one]) for one in beginnings])],
        kind="ABSOLUTE",
    )
