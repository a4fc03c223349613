"""A place to back up or to restore to, and the command line that is pointed at it.

`made` is a backup of two tenants in every table and something in every stream, taken once for a module's tests; `old` a
platform like it that a test may change; `new` a place without tables and streams.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import Result
from nats.js.errors import NotFoundError
from typer.testing import CliRunner

from isolation.catalogue import relations
from isolation.filling import fill
from parking_contracts import subjects
from parkstream.errors import OperatorError
from parkstream.main import cli
from parkstream.streams import apply_streams
from stack.servers import NatsAccount, fresh_database

TAKEN_BACK = {
    "downlink.displays": ["sent_version", "due_at"],
    "occupancy.spaces": ["version"],
    "reservation.reservations": ["version"],
}
Message = tuple[int, str, bytes, str | None]  # place, subject, body, id of the event
TENANT, SPACE = "0197a000-0000-7000-8000-00000000000a", "0197a000-0000-7000-8000-00000000000b"


def only_folder(place: Path) -> Path:
    (made,) = place.glob("parkstream-*")
    return made


@dataclass
class Place:
    """A database and a NATS account, and the command line that is pointed at them."""

    database_url: str
    account: NatsAccount

    async def run(self, *arguments: str) -> Result:
        """A command, with its error as the operator would see it."""
        given = {"PARKSTREAM_DATABASE_URL": self.database_url, "PARKSTREAM_NATS_URL": self.account.url}
        return await asyncio.to_thread(CliRunner().invoke, cli, list(arguments), env=given)

    async def succeed(self, *arguments: str) -> str:
        result = await self.run(*arguments)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    async def refuse(self, *arguments: str) -> str:
        """The message of a command that must not work, remedy included."""
        result = await self.run(*arguments)
        assert isinstance(result.exception, OperatorError), (result.output, result.exception)
        assert result.exception.remedy
        return str(result.exception)

    async def backup(self, into: Path) -> Path:
        await self.succeed("backup", "--into", str(into))
        return only_folder(into)

    async def rows(self) -> dict[str, list[str]]:
        """Every row of every table as text, but for what a restore takes back (`parkstream.backup.store.present`)."""
        sql = await asyncpg.connect(self.database_url)
        try:
            there = [one for one in await relations(sql) if not one.is_view]
            found = {}
            for one in there:
                query = f"SELECT (to_jsonb(t) - $1::text[])::text AS row FROM {one.name} t ORDER BY 1"
                rows = await sql.fetch(query, TAKEN_BACK.get(one.name, []))
                found[one.name] = [row["row"] for row in rows]
            return found
        finally:
            await sql.close()

    async def messages(self, stream: str) -> list[Message]:
        context = (await self.account.connect()).jetstream()
        state = (await context.stream_info(stream)).state
        found = []
        at = state.first_seq
        while at <= state.last_seq and state.messages:
            try:
                message = await context.get_msg(stream, seq=at, next=True, subject=">")
            except NotFoundError:
                break
            found.append((message.seq, message.subject, message.data, (message.headers or {}).get("ce-id")))
            at = message.seq + 1
        return found


async def furnish(database_url: str, account: NatsAccount) -> Place:
    """Two tenants in every table, and something in every stream."""
    sql = await asyncpg.connect(database_url)
    await sql.fetchval("SELECT occupancy.keep_partitions('sensor_readings', 'day', 5, NULL)")
    await fill(sql)
    await sql.close()
    context = (await account.connect()).jetstream()
    for number in range(1, 31):
        headers = {"Nats-Msg-Id": f"event-{number}", "ce-id": f"event-{number}"}
        await context.publish(subjects.space(TENANT, SPACE, "state_changed"), b"%d" % number, headers=headers)
    for subject in (subjects.ingress("up"), subjects.uplink("0101010101010101"), subjects.TICK):
        await context.publish(subject, b"input", headers={"Nats-Msg-Id": subject})
    for number in range(3):
        await context.publish(f"{subjects.ALL_DEAD_LETTERS[:-1]}engine.UNEXPECTED_ERROR", b"letter %d" % number)
    return Place(database_url, account)


@dataclass
class Made:
    """A backup, and what there was when it was taken."""

    folder: Path
    rows: dict[str, list[str]]
    messages: dict[str, list[Message]]


@pytest.fixture(scope="module")
def made(postgres_server: Any, migrated_template: str, nats_pool: Any, tmp_path_factory: Any) -> Made:
    """One for all tests that only read it; the platform is gone."""

    async def make() -> Made:
        account = nats_pool.account()
        await apply_streams(account.url)
        async for url in fresh_database(postgres_server, migrated_template):
            place = await furnish(url, account)
            folder = await place.backup(tmp_path_factory.mktemp("backups"))
            messages = {name: await place.messages(name) for name in ("SPACES", "DEAD_LETTERS", "UPLINKS", "INGRESS")}
            found = Made(folder, await place.rows(), messages)
            await account.close()
        return found

    return asyncio.run(make())


@pytest.fixture
async def old(database: str, nats_account: NatsAccount) -> Place:
    """A platform to be backed up."""
    return await furnish(database, nats_account)


@pytest.fixture
async def new(empty_database: str, nats_pool: Any) -> AsyncIterator[Place]:
    """Neither tables nor streams."""
    account = nats_pool.account()
    yield Place(empty_database, account)
    await account.close()
