"""A running gateway with one key, rows put in by SQL, and the bus's other end for commands."""

import contextlib
import hashlib
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from parking_contracts import subjects
from parking_contracts.errors import Accepted, Refusal
from parking_contracts.space_commands import OWNER
from parkstream.streams import apply_streams
from stack.http_client import http_client
from stack.servers import NatsAccount, NatsPool, fresh_database
from stack.shared_gateway import Stand

SECRET = "s" * 43
KEY = f"pk_bootstrap01_{SECRET}"
NOW = "2026-05-04T10:00:00+00:00"
_numbers = itertools.count(1)  # of everything made in this process: tests may share a database


@pytest.fixture
async def database(stand: Stand | None, postgres_server: Any, migrated_template: str) -> AsyncIterator[str]:
    """The shared gateway's, or one of this test alone."""
    if stand is not None:
        yield stand.database_url
        return
    async for url in fresh_database(postgres_server, migrated_template):
        yield url


@pytest.fixture
async def nats_account(stand: Stand | None, nats_pool: NatsPool) -> AsyncIterator[NatsAccount]:
    """The shared gateway's, or one of this test alone."""
    if stand is None:
        account = nats_pool.account()
        await apply_streams(account.url)
    else:
        account = NatsAccount(stand.account.url, stand.account.mqtt_url, stand.account.monitor_url)
    yield account
    await account.close()


@pytest.fixture
async def sql(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
def gateway_env(service_env: dict[str, str]) -> dict[str, str]:
    return {**service_env, "PARKSTREAM_BOOTSTRAP_API_KEY": KEY}


@pytest.fixture
async def gateway(stand: Stand | None, run_service, gateway_env):
    """The service as a process; its first key is KEY. The module's, or one of this test alone."""
    return await run_service("api_gateway", gateway_env) if stand is None else stand.service


def client_of(url: str, key: str | None) -> httpx.AsyncClient:
    headers = {"X-API-Key": key} if key else {}
    return http_client(base_url=url, headers=headers, timeout=20)


@pytest.fixture
async def api(stand: Stand | None, gateway, registry, tenant_id) -> AsyncIterator[httpx.AsyncClient]:
    """A platform admin of the test's tenant; the first one, where it shares its gateway with no other test."""
    key = KEY if stand is None else await registry.key(tenant_id, "*", admin=True)
    async with client_of(gateway.url, key) as client:
        yield client


@pytest.fixture
async def client_for() -> AsyncIterator[Callable[[Any], httpx.AsyncClient]]:
    """`client_for(service)`: the platform admin's client of any gateway, closed with the test."""
    async with contextlib.AsyncExitStack() as stack:
        clients: list[httpx.AsyncClient] = []

        def make(service: Any) -> httpx.AsyncClient:
            clients.append(client_of(service.url, KEY))
            stack.push_async_callback(clients[-1].aclose)
            return clients[-1]

        yield make


@pytest.fixture
async def tenant_id(stand: Stand | None, gateway, sql, registry) -> uuid.UUID:
    """The first tenant; a new one in a module whose tests share a gateway."""
    if stand is not None:
        return await registry.tenant(f"tenant of {uuid.uuid4()}")
    return await sql.fetchval("SELECT id FROM gateway.tenants WHERE name = 'default'")


@dataclass
class Registry:
    """Tenants, keys, sites, spaces and devices, as rows."""

    sql: asyncpg.Connection
    numbers: Iterator[int] = _numbers

    async def tenant(self, name: str) -> uuid.UUID:
        return await self.sql.fetchval("INSERT INTO gateway.tenants (name) VALUES ($1) RETURNING id", name)

    async def key(self, tenant_id: uuid.UUID, *scopes: str, admin: bool = False) -> str:
        key_id = f"testkey{next(self.numbers):04d}"
        digest = hashlib.sha256(SECRET.encode()).digest()
        await self.sql.execute(
            "INSERT INTO gateway.api_keys (tenant_id, id, name, secret_sha256, scopes, platform_admin) "
            "VALUES ($1, $2, 'test', $3, $4, $5)",
            *(tenant_id, key_id, digest, list(scopes), admin),
        )
        return f"pk_{key_id}_{SECRET}"

    async def revoke(self, key: str) -> None:
        await self.sql.execute("UPDATE gateway.api_keys SET revoked_at = now() WHERE id = $1", key.split("_")[1])

    async def site(self, tenant_id: uuid.UUID, name: str = "Market Square") -> uuid.UUID:
        return await self.sql.fetchval(
            "INSERT INTO occupancy.sites (tenant_id, name, time_zone) VALUES ($1, $2, 'UTC') RETURNING id",
            *(tenant_id, name),
        )

    async def space(self, tenant_id: uuid.UUID, site_id: uuid.UUID, **columns: Any) -> uuid.UUID:
        row = {"code": f"S{next(self.numbers)}", "name": "Bay", "state": "free", "state_layer": "default", **columns}
        names = ", ".join(row)
        places = ", ".join(f"${number}" for number in range(3, 3 + len(row)))
        return await self.sql.fetchval(
            f"INSERT INTO occupancy.spaces (tenant_id, site_id, state_since, {names}) "
            f"VALUES ($1, $2, now(), {places}) RETURNING id",
            *(tenant_id, site_id, *row.values()),
        )

    async def device(self, tenant_id: uuid.UUID, dev_eui: str) -> str:
        await self.sql.execute("INSERT INTO occupancy.devices (tenant_id, dev_eui) VALUES ($1, $2)", tenant_id, dev_eui)
        return dev_eui


@pytest.fixture
def registry(sql) -> Registry:
    return Registry(sql)


@pytest.fixture
async def bus(nats_account) -> Client:
    return await nats_account.connect()


Answer = Callable[[dict[str, Any]], Any]


@pytest.fixture
def answer_command(bus) -> Callable[[str, Answer], Awaitable[list[dict[str, Any]]]]:
    """Answer one command: `await answer_command("space.create", lambda command: result_or_refusal)`.

    Returns the list that the commands received are put into. A function that returns None leaves them unanswered.
    """

    async def install(name: str, answer: Answer) -> list[dict[str, Any]]:
        received: list[dict[str, Any]] = []

        async def on_command(message: Msg) -> None:
            command = json.loads(message.data)
            received.append(command)
            result = answer(command)
            if result is None:
                return
            reply = result if isinstance(result, Refusal) else Accepted(result=msgspec.Raw(json.dumps(result).encode()))
            await message.respond(msgspec.json.encode(reply))

        await bus.subscribe(subjects.command(OWNER, name), cb=on_command)
        await bus.flush()
        return received

    return install


@pytest.fixture
def space_view() -> Callable[..., dict[str, Any]]:
    """A space as its owner answers it."""

    def make(tenant_id: uuid.UUID, **fields: Any) -> dict[str, Any]:
        empty = dict.fromkeys(
            ("building", "floor", "zone", "latitude", "longitude", "sensor_eui", "display_eui", "deleted_at")
        )
        return {
            "tenant_id": str(tenant_id),
            "id": str(uuid.uuid4()),
            "site_id": str(uuid.uuid4()),
            "code": "A1",
            "name": "Bay",
            "kind": "standard",
            "metadata": {},
            "state": "free",
            "state_layer": "default",
            "state_reason": "",
            "state_since": NOW,
            "version": 1,
            "created_at": NOW,
            "updated_at": NOW,
            **empty,
            **fields,
        }

    return make
