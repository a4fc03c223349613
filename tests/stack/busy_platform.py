"""A whole platform at work: five services as real processes, and everybody who keeps them busy.

`Outside` is what stays when a platform is stopped, moved or lost: the broker, a ChirpStack with displays, sensors that
speak, people who book, somebody who follows the event stream; and what each of them was told. `Busy` is a platform on
one database and one NATS.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import signal
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiomqtt
import asyncpg
import httpx

from parking_codecs.display import Colour
from parking_simulator.chirpstack import ChirpStackDouble
from parking_simulator.chirpstack.displays import Busylight
from parkstream.embedded import child
from stack.brokers import Mosquitto
from stack.chirpstack import APPLICATION_ID, network_of
from stack.gateways import KEY, PASSWORD
from stack.http_client import http_client
from stack.service_process import Service
from stack.waiting import eventually

SERVICES = ("uplink_ingestor", "occupancy_engine", "reservation_service", "downlink_dispatcher", "api_gateway")
OWNER = "owner@example.org"
SPACES, DISPLAYS = 12, 3
SHUTDOWN_SECONDS = 8.0  # of the settings, unless they say otherwise
SHOWN = {"occupied": Colour(255, 0, 0), "free": Colour(0, 255, 0)}
AGAIN = {httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS}
QUICK = {
    "PARKSTREAM_CHIRPSTACK_SYNC_SECONDS": "1",
    "PARKSTREAM_DISPLAY_SPACING_SECONDS": "0.05",
    "PARKSTREAM_DISPLAY_SWEEP_SECONDS": "1",
    "PARKSTREAM_DOWNLINKS_PER_MINUTE_PER_GATEWAY": "60000",
    "PARKSTREAM_DOWNLINKS_PER_MINUTE_PER_TENANT": "60000",
    "PARKSTREAM_RATE_LIMIT_READS_PER_SECOND": "0",
    "PARKSTREAM_RATE_LIMIT_WRITES_PER_SECOND": "0",
}


def sensor_of(number: int) -> str:
    return f"0101{number:012x}"


def display_of(number: int) -> str:
    return f"20202000{number:08x}"


@dataclass
class Follower:
    """Somebody on the event stream: versions by space as they came, where he stands, and how often he was reset."""

    seen: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    position: str = ""
    resets: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)

    async def follow(self, url: str) -> None:
        """From the last position on, for ever, resumed wherever it breaks."""
        while True:
            async with http_client(base_url=url, headers={"X-API-Key": KEY}) as client:
                headers = {"Last-Event-ID": self.position} if self.position else {}
                try:
                    async with client.stream("GET", "/api/v6/events", headers=headers, timeout=60) as stream:
                        await self._read(stream)
                        self.ends.append("in order")
                except httpx.TransportError as error:
                    self.ends.append(type(error).__name__)
            await asyncio.sleep(0.05)

    async def _read(self, stream: httpx.Response) -> None:
        name = ""
        async for line in stream.aiter_lines():
            field_, _, value = line.partition(": ")
            match field_:
                case "id":
                    self.position = value
                case "event":
                    name = value
                case "data" if name == "reset":
                    self.resets.append(json.loads(value)["reason"])
                case "data" if (event := json.loads(value)).get("version") and "state" in event:
                    self.seen[event["space_id"]].append(event["version"])


@dataclass
class Outside:
    """Everything around the platform. `booked`: answered bookings by id; `refused`: answers that are none."""

    broker: Mosquitto
    double: ChirpStackDouble
    f_cnt: int = 0
    booked: dict[str, dict[str, Any]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    spaces: list[str] = field(default_factory=list)
    slots: Any = field(default_factory=itertools.count)
    sent: set[tuple[str, int]] = field(default_factory=set)

    @staticmethod
    @asynccontextmanager
    async def around(broker: Mosquitto) -> AsyncIterator["Outside"]:
        """A broker is there already."""
        network = network_of(*((Busylight, display_of(number)) for number in range(DISPLAYS)))
        async with ChirpStackDouble(network, mqtt=broker.url) as double:
            yield Outside(broker, double)

    async def settle_in(self, busy: "Busy") -> None:
        """A site, spaces with sensors and displays, and the application they belong to."""
        async with busy.client() as client:
            site = await ask(client, "/api/v6/sites", {"name": "Street", "time_zone": "UTC"})
            tenant = (await client.get("/api/auth/me")).json()["tenant_id"]
            bound = {"source": "chirpstack", "application_id": APPLICATION_ID, "tenant_id": tenant}
            await ask(client, "/api/v6/applications", bound)
            for number in range(SPACES):
                bay = {"site_id": site["id"], "name": "Bay", "code": f"B{number}", "sensor_eui": sensor_of(number)}
                if number < DISPLAYS:
                    bay["display_eui"] = display_of(number)
                self.spaces.append((await ask(client, "/api/v6/spaces", bay))["id"])

    async def speak(self, rounds: int | None = None, *, pause: float = 0.05) -> None:
        """Every sensor's frames in turn, occupied on odd counts; what the broker has acknowledged is `sent`."""
        async with aiomqtt.Client("127.0.0.1", self.broker.port, identifier=f"sensors-{uuid4()}") as mqtt:
            for _ in itertools.count() if rounds is None else range(rounds):
                self.f_cnt += 1
                count = self.f_cnt
                await asyncio.gather(*(mqtt.publish(*uplink(n, count), qos=1) for n in range(SPACES)))
                self.sent.update((sensor_of(number), count) for number in range(SPACES))
                await asyncio.sleep(pause)

    async def book(self, url: str, people: int = 4) -> None:
        """People book one slot after the other, each insisting on an answer with his key, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(people):
                group.create_task(self._book(url))

    async def _book(self, url: str) -> None:
        async with http_client(base_url=url, headers={"X-API-Key": KEY}, timeout=15) as client:
            for slot in self.slots:
                start = tomorrow() + timedelta(hours=slot // SPACES)
                times = {"starts_at": start.isoformat(), "ends_at": (start + timedelta(hours=1)).isoformat()}
                body = {"space_id": self.spaces[slot % SPACES], "email": f"person{slot}@example.org", **times}
                answer = await self._insist(client, body, str(uuid4()))
                if answer.status_code == httpx.codes.CREATED:
                    self.booked[answer.json()["id"]] = body
                else:
                    self.failures.append(answer.text)

    async def _insist(self, client: httpx.AsyncClient, body: dict[str, Any], key: str) -> httpx.Response:
        while True:
            try:
                answer = await client.post("/api/v6/reservations", json=body, headers={"Idempotency-Key": key})
            except httpx.ConnectError:
                pass
            except httpx.TransportError as error:
                self.broken.append(repr(error))
            else:
                if answer.status_code not in AGAIN and "REQUEST_IN_FLIGHT" not in answer.text:
                    return answer
            await asyncio.sleep(0.05)

    def shown(self, number: int) -> object:
        """What is seen on a display."""
        return self.double.displays[display_of(number)].shows


@dataclass
class Busy:
    """One platform. `each`: its services by name."""

    database_url: str
    nats_url: str
    each: dict[str, Service]

    @staticmethod
    @asynccontextmanager
    async def running(outside: Outside, database_url: str, nats_url: str, **changes: str) -> AsyncIterator["Busy"]:
        """All five services, ready; killed at the end if they still run."""
        environment = {
            "PARKSTREAM_DATABASE_URL": database_url,
            "PARKSTREAM_NATS_URL": nats_url,
            "PARKSTREAM_MQTT_URL": outside.broker.url,
            "PARKSTREAM_CHIRPSTACK_URL": outside.double.url,
            "PARKSTREAM_CHIRPSTACK_TOKEN": outside.double.token,
            "PARKSTREAM_BOOTSTRAP_API_KEY": KEY,
            "PARKSTREAM_BOOTSTRAP_OWNER_EMAIL": OWNER,
            "PARKSTREAM_BOOTSTRAP_OWNER_PASSWORD": PASSWORD,
            **QUICK,
            **changes,
        }
        with tempfile.TemporaryDirectory(prefix="parkstream-busy-") as logs:
            each = {name: Service(name, environment, Path(logs) / f"{name}.log") for name in SERVICES}
            async with AsyncExitStack() as ending:
                for service in each.values():
                    ending.callback(show_log, service)
                    ending.callback(service.end)
                await asyncio.gather(*(service.start() for service in each.values()))
                yield Busy(database_url, nats_url, each)

    @property
    def url(self) -> str:
        return self.each["api_gateway"].url

    def client(self, **headers: str) -> httpx.AsyncClient:
        """Asks the gateway with the first key."""
        return http_client(base_url=self.url, headers={"X-API-Key": KEY, **headers}, timeout=15)

    async def rows(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        sql = await asyncpg.connect(self.database_url)
        try:
            return list(await sql.fetch(query, *arguments))
        finally:
            await sql.close()

    async def readings(self) -> dict[tuple[str, int], int]:
        """How often each frame is stored."""
        rows = await self.rows("SELECT dev_eui, f_cnt, count(*) AS times FROM occupancy.sensor_readings GROUP BY 1, 2")
        return {(row["dev_eui"], row["f_cnt"]): row["times"] for row in rows}

    async def has_stored(self, sent: set[tuple[str, int]], within: float = 30) -> None:
        """Wait until every one of these frames is a reading, and see that each is one only once."""

        async def stored() -> bool:
            missing = sent - (await self.readings()).keys()
            assert not missing, f"{len(missing)} of {len(sent)} are missing: {sorted(missing)[:5]}"
            return True

        await eventually(stored, within, interval=0.1)
        twice = {frame: times for frame, times in (await self.readings()).items() if times > 1}
        assert not twice

    async def log_in(self) -> Mapping[str, str]:
        """The owner's tokens."""
        async with http_client(base_url=self.url) as client:
            answer = await client.post("/api/auth/login", json={"email": OWNER, "password": PASSWORD})
            assert answer.is_success, answer.text
            return answer.json()


async def end(service: Service) -> tuple[int, float, list[int]]:
    """SIGTERM, and again and again; its status, how long it took, and what /ready said meanwhile."""
    process = service.process
    assert process is not None
    began = time.monotonic()
    said: list[int] = []
    process.send_signal(signal.SIGTERM)
    async with http_client(base_url=service.url, timeout=2) as client:
        while process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                said.append((await client.get("/ready", headers={"Connection": "close"})).status_code)
            process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.005)
            assert time.monotonic() - began < 2 * SHUTDOWN_SECONDS, "it does not end"
    return process.returncode, time.monotonic() - began, said


def show_log(service: Service) -> None:
    print(f"--- log of {service.module}\n{child.last_lines(service.log, 100)}")  # noqa: T201  pytest shows it


@contextlib.asynccontextmanager
async def meanwhile(*work: Any) -> AsyncIterator[None]:
    """Run these beside the block, and end them with it; what fails in them fails the block."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def ask(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Any:
    answer = await client.post(path, json=body)
    assert answer.is_success, answer.text
    return answer.json()


def tomorrow() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=2)


def uplink(number: int, f_cnt: int) -> tuple[str, bytes]:
    """A Bosch TPS110's frame as ChirpStack writes it: occupied on odd counts."""
    at = datetime.now(UTC).isoformat()
    body = {
        "deduplicationId": str(uuid4()),
        "time": at,
        "deviceInfo": {
            "applicationId": APPLICATION_ID,
            "applicationName": "parking",
            "deviceProfileName": "Bosch TPS110",
            "deviceName": f"bay-{number}",
            "devEui": sensor_of(number),
        },
        "devAddr": f"{number:08x}",
        "fCnt": f_cnt,
        "fPort": 1,
        "data": base64.b64encode(bytes([f_cnt % 2])).decode(),
        "rxInfo": [{"gatewayId": "0016c001f153a14c", "nsTime": at, "rssi": -80, "snr": 7.5}],
    }
    return f"application/{APPLICATION_ID}/device/{sensor_of(number)}/event/up", json.dumps(body).encode()
