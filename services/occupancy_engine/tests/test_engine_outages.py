"""A database or a NATS that is away: nothing becomes a dead letter, /ready says which, and it heals by itself."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import msgspec
import nats

from parking_contracts.reservation import ReservationOpened
from parking_contracts.subjects import reservation
from parkstream.migrate import migrate_database
from parkstream.streams import apply_streams
from stack.http_client import http_client
from stack.platform import NOON, Platform, uplink
from stack.services import Service
from stack.waiting import eventually

EUI = "0101010101010101"
QUICK = {"PARKSTREAM_SILENCE_SWEEP_SECONDS": "0.2", "PARKSTREAM_OVERDUE_SWEEP_SECONDS": "0.2"}


async def problems(engine: Service) -> dict[str, str]:
    """What /ready complains of."""
    async with http_client(timeout=5) as client:
        answer = await client.get(f"{engine.url}/ready")
    return answer.json().get("problems", {})


async def complains_of(engine: Service, *names: str) -> bool:
    return set(await problems(engine)) >= set(names)


async def no_dead_letters(bus: nats.NATS) -> bool:
    return (await bus.jetstream().stream_info("DEAD_LETTERS")).state.messages == 0


async def reserve(bus: nats.NATS, town: Platform, space_id: Any) -> None:
    event = ReservationOpened(
        tenant_id=town.tenant_id, space_id=space_id, reservation_id=uuid4(), since=NOON, until=NOON.replace(year=2099)
    )

    await bus.jetstream().publish(reservation(town.tenant_id, space_id, "opened"), msgspec.json.encode(event))


async def test_a_database_that_is_away_is_waited_for(private_postgres, nats_account, run_service):
    await migrate_database(private_postgres.url)
    engine = await run_service(
        "occupancy_engine",
        {"PARKSTREAM_DATABASE_URL": private_postgres.url, "PARKSTREAM_NATS_URL": nats_account.url} | QUICK,
    )
    bus = await nats_account.connect()
    connection = await asyncpg.connect(private_postgres.url)
    town = Platform(connection, bus)
    await town.settle_in()
    space_id, reserved = await town.space(EUI), await town.space()
    await town.hear(uplink(EUI, 1, False))
    await connection.close()

    private_postgres.kill()
    await eventually(lambda: complains_of(engine, "database"))
    await town.publish(*(uplink(EUI, n, n % 2 == 0) for n in range(2, 40)))
    await reserve(bus, town, reserved)
    refused = await town.command("space.set_state", {"id": space_id, "state": "maintenance"})
    assert refused.code.value == "DEPENDENCY_UNAVAILABLE"
    await eventually(lambda: engine.log.read_text().count("message_postponed") >= 2)

    private_postgres.start()
    await engine.wait_ready()
    town.database = connection = await asyncpg.connect(private_postgres.url)
    await eventually(town.idle, 20)
    assert await no_dead_letters(bus)
    stored = await town.rows("SELECT f_cnt FROM occupancy.sensor_readings ORDER BY f_cnt")
    assert [row["f_cnt"] for row in stored] == list(range(1, 40))
    assert len(await town.stays(space_id)) == 19

    async def is_reserved() -> bool:
        return await town.state(reserved) == ("reserved", "reservation")

    await eventually(is_reserved)
    changes = await town.published(f"parking.v1.space.{town.tenant_id}.{space_id}.state_changed")
    assert len(changes) == 39
    await connection.close()


async def test_a_nats_that_is_away_is_waited_for(private_nats, database, run_service):
    url = private_nats.login().url
    await apply_streams(url)
    environment = {"PARKSTREAM_DATABASE_URL": database, "PARKSTREAM_NATS_URL": url} | QUICK
    engine = await run_service("occupancy_engine", environment)
    connection = await asyncpg.connect(database)
    bus = await nats.connect(url)
    town = Platform(connection, bus)
    await town.redeliver_after(2)
    await town.settle_in()
    space_id, reserved = await town.space(EUI), await town.space()
    await town.hear(*(uplink(EUI, n, n % 2 == 0) for n in range(1, 20)))
    await bus.close()

    private_nats.kill()
    await eventually(lambda: complains_of(engine, "nats", "commands"))
    # Something to say while nobody listens.
    await connection.execute(
        "UPDATE occupancy.spaces SET override_state = 'maintenance', override_since = now(), override_until = now(), "
        "state = 'maintenance', state_layer = 'override' WHERE id = $1",
        reserved,
    )

    async def shown_free() -> bool:
        return await town.state(reserved) == ("free", "default")

    await eventually(shown_free)
    private_nats.start()
    await engine.wait_ready()
    town.bus = bus = await nats.connect(url)
    await town.hear(*(uplink(EUI, n, n % 2 == 0) for n in range(20, 40)))
    assert len(await town.rows("SELECT 1 FROM occupancy.sensor_readings")) == 39
    assert await town.state(space_id) == ("free", "sensor")
    renamed = await eventually(lambda: answered(town, space_id), 20)
    assert renamed["name"] == "after the outage"
    await reserve(bus, town, reserved)

    async def is_reserved() -> bool:
        return await town.state(reserved) == ("reserved", "reservation")

    await eventually(is_reserved, 20)
    messages = await town.published(f"parking.v1.space.{town.tenant_id}.{space_id}.state_changed")
    assert len(messages) == 39
    assert len(await town.published(f"parking.v1.space.{town.tenant_id}.{reserved}.state_changed")) == 2
    assert await no_dead_letters(bus)
    await bus.close()
    await connection.close()


async def answered(town: Platform, space_id: Any) -> Any:
    """The answer to a command, or None as long as nobody serves it."""
    try:
        return await town.command("space.update", {"id": space_id, "name": "after the outage"})
    except (nats.errors.NoRespondersError, nats.errors.TimeoutError):
        return None


async def test_an_engine_that_starts_before_nats_says_so_and_stops_when_told(private_nats, database, run_service):
    url = private_nats.login().url
    await apply_streams(url)
    private_nats.stop()
    environment = {"PARKSTREAM_DATABASE_URL": database, "PARKSTREAM_NATS_URL": url}
    patient = await run_service("occupancy_engine", environment, ready=False)
    hasty = await run_service("occupancy_engine", environment, ready=False)
    for engine in (patient, hasty):

        async def says_so(engine: Service = engine) -> bool:
            try:
                return await complains_of(engine, "nats")
            except httpx.TransportError:
                return False

        await eventually(says_so, 20)
    assert hasty.stop() == 0
    private_nats.start()
    await patient.wait_ready()


async def test_an_engine_stops_when_told_while_nats_is_away(private_nats, database, run_service):
    url = private_nats.login().url
    await apply_streams(url)
    engine = await run_service("occupancy_engine", {"PARKSTREAM_DATABASE_URL": database, "PARKSTREAM_NATS_URL": url})
    private_nats.kill()
    await eventually(lambda: complains_of(engine, "nats", "commands"))
    assert engine.stop() == 0
