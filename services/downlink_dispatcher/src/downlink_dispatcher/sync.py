"""The sync: what ChirpStack itself tells of devices and LoRaWAN gateways, every few minutes and on request.

In: its lists, page by page. Out: `downlink.network_devices` and `downlink.gateways`, and facts for those who own
devices: whatever is new or changed at once, everything every hour. One replica asks at a time (an advisory lock); a
round that its process did not survive is begun again by another. A ChirpStack that is away is reported, and asked
again soon.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import structlog

from downlink_dispatcher import SCHEMA, metrics
from downlink_dispatcher.network.chirpstack import CallRefusedError, ChirpStack
from downlink_dispatcher.network.facts import digest, read_device, read_gateway
from downlink_dispatcher.network.listing import Application, Listing
from downlink_dispatcher.network.transport import NetworkAwayError
from downlink_dispatcher.settings import NetworkSettings
from downlink_dispatcher.store import network as store
from parking_chassis.isolation import failure_of
from parking_chassis.outbox import Event, write_events
from parking_chassis.postgres import DATABASE_AWAY, Connection, Pool, listening
from parking_chassis.turns import end_turn, take_turn
from parking_contracts import subjects
from parking_contracts.network import EVENT_TYPES, DeviceSynced, GatewaySynced

log = structlog.get_logger()

TURN = "downlink.sync"
SILENT_SECONDS = 900.0  # who has the turn waits for the network server
LOOK_SECONDS = 1.0
# Between the beginnings of two rounds, whoever asks; and after one that failed.
SHORTEST_SECONDS = 3.0
AGAIN_SECONDS = 5.0
METRICS_AT_ONCE = 8
# As many rounds late, the figures are too old to be believed without a word.
ROUNDS_LATE = 3


class Sync:
    """Asks one ChirpStack; `check` is a health warning."""

    def __init__(self, pool: Pool, chirpstack: ChirpStack, settings: NetworkSettings) -> None:
        self._pool = pool
        self._chirpstack = chirpstack
        self._source = settings.source
        self._every_seconds = settings.chirpstack_sync_seconds
        self._wake = asyncio.Event()
        metrics.SYNC_ENDED.labels(self._source).set_to_current_time()

    async def run(self) -> None:
        """Take turns at asking, for ever; a database that is away is waited for."""
        while True:
            failure = await failure_of(self._take_turns())
            if isinstance(failure, DATABASE_AWAY):
                log.warning("sync_postponed", error=repr(failure))
            else:
                log.error("sync_failed", exc_info=failure)
                metrics.SYNC_ROUNDS.labels("broken").inc()
            await asyncio.sleep(LOOK_SECONDS)

    async def check(self) -> str | None:
        """Why devices and gateways are not known as they are now, whichever replica asked last."""
        try:
            async with self._pool.acquire() as connection:
                return await store.read_problem(connection, late_seconds=ROUNDS_LATE * self._every_seconds)
        except DATABASE_AWAY:
            return None  # the database's own check says so

    async def _take_turns(self) -> None:
        async with self._pool.acquire() as connection, listening(connection, store.SYNC_CHANNEL, self._on_notify):
            while True:
                self._wake.clear()
                async with self._turn(connection) as began_at:
                    if began_at is not None:
                        await self._run_round(began_at)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._wake.wait()

    @contextlib.asynccontextmanager
    async def _turn(self, connection: Connection) -> AsyncIterator[datetime | None]:
        """When a round is due and no other replica is at it: the moment it began, for as long as the block runs."""
        if not await take_turn(connection, TURN, silent_seconds=SILENT_SECONDS):
            yield None
            return
        try:
            yield await store.begin_round(
                connection,
                every_seconds=self._every_seconds,
                again_seconds=min(AGAIN_SECONDS, self._every_seconds),
                shortest_seconds=SHORTEST_SECONDS,
            )
        finally:
            await end_turn(connection, TURN)

    async def _run_round(self, began_at: datetime) -> None:
        began = time.monotonic()
        devices = gateways = 0
        error = ""
        try:
            devices, gateways = await self._ask_for_everything(began_at)
        except (NetworkAwayError, CallRefusedError) as failure:
            # Only the platform's admin reads it: the operator's words.
            error = self._chirpstack.availability.problem or str(failure)
            log.warning("sync_round_failed", reason=error)
        async with self._pool.acquire() as connection:
            await store.end_round(connection, error=error, devices=devices, gateways=gateways)
        metrics.SYNC_ROUNDS.labels("failed" if error else "ok").inc()
        if not error:
            metrics.SYNC_ENDED.labels(self._source).set_to_current_time()
            seconds = round(time.monotonic() - began, 3)
            log.info("sync_round_ended", devices=devices, gateways=gateways, seconds=seconds)

    async def _ask_for_everything(self, began_at: datetime) -> tuple[int, int]:
        listing = Listing(self._chirpstack)
        async with self._pool.acquire() as connection:
            own, tenants_of = await store.read_bindings(connection, self._source)
        applications = await listing.applications(sorted(tenants_of))
        await listing.read_profiles(dict.fromkeys(one.tenant_id for one in applications))
        devices = 0
        for application in applications:
            async for page in listing.devices(application):
                devices += await self._note_devices(listing, application, page, own.get(application.id))
        served: dict[str, set[UUID]] = {}
        for application in applications:
            served.setdefault(application.tenant_id, set()).update(tenants_of.get(application.id, ()))
        gateways = 0
        for network_tenant_id, tenant_ids in served.items():
            if tenant_ids:
                async for page in listing.gateways(network_tenant_id):
                    gateways += await self._note_gateways(listing, page, tenant_ids)
        if listing.left_out:
            log.warning("sync_incomplete", left_out=listing.left_out[:10], count=len(listing.left_out))
        else:
            async with self._pool.acquire() as connection, connection.transaction():
                await store.forget_devices(connection, began_at)
                await store.forget_gateways(connection, began_at)
        return devices, gateways

    async def _note_devices(
        self, listing: Listing, application: Application, page: Sequence[Any], tenant_id: UUID | None
    ) -> int:
        now = datetime.now(UTC)
        facts: dict[str, DeviceSynced] = {}
        for listed in page:
            device_class = await listing.class_of(listed.device_profile_id)
            fact = read_device(listed, application, device_class, source=self._source, now=now)
            if fact is None:
                metrics.SYNC_SKIPPED.labels("device").inc()
            else:
                facts[fact.dev_eui] = fact
        noted = [
            store.ListedDevice(
                dev_eui=fact.dev_eui,
                application_id=application.id,
                device_class=fact.device_class,
                is_bound=tenant_id is not None,
                digest=digest(fact, tenant_id),
            )
            for fact in facts.values()
        ]
        async with self._pool.acquire() as connection, connection.transaction():
            due = await store.note_devices(connection, noted)
            await write_events(connection, SCHEMA, [_device_event(facts[dev_eui]) for dev_eui in sorted(due)])
        return len(facts)

    async def _note_gateways(self, listing: Listing, page: Sequence[Any], tenant_ids: set[UUID]) -> int:
        now = datetime.now(UTC)
        found: dict[str, GatewaySynced] = {}
        for listed in page:
            gateway = read_gateway(listed, source=self._source, now=now)
            if gateway is None:
                metrics.SYNC_SKIPPED.labels("gateway").inc()
            else:
                found[gateway.gateway_id] = gateway
        gateways = await _with_traffic(listing, list(found.values()), now)
        async with self._pool.acquire() as connection, connection.transaction():
            rows = [(tenant_id, one) for tenant_id in sorted(tenant_ids) for one in gateways]
            await store.note_gateways(connection, rows)
            await write_events(connection, SCHEMA, [_gateway_event(one) for one in gateways])
        return len(gateways)

    def _on_notify(self, *_: object) -> None:
        self._wake.set()


async def _with_traffic(listing: Listing, gateways: Sequence[GatewaySynced], now: datetime) -> list[GatewaySynced]:
    """Ask what each received and sent, a few at a time; one that was never seen did neither."""
    places = asyncio.Semaphore(METRICS_AT_ONCE)

    async def ask(one: GatewaySynced) -> GatewaySynced:
        if one.state == "never_seen":
            return one
        async with places:
            received, sent = await listing.traffic(one.gateway_id, now)
        return msgspec.structs.replace(one, received_24h=received, sent_24h=sent)

    return list(await asyncio.gather(*(ask(one) for one in gateways)))


def _device_event(fact: DeviceSynced) -> Event:
    subject = subjects.device("synced", fact.dev_eui)
    return Event(subject=subject, type=EVENT_TYPES[DeviceSynced], payload=msgspec.json.encode(fact))


def _gateway_event(fact: GatewaySynced) -> Event:
    subject = subjects.gateway("synced", fact.gateway_id)
    return Event(subject=subject, type=EVENT_TYPES[GatewaySynced], payload=msgspec.json.encode(fact))
