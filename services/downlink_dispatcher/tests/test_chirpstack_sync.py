"""The sync against the double and a real database: what is kept, what is told, whose it is, and who takes turns."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from pydantic import SecretStr

from downlink_dispatcher.network.opening import open_network
from downlink_dispatcher.settings import Settings
from downlink_dispatcher.store.network import SYNC_CHANNEL
from downlink_dispatcher.sync import Sync
from parking_chassis.postgres import open_pool
from parking_contracts import subjects
from parking_contracts.network import DeviceSynced, GatewaySynced
from parking_simulator.chirpstack import Application, ChirpStackDouble, Gateway, Network, Tenant
from parking_simulator.chirpstack.displays import Busylight, EpaperSign
from stack.chirpstack import APPLICATION_ID, GATEWAY_ID, TENANT_ID, StartChirpStack, add_display, network_of
from stack.waiting import eventually

OTHER_TENANT = "11111111-1111-4111-8111-111111111111"
OTHER_APPLICATION = "22222222-2222-4222-8222-222222222222"
TENANT_KEY = "the-citys"
LISTED = 205


def large_network() -> Network:
    """A city of three pages of lights, a class A sign, and somebody else's tenant beside it."""
    network = network_of(*[Busylight] * (LISTED - 1), EpaperSign)
    network.applications[APPLICATION_ID].name = "parking\x00"
    network.tenants[OTHER_TENANT] = Tenant(id=OTHER_TENANT, name="Airport")
    network.applications[OTHER_APPLICATION] = Application(id=OTHER_APPLICATION, tenant_id=OTHER_TENANT, name="decks")
    network.gateways["00" * 8] = Gateway(id="00" * 8, tenant_id=OTHER_TENANT, name="apron")
    network.gateways["11" * 8] = Gateway(id="11" * 8, tenant_id=TENANT_ID, name="new", state="never_seen")
    roof = network.gateways[GATEWAY_ID]
    roof.latitude, roof.longitude, roof.altitude = 50.94, 6.96, 60.0
    this_minute = int(time.time()) // 60
    roof.received = Counter({this_minute: 7, this_minute - 60 * 3: 5, this_minute - 60 * 30: 1000})
    roof.sent = Counter({this_minute: 2})
    add_display(network, Busylight, "aa" * 8, application_id=OTHER_APPLICATION)
    for device in network.devices.values():
        device.display = None  # nobody needs to play them
    return network


@dataclass
class Town:
    """A database, a double, and a replica's sync at it."""

    sql: asyncpg.Connection
    double: ChirpStackDouble
    tenant_id: UUID
    settings: Settings

    async def bind(self, application_id: str, name: str = "another") -> UUID:
        tenant_id = await self.sql.fetchval("INSERT INTO gateway.tenants (name) VALUES ($1) RETURNING id", name)
        await self.sql.execute(
            "INSERT INTO occupancy.applications (source, application_id, tenant_id) VALUES ('chirpstack', $1, $2)",
            application_id,
            tenant_id,
        )
        return tenant_id

    @contextlib.asynccontextmanager
    async def replica(self, **changes: Any) -> AsyncIterator[Sync]:
        settings = self.settings.model_copy(update=changes)
        pool = await open_pool(settings, role="downlink_dispatcher")
        try:
            async with open_network(settings, pool) as network:
                assert network.chirpstack is not None
                sync = Sync(pool, network.chirpstack, settings)
                running = asyncio.create_task(sync.run())
                try:
                    yield sync
                finally:
                    running.cancel()
                    await asyncio.gather(running, return_exceptions=True)
        finally:
            await pool.close()

    async def round_ended(self) -> asyncpg.Record:
        """The latest round, once it has served every request and ended well."""

        async def ended() -> asyncpg.Record | None:
            return await self.sql.fetchrow(
                "SELECT devices, gateways FROM downlink.sync_rounds "
                "WHERE error = '' AND ended_at > began_at AND began_at >= requested_at"
            )

        return await eventually(ended, 15)

    async def ask(self) -> None:
        """Ask for another round, the last one having begun long enough ago."""
        await self.sql.execute(
            "UPDATE downlink.sync_rounds SET requested_at = now(), began_at = now() - interval '4 s', "
            "ended_at = now() - interval '3 s'"
        )
        await self.sql.execute("SELECT pg_notify($1, '')", SYNC_CHANNEL)

    async def told(self) -> dict[str, list[bytes]]:
        """What the outbox holds by subject, and is not asked for again."""
        rows = await self.sql.fetch("DELETE FROM downlink.outbox RETURNING subject, payload")
        told: dict[str, list[bytes]] = {}
        for row in rows:
            told.setdefault(row["subject"], []).append(row["payload"])
        return told


@pytest.fixture
async def town(database: str, chirpstack: StartChirpStack) -> AsyncIterator[Town]:
    double = await chirpstack(large_network(), mqtt=None, tenant_tokens={TENANT_KEY: TENANT_ID})
    settings = Settings(database_url=database, chirpstack_url=double.url, chirpstack_token=double.token)
    sql = await asyncpg.connect(database)
    town = Town(sql, double, UUID(int=0), settings)
    town.tenant_id = await town.bind(APPLICATION_ID, "city")
    yield town
    await sql.close()


def device_subjects(told: dict[str, list[bytes]]) -> set[str]:
    return {subject for subject in told if ".device." in subject}


async def test_every_page_is_kept_and_what_is_bound_is_told(town: Town) -> None:
    async with town.replica():
        row = await town.round_ended()
    assert (row["devices"], row["gateways"]) == (LISTED + 1, 2)
    known = await town.sql.fetch(
        "SELECT application_id, device_class, count(*) FROM downlink.network_devices GROUP BY 1, 2"
    )
    assert {tuple(one) for one in known} == {
        (APPLICATION_ID, "C", LISTED - 1),
        (APPLICATION_ID, "A", 1),
        (OTHER_APPLICATION, "C", 1),
    }
    told = await town.told()
    mine = {one.dev_eui for one in town.double.network.devices.values() if one.application_id == APPLICATION_ID}
    assert device_subjects(told) == {subjects.device("synced", dev_eui) for dev_eui in mine}
    one = next(iter(town.double.network.devices.values()))
    fact = msgspec.json.decode(told[subjects.device("synced", one.dev_eui)][0], type=DeviceSynced)
    assert (fact.source, fact.application_name, fact.device_name) == ("chirpstack", "parking", one.name)
    assert (fact.device_class, fact.device_profile_name) == ("C", Busylight.profile_name)
    assert fact.network_tenant_id == TENANT_ID


async def test_gateways_come_with_their_place_state_and_traffic_to_whom_they_serve(town: Town) -> None:
    neighbour = await town.bind(str(UUID(int=7)), "neighbour")
    town.double.network.applications[str(UUID(int=7))] = Application(
        id=str(UUID(int=7)), tenant_id=TENANT_ID, name="second"
    )
    async with town.replica():
        await town.round_ended()
    rows = await town.sql.fetch("SELECT * FROM downlink.gateways ORDER BY tenant_id, gateway_id")
    assert {(row["tenant_id"], row["gateway_id"]) for row in rows} == {
        (tenant_id, gateway_id) for tenant_id in (town.tenant_id, neighbour) for gateway_id in (GATEWAY_ID, "11" * 8)
    }
    roof = next(row for row in rows if row["gateway_id"] == GATEWAY_ID)
    assert (roof["state"], roof["received_24h"], roof["sent_24h"]) == ("online", 12, 2)
    assert (roof["latitude"], roof["longitude"], roof["altitude"]) == pytest.approx((50.94, 6.96, 60.0))
    assert roof["last_seen_at"] is not None
    new = next(row for row in rows if row["gateway_id"] == "11" * 8)
    assert (new["state"], new["latitude"], new["last_seen_at"], new["received_24h"]) == ("never_seen", None, None, 0)
    told = await town.told()
    fact = msgspec.json.decode(told[subjects.gateway("synced", GATEWAY_ID)][0], type=GatewaySynced)
    assert (fact.state, fact.received_24h) == ("online", 12)
    assert subjects.gateway("synced", "00" * 8) not in told


async def test_only_what_is_new_or_changed_is_told_again_before_an_hour_is_over(town: Town) -> None:
    renamed, older, moved, gone = list(town.double.network.devices.values())[:4]
    async with town.replica():
        await town.round_ended()
        await town.told()
        renamed.name = "renamed"
        town.double.network.devices["bb" * 8] = msgspec.structs.replace(renamed, dev_eui="bb" * 8, name="new")
        older.last_seen_at = datetime.now(UTC)
        moved.application_id = OTHER_APPLICATION
        del town.double.network.devices[gone.dev_eui]
        await town.ask()
        await town.round_ended()
        changed = {renamed.dev_eui, "bb" * 8, moved.dev_eui}
        assert device_subjects(await town.told()) == {subjects.device("synced", one) for one in changed}
        assert not await town.sql.fetchval(
            "SELECT count(*) FROM downlink.network_devices WHERE dev_eui = $1", gone.dev_eui
        )
        await town.sql.execute(
            "UPDATE downlink.network_devices SET announced_at = announced_at - interval '61 min' WHERE dev_eui = $1",
            older.dev_eui,
        )
        await town.ask()
        await town.round_ended()
        told = await town.told()
    assert device_subjects(told) == {subjects.device("synced", older.dev_eui)}
    fact = msgspec.json.decode(told[subjects.device("synced", older.dev_eui)][0], type=DeviceSynced)
    assert fact.last_seen_at is not None


async def test_what_could_not_be_read_is_not_taken_for_gone(town: Town) -> None:
    devices = town.double.network.devices
    gone = next(iter(devices))
    known = "SELECT count(*) FROM downlink.network_devices WHERE dev_eui = $1"
    async with town.replica():
        await town.round_ended()
        del devices[gone]
        unreadable = Application(id="no-uuid", tenant_id=TENANT_ID, name="odd")
        town.double.network.applications["no-uuid"] = unreadable
        await town.ask()
        await town.round_ended()
        assert await town.sql.fetchval(known, gone) == 1
        del town.double.network.applications["no-uuid"]
        await town.ask()
        await town.round_ended()
        assert await town.sql.fetchval(known, gone) == 0


async def test_an_application_that_is_bound_at_last_is_told_at_once(town: Town) -> None:
    """Nobody has to ask for a round: the binding does."""
    is_asked = (
        "SELECT ended_at > began_at AND began_at > (SELECT max(created_at) FROM occupancy.applications) "
        "FROM downlink.sync_rounds"
    )
    async with town.replica():
        await town.round_ended()
        await town.told()
        await town.bind(OTHER_APPLICATION)
        await eventually(lambda: town.sql.fetchval(is_asked), 15)
    told = await town.told()
    assert device_subjects(told) == {subjects.device("synced", "aa" * 8)}
    assert subjects.gateway("synced", "00" * 8) in told


async def test_a_tenants_key_finds_its_tenant_by_the_bound_applications(town: Town) -> None:
    await town.bind(OTHER_APPLICATION)  # out of this key's reach
    await town.bind("no-uuid")
    async with town.replica(chirpstack_token=SecretStr(TENANT_KEY)):
        row = await town.round_ended()
    assert (row["devices"], row["gateways"]) == (LISTED, 2)


async def test_who_is_away_is_reported_and_asked_again(town: Town) -> None:
    await town.double.stop()
    async with town.replica() as sync:
        problem = await eventually(sync.check)
        assert "could not be asked for" in problem
        await town.double.start()
        await town.ask()
        await town.round_ended()
        assert await sync.check() is None


async def test_replicas_take_turns_and_one_serves_the_request(town: Town) -> None:
    async with town.replica(), town.replica(), town.replica():
        await town.round_ended()
        for _ in range(2):
            await town.told()
            await town.ask()
            await town.round_ended()
            told = await town.told()
            assert len(told[subjects.gateway("synced", GATEWAY_ID)]) == 1


async def test_a_round_whose_process_died_is_begun_again(town: Town) -> None:
    await town.sql.execute(
        "UPDATE downlink.sync_rounds SET began_at = now() - interval '5 s', ended_at = now() - interval '9 s'"
    )
    async with town.replica():
        row = await town.round_ended()
    assert row["devices"] == LISTED + 1


async def test_late_rounds_are_a_warning(town: Town) -> None:
    async with town.replica(chirpstack_sync_seconds=0.01) as sync:
        await town.round_ended()
        await eventually(sync.check)
