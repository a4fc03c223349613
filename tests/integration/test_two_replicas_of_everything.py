"""Two of every service side by side, and kill -9 of one of each in mid-flow: nothing is lost and nothing is doubled.

Two ingestors share a subscription on Mosquitto, two engines a durable consumer, two reservation services and two
dispatchers their queues; clients meet the two gateways request by request in turn. Meanwhile sensors speak, people
book, each slot wanted by two of them, and somebody follows the event stream.
"""

import asyncio
import base64
import contextlib
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import aiomqtt
import asyncpg
import httpx
import pytest

from stack.brokers import Mosquitto
from stack.http_client import http_client
from stack.redelivery import redeliver_after
from stack.replicas import RoundRobin
from stack.servers import NatsAccount
from stack.service_process import Service
from stack.services import RunService
from stack.waiting import eventually

pytestmark = pytest.mark.timeout(400)

KEY = f"pk_bootstrap01_{'s' * 43}"
APPLICATION = "ca739e26-7b67-4f14-b69e-d568c22a5a75"
SPACES, FRAMES, SLOTS = 12, 50, 40
BEGINNING = datetime.now(UTC) - timedelta(hours=2)
TOMORROW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
SERVICES = ("uplink_ingestor", "occupancy_engine", "reservation_service", "downlink_dispatcher", "api_gateway")
AGAIN = {httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT}


def eui_of(number: int) -> str:
    return f"0101{number:012x}"


def uplink(number: int, f_cnt: int) -> tuple[str, bytes]:
    """A Bosch TPS110's frame as ChirpStack writes it: occupied on odd counts."""
    at = (BEGINNING + timedelta(seconds=10 * f_cnt)).isoformat()
    info = {
        "applicationId": APPLICATION,
        "applicationName": "parking",
        "deviceProfileName": "Bosch TPS110",
        "deviceName": f"bay-{number}",
        "devEui": eui_of(number),
    }
    body = {
        "deduplicationId": str(uuid4()),
        "time": at,
        "deviceInfo": info,
        "devAddr": f"{number:08x}",
        "fCnt": f_cnt,
        "fPort": 1,
        "data": base64.b64encode(bytes([f_cnt % 2])).decode(),
        "rxInfo": [{"gatewayId": "0016c001f153a14c", "nsTime": at, "rssi": -80, "snr": 7.5}],
    }
    return f"application/{APPLICATION}/device/{eui_of(number)}/event/up", json.dumps(body).encode()


@dataclass
class Pairs:
    """Two of every service, one address for both gateways, and what they stand on."""

    each: dict[str, list[Service]]
    front: RoundRobin
    broker: Mosquitto
    sql: asyncpg.Connection
    account: NatsAccount
    spaces: list[str] = field(default_factory=list)

    def client(self) -> httpx.AsyncClient:
        return http_client(base_url=self.front.url, headers={"X-API-Key": KEY}, timeout=15)

    async def settle_in(self) -> None:
        """A site, spaces with sensors, and the application they belong to."""
        await redeliver_after(await self.account.connect(), 2, "occupancy_engine")
        async with self.client() as client:
            site = await ask(client, "/api/v6/sites", {"name": "Street", "time_zone": "UTC"})
            tenant = (await client.get("/api/auth/me")).json()["tenant_id"]
            bound = {"source": "chirpstack", "application_id": APPLICATION, "tenant_id": tenant}
            await ask(client, "/api/v6/applications", bound)
            for number in range(SPACES):
                bay = {"site_id": site["id"], "name": "Bay", "code": f"B{number}", "sensor_eui": eui_of(number)}
                self.spaces.append((await ask(client, "/api/v6/spaces", bay))["id"])

    async def readings(self) -> int:
        return await self.sql.fetchval("SELECT count(*) FROM occupancy.sensor_readings")


@pytest.fixture
async def pairs(
    service_env: dict[str, str], mosquitto: Mosquitto, nats_account: NatsAccount, run_service: RunService
) -> AsyncIterator[Pairs]:
    environment = service_env | {
        "PARKSTREAM_MQTT_URL": mosquitto.url,
        "PARKSTREAM_MQTT_SHARED_GROUP": "ingestors",
        "PARKSTREAM_BOOTSTRAP_API_KEY": KEY,
        "PARKSTREAM_RATE_LIMIT_READS_PER_SECOND": "0",
        "PARKSTREAM_RATE_LIMIT_WRITES_PER_SECOND": "0",
    }

    async def start(name: str, number: int) -> Service:
        return await run_service(name, environment | {"PARKSTREAM_MQTT_CLIENT_ID": f"ingestor-{number}"})

    started = await asyncio.gather(*(start(name, number) for name in SERVICES for number in (0, 1)))
    each = {name: list(started[2 * place : 2 * place + 2]) for place, name in enumerate(SERVICES)}
    front = RoundRobin([one.url for one in each["api_gateway"]])
    sql = await asyncpg.connect(environment["PARKSTREAM_DATABASE_URL"])
    pairs = Pairs(each, front, mosquitto, sql, nats_account)
    await pairs.settle_in()
    yield pairs
    front.close()
    await sql.close()


async def ask(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Any:
    answer = await client.post(path, json=body)
    assert answer.is_success, answer.text
    return answer.json()


async def insist(client: httpx.AsyncClient, body: dict[str, Any], key: str) -> httpx.Response:
    """Ask again with the same key until there is an answer, as an app does that lost its connection."""

    async def answered() -> httpx.Response | None:
        with contextlib.suppress(httpx.TransportError):
            answer = await client.post("/api/v6/reservations", json=body, headers={"Idempotency-Key": key})
            if answer.status_code not in AGAIN and "REQUEST_IN_FLIGHT" not in answer.text:
                return answer
        return None

    return await eventually(answered, 60, interval=0.1, message=f"an answer to {key}")


async def speak(pairs: Pairs, halfway: asyncio.Event) -> None:
    """Every sensor's frames in turn; says when half of them are out."""
    async with aiomqtt.Client("127.0.0.1", pairs.broker.port, identifier="chirpstack") as mqtt:
        for f_cnt in range(FRAMES):
            if f_cnt == FRAMES // 2:
                halfway.set()
            await asyncio.gather(*(mqtt.publish(*uplink(number, f_cnt), qos=1) for number in range(SPACES)))


async def book(pairs: Pairs) -> dict[int, list[httpx.Response]]:
    """Two people want each slot; each of them sends his request twice at the same time."""
    answers: dict[int, list[httpx.Response]] = defaultdict(list)
    places = asyncio.Semaphore(8)

    async def want(client: httpx.AsyncClient, slot: int) -> None:
        start = TOMORROW + timedelta(hours=slot // SPACES)
        times = {"starts_at": start.isoformat(), "ends_at": (start + timedelta(hours=1)).isoformat()}
        key = str(uuid4())
        body = {"space_id": pairs.spaces[slot % SPACES], "email": f"{key}@example.org", **times}
        async with places:
            first, second = await asyncio.gather(insist(client, body, key), insist(client, body, key))
        assert (first.status_code, first.json().get("id")) == (second.status_code, second.json().get("id"))
        answers[slot].append(first)

    async with pairs.client() as client:
        await asyncio.gather(*(want(client, slot) for slot in range(SLOTS) for _ in range(2)))
    return answers


async def follow(pairs: Pairs, seen: dict[str, list[int]]) -> None:
    """The event stream from now on, resumed wherever it broke; versions by space."""
    position = ""
    while True:
        async with pairs.client() as client:
            headers = {"Last-Event-ID": position} if position else {}
            with contextlib.suppress(httpx.TransportError):
                async with client.stream("GET", "/api/v6/events", headers=headers, timeout=60) as stream:
                    async for line in stream.aiter_lines():
                        name, _, value = line.partition(": ")
                        if name == "id":
                            position = value
                        elif name == "event":
                            assert value != "reset", "events were lost"
                        elif name == "data" and (event := json.loads(value)).get("version") and "state" in event:
                            seen[event["space_id"]].append(event["version"])


async def kill_one_of_each(pairs: Pairs, number: int) -> None:
    """kill -9, and back again."""
    for services in pairs.each.values():
        services[number].kill()
    await asyncio.gather(*(services[number].start() for services in pairs.each.values()))


@pytest.mark.slow
async def test_one_of_each_is_killed_in_mid_flow_and_nothing_is_lost_or_doubled(pairs: Pairs):
    seen: dict[str, list[int]] = defaultdict(list)
    following = asyncio.create_task(follow(pairs, seen))
    halfway = asyncio.Event()
    speaking, booking = asyncio.create_task(speak(pairs, halfway)), asyncio.create_task(book(pairs))
    await halfway.wait()
    await kill_one_of_each(pairs, 0)
    await kill_one_of_each(pairs, 1)
    await speaking
    answers = await booking

    async def all_stored() -> bool:
        return await pairs.readings() >= SPACES * FRAMES

    await eventually(all_stored, 60, message="every uplink is a reading")
    await assert_every_uplink_once(pairs)
    await assert_every_slot_sold_once(pairs, answers)
    await assert_every_version_once(pairs, seen)
    following.cancel()
    assert [one.stop() for services in pairs.each.values() for one in services] == [0] * 2 * len(SERVICES)


async def assert_every_uplink_once(pairs: Pairs) -> None:
    rows = await pairs.sql.fetch(
        "SELECT dev_eui, f_cnt, count(*) AS times FROM occupancy.sensor_readings GROUP BY 1, 2"
    )
    assert Counter(row["times"] for row in rows) == {1: SPACES * FRAMES}
    last = "occupied" if (FRAMES - 1) % 2 else "free"

    async def shown() -> bool:
        states = await pairs.sql.fetch("SELECT state FROM occupancy.spaces")
        assert {row["state"] for row in states} == {last}
        return True

    await eventually(shown, 20)


async def assert_every_slot_sold_once(pairs: Pairs, answers: dict[int, list[httpx.Response]]) -> None:
    for slot, both in answers.items():
        assert sorted(one.status_code for one in both) == [201, 409], slot
    rows = await pairs.sql.fetch("SELECT id::text, space_id, starts_at FROM reservation.reservations")
    sold = {one.json()["id"] for both in answers.values() for one in both if one.status_code == httpx.codes.CREATED}
    assert {row["id"] for row in rows} == sold
    assert len(rows) == SLOTS == len({(row["space_id"], row["starts_at"]) for row in rows})


async def assert_every_version_once(pairs: Pairs, seen: dict[str, list[int]]) -> None:
    """On the event stream, over both gateways: in order, without gap or repetition, up to the last."""
    rows = await pairs.sql.fetch("SELECT id::text, version FROM occupancy.spaces")

    async def all_heard() -> bool:
        assert {row["id"]: row["version"] for row in rows} == {space: told[-1] for space, told in seen.items()}
        return True

    await eventually(all_heard, 30)
    for space, told in seen.items():
        assert all(after == before + 1 for before, after in itertools.pairwise(told)), (space, told)
