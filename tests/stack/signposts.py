"""Displays as rows, and a dispatcher without a network server: what is asked of it is answered, and waits.

pytestmark = pytest.mark.asyncio(loop_scope="module")

async def test_something(signs: Signs): ...
"""

import hashlib
import itertools
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest_asyncio
from nats.aio.client import Client

from parking_contracts.command import Command, CommandBody
from parking_contracts.downlink_commands import SendDownlink
from parking_contracts.errors import Accepted, Refusal, Reply
from parkstream.embedded import child
from parkstream.streams import apply_streams
from stack.http_client import http_client
from stack.replicas import make_service
from stack.servers import fresh_database
from stack.service_process import Service
from stack.waiting import eventually

LIGHT, SIGN, RGB = "Kuando Busylight", "Heltec Class C Sign", "Generic RGB"
GATEWAY = "0016c001f153a14c"
SECRET = "s" * 43
SECRET_SHA256 = hashlib.sha256(SECRET.encode()).digest()
_numbers = itertools.count(1)


@dataclass
class Signs:
    """A tenant with a bound application and a site."""

    sql: asyncpg.Connection
    bus: Client
    tenant_id: UUID = field(default_factory=uuid4)
    site_id: UUID = field(default_factory=uuid4)
    application: str = field(default_factory=lambda: str(uuid4()))

    async def settle_in(self) -> None:
        """Make them."""
        await self.sql.execute(
            "INSERT INTO gateway.tenants (id, name) VALUES ($1, 'test') ON CONFLICT DO NOTHING", self.tenant_id
        )
        await self.put("occupancy.sites", id=self.site_id, name="Market Square", time_zone="UTC")
        await self.put("occupancy.applications", source="chirpstack", application_id=self.application)

    async def put(self, table: str, **columns: Any) -> None:
        """A row of the tenant."""
        row = {"tenant_id": self.tenant_id, **columns}
        places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
        await self.sql.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values())

    async def device(self, profile: str = LIGHT, *, bound: bool = True) -> str:
        """A device of this profile, heard in the tenant's application if `bound`; its DevEUI."""
        dev_eui = f"0202{next(_numbers):012x}"
        application = self.application if bound else str(uuid4())
        heard = {"source": "chirpstack", "application_id": application}
        await self.put("occupancy.devices", dev_eui=dev_eui, profile_name=profile, **heard)
        return dev_eui

    async def space(self, display_eui: str | None = None, state: str = "free", **columns: Any) -> UUID:
        """A space that shows this state."""
        space_id, number = uuid4(), next(_numbers)
        shown = {"state": state, "state_layer": "default", "display_eui": display_eui}
        row = {"id": space_id, "site_id": self.site_id, "code": f"D{number}", "name": "Bay", **shown, **columns}
        names, places = ", ".join(row), ", ".join(f"${n}" for n in range(2, len(row) + 2))
        await self.sql.execute(
            f"INSERT INTO occupancy.spaces (tenant_id, state_since, {names}) VALUES ($1, now(), {places})",
            *(self.tenant_id, *row.values()),
        )
        return space_id

    async def gateway(self, gateway_id: str = GATEWAY, state: str = "online") -> None:
        """A LoRaWAN gateway, as the network server told of it just now."""
        await self.sql.execute(
            "INSERT INTO downlink.gateways (tenant_id, gateway_id, network_tenant_id, name, state, synced_at) "
            "VALUES ($1, $2, 'city', 'Town hall', $3, now()) "
            "ON CONFLICT (tenant_id, gateway_id) DO UPDATE SET state = excluded.state",
            *(self.tenant_id, gateway_id, state),
        )

    async def ask(self, body: CommandBody, **envelope: Any) -> Any:
        """Send a command to the dispatcher; the result as plain JSON values, or the Refusal."""
        given = {"tenant_id": self.tenant_id, "caller": "key:test", "request_id": str(uuid4()), "body": body}
        answer = await self.bus.request(body.subject, msgspec.json.encode(Command(**given | envelope)), timeout=20)
        reply: Reply = msgspec.json.decode(answer.data, type=Reply)
        return msgspec.json.decode(reply.result) if isinstance(reply, Accepted) else reply

    async def refused(self, body: CommandBody, **envelope: Any) -> Refusal:
        """Send a command that must be refused, and leave nothing behind."""
        before = await self.queue()
        answer = await self.ask(body, **envelope)
        assert isinstance(answer, Refusal), answer
        assert await self.queue() == before
        return answer

    async def queue(self, dev_eui: str | None = None) -> list[UUID]:
        """The commands of the tenant, or of one device, that are not over, in their order."""
        rows = await self.sql.fetch(
            "SELECT id FROM downlink.downlinks WHERE tenant_id = $1 AND ended_at IS NULL "
            "AND ($2::text IS NULL OR dev_eui = $2) ORDER BY id",
            *(self.tenant_id, dev_eui),
        )
        return [row["id"] for row in rows]

    async def end(self, downlink_id: str, status: str) -> None:
        """As if this had become of a command."""
        await self.sql.execute(
            "UPDATE downlink.downlinks SET status = $2, ended_at = now() WHERE id = $1", UUID(downlink_id), status
        )


@dataclass
class Signposts:
    """One dispatcher for many tests, and what it stands on."""

    database_url: str
    nats_url: str
    sql: asyncpg.Connection
    bus: Client
    dispatcher: Service

    async def town(self, tenant_id: UUID | None = None) -> Signs:
        """A tenant of its own, or what an existing one lacks."""
        signs = Signs(self.sql, self.bus, tenant_id or uuid4())
        await signs.settle_in()
        return signs

    async def calm_down(self) -> None:
        """Let the dispatcher find out that nobody takes what it sends: it tries nothing more for a minute."""
        signs = await self.town()
        await signs.ask(SendDownlink(dev_eui=await signs.device(), payload="01"))
        tried = "SELECT last_error FROM downlink.downlinks WHERE tenant_id = $1"
        await eventually(lambda: self.sql.fetchval(tried, signs.tenant_id))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def signposts(
    postgres_server: Any, migrated_template: str, nats_pool: Any, replicas: int
) -> AsyncIterator[Signposts]:
    """A running dispatcher, shared by a module's tests."""
    account = nats_pool.account()
    await apply_streams(account.url)
    async for url in fresh_database(postgres_server, migrated_template):
        environment = {"PARKSTREAM_DATABASE_URL": url, "PARKSTREAM_NATS_URL": account.url}
        with tempfile.TemporaryDirectory(prefix="parkstream-dispatcher-") as logs:
            dispatcher = make_service("downlink_dispatcher", environment, Path(logs) / "dispatcher.log", replicas)
            sql = await asyncpg.connect(url)
            try:
                await dispatcher.start()
                signposts = Signposts(url, account.url, sql, await account.connect(), dispatcher)
                await signposts.calm_down()
                yield signposts
            finally:
                await sql.close()
                await account.close()
                if dispatcher.process is not None:
                    dispatcher.stop()
                print(f"--- log of the dispatcher\n{child.last_lines(dispatcher.log, 200)}")  # noqa: T201  pytest shows it


@pytest_asyncio.fixture(loop_scope="module")
async def signs(signposts: Signposts) -> Signs:
    """A tenant with a bound application and a site."""
    return await signposts.town()


@dataclass
class Signboard:
    """A gateway in front of the dispatcher, and who may ask it: by default the admin of a tenant with displays."""

    signposts: Signposts
    signs: Signs
    http: httpx.AsyncClient

    async def key(self, *scopes: str, tenant_id: UUID | None = None, admin: bool = False) -> dict[str, str]:
        """The headers of a new key with these scopes."""
        key_id = f"signkey{next(_numbers):05d}"
        await self.signs.sql.execute(
            "INSERT INTO gateway.api_keys (tenant_id, id, name, secret_sha256, scopes, platform_admin) "
            "VALUES ($1, $2, 'test', $3, $4, $5)",
            *(tenant_id or self.signs.tenant_id, key_id, SECRET_SHA256, list(scopes), admin),
        )
        return {"X-API-Key": f"pk_{key_id}_{SECRET}"}

    async def get(self, path: str, **query: Any) -> Any:
        """What is answered, which must be 200."""
        answer = await self.http.get(path, params=query)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()

    async def send(self, dev_eui: str, **body: Any) -> dict[str, Any]:
        """A downlink of a client's own, which must be taken."""
        answer = await self.http.post(f"/api/v6/devices/{dev_eui}/downlinks", json=body)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        made: dict[str, Any] = answer.json()
        return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def signpost_gateway(signposts: Signposts) -> AsyncIterator[Service]:
    """A gateway beside the module's dispatcher."""
    environment = {
        "PARKSTREAM_DATABASE_URL": signposts.database_url,
        "PARKSTREAM_NATS_URL": signposts.nats_url,
        "PARKSTREAM_RATE_LIMIT_READS_PER_SECOND": "0",
        "PARKSTREAM_RATE_LIMIT_WRITES_PER_SECOND": "0",
    }
    with tempfile.TemporaryDirectory(prefix="parkstream-signposts-") as logs:
        gateway = Service("api_gateway", environment, Path(logs) / "gateway.log")
        try:
            await gateway.start()
            yield gateway
        finally:
            if gateway.process is not None:
                gateway.stop()
            print(f"--- log of the gateway\n{child.last_lines(gateway.log, 200)}")  # noqa: T201  pytest shows it


@pytest_asyncio.fixture(loop_scope="module")
async def board(signposts: Signposts, signpost_gateway: Service) -> AsyncIterator[Signboard]:
    """A new tenant, asked for by a key of its own with every right in it."""
    async with http_client(base_url=signpost_gateway.url, timeout=20) as http:
        board = Signboard(signposts, await signposts.town(), http)
        http.headers.update(await board.key("*"))
        yield board
