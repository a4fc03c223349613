"""`watch` and `dead-letters` against the real gateway."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from parking_simulator.publisher import Publisher, parse_broker
from parking_simulator.rendering import Message
from stack.services import RunService

KEY = "pk_watching1_" + "k" * 43


@asynccontextmanager
async def parkstream(environment: dict[str, str], *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command as a process, ended with the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "parkstream.main", *arguments),
        env={**os.environ, **environment, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def said(environment: dict[str, str], *arguments: str) -> tuple[int | None, str]:
    """Run the command to its end; its status and what it said."""
    async with parkstream(environment, *arguments) as process:
        assert process.stdout is not None
        output = await process.stdout.read()
        return await process.wait(), output.decode()


@pytest.fixture
async def platform(
    service_env: dict[str, str], run_service: RunService, free_port: Callable[[], int]
) -> dict[str, str]:
    """Gateway, ingestor and engine on servers of their own."""
    port = str(free_port())
    environment = {
        **service_env,
        "PARKSTREAM_MQTT_PROTOCOL": "3.1.1",
        "PARKSTREAM_BOOTSTRAP_API_KEY": KEY,
        "PARKSTREAM_HTTP_PORT": port,
    }
    await run_service("api_gateway", environment)
    await run_service("occupancy_engine", service_env)
    await run_service("uplink_ingestor", environment)
    return environment


async def test_watch_tells_of_changes_as_they_happen(platform: dict[str, str]) -> None:
    async with parkstream(platform, "watch") as watching:
        assert watching.stdout is not None
        assert b"connected: 0 spaces" in await watching.stdout.readline()
        city = ("simulate", "--spaces", "10", "--rate", "50", "--duration", "4", "--changes", "0.5")
        async with parkstream(platform, *city) as simulating:
            async for line in watching.stdout:
                if b"free -> occupied" in line:
                    break
            assert await simulating.wait() == 0


async def test_poison_is_listed_shown_and_sent_on_its_way_again(platform: dict[str, str]) -> None:
    assert await said(platform, "dead-letters", "list") == (0, "no dead letters\n")
    topic = "application/a/device/0101010101010101/event/up"
    async with Publisher(parse_broker(platform["PARKSTREAM_MQTT_URL"]), client_id="poison") as publisher:
        await publisher.publish(Message(topic, b"not an event"))
        await publisher.drain()
    output = ""
    async with asyncio.timeout(20):
        while topic not in output:
            _, output = await said(platform, "dead-letters", "list")
    status, output = await said(platform, "dead-letters", "show", "1")
    assert status == 0
    assert "not an event" in output
    status, output = await said(platform, "dead-letters", "replay", "1")
    assert status == 0, output
    assert "1 is on its way again" in output
    status, output = await said(platform, "dead-letters", "show", "1")
    assert status == 1
    assert "RECORD_NOT_FOUND" in output


async def test_a_wrong_key_is_said_with_the_remedy(platform: dict[str, str]) -> None:
    wrong = {**platform, "PARKSTREAM_BOOTSTRAP_API_KEY": "pk_watching1_" + "x" * 43}
    status, output = await said(wrong, "watch")
    assert status == 1
    assert "The gateway answers 401" in output
    assert "Check PARKSTREAM_BOOTSTRAP_API_KEY" in output
