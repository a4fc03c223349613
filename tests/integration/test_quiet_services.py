"""The life of a quiet service: ready with its dependencies, honest without them, gone when told."""

import httpx
import pytest

from stack.http_client import http_client
from stack.servers import NatsAccount
from stack.services import RunService
from stack.waiting import eventually


@pytest.fixture(params=["reservation_service", "downlink_dispatcher"])
def quiet_service(request) -> str:
    return request.param


async def test_it_is_ready_in_its_own_role_and_ends_on_sigterm(
    run_service: RunService, quiet_service: str, service_env: dict[str, str]
):
    service = await run_service(quiet_service, service_env)
    async with http_client(base_url=service.url) as client:
        health = (await client.get("/health")).json()
        metrics = (await client.get("/metrics")).text
    assert health["status"] == "healthy"
    assert health["checks"].items() >= {"database": "ok", "nats": "ok"}.items()
    assert "_nats_connected 1.0" in metrics
    assert service.stop() == 0


async def test_without_nats_it_lives_says_so_and_still_ends_on_sigterm(
    run_service: RunService, quiet_service: str, service_env: dict[str, str], free_port
):
    env = {**service_env, "PARKSTREAM_NATS_URL": f"nats://127.0.0.1:{free_port()}"}
    service = await run_service(quiet_service, env, ready=False)
    problems = await eventually(lambda: unready(service.url))
    assert problems["nats"] == "not connected yet, trying"
    assert service.stop() == 0


async def test_without_a_database_it_says_so(
    run_service: RunService, quiet_service: str, nats_account: NatsAccount, free_port
):
    env = {
        "PARKSTREAM_NATS_URL": nats_account.url,
        "PARKSTREAM_DATABASE_URL": f"postgresql://nobody:nothing@127.0.0.1:{free_port()}/none",
    }
    service = await run_service(quiet_service, env, ready=False)
    problems = await eventually(lambda: unready(service.url))
    assert problems["database"].startswith("database: ")


async def unready(url: str) -> dict[str, str] | None:
    async with http_client(base_url=url) as client:
        try:
            answer = await client.get("/ready")
        except httpx.TransportError:
            return None
    return answer.json()["problems"] if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else None
