"""`parkstream replay --verify` through the real ingestor and engine: what goes in comes out."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from stack.services import RunService

HEADER = "bay_marker,area,arrived_at,departed_at\n"
BAYS = "bay_marker,area,latitude,longitude\nB1,Dock,-37.8,144.9\nB2,Dock,-37.8,144.9001\nB3,Hill,,\n"


async def parkstream(environment: dict[str, str], *arguments: str | Path) -> tuple[int, str]:
    """Run the command as a person would; its status and all that it said."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PARKSTREAM_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "parkstream.main", *map(str, arguments)),
        env={**inherited, **environment, "NO_COLOR": "1", "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.fixture
async def platform(service_env: dict[str, str], run_service: RunService) -> dict[str, str]:
    """Ingestor and engine on servers of their own, and one tenant."""
    connection = await asyncpg.connect(service_env["PARKSTREAM_DATABASE_URL"])
    await connection.execute("INSERT INTO gateway.tenants (name) VALUES ('city')")
    await connection.close()
    await run_service("occupancy_engine", service_env)
    await run_service("uplink_ingestor", {**service_env, "PARKSTREAM_MQTT_PROTOCOL": "3.1.1"})
    return service_env


def recording(folder: Path) -> tuple[Path, Path]:
    """Three bays for two days; stays overlap, touch, repeat, last a minute, follow each other within a minute."""
    rows = [
        *("B1,Dock,2016-11-14T00:00,2016-11-14T05:56", "B1,Dock,2016-11-14T05:56,2016-11-14T06:10"),
        *("B1,Dock,2016-11-14T06:11,2016-11-14T06:12", "B1,Dock,2016-11-15T06:00,2016-11-15T07:57"),
        *("B2,Dock,2016-11-14T03:43,2016-11-14T04:13", "B2,Dock,2016-11-14T04:00,2016-11-14T05:00"),
        *("B2,Dock,2016-11-14T03:43,2016-11-14T04:13", "B9,Lane,2016-11-14T10:00,2016-11-15T23:00"),
    ]
    rows += [f"B3,Hill,2016-11-14T{hour:02}:00,2016-11-14T{hour:02}:40" for hour in range(24)]
    (folder / "stays.csv").write_text(HEADER + "\n".join(rows))
    (folder / "bays.csv").write_text(BAYS)
    return folder / "stays.csv", folder / "bays.csv"


async def test_a_replay_with_duplicates_and_late_frames_comes_out_as_it_was_recorded(
    platform: dict[str, str], tmp_path: Path
) -> None:
    stays, bays = recording(tmp_path)
    asked = ("replay", stays, "--bays", bays, "--heartbeat", "1800", "--duplicates", "0.2", "--late", "0.2", "--verify")
    status, said = await parkstream(platform, *asked)
    assert status == 0, said
    assert "1 bays are not in bays.csv and get no position: B9" in said
    assert "0 differences to 29 recorded stays" in said
    again, said_again = await parkstream(platform, *asked, "--protobuf", "--seed", "2")
    assert again == 0, said_again
    assert "4 spaces with their sensors made" in said_again


async def test_a_named_run_repeated_changes_nothing(platform: dict[str, str], tmp_path: Path) -> None:
    stays, bays = recording(tmp_path)
    asked = ("replay", stays, "--bays", bays, "--run", "twice", "--verify")
    for spaces in ("4 spaces with their sensors made", "0 spaces with their sensors made, 4 were there"):
        status, said = await parkstream(platform, *asked)
        assert status == 0, said
        assert spaces in said


async def test_a_broken_row_stops_everything_before_anything_is_made(platform: dict[str, str], tmp_path: Path) -> None:
    stays, bays = recording(tmp_path)
    stays.write_text(stays.read_text() + "\nB1,Dock,2016-11-16T09:00,2016-11-16T08:00\n")
    status, said = await parkstream(platform, "replay", stays, "--bays", bays)
    assert status == 1
    assert "stays.csv: row 34, column departed_at: is not after arrived_at" in said
    assert "Traceback" not in said
    connection = await asyncpg.connect(platform["PARKSTREAM_DATABASE_URL"])
    assert await connection.fetchval("SELECT count(*) FROM occupancy.sites") == 0
    await connection.close()


async def test_a_simulated_city_is_heard_and_found_again(platform: dict[str, str]) -> None:
    asked = ("simulate", "--spaces", "40", "--rate", "200", "--duration", "3", "--duplicates", "0.1", "--late", "0.1")
    status, said = await parkstream(platform, *asked, "--joins", "0.1", "--retransmissions", "0.1")
    assert status == 0, said
    assert "40 spaces with their sensors made" in said
    assert "every one acknowledged by the broker" in said
    status, said = await parkstream(platform, *asked)
    assert status == 0, said
    assert "0 spaces with their sensors made, 40 were there" in said


async def test_without_a_platform_the_remedy_is_said(tmp_path: Path, free_port: Callable[[], int]) -> None:
    stays, bays = recording(tmp_path)
    away = f"127.0.0.1:{free_port()}"
    nowhere = {
        "PARKSTREAM_DATABASE_URL": f"postgresql://someone:secret@{away}/parkstream",
        "PARKSTREAM_NATS_URL": f"nats://{away}",
        "PARKSTREAM_MQTT_URL": f"mqtt://{away}",
    }
    status, said = await parkstream(nowhere, "replay", stays, "--bays", bays)
    assert status == 1
    assert f"The database at {away}/parkstream cannot be reached" in said
    assert "Check PARKSTREAM_DATABASE_URL" in said
    assert "secret" not in said
    assert "Traceback" not in said
