"""One gateway for all tests of a module, on a database and a bus of its own; each test is a tenant of its own.

A module of services/api_gateway/tests that wants it says:

    @pytest.fixture(scope="module")
    def stand(shared_gateway):
        return shared_gateway

Its fixtures `gateway`, `api`, `tenant_id`, `sql` and `bus` are then on it. It holds no connection itself, since every
test has an event loop of its own.
"""

import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from parkstream.embedded import child
from parkstream.streams import apply_streams
from stack.gateways import KEY
from stack.replicas import make_service
from stack.servers import NatsAccount, fresh_database
from stack.service_process import Service


@dataclass(frozen=True)
class Stand:
    """What a gateway stands on, and itself."""

    database_url: str
    account: NatsAccount
    service: Service


@pytest.fixture(scope="module")
def stand() -> Stand | None:
    """What the tests of this module share: nothing, unless it says otherwise."""
    return None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_gateway(
    postgres_server: Any, migrated_template: str, nats_pool: Any, replicas: int, gateway_settings: dict[str, str]
) -> AsyncIterator[Stand]:
    """A gateway with the module's `gateway_settings`, whose platform admin has KEY."""
    account = nats_pool.account()
    await apply_streams(account.url)
    async for url in fresh_database(postgres_server, migrated_template):
        environment = {
            "PARKSTREAM_DATABASE_URL": url,
            "PARKSTREAM_NATS_URL": account.url,
            "PARKSTREAM_BOOTSTRAP_API_KEY": KEY,
            **gateway_settings,
        }
        with tempfile.TemporaryDirectory(prefix="parkstream-gateway-") as logs:
            service = make_service("api_gateway", environment, Path(logs) / "gateway.log", replicas)
            try:
                await service.start()
                yield Stand(url, account, service)
            finally:
                service.end()
                print(f"--- log of the gateway\n{child.last_lines(service.log, 200)}")  # noqa: T201  pytest shows it
