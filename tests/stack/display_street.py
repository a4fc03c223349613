"""A street of displays and senders in the test's own process, with a network server that the test holds in its hand.

pytestmark = pytest.mark.asyncio(loop_scope="module")

async def test_something(street: Street):
    display, space = await street.display()
    network = RecordingNetwork()
    async with street.sending(network):
        await street.show(space, "occupied")
        await street.settled()
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest_asyncio
from nats.aio.client import Client

from downlink_dispatcher import SERVICE
from downlink_dispatcher.domain.buckets import Limits
from downlink_dispatcher.domain.retries import Retries
from downlink_dispatcher.domain.rules import SendingRules
from downlink_dispatcher.network.transport import Item
from downlink_dispatcher.sending import Sender
from downlink_dispatcher.space_events import SpaceEvents
from downlink_dispatcher.store import BY_INDEX
from downlink_dispatcher.wishing import Wishing
from parking_chassis.batch_subscriber import BatchSubscriber
from parking_chassis.postgres import Pool, open_pool
from parking_chassis.settings import DatabaseSettings
from parking_codecs.registry import load_registry
from parking_contracts import subjects
from parking_contracts.space import Layer, SpaceState, SpaceStateChanged
from parking_contracts.streams import SPACES
from parkstream.streams import apply_streams
from stack.consumers import has_caught_up
from stack.servers import fresh_database
from stack.signposts import LIGHT, Signs
from stack.waiting import eventually

PLENTY = 1_000_000.0
RED, GREEN, YELLOW = bytes.fromhex("ff0000ff00"), bytes.fromhex("0000ffff00"), bytes.fromhex("ff00ffff00")
_numbers = itertools.count(1)


def rules(**changes: Any) -> SendingRules:
    """Rules with plenty of tokens and quick retries."""
    given: dict[str, Any] = {
        "limits": Limits(PLENTY, PLENTY),
        "retries": Retries(5, timedelta(milliseconds=20), timedelta(milliseconds=80)),
        "spacing": timedelta(milliseconds=100),
        "time_to_live": timedelta(hours=1),
        "lease": timedelta(seconds=20),
    }
    return SendingRules(**given | changes)


@dataclass
class RecordingNetwork:
    """Takes every item, and remembers when. `trouble` may raise for an item, or hold it up, before it is taken."""

    trouble: Callable[[Item], Any] | None = None
    items: list[Item] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    queues: dict[str, list[tuple[str, Item]]] = field(default_factory=dict)
    finds: int = 0

    async def enqueue(self, item: Item) -> str:
        if self.trouble is not None and (waiting := self.trouble(item)) is not None:
            await waiting
        return self.take(item)

    def take(self, item: Item) -> str:
        self.items.append(item)
        self.times.append(time.perf_counter())
        queue = self.queues.setdefault(item.dev_eui, [])
        if item.flush:
            queue.clear()
        queue.append((str(uuid4()), item))
        return queue[-1][0]

    async def find(self, item: Item) -> str | None:
        self.finds += 1
        waiting = self.queues.get(item.dev_eui, [])
        same = [one for one, other in waiting if (other.f_port, other.payload) == (item.f_port, item.payload)]
        return same[0] if same else None

    async def check(self) -> str | None:
        return None

    def sent_to(self, dev_eui: str) -> list[bytes]:
        """The payloads that were taken for a device, in order."""
        return [item.payload for item in self.items if item.dev_eui == dev_eui]


@dataclass
class Street:
    """A tenant with displays, and what senders stand on."""

    signs: Signs
    pool: Pool
    bus: Client

    @property
    def sql(self) -> asyncpg.Connection:
        return self.signs.sql

    async def display(self, profile: str = LIGHT, state: str = "free", **space: Any) -> tuple[str, UUID]:
        """A display on a space; (DevEUI, space)."""
        dev_eui = await self.signs.device(profile)
        return dev_eui, await self.signs.space(dev_eui, state, **space)

    async def displays(self, count: int, profile: str = LIGHT) -> list[tuple[str, UUID]]:
        return [await self.display(profile) for _ in range(count)]

    async def show(self, space_id: UUID, state: str, *, tell: bool = True) -> None:
        """The engine shows another state, and tells of it."""
        version = await self.sql.fetchval(
            "UPDATE occupancy.spaces SET state = $2, version = version + 1 WHERE id = $1 RETURNING version",
            *(space_id, state),
        )
        if tell:
            await self.tell(space_id, state, version)

    async def tell(self, space_id: UUID, state: str, version: int = 1) -> None:
        """The event of a changed state, on the bus."""
        now = datetime.now(UTC)
        event = SpaceStateChanged(
            tenant_id=self.signs.tenant_id,
            site_id=self.signs.site_id,
            space_id=space_id,
            code="X",
            zone=None,
            kind="standard",
            previous=SpaceState.UNKNOWN,
            state=SpaceState(state),
            layer=Layer.SENSOR,
            reason="",
            source="uplink",
            cause="test",
            request_id=None,
            occurred_at=now,
            changed_at=now,
            version=version,
        )
        subject = subjects.space(self.signs.tenant_id, space_id, "state_changed")
        await self.bus.jetstream().publish(subject, msgspec.json.encode(event))

    async def wish(self, *spaces: UUID) -> None:
        """Look anew at the displays of these spaces, at once."""
        wishing = Wishing(load_registry())
        async with self.pool.acquire() as connection, connection.transaction():
            await wishing.wish_for_spaces(connection, [(self.signs.tenant_id, one) for one in spaces])

    async def queue(self, dev_eui: str, payload: bytes, f_port: int = 15, **columns: Any) -> UUID:
        """A free-form command behind what waits for a device."""
        expires_at = columns.pop("expires_at", datetime.now(UTC) + timedelta(hours=1))
        downlink_id: UUID = await self.sql.fetchval(
            "INSERT INTO downlink.downlinks (tenant_id, dev_eui, kind, f_port, payload, expires_at) "
            "VALUES ($1, $2, 'custom', $3, $4, $5) RETURNING id",
            *(self.signs.tenant_id, dev_eui, f_port, payload, expires_at),
        )
        await self.sql.execute("UPDATE downlink.displays SET due_at = now() WHERE dev_eui = $1", dev_eui)
        await self.sql.execute("SELECT pg_notify('downlink_due', '')")
        return downlink_id

    async def row(self, dev_eui: str) -> asyncpg.Record:
        (row,) = await self.sql.fetch(
            "SELECT * FROM downlink.displays WHERE tenant_id = $1 AND dev_eui = $2", self.signs.tenant_id, dev_eui
        )
        return row

    async def is_claimed(self, dev_eui: str) -> bool:
        """Whether a sender has something for this display in its hand."""
        rows = await self.sql.fetch("SELECT FROM downlink.displays WHERE dev_eui = $1 AND claim IS NOT NULL", dev_eui)
        return bool(rows)

    async def is_sent(self, dev_eui: str) -> bool:
        """Whether the network server has been handed what the display should show."""
        row = await self.row(dev_eui)
        return bool(row["sent_version"] == row["desired_version"] and row["claim"] is None)

    async def is_let_go(self, dev_eui: str) -> bool:
        return not await self.is_claimed(dev_eui)

    async def are_waiting(self, count: int) -> bool:
        """Whether so many displays of the tenant are due later."""
        return bool(
            count
            == await self.sql.fetchval(
                "SELECT count(*) FROM downlink.displays WHERE tenant_id = $1 AND due_at > now() AND claim IS NULL",
                self.signs.tenant_id,
            )
        )

    async def commands(self, dev_eui: str) -> Sequence[asyncpg.Record]:
        return await self.sql.fetch(
            "SELECT * FROM downlink.downlinks WHERE tenant_id = $1 AND dev_eui = $2 ORDER BY id",
            *(self.signs.tenant_id, dev_eui),
        )

    async def statuses(self, dev_eui: str) -> list[str]:
        return [row["status"] for row in await self.commands(dev_eui)]

    async def has_status(self, dev_eui: str, status: str) -> bool:
        """Whether the newest command of a device is that far."""
        return (await self.statuses(dev_eui))[-1:] == [status]

    async def has_error(self, dev_eui: str) -> bool:
        """Whether a sender has let the device go after something went wrong."""
        commands = await self.commands(dev_eui)
        return any(command["last_error"] for command in commands) and not await self.is_claimed(dev_eui)

    async def seconds_until_due(self, dev_eui: str) -> float:
        seconds: float = await self.sql.fetchval(
            "SELECT extract(epoch FROM due_at - now())::float8 FROM downlink.displays WHERE dev_eui = $1", dev_eui
        )
        return seconds

    async def is_settled(self) -> bool:
        """Whether every event was heard, and every display of this tenant has been sent what it should show."""
        if not await has_caught_up(self.bus, SPACES.name, SERVICE):
            return False
        return not await self.sql.fetchval(
            "SELECT count(*) FROM downlink.displays WHERE tenant_id = $1 AND (due_at IS NOT NULL OR claim IS NOT NULL)",
            self.signs.tenant_id,
        )

    async def settled(self, within: float = 15) -> None:
        await eventually(self.is_settled, within, message="every display has been sent what it should show")

    @contextlib.asynccontextmanager
    async def sending(
        self, network: Any, by: SendingRules | None = None, *, senders: int = 1, at_once: int = 16
    ) -> AsyncIterator[None]:
        """Send beside the block, by as many senders as given."""
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(senders):
                sender = Sender(self.pool, network, by or rules(), at_once=at_once)
                await stack.enter_async_context(beside(sender.run))
            yield

    @contextlib.asynccontextmanager
    async def crashing(self, network: Any, by: SendingRules) -> AsyncIterator[None]:
        """Send beside the block, and die at its end with everything in hand."""
        sender = asyncio.create_task(Sender(self.pool, network, by, at_once=16).run(asyncio.Event()))
        others = asyncio.all_tasks()
        yield
        sender.cancel()
        for task in asyncio.all_tasks() - others:
            task.cancel()
        await asyncio.gather(sender, return_exceptions=True)


@contextlib.asynccontextmanager
async def beside(run: Callable[[asyncio.Event], Any]) -> AsyncIterator[None]:
    """Run something until the block ends, and let it finish."""
    stop = asyncio.Event()
    task = asyncio.create_task(run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 20)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def street_stack(
    postgres_server: Any, migrated_template: str, nats_pool: Any
) -> AsyncIterator[tuple[asyncpg.Connection, Pool, Client]]:
    """A database and a bus for a module's streets, and what follows SPACES."""
    account = nats_pool.account()
    await apply_streams(account.url)
    async for url in fresh_database(postgres_server, migrated_template):
        sql = await asyncpg.connect(url)
        pool = await open_pool(DatabaseSettings(database_url=url, database_pool_size=20), role=SERVICE, **BY_INDEX)
        bus = await account.connect()
        events = SpaceEvents(pool, Wishing(load_registry()))
        try:
            async with beside(BatchSubscriber(SERVICE, bus, SPACES, events.take).run):
                yield sql, pool, bus
        finally:
            await pool.close()
            await sql.close()
            await account.close()


@pytest_asyncio.fixture(loop_scope="module")
async def street(street_stack: tuple[asyncpg.Connection, Pool, Client]) -> AsyncIterator[Street]:
    """A tenant of its own. What it leaves due is due no more, so that it is nobody else's trouble."""
    sql, pool, bus = street_stack
    signs = Signs(sql, bus)
    await signs.settle_in()
    yield Street(signs, pool, bus)
    await sql.execute("UPDATE downlink.displays SET due_at = NULL, claim = NULL WHERE tenant_id = $1", signs.tenant_id)
