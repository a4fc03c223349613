"""What the service's own process says of ChirpStack at /health, and that it stays ready and heals by itself."""

from pathlib import Path
from typing import Any

import httpx

from parking_simulator.chirpstack.displays import Busylight
from stack.chirpstack import StartChirpStack, network_of
from stack.service_process import Service
from stack.services import RunService
from stack.waiting import eventually


async def health_of(service: Service) -> dict[str, Any]:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        ready, health = [await client.get(f"{service.url}/{path}") for path in ("ready", "health")]
    assert (ready.status_code, health.status_code) == (200, 200)
    return dict(health.json())


async def test_a_chirpstack_that_is_away_or_refuses_the_key_degrades_the_service_until_it_is_back(
    chirpstack: StartChirpStack, run_service: RunService, service_env: dict[str, str], tmp_path: Path
) -> None:
    double = await chirpstack(network_of(Busylight), mqtt=None)
    token = tmp_path / "token"
    token.write_text(double.token)
    service = await run_service(
        "downlink_dispatcher",
        service_env
        | {"PARKSTREAM_CHIRPSTACK_URL": double.url, "PARKSTREAM_CHIRPSTACK_TOKEN_FILE": str(token)}
        | {"PARKSTREAM_CHIRPSTACK_SYNC_SECONDS": "3"},
    )

    async def is_well() -> bool:
        return (await health_of(service))["status"] == "healthy"

    async def reason() -> str:
        health = await health_of(service)
        assert health["status"] == "degraded"
        assert health["checks"]["chirpstack"] != "ok"
        return str(health["checks"]["chirpstack"])

    await eventually(is_well)
    await double.stop()
    assert f"ChirpStack at {double.url} cannot be reached" in await eventually(reason)
    await double.start()
    await eventually(is_well, 15)
    token.write_text("forged")
    why = await eventually(reason)
    assert "refuses our API token" in why
    assert str(token) in why
    token.write_text(double.token)
    await eventually(is_well, 15)
    assert service.stop() == 0
