"""`replay --verify` against a real database and a real stream: it sees what is there, and what is not."""

import io
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from rich.console import Console

from parking_simulator.replayed_street import Street, build_street
from parking_simulator.stays import Bay, Interval, Stay
from parkstream.errors import OperatorError
from parkstream.platform_access import find_tenant
from parkstream.replay import read_speed, read_zone
from parkstream.settings import Connections
from parkstream.simulate import read_run
from parkstream.verification import Expectation, Verdict, verify
from stack.servers import NatsAccount

UTC_ZONE = ZoneInfo("UTC")
START = 1_479_081_600
TENANT = uuid4()


def street() -> Street:
    bays = [Bay("B1", "Dock", (-37.8, 144.9)), Bay("B2", "", None)]
    stays = [
        Stay("B1", "Dock", Interval(START, START + 3_600)),
        Stay("B2", "", Interval(START + 600, START + 1_200)),
        Stay("B2", "", Interval(START + 1_200, START + 1_800)),
    ]
    return build_street("test", bays, stays, mix={"bosch": 1.0}, name="Replay", time_zone="UTC", source="mqtt", seed=1)


@pytest.fixture
def found(database: str, nats_account: NatsAccount) -> Connections:
    return Connections(database_url=database, nats_url=nats_account.url, mqtt_url="", api_url="", api_key="")


async def store(found: Connections, made: Street, stays: dict[str, list[tuple[int, int | None]]]) -> None:
    """Write what an engine would have written: the street, one reading per stay's end, and these stays."""
    connection = await asyncpg.connect(found.database_url)
    await connection.execute("INSERT INTO gateway.tenants (id, name) VALUES ($1, 'city')", TENANT)
    await connection.execute(
        "INSERT INTO occupancy.sites (tenant_id, id, name, time_zone) VALUES ($1, $2, 'x', 'UTC')", TENANT, made.site_id
    )
    for space in made.fleet.spaces:
        await connection.execute(
            """
            INSERT INTO occupancy.spaces
                (tenant_id, id, site_id, code, name, sensor_eui, state, state_layer, state_since)
            VALUES ($1, $2, $3, $4, $5, $6, 'free', 'sensor', now())
            """,
            *(TENANT, space.id, made.site_id, space.code, space.name, space.sensor_eui),
        )
        for number, (arrived, departed) in enumerate(stays.get(space.code, [])):
            await write_stay(connection, space.id, space.sensor_eui, arrived, departed)
            await connection.execute(
                """
                INSERT INTO occupancy.sensor_readings
                    (tenant_id, dev_eui, session_at, f_cnt, received_at, occurred_at, f_port, payload)
                VALUES ($1, $2, $3, $4, now(), now(), 1, ''::bytea)
                """,
                *(TENANT, space.sensor_eui, instant(START), number),
            )
    await connection.close()


async def write_stay(
    connection: asyncpg.Connection, space_id: UUID | None, eui: str | None, arrived: int, departed: int | None
) -> None:
    await connection.execute(
        """
        INSERT INTO occupancy.stays (tenant_id, space_id, dev_eui, arrived_at, departed_at, arrived_session,
                                     arrived_f_cnt, received_at)
        VALUES ($1, $2, $3, $4, $5, $4, 0, now())
        """,
        *(TENANT, space_id, eui, instant(arrived), instant(departed) if departed is not None else None),
    )


def instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


async def verdict_on(found: Connections, made: Street, frames: int) -> tuple[Verdict, str]:
    console = Console(file=io.StringIO(), width=120, color_system=None)
    expected = Expectation(tenant_id=TENANT, street=made, frames=frames, patience_seconds=1.0)
    verdict = await verify(found, expected, console, UTC_ZONE)
    assert isinstance(console.file, io.StringIO)
    return verdict, console.file.getvalue()


async def test_stays_that_agree_to_the_minute_are_no_difference(found: Connections) -> None:
    made = street()
    await store(found, made, {"B1": [(START + 20, START + 3_630)], "B2": [(START + 600, START + 1_800)]})
    verdict, said = await verdict_on(found, made, frames=2)
    assert verdict.same
    assert "every one of 2 distinct uplinks is one reading" in said
    assert "0 differences to 2 recorded stays" in said


async def test_missing_invented_and_different_stays_are_listed(found: Connections) -> None:
    made = street()
    stays = {"B1": [(START, None), (START + 86_400, START + 90_000)]}
    await store(found, made, stays)
    verdict, said = await verdict_on(found, made, frames=2)
    assert not verdict.same
    assert [(one.kind, one.bay) for one in verdict.differences] == [
        ("different", "B1"),
        ("invented", "B1"),
        ("missing", "B2"),
    ]
    assert "3 differences to 2 recorded stays: 1 missing, 1 invented, 1 different" in said
    assert "still there" in said


async def test_a_lost_frame_is_a_difference_even_if_no_stay_shows_it(found: Connections) -> None:
    made = street()
    await store(found, made, {"B1": [(START, START + 3_600)], "B2": [(START + 600, START + 1_800)]})
    verdict, said = await verdict_on(found, made, frames=3)
    assert not verdict.same
    assert verdict.differences == []
    assert "2 readings of 3 distinct uplinks" in said


async def test_the_only_tenant_needs_no_name(found: Connections) -> None:
    with pytest.raises(OperatorError, match="There is no tenant yet"):
        await find_tenant(found, None)
    connection = await asyncpg.connect(found.database_url)
    await connection.execute("INSERT INTO gateway.tenants (id, name) VALUES ($1, 'city')", TENANT)
    assert await find_tenant(found, None) == TENANT
    await connection.execute("INSERT INTO gateway.tenants (name) VALUES ('other')")
    await connection.close()
    assert await find_tenant(found, "city") == await find_tenant(found, str(TENANT)) == TENANT
    with pytest.raises(OperatorError, match=r"There are several tenants.*\n.*--tenant: city .*other"):
        await find_tenant(found, None)
    with pytest.raises(OperatorError, match="No tenant is called nobody"):
        await find_tenant(found, "nobody")


async def test_a_database_without_migrations_is_said_so(empty_database: str) -> None:
    found = Connections(database_url=empty_database, nats_url="", mqtt_url="", api_url="", api_key="")
    with pytest.raises(OperatorError, match=r"not migrated.*\n.*parkstream migrate"):
        await find_tenant(found, None)


@pytest.mark.parametrize(("text", "speed"), [("max", None), ("60", 60.0), ("0.5", 0.5)])
def test_a_speed_is_a_factor_or_max(text: str, speed: float | None) -> None:
    assert read_speed(text) == speed


@pytest.mark.parametrize("text", ["fast", "0", "-1", "inf", "nan", ""])
def test_another_speed_is_refused(text: str) -> None:
    with pytest.raises(OperatorError, match="Give a factor such as 60, or max"):
        read_speed(text)


@pytest.mark.parametrize("name", ["a b", "a/b", "ä", "a\n", "x" * 61])
def test_a_run_that_fits_no_topic_is_refused_before_anything_is_made(name: str) -> None:
    with pytest.raises(OperatorError, match="--run"):
        read_run(name)


def test_an_unknown_time_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="--time-zone Mars/Base is not known here"):
        read_zone("Mars/Base")
