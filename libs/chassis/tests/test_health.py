"""The four routes over real HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from parking_chassis.health import Health, serve_health
from parking_chassis.settings import ServiceSettings
from stack.http_client import http_client


@pytest.fixture
def health() -> Health:
    return Health("tester", "1.2.3", stats=lambda: {"handled": 7})


@pytest.fixture
async def http(health: Health, free_port: Callable[[], int]) -> AsyncIterator[httpx.AsyncClient]:
    settings = ServiceSettings(health_port=free_port())
    async with (
        serve_health(health, settings),
        http_client(base_url=f"http://127.0.0.1:{settings.health_port}") as client,
    ):
        yield client


async def well() -> None:
    return None


async def broken() -> str:
    return "database: connection refused"


async def test_all_well(health: Health, http: httpx.AsyncClient):
    health.add_check("database", well)
    assert (await http.get("/live")).json() == {"status": "live"}
    assert (await http.get("/ready")).json() == {"status": "ready"}
    report = (await http.get("/health")).json()
    assert report.pop("uptime_seconds") >= 0
    assert report == {
        "status": "healthy",
        "service": "tester",
        "version": "1.2.3",
        "checks": {"database": "ok"},
        "stats": {"handled": 7},
    }


async def test_a_failing_check_makes_it_unready_but_not_dead(health: Health, http: httpx.AsyncClient):
    health.add_check("database", broken)
    health.add_check("nats", well)
    ready = await http.get("/ready")
    assert (ready.status_code, ready.headers["Retry-After"]) == (503, "5")
    assert ready.json()["problems"] == {"database": "database: connection refused"}
    whole = await http.get("/health")
    assert (whole.status_code, whole.json()["status"]) == (503, "unhealthy")
    assert (await http.get("/live")).status_code == 200


async def test_a_warning_degrades_and_stays_ready(health: Health, http: httpx.AsyncClient):
    health.add_warning("codecs", broken)
    assert (await http.get("/ready")).status_code == 200
    whole = await http.get("/health")
    assert (whole.status_code, whole.json()["status"]) == (200, "degraded")


async def test_a_check_that_hangs_is_a_problem_of_its_own(health: Health, http: httpx.AsyncClient):
    async def hang() -> None:
        await asyncio.Event().wait()

    health.add_check("database", hang)
    answer = await http.get("/ready", timeout=10)
    assert answer.json()["problems"] == {"database": "no answer within 3 s"}


async def test_metrics_are_prometheus_text(http: httpx.AsyncClient):
    answer = await http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "process_resident_memory_bytes" in answer.text


async def test_a_taken_port_is_a_clear_error(health: Health, http: httpx.AsyncClient):
    settings = ServiceSettings(health_port=http.base_url.port)
    with pytest.raises(OSError, match="is the port taken"):
        async with serve_health(health, settings):
            pass


async def test_what_has_not_appeared_yet_keeps_it_unready(health: Health):
    health.await_checks("nats", "commands")

    health.add_check("nats", well)

    assert await health.problems() == {"commands": "not connected yet, trying"}
