"""A stranger's codec that raises what means "the database is away": its own frames fail, the batch is committed."""

import asyncpg
import pytest

from occupancy_engine.batch import take_in
from occupancy_engine.decoders import Decoders
from occupancy_engine.settings import EngineSettings
from parking_chassis.postgres import DATABASE_AWAY, open_pool
from parking_codecs import Observation, load_registry
from stack.platform import APPLICATION, SOURCE, uplink

STRANGE, HONEST = "0101000000000001", "0101000000000002"


class Strange:
    """Looks something up over a network that is not there."""

    name, profile_names, dev_eui_prefixes, heartbeat_seconds = "strange", ("Strange",), (), 60

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def decode(self, f_port: int, payload: bytes) -> Observation:
        raise self.error


@pytest.mark.parametrize(
    "error",
    [TimeoutError("no answer"), ConnectionResetError(), OSError(28, "no space left"), SystemExit(1)],
    ids=lambda error: type(error).__name__,
)
async def test_a_codec_that_fails_like_a_database_holds_nobody_up(database: str, error: BaseException) -> None:
    assert issubclass(TimeoutError, DATABASE_AWAY), "what is to be told apart here"
    registry = load_registry()
    registry.add(Strange(error), "a test")
    pool = await open_pool(EngineSettings(database_url=database), role="occupancy_engine")
    connection = await asyncpg.connect(database)
    tenant = await connection.fetchval("INSERT INTO gateway.tenants (name) VALUES ('t') RETURNING id")
    await connection.execute(
        "INSERT INTO occupancy.applications (source, application_id, tenant_id) VALUES ($1, $2, $3)",
        *(SOURCE, APPLICATION, tenant),
    )
    frames = [
        uplink(HONEST, 1, occupied=True),
        uplink(STRANGE, 1, occupied=True, device_profile_name="Strange"),
        uplink(HONEST, 2, occupied=False),
    ]
    async with pool.acquire() as taking, taking.transaction():
        taken = await take_in(taking, frames, Decoders(registry, {}))
    rows = await connection.fetch(
        "SELECT dev_eui, occupied, decode_error FROM occupancy.sensor_readings ORDER BY dev_eui, f_cnt"
    )
    await connection.close()
    await pool.close()
    assert [one.dev_eui for one in taken.unreadable] == [STRANGE]
    assert [(row["dev_eui"], row["occupied"]) for row in rows] == [(STRANGE, None), (HONEST, True), (HONEST, False)]
    assert rows[0]["decode_error"].startswith(f"codec 'strange' failed: {type(error).__name__}")
