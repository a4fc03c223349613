"""Every panel shows something beside a running platform, whose services export every metric that is asked for."""

import asyncio
import base64
import json
import os
import re
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiomqtt
import httpx
import pytest
import pytest_asyncio

from dashboards.prometheus_server import Prometheus, executable, prometheus_beside
from dashboards.queries import MAY_BE_EMPTY, panel_queries, rule_queries
from parking_simulator.chirpstack import ChirpStackDouble
from parking_simulator.chirpstack.displays import Busylight
from parkstream.embedded import child
from parkstream.streams import apply_streams
from stack.chirpstack import APPLICATION_ID, network_of
from stack.gateways import KEY
from stack.http_client import http_client
from stack.servers import NatsAccount, fresh_database
from stack.service_process import Service
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVICES = ("uplink_ingestor", "occupancy_engine", "reservation_service", "downlink_dispatcher", "api_gateway")
SENSOR, LIGHT = "0101000000000001", "2020200000000001"
WINDOW = "30s"
# An engine that has computed no day of a site yet has nothing to say about the past, and a machine is not asked here.
QUICK = {
    "PARKSTREAM_SILENCE_SWEEP_SECONDS": "0.5",
    "PARKSTREAM_ROLLUP_REFRESH_SECONDS": "1",
    "PARKSTREAM_RESERVATION_LEAD_SECONDS": "900",
    "PARKSTREAM_CHIRPSTACK_SYNC_SECONDS": "1",
    "PARKSTREAM_MQTT_PROTOCOL": "3.1.1",
    "PARKSTREAM_BOOTSTRAP_API_KEY": KEY,
}


@dataclass
class Watched:
    """A platform on which something has happened, and a Prometheus beside it."""

    prometheus: Prometheus
    exported: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(postgres_server: Any, migrated_template: str, nats_pool: Any) -> AsyncIterator[Watched]:
    if executable() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Prometheus is missing: apt-get install prometheus")
        pytest.skip("Prometheus is not installed: apt-get install prometheus")
    account: NatsAccount = nats_pool.account()
    await apply_streams(account.url)
    async for url in fresh_database(postgres_server, migrated_template):
        async with AsyncExitStack() as running:
            network = network_of((Busylight, LIGHT))
            double = await running.enter_async_context(ChirpStackDouble(network, mqtt=account.mqtt_url))
            environment = QUICK | {
                "PARKSTREAM_DATABASE_URL": url,
                "PARKSTREAM_NATS_URL": account.url,
                "PARKSTREAM_MQTT_URL": account.mqtt_url,
                "PARKSTREAM_CHIRPSTACK_URL": double.url,
                "PARKSTREAM_CHIRPSTACK_TOKEN": double.token,
            }
            services = await start_all(running, environment)
            targets = {name: service.url.removeprefix("http://") for name, service in services.items()}
            prometheus = await running.enter_async_context(prometheus_beside(targets))
            # From here on, so that what happens is seen as growth.
            await eventually(partial(scraped, prometheus, 1), 60, message="Prometheus has seen every service")
            await do_something(services["api_gateway"].url, account)
            exported = await metrics_of(services)
            await eventually(partial(has_seen, prometheus), 60, message="Prometheus has seen what happened")
            yield Watched(prometheus, exported)


async def start_all(running: AsyncExitStack, environment: Mapping[str, str]) -> dict[str, Service]:
    logs = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="parkstream-watched-")))
    services = {name: Service(name, environment, logs / f"{name}.log") for name in SERVICES}
    for service in services.values():
        running.callback(lambda one=service: print(child.last_lines(one.log, 50)))  # noqa: T201  pytest shows it
        running.callback(service.end)
    await asyncio.gather(*(service.start() for service in services.values()))
    return services


async def do_something(url: str, account: NatsAccount) -> None:
    """A car arrives at a space with a display, and somebody books another."""
    now = datetime.now(UTC)
    async with http_client(base_url=url, headers={"X-API-Key": KEY}, timeout=20) as client:

        async def post(path: str, **body: Any) -> Any:
            answer = await client.post(f"/api/v6/{path}", json=body)
            assert answer.is_success, answer.text
            return answer.json()

        tenant = (await client.get("/api/auth/me")).json()["tenant_id"]
        await post("applications", source="chirpstack", application_id=APPLICATION_ID, tenant_id=tenant)
        site = (await post("sites", name="Street", time_zone="UTC"))["id"]
        await post("spaces", site_id=site, name="A", code="A", sensor_eui=SENSOR, display_eui=LIGHT)
        booked = (await post("spaces", site_id=site, name="B", code="B"))["id"]
        span = {"starts_at": now.isoformat(), "ends_at": (now + timedelta(hours=1)).isoformat()}
        await post("reservations", space_id=booked, email="ada@example.org", **span)
        await publish(account.mqtt_url, now)
        await eventually(lambda: is_occupied(client), 20, message="the car is seen")


async def is_occupied(client: httpx.AsyncClient) -> bool:
    return (await client.get("/api/v6/spaces", params={"state": "occupied"})).json()["total"] == 1


async def publish(mqtt_url: str, at: datetime) -> None:
    """Three frames of the sensor: vacant, occupied, occupied."""
    parts = httpx.URL(mqtt_url)
    async with aiomqtt.Client(
        parts.host,
        parts.port or 1883,
        username=parts.username,
        password=parts.password,
        protocol=aiomqtt.ProtocolVersion.V311,
    ) as broker:
        for f_cnt, occupied in enumerate((0, 1, 1)):
            body = {
                "deduplicationId": str(uuid4()),
                "time": at.isoformat(),
                "deviceInfo": {
                    "applicationId": APPLICATION_ID,
                    "deviceProfileName": "Bosch TPS110",
                    "deviceName": "bay",
                    "devEui": SENSOR,
                },
                "devAddr": "00189440",
                "fCnt": f_cnt,
                "fPort": 1,
                "data": base64.b64encode(bytes([occupied])).decode(),
                "rxInfo": [{"gatewayId": "0016c001f153a14c", "rssi": -80, "snr": 7.5}],
            }
            topic = f"application/{APPLICATION_ID}/device/{SENSOR}/event/up"
            await broker.publish(topic, json.dumps(body), qos=1)


async def metrics_of(services: Mapping[str, Service]) -> str:
    async with http_client() as client:
        return "\n".join([(await client.get(f"{service.url}/metrics")).text for service in services.values()])


async def scraped(prometheus: Prometheus, times: int) -> bool:
    """Whether each service has been scraped so often."""
    answer = await prometheus.ask(f'count(sum_over_time(up{{job!="prometheus"}}[1m]) >= {times})')
    return bool(answer) and int(answer[0]["value"][1]) == len(SERVICES)


async def has_seen(prometheus: Prometheus) -> bool:
    """Whether the last thing that happens has been scraped twice: a rate wants two points."""
    wanted = (
        f'count_over_time(parkstream_engine_uplinks_total{{outcome="new"}}[{WINDOW}]) > 1',
        f"count_over_time(parkstream_engine_watermark_age_seconds[{WINDOW}]) > 1",
        "parkstream_engine_rollups_computed_until_timestamp_seconds > 0",
        "max(parkstream_downlink_sync_ended_timestamp_seconds) > 0",
        f'count_over_time(parkstream_downlink_sends_total{{outcome="sent"}}[{WINDOW}]) > 1',
    )
    return await scraped(prometheus, 3) and all([await prometheus.ask(expr) for expr in wanted])


async def test_every_panel_has_data(watched: Watched) -> None:
    empty = [
        f"{query.where} / {query.title}: {query.expr}"
        for query in panel_queries()
        if query.title not in MAY_BE_EMPTY and not await watched.prometheus.ask(query.over(WINDOW))
    ]
    assert not empty, "\n".join(empty)


async def test_every_metric_that_is_asked_for_is_exported(watched: Watched) -> None:
    exported = set(re.findall(r"^# TYPE (\w+) ", watched.exported, re.MULTILINE))
    exported |= {f"{name}{suffix}" for name in exported for suffix in ("_bucket", "_sum", "_count")}
    named = set().union(*(query.metrics for query in (*panel_queries(), *rule_queries())))
    assert {name for name in named if not name.startswith("node_")} <= exported


async def test_every_rule_can_be_evaluated_and_none_fires_on_a_platform_that_is_well(watched: Watched) -> None:
    rules = await watched.prometheus.rules()
    assert not [rule["name"] for rule in rules if rule["health"] == "err"]
    assert not [rule["name"] for rule in rules if rule["state"] == "firing"]
