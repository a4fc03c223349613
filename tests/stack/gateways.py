"""Two gateways on one database, shared by a module's tests, and the people who log in to them."""

import asyncio
import functools
import itertools
import tempfile
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from argon2 import PasswordHasher

from parkstream.embedded import child
from parkstream.streams import apply_streams
from stack.http_client import http_client
from stack.servers import fresh_database
from stack.services import Service

PASSWORD = "three blue parking meters"  # everybody's
KEY = "pk_bootstrap01_" + "s" * 43
BUSY_MACHINE_SECONDS = 60.0
_numbers = itertools.count(1)


@functools.cache
def password_hash() -> str:
    """PASSWORD as the gateway would store it; made once, as it is slow on purpose."""
    return PasswordHasher(time_cost=2, memory_cost=19 << 10, parallelism=1).hash(PASSWORD)


def an_address() -> str:
    """A client's address that no other test has."""
    number = next(_numbers)
    return f"198.18.{number // 250 % 250}.{number % 250 + 1}"


@dataclass
class Person:
    """A user, and the tokens of his newest session."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    email: str
    tokens: dict[str, Any] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """What he asks with."""
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}


@dataclass
class GatewayPair:
    """Two replicas that believe X-Forwarded-For from here, `sql` as the owner, and a client to each."""

    database_url: str
    nats_url: str
    sql: asyncpg.Connection
    services: tuple[Service, Service]
    first: httpx.AsyncClient
    second: httpx.AsyncClient
    environment: dict[str, str]

    @property
    def admin(self) -> dict[str, str]:
        """The header of the platform's admin."""
        return {"X-API-Key": KEY}

    async def tenant(self, name: str = "Harbour") -> uuid.UUID:
        """A tenant of its own for a test."""
        return await self.sql.fetchval("INSERT INTO gateway.tenants (name) VALUES ($1) RETURNING id", name)

    async def person(self, tenant_id: uuid.UUID, role: str = "viewer", *, admin: bool = False) -> Person:
        """A user with PASSWORD, not logged in."""
        email = f"person{next(_numbers)}@example.com"
        user_id = await self.sql.fetchval(
            "INSERT INTO gateway.users (tenant_id, email, name, password_hash, role, platform_admin) "
            "VALUES ($1, $2, 'Ada', $3, $4, $5) RETURNING id",
            *(tenant_id, email, password_hash(), role, admin),
        )
        return Person(user_id, tenant_id, email)

    async def try_to_log_in(self, email: str, password: str = PASSWORD, *, address: str = "") -> httpx.Response:
        """One attempt at the first gateway, from an address of its own unless one is given."""
        headers = {"X-Forwarded-For": address or an_address()}
        return await self.first.post("/api/auth/login", json={"email": email, "password": password}, headers=headers)

    async def log_in(self, person: Person) -> Person:
        """The same person in a new session, besides those he has."""
        answer = await self.try_to_log_in(person.email)
        assert answer.status_code == 200, answer.text
        return Person(person.id, person.tenant_id, person.email, answer.json())

    async def somebody(
        self, role: str = "viewer", tenant_id: uuid.UUID | None = None, *, admin: bool = False
    ) -> Person:
        """A user of this role who has logged in, in a tenant of his own unless one is given."""
        return await self.log_in(await self.person(tenant_id or await self.tenant(), role, admin=admin))


@pytest.fixture(scope="module")
def gateway_settings() -> dict[str, str]:
    """More of the environment of `gateways`; a module that needs some defines this itself."""
    return {}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateways(
    postgres_server: Any, migrated_template: str, nats_pool: Any, gateway_settings: dict[str, str]
) -> AsyncIterator[GatewayPair]:
    """Two gateways with quick looks at the credentials of their event streams."""
    account = nats_pool.account()
    await apply_streams(account.url)
    async for url in fresh_database(postgres_server, migrated_template):
        environment = {
            "PARKSTREAM_DATABASE_URL": url,
            "PARKSTREAM_NATS_URL": account.url,
            "PARKSTREAM_BOOTSTRAP_API_KEY": KEY,
            "PARKSTREAM_TRUSTED_PROXIES": '["127.0.0.1/32"]',
            "PARKSTREAM_RATE_LIMIT_READS_PER_SECOND": "0",
            "PARKSTREAM_RATE_LIMIT_WRITES_PER_SECOND": "0",
            **gateway_settings,
        }
        with tempfile.TemporaryDirectory(prefix="parkstream-gateways-") as logs:
            pair = tuple(Service("api_gateway", environment, Path(logs) / f"gateway-{n}.log") for n in (1, 2))
            connection = await asyncpg.connect(url)
            try:
                for one in pair:
                    one.spawn()
                await asyncio.gather(*(one.wait_ready(BUSY_MACHINE_SECONDS) for one in pair))
                async with client(pair[0]) as first, client(pair[1]) as second:
                    yield GatewayPair(url, account.url, connection, (pair[0], pair[1]), first, second, environment)
            finally:
                await connection.close()
                await account.close()
                for one in pair:
                    one.end()
                    print(f"--- log of {one.log.stem}\n{child.last_lines(one.log, 200)}")  # noqa: T201  pytest shows it


def client(service: Service) -> httpx.AsyncClient:
    """Asks one gateway, without a credential of its own."""
    return http_client(base_url=service.url, timeout=30)
