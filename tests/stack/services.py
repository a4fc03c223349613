"""The platform's services as real processes, and what points them at a test's servers."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Mapping
from pathlib import Path
from typing import Protocol

import pytest

from parkstream.embedded import child
from stack.replicas import make_service
from stack.servers import NatsAccount
from stack.service_process import Service


class RunService(Protocol):
    """`await run_service(module, environment)`; with `ready=False` it returns before /ready does."""

    def __call__(self, module: str, env: Mapping[str, str], *, ready: bool = True) -> Awaitable[Service]: ...


@pytest.fixture
def service_env(database: str, nats_account: NatsAccount) -> dict[str, str]:
    """What points a service at this test's database, NATS account and (NATS's own) MQTT broker."""
    return {
        "PARKSTREAM_DATABASE_URL": database,
        "PARKSTREAM_NATS_URL": nats_account.url,
        "PARKSTREAM_MQTT_URL": nats_account.mqtt_url,
    }


@pytest.fixture
async def run_service(replicas: int, database: str, nats_account: NatsAccount) -> AsyncIterator[RunService]:
    """Start services as real processes; all of them end with the test, and their logs show when it fails.

    They end before what they stand on, which is why this asks for it: without, their end takes a second more.
    """
    services: list[Service] = []
    with tempfile.TemporaryDirectory(prefix="parkstream-services-") as logs:

        async def run(module: str, env: Mapping[str, str], *, ready: bool = True) -> Service:
            service = make_service(module, env, Path(logs) / f"{module}-{len(services)}.log", replicas)
            services.append(service)
            await service.start(ready=ready)
            return service

        yield run
        for service in services:
            service.end()
            print(f"--- log of {service.log.stem}\n{child.last_lines(service.log, 200)}")  # noqa: T201  pytest shows it
