"""The live stream: who hears what, resuming without a gap, bounds, revocation, and a NATS that goes away."""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest

from parking_contracts import subjects
from parking_contracts.reservation import ReservationOpened
from parking_contracts.space import EVENT_TYPES, Layer, SpaceState, SpaceStateChanged
from stack.http_client import http_client
from stack.waiting import eventually

KEY = "pk_bootstrap01_" + "s" * 43
AT = datetime(2026, 5, 4, 10, tzinfo=UTC)
# What is promised is a second; the machine that runs the tests may be busy with others.
CLOSED_WITHIN_SECONDS = 5.0
SHUTDOWN_SECONDS = 8.0  # what a graceful stop may take


@dataclass
class Frame:
    event: str
    id: str
    data: dict[str, Any]

    @property
    def version(self) -> int:
        return self.data["version"]


@dataclass
class Listener:
    """Collects the frames of one stream; `last_id` follows the rules of EventSource.

    `broken_off`: the stream ended in the middle of an answer, and not because the gateway finished it.
    """

    frames: list[Frame] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    last_id: str = ""
    ended: bool = False
    broken_off: bool = False

    async def read(self, lines: AsyncIterator[str]) -> None:
        event, data = "message", []
        try:
            async for line in lines:
                name, _, value = line.partition(": ")
                if not line:
                    if data:
                        self.frames.append(Frame(event, self.last_id, json.loads("\n".join(data))))
                    event, data = "message", []
                elif not name:
                    self.comments.append(value)
                elif name == "event":
                    event = value
                elif name == "id":
                    self.last_id = value
                elif name == "data":
                    data.append(value)
        except httpx.TransportError:
            self.broken_off = True
        self.ended = True

    async def hears(self, count: int) -> list[Frame]:
        await eventually(lambda: len(self.frames) >= count, interval=0.005)
        return self.frames

    @property
    def versions(self) -> list[int]:
        return [frame.version for frame in self.frames]


@contextlib.asynccontextmanager
async def listening(url: str, key: str = KEY, last_id: str = "", **params: Any) -> AsyncIterator[Listener]:
    headers = {"X-API-Key": key, **({"Last-Event-ID": last_id} if last_id else {})}
    listener = Listener()
    async with (
        http_client(timeout=30) as client,
        client.stream("GET", f"{url}/api/v6/events", headers=headers, params=params) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        reading = asyncio.create_task(listener.read(answer.aiter_lines()))
        await eventually(lambda: "connected" in listener.comments)
        if not last_id:
            await eventually(lambda: listener.last_id)
        yield listener
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading


class Town:
    """Publishes the events of one space as the engine's outbox does."""

    def __init__(self, bus, tenant_id: uuid.UUID, zone: str | None = None) -> None:
        self.jetstream = bus.jetstream()
        self.tenant_id = tenant_id
        self.zone = zone
        self.space_id = uuid.uuid4()
        self.site_id = uuid.uuid4()

    async def change(self, version: int, *, padding: int = 0) -> None:
        event = SpaceStateChanged(
            tenant_id=self.tenant_id,
            site_id=self.site_id,
            space_id=self.space_id,
            code="A1",
            zone=self.zone,
            kind="standard",
            previous=SpaceState.FREE,
            state=SpaceState.OCCUPIED,
            layer=Layer.SENSOR,
            reason="x" * padding,
            source="uplink",
            cause="uplink:1:1",
            request_id=None,
            occurred_at=AT,
            changed_at=AT,
            version=version,
        )
        subject = subjects.space(self.tenant_id, self.space_id, "state_changed")
        await self._publish(subject, EVENT_TYPES[SpaceStateChanged], event)

    async def reserve(self, space_id: uuid.UUID | None = None) -> None:
        space_id = space_id or self.space_id
        event = ReservationOpened(
            tenant_id=self.tenant_id, space_id=space_id, reservation_id=uuid.uuid4(), since=AT, until=AT
        )
        subject = subjects.reservation(self.tenant_id, space_id, "opened")
        await self._publish(subject, "parkstream.reservation.opened.v1", event)

    async def _publish(self, subject: str, kind: str, event: msgspec.Struct) -> None:
        await self.jetstream.publish(subject, msgspec.json.encode(event), headers={"ce-type": kind})


@pytest.fixture
def town(bus, tenant_id) -> Town:
    return Town(bus, tenant_id)


async def test_an_event_comes_at_once_with_its_kind_and_place(gateway, town) -> None:
    async with listening(gateway.url) as listener:
        delays = []
        for version in range(1, 51):
            began = time.monotonic()
            await town.change(version)
            await eventually(lambda v=version: len(listener.frames) >= v, interval=0.0005)
            delays.append(time.monotonic() - began)
        await town.reserve()
        frames = await listener.hears(51)
    assert [frame.version for frame in frames[:50]] == list(range(1, 51))
    assert {frame.event for frame in frames[:50]} == {"space.state_changed"}
    assert (frames[50].event, frames[50].id) == ("reservation.opened", "50.1")
    assert frames[0].id == "1.0"
    assert sorted(delays)[25] < 0.05


async def test_filters_by_tenant_site_zone_and_kind(gateway, bus, registry, tenant_id) -> None:
    other_tenant = await registry.tenant("other")
    other_key = await registry.key(other_tenant, "events:read")
    mine, visitors = Town(bus, tenant_id), Town(bus, tenant_id, zone="visitors")
    theirs = Town(bus, other_tenant)
    site_id = await registry.site(tenant_id)
    booked = await registry.space(tenant_id, site_id, zone="visitors")
    async with contextlib.AsyncExitStack() as stack:
        follow = lambda **asked: stack.enter_async_context(listening(gateway.url, **asked))  # noqa: E731
        everything = await follow()
        stranger = await follow(key=other_key)
        one_site = await follow(site=[str(mine.site_id), str(uuid.uuid4())])
        one_zone = await follow(zone="visitors")
        bookings = await follow(type=["reservation.opened", "reservation.released"])
        their_site = await follow(site=str(theirs.site_id))
        for town in (mine, visitors, theirs):
            await town.change(1)
        await visitors.reserve(booked)
        await mine.reserve(uuid.uuid4())
        assert len(await everything.hears(4)) == 4
        assert len(await stranger.hears(1)) == 1
        assert {frame.data["space_id"] for frame in await one_site.hears(1)} == {str(mine.space_id)}
        assert [frame.event for frame in await one_zone.hears(2)] == ["space.state_changed", "reservation.opened"]
        assert len(await bookings.hears(2)) == 2
        assert their_site.frames == []
        assert stranger.frames[0].data["tenant_id"] == str(other_tenant)


async def test_an_unknown_kind_or_event_id_is_422(api) -> None:
    for query in ("type=space.teleported", "last_event_id=yesterday", "last_event_id=1.-2", "site=7"):
        answer = await api.get(f"/api/v6/events?{query}")
        assert answer.status_code == 422, query
    document = (await api.get("/openapi.json")).json()
    asked = {one["name"]: one["schema"] for one in document["paths"]["/api/v6/events"]["get"]["parameters"]}
    assert "space.state_changed" in asked["type"]["items"]["enum"]


async def test_versions_already_passed_are_dropped(gateway, town) -> None:
    async with listening(gateway.url) as listener:
        for version in (1, 2, 2, 1, 3):
            await town.change(version)
        await eventually(lambda: listener.versions[-1:] == [3])
        assert listener.versions == [1, 2, 3]


SMALL_RING = {"PARKSTREAM_EVENTS_RING_COUNT": "10"}


async def test_a_space_id_that_another_tenant_chose_too_changes_nothing(gateway, bus, registry, tenant_id) -> None:
    site = await registry.site(tenant_id)
    town, stranger = Town(bus, tenant_id), Town(bus, await registry.tenant("other"), zone="theirs")
    town.space_id = stranger.space_id = await registry.space(tenant_id, site, zone="ours")
    async with listening(gateway.url) as listener, listening(gateway.url, zone="ours") as in_zone:
        await stranger.change(9)
        await town.change(1)
        assert [frame.version for frame in await listener.hears(1)] == [1]
        await stranger.change(10)
        town.zone = "ours"
        await town.change(2)
        await stranger.change(11)
        await in_zone.hears(1)  # reservations come by another stream, which may be quicker
        await town.reserve()
        assert [frame.event for frame in await in_zone.hears(2)] == ["space.state_changed", "reservation.opened"]


async def test_resuming_inside_the_ring(gateway, town) -> None:
    async with listening(gateway.url) as listener:
        for version in range(1, 6):
            await town.change(version)
        frames = await listener.hears(5)
    await town.change(6)
    async with (
        listening(gateway.url, last_id=frames[2].id) as by_header,
        listening(gateway.url, last_event_id=frames[2].id) as by_query,
    ):
        for listener in (by_header, by_query):
            await listener.hears(3)
        await town.change(7)
        for listener in (by_header, by_query):
            await listener.hears(4)
            assert listener.versions == [4, 5, 6, 7]


async def test_resuming_from_jetstream_across_the_ring_while_events_flow(run_service, gateway_env, bus, sql) -> None:
    gateway = await run_service("api_gateway", {**gateway_env, **SMALL_RING})
    tenant_id = await sql.fetchval("SELECT id FROM gateway.tenants")
    town = Town(bus, tenant_id)
    async with listening(gateway.url) as listener:
        await town.change(1)
        first = (await listener.hears(1))[0].id
    for version in range(2, 1302):
        await town.change(version)
        if version % 100 == 0:
            await town.reserve()

    async def go_on() -> None:
        for version in range(1302, 1502):
            await town.change(version)

    flowing = asyncio.create_task(go_on())
    async with listening(gateway.url, last_id=first) as listener:
        await flowing
        await listener.hears(1500 + 13)
        changes = [frame.version for frame in listener.frames if frame.event == "space.state_changed"]
        assert changes == list(range(2, 1502))
        assert sum(frame.event == "reservation.opened" for frame in listener.frames) == 13
        last = listener.last_id
    assert last == "1501.13"


async def test_another_process_goes_on_where_the_first_one_ended(run_service, gateway_env, bus, sql) -> None:
    first = await run_service("api_gateway", gateway_env)
    town = Town(bus, await sql.fetchval("SELECT id FROM gateway.tenants"))
    async with listening(first.url) as listener:
        await town.change(1)
        await town.reserve()
        await town.change(2)
        await listener.hears(3)
    first.stop()
    await town.change(3)
    second = await run_service("api_gateway", gateway_env)
    await town.change(4)
    async with listening(second.url, last_id=listener.last_id) as resumed:
        await resumed.hears(2)
        assert resumed.versions == [3, 4]


async def test_events_older_than_the_stream_are_a_reset(run_service, gateway_env, bus, sql) -> None:
    gateway = await run_service("api_gateway", {**gateway_env, **SMALL_RING})
    town = Town(bus, await sql.fetchval("SELECT id FROM gateway.tenants"))
    for version in range(1, 31):
        await town.change(version)
    await bus.jetstream().purge_stream("SPACES", seq=15)
    for asked in ("3.0", "99.0", "3.99"):
        async with listening(gateway.url, last_id=asked) as listener:
            frames = await listener.hears(1)
            assert (frames[0].event, frames[0].id) == ("reset", "30.0"), asked
    async with listening(gateway.url, last_id="14.0") as listener:
        await listener.hears(16)
        assert listener.versions == list(range(15, 31))


async def test_more_than_a_slow_clients_bound_can_be_caught_up_on(run_service, gateway_env, bus, sql) -> None:
    gateway = await run_service("api_gateway", {**gateway_env, "PARKSTREAM_EVENTS_CLIENT_BYTES": str(3 << 20)})
    town = Town(bus, await sql.fetchval("SELECT id FROM gateway.tenants"))
    for version in range(1, 61):
        await town.change(version, padding=200_000)
    async with listening(gateway.url, last_id="0.0") as listener:
        await listener.hears(60)
        assert listener.versions == list(range(1, 61))


async def test_a_client_that_does_not_read_is_sent_away(run_service, gateway_env, bus, sql) -> None:
    gateway = await run_service("api_gateway", {**gateway_env, "PARKSTREAM_EVENTS_CLIENT_COUNT": "10"})
    town = Town(bus, await sql.fetchval("SELECT id FROM gateway.tenants"))
    reader, writer = await asyncio.open_connection(*gateway.url.removeprefix("http://").split(":"), limit=1024)
    writer.write(f"GET /api/v6/events HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n\r\n".encode())
    await reader.readuntil(b"connected")
    async with listening(gateway.url) as quick, http_client() as client:
        for version in range(1, 101):
            await town.change(version, padding=500_000)
            await quick.hears(version)
        await eventually(lambda: count_ends(client, gateway.url, "too_slow"))
        assert quick.versions == list(range(1, 101))
    writer.close()


async def count_ends(client: httpx.AsyncClient, url: str, reason: str) -> bool:
    return f'stream_ends_total{{reason="{reason}"}} 1.0' in (await client.get(f"{url}/metrics")).text


async def test_a_revoked_key_ends_its_stream_within_a_second(gateway, registry, tenant_id, town) -> None:
    key = await registry.key(tenant_id, "events:read")
    async with listening(gateway.url, key) as revoked, listening(gateway.url) as other:
        began = time.monotonic()
        await registry.revoke(key)
        await eventually(lambda: revoked.ended)
        assert time.monotonic() - began < CLOSED_WITHIN_SECONDS
        await town.change(1)
        await other.hears(1)


async def test_heartbeats_move_the_place_to_resume_from(run_service, gateway_env, bus, sql) -> None:
    gateway = await run_service("api_gateway", {**gateway_env, "PARKSTREAM_EVENTS_HEARTBEAT_SECONDS": "0.2"})
    stranger = Town(bus, uuid.uuid4())
    async with listening(gateway.url) as listener:
        for version in range(1, 4):
            await stranger.change(version)
        await eventually(lambda: listener.last_id == "3.0")
        assert "heartbeat" in listener.comments
        assert listener.frames == []


async def test_a_stop_ends_the_streams_at_once(gateway) -> None:
    async with listening(gateway.url) as listener:
        began = time.monotonic()
        assert await asyncio.to_thread(gateway.stop) == 0
        assert time.monotonic() - began < SHUTDOWN_SECONDS
        await eventually(lambda: listener.ended)
    # One that was not told to end is cut off after three seconds.
    assert not listener.broken_off
