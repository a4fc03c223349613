"""A recorded day is replayed while ingestor and engine are killed: still nothing missing, nothing invented."""

import asyncio
import os
import sys
from pathlib import Path

import asyncpg
import pytest

from stack.redelivery import redeliver_after
from stack.servers import NatsAccount
from stack.services import RunService
from stack.waiting import eventually

FOLDER = Path(os.environ.get("PARKSTREAM_RECORDED_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
STAYS_CSV = FOLDER / "melbourne_stays_2016-11-14_week.csv"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not STAYS_CSV.exists(), reason=f"no recorded stays in {FOLDER}; name their folder in PARKSTREAM_RECORDED_DATA"
    ),
]


async def test_a_recorded_day_survives_a_kill_of_each_service(
    service_env: dict[str, str], nats_account: NatsAccount, run_service: RunService
) -> None:
    await redeliver_after(await nats_account.connect(), 5, "occupancy_engine")
    connection = await asyncpg.connect(service_env["PARKSTREAM_DATABASE_URL"])
    await connection.execute("INSERT INTO gateway.tenants (name) VALUES ('city')")
    engine = await run_service("occupancy_engine", service_env)
    ingestor = await run_service("uplink_ingestor", {**service_env, "PARKSTREAM_MQTT_PROTOCOL": "3.1.1"})
    options = ["--bays", FOLDER / "melbourne_bays.csv", "--to", "2016-11-15", "--duplicates", "0.05", "--late", "0.05"]
    replay = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "parkstream.main", "replay", STAYS_CSV, *options, "--verify"),
        env={**os.environ, **service_env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )

    async def stored(readings: int) -> bool:
        count: int = await connection.fetchval("SELECT count(*) FROM occupancy.sensor_readings")
        return count >= readings

    await eventually(lambda: stored(1_000), timeout=60)
    ingestor.kill()
    await ingestor.start()
    await eventually(lambda: stored(4_000), timeout=60)
    engine.kill()
    await engine.start()
    output, _ = await replay.communicate()
    await connection.close()
    assert replay.returncode == 0, output.decode()
    assert "0 differences to 1,922 recorded stays" in output.decode()
