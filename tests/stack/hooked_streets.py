"""A tenant of two running gateways whose events can be published, and receivers for them: one per test.

pytestmark = pytest.mark.asyncio(loop_scope="module")

@pytest.fixture(scope="module")
def gateway_settings(): return QUICK

async def test_something(hooked: HookedStreet): ...
"""

import contextlib
import hashlib
import itertools
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import nats
import pytest_asyncio
from nats.aio.client import Client

from stack.gateways import GatewayPair
from stack.http_client import http_client
from stack.webhook_events import Hook, Street, make_hook
from stack.webhook_receiver import Answer, Receiver, receiving

SECRET = "h" * 43
_numbers = itertools.count(1)


@dataclass
class HookedStreet:
    """The tenant's side: `api` asks the first gateway with its key, `street` publishes its events."""

    gateways: GatewayPair
    bus: Client
    tenant_id: UUID
    api: httpx.AsyncClient
    street: Street
    _stack: contextlib.AsyncExitStack

    @property
    def sql(self) -> asyncpg.Connection:
        return self.gateways.sql

    async def receiver(self, answer: Answer | None = None, tls: ssl.SSLContext | None = None) -> Receiver:
        """A receiver until the end of the test."""
        return await self._stack.enter_async_context(receiving(answer, tls))

    async def hook(self, answer: Answer | None = None, **fields: Any) -> tuple[Hook, Receiver]:
        """An endpoint of the tenant and its receiver."""
        receiver = await self.receiver(answer)
        return await make_hook(self.api, receiver.url, **fields), receiver

    async def stranger(self) -> "HookedStreet":
        """Another tenant of the same gateways."""
        return await _hooked(self.gateways, self.bus, self._stack)


async def client_of_tenant(gateways: GatewayPair, tenant_id: UUID, *scopes: str) -> httpx.AsyncClient:
    """Asks the first gateway with a new key of this tenant."""
    key_id = f"hookkey{next(_numbers):05d}"
    await gateways.sql.execute(
        "INSERT INTO gateway.api_keys (tenant_id, id, name, secret_sha256, scopes) VALUES ($1, $2, 'test', $3, $4)",
        *(tenant_id, key_id, hashlib.sha256(SECRET.encode()).digest(), list(scopes)),
    )
    headers = {"X-API-Key": f"pk_{key_id}_{SECRET}"}
    return http_client(base_url=gateways.services[0].url, headers=headers, timeout=30)


async def _hooked(gateways: GatewayPair, bus: Client, stack: contextlib.AsyncExitStack) -> HookedStreet:
    tenant_id = await gateways.tenant()
    api = await stack.enter_async_context(await client_of_tenant(gateways, tenant_id, "*"))
    return HookedStreet(gateways, bus, tenant_id, api, Street(bus, tenant_id), stack)


@pytest_asyncio.fixture(loop_scope="module")
async def hooked(gateways: GatewayPair) -> AsyncIterator[HookedStreet]:
    """A tenant of its own for one test; its endpoints are disabled afterwards."""
    bus = await nats.connect(gateways.nats_url)
    async with contextlib.AsyncExitStack() as stack:
        street = await _hooked(gateways, bus, stack)
        yield street
        await gateways.sql.execute("UPDATE gateway.webhook_endpoints SET enabled = false, disabled_reason = 'done'")
    await bus.close()
