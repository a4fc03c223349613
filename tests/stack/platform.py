"""The platform's other end for tests: a tenant, commands to the engine, uplinks on the bus, rows to look at.

`platform` is a bus and a database of one test. `city` is one engine for a whole module, and `town` a tenant of it with
a source and an application of its own, so that tests of one module do not meet:

    pytestmark = pytest.mark.asyncio(loop_scope="module")

    async def test_something(town: Platform): ...
"""

import itertools
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
import pytest_asyncio
from nats.aio.client import Client

from parking_contracts import subjects
from parking_contracts.command import Command
from parking_contracts.device_commands import BindApplication
from parking_contracts.errors import Accepted, DeadLetter, Refusal, Reply
from parking_contracts.space_commands import CreateSite, CreateSpace
from parking_contracts.uplink import Reception, Tick, UplinkReceived
from parkstream.embedded import child
from parkstream.streams import apply_streams
from stack.consumers import has_caught_up
from stack.redelivery import redeliver_after
from stack.replicas import make_service
from stack.servers import fresh_database
from stack.service_process import Service
from stack.waiting import eventually

SOURCE = "chirpstack"
APPLICATION = "ca739e26-7b67-4f14-b69e-d568c22a5a75"
# Soon, so that every frame is received after its device was assigned.
NOON = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
OCCUPIED, FREE = b"\x01", b"\x00"
CHANGE_PORT = 1
_numbers = itertools.count(1)


def uplink(dev_eui: str, f_cnt: int, occupied: bool | None, **changes: Any) -> UplinkReceived:
    """A Bosch TPS110's frame, one minute after noon per fCnt and received then; None is a MAC-only frame."""
    at = changes.pop("at", NOON + timedelta(minutes=f_cnt))
    given: dict[str, Any] = {
        "source": SOURCE,
        "application_id": APPLICATION,
        "dev_eui": dev_eui,
        "device_profile_name": "Bosch TPS110",
        "device_name": "bay",
        "deduplication_id": str(uuid4()),
        "time": at,
        "received_at": at,
        "dev_addr": "00189440",
        "f_cnt": f_cnt,
        "f_port": 0 if occupied is None else CHANGE_PORT,
        "data": b"" if occupied is None else OCCUPIED if occupied else FREE,
        "receptions": (Reception(gateway_id="0016c001f153a14c", rssi=-80, snr=7.5, ns_time=at),),
    }
    return UplinkReceived(**given | changes)


@dataclass
class Platform:
    """A tenant on a running bus and database."""

    database: asyncpg.Connection
    bus: Client
    tenant_id: UUID = field(default_factory=uuid4)
    site_id: UUID = field(default_factory=uuid4)
    source: str = SOURCE

    def new_eui(self) -> str:
        """A DevEUI of no codec's prefix, never given before."""
        return f"0101{next(_numbers):012x}"

    def uplink(self, dev_eui: str, f_cnt: int, occupied: bool | None, **changes: Any) -> UplinkReceived:
        """As `uplink`, from this tenant's source."""
        return uplink(dev_eui, f_cnt, occupied, **{"source": self.source} | changes)

    async def command(self, name: str, body: Any, **envelope: Any) -> Any:
        """Send a command to the engine; the result as plain JSON values, or the Refusal."""
        reply = await self.send(name, body, **envelope)
        return msgspec.json.decode(reply.result) if isinstance(reply, Accepted) else reply

    async def send(self, name: str, body: Any, **envelope: Any) -> Accepted | Refusal:
        command = Command(
            **{"tenant_id": self.tenant_id, "caller": "key:test", "request_id": str(uuid4()), "body": body} | envelope
        )
        answer = await self.bus.request(subjects.command("occupancy", name), msgspec.json.encode(command), timeout=10)
        return msgspec.json.decode(answer.data, type=Reply)

    async def settle_in(self, *, clock: str = "live", bound: bool = True) -> None:
        """Make the tenant, its site and its application."""
        await self.database.execute("INSERT INTO gateway.tenants (id, name) VALUES ($1, 'test')", self.tenant_id)
        await self.command("site.create", CreateSite(name="Street", id=self.site_id))
        if bound:
            await self.bind(clock=clock)

    async def bind(self, **settings: Any) -> Any:
        """Bind the application that `uplink` speaks for; answers how many frames it took in."""
        binding = BindApplication(source=self.source, application_id=APPLICATION, **settings)
        return await self.command("application.bind", binding)

    async def space(self, sensor_eui: str | None = None, **changes: Any) -> UUID:
        """A space with a code of its own."""
        number = next(_numbers)
        given = {"site_id": self.site_id, "name": f"Bay {number}", "code": f"B{number}", "sensor_eui": sensor_eui}
        created = await self.command("space.create", CreateSpace(**given | changes))
        assert not isinstance(created, Refusal), created
        return UUID(created["id"])

    async def publish(self, *messages: UplinkReceived | Tick, **headers: str) -> None:
        """Put uplinks and ticks on the bus, in order, as the ingestor does."""
        jetstream = self.bus.jetstream()
        for message in messages:
            tick = isinstance(message, Tick)
            subject = subjects.TICK if tick else subjects.uplink(message.dev_eui)
            await jetstream.publish(subject, msgspec.json.encode(message), headers=headers or None)

    async def rows(self, query: str, *arguments: Any) -> Sequence[asyncpg.Record]:
        return await self.database.fetch(query, *arguments)

    async def state(self, space_id: UUID) -> tuple[str, str]:
        """(state, layer) of a space."""
        row = await self.database.fetchrow("SELECT state, state_layer FROM occupancy.spaces WHERE id = $1", space_id)
        return (row["state"], row["state_layer"])

    async def stays(self, space_id: UUID) -> list[tuple[datetime, datetime | None]]:
        rows = await self.rows(
            "SELECT arrived_at, departed_at FROM occupancy.stays WHERE space_id = $1 ORDER BY arrived_at", space_id
        )
        return [(row["arrived_at"], row["departed_at"]) for row in rows]

    async def idle(self) -> bool:
        """Whether the engine has acknowledged every uplink."""
        return await has_caught_up(self.bus, "UPLINKS", "occupancy_engine")

    async def redeliver_after(self, seconds: float) -> None:
        """What a killed engine held, or a killed NATS forgot to be acknowledged, comes again sooner than in 30 s."""
        await redeliver_after(self.bus, seconds, "occupancy_engine")

    async def hear(self, *messages: UplinkReceived | Tick, **headers: str) -> None:
        """Publish, and wait until the engine has handled everything."""
        await self.publish(*messages, **headers)
        await eventually(self.idle, 20)

    async def last_letter(self) -> int:
        """How many dead letters there were, for `letters_after`."""
        info = await self.bus.jetstream().stream_info("DEAD_LETTERS")
        return info.state.last_seq

    async def letters_after(self, sequence: int, count: int) -> list[DeadLetter]:
        """The `count` dead letters that followed; waits for them, and fails when there are more."""

        async def all_there() -> bool:
            return await self.last_letter() >= sequence + count

        await eventually(all_there, 20, message=f"{count} dead letters")
        assert await self.last_letter() == sequence + count
        jetstream = self.bus.jetstream()
        raw = [await jetstream.get_msg("DEAD_LETTERS", sequence + number) for number in range(1, count + 1)]
        return [msgspec.json.decode(one.data or b"", type=DeadLetter) for one in raw]

    async def published(self, subject: str) -> list[Any]:
        """The messages of SPACES under a subject, once the outbox is empty."""

        async def relayed() -> bool:
            return not await self.rows("SELECT 1 FROM occupancy.outbox LIMIT 1")

        await eventually(relayed, 20)
        subscription = await self.bus.jetstream().subscribe(subject, ordered_consumer=True)
        info = await subscription.consumer_info()
        waiting = (info.num_pending or 0) + info.delivered.consumer_seq
        messages = [await subscription.next_msg(timeout=5) for _ in range(waiting)]
        await subscription.unsubscribe()
        return messages


@pytest.fixture
async def platform(database: str, nats_account: Any) -> AsyncIterator[Platform]:
    """A tenant-to-be on a fresh database and bus; the test starts the services it wants, then calls `settle_in`."""
    connection = await asyncpg.connect(database)
    yield Platform(connection, await nats_account.connect())
    await connection.close()


@dataclass
class City:
    """One engine for many tests, and what it stands on."""

    database_url: str
    database: asyncpg.Connection
    bus: Client
    engine: Service

    async def town(self, **settings: Any) -> Platform:
        """A tenant of its own, on a source of its own."""
        town = Platform(self.database, self.bus, source=f"source-{next(_numbers)}")
        await town.settle_in(**settings)
        return town


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def city(postgres_server: Any, migrated_template: str, nats_pool: Any, replicas: int) -> AsyncIterator[City]:
    """A running engine whose clocks are quick, shared by a module's tests."""
    account = nats_pool.account()
    await apply_streams(account.url)
    async for url in fresh_database(postgres_server, migrated_template):
        environment = {
            "PARKSTREAM_DATABASE_URL": url,
            "PARKSTREAM_NATS_URL": account.url,
            "PARKSTREAM_SILENCE_SWEEP_SECONDS": "0.1",
            "PARKSTREAM_OVERDUE_SWEEP_SECONDS": "0.1",
        }
        with tempfile.TemporaryDirectory(prefix="parkstream-engine-") as logs:
            engine = make_service("occupancy_engine", environment, Path(logs) / "engine.log", replicas)
            await engine.start()
            connection = await asyncpg.connect(url)
            yield City(url, connection, await account.connect(), engine)
            await connection.close()
            await account.close()
            engine.end()
            print(f"--- log of the engine\n{child.last_lines(engine.log, 200)}")  # noqa: T201  pytest shows it


@pytest_asyncio.fixture(loop_scope="module")
async def town(city: City) -> Platform:
    """A tenant with a site and a bound application."""
    return await city.town()
