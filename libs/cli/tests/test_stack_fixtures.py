"""The fixtures themselves: what a test gets is fresh, migrated and its own."""

import asyncpg
import nats
import pytest

from parking_contracts import subjects
from stack.waiting import eventually


@pytest.mark.parametrize("attempt", [1, 2])
async def test_a_database_is_migrated_and_fresh(database: str, attempt: int) -> None:
    connection = await asyncpg.connect(database)
    try:
        assert await connection.fetchval("SELECT count(*) FROM parkstream.migrations") > 0
        assert await connection.fetchval("SELECT to_regclass('public.mine')") is None
        await connection.execute("CREATE TABLE public.mine ()")
    finally:
        await connection.close()


async def test_a_service_connects_under_its_role(database: str) -> None:
    connection = await asyncpg.connect(database, server_settings={"role": "occupancy_engine"})
    try:
        assert await connection.fetchval("SELECT current_user") == "occupancy_engine"
    finally:
        await connection.close()


@pytest.mark.parametrize("attempt", [1, 2])
async def test_an_account_has_empty_streams_of_its_own(nats_account, attempt: int) -> None:
    client = await nats_account.connect()
    context = client.jetstream()
    assert (await context.stream_info("UPLINKS")).state.messages == 0
    await context.publish(subjects.uplink("0101010101010101"), b"{}")
    assert (await context.stream_info("UPLINKS")).state.messages == 1


async def test_an_account_is_closed_to_another_password(nats_account) -> None:
    with pytest.raises(nats.errors.Error):
        await nats.connect(nats_account.url.replace(":", ":x", 2), allow_reconnect=False, error_cb=ignore)


async def ignore(_: Exception) -> None:
    """The error is raised as well."""


async def test_mosquitto_keeps_its_port_over_a_kill(mosquitto, free_port) -> None:
    port = mosquitto.port
    mosquitto.kill()
    mosquitto.start()
    assert mosquitto.port == port
    assert free_port() != port


async def test_eventually_says_what_it_saw_last() -> None:
    with pytest.raises(AssertionError, match=r"did not come true in 0.05 s; last: 0"):
        await eventually(lambda: 0, timeout=0.05)
