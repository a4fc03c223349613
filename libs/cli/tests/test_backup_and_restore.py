"""`parkstream backup` and `restore` on servers without services: every table, every stream, and every place in them."""

import asyncio
import hashlib
import json
import os
import resource
import shutil
import signal
import stat
import sys
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
from parkstream.backup.manifest import MANIFEST, SUMS
from parkstream.embedded import ports
from parkstream.errors import OperatorError
from parkstream.main import cli
from parkstream.migrate import migrate_database
from parkstream.settings import StackSettings
from parkstream.streams import apply_streams, not_as_declared
from stack.servers import NatsAccount, scratch_directory
from stack.waiting import eventually

TENANT, SPACE = "0197a000-0000-7000-8000-00000000000a", "0197a000-0000-7000-8000-00000000000b"


def only_folder(place: Path) -> Path:
    (made,) = place.glob("parkstream-*")
    return made


def files_in(place: Path) -> list[Path]:
    return [path for path in place.rglob("*") if path.is_file()]


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
        """Every row of every table as text."""
        sql = await asyncpg.connect(self.database_url)
        try:
            there = [one for one in await relations(sql) if not one.is_view]
            found = {}
            for one in there:
                rows = await sql.fetch(f"SELECT t::text AS row FROM {one.name} t ORDER BY 1")
                found[one.name] = [row["row"] for row in rows]
            return found
        finally:
            await sql.close()

    async def messages(self, stream: str) -> list[tuple[int, str, bytes, str | None]]:
        """A stream's messages: place, subject, body, id of the event."""
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


@pytest.fixture
async def old(database: str, nats_account: NatsAccount) -> AsyncIterator[Place]:
    """Two tenants in every table, and something in every stream."""
    sql = await asyncpg.connect(database)
    await sql.fetchval("SELECT occupancy.keep_partitions('sensor_readings', 'day', 5, NULL)")
    await fill(sql)
    await sql.close()
    place = Place(database, nats_account)
    context = (await nats_account.connect()).jetstream()
    for number in range(1, 31):
        headers = {"Nats-Msg-Id": f"event-{number}", "ce-id": f"event-{number}"}
        await context.publish(subjects.space(TENANT, SPACE, "state_changed"), b"%d" % number, headers=headers)
    for subject in (subjects.ingress("up"), subjects.uplink("0101010101010101"), subjects.TICK):
        await context.publish(subject, b"input", headers={"Nats-Msg-Id": subject})
    for number in range(3):
        await context.publish(f"{subjects.ALL_DEAD_LETTERS[:-1]}engine.UNEXPECTED_ERROR", b"letter %d" % number)
    return place


@pytest.fixture
async def new(empty_database: str, nats_pool: Any) -> AsyncIterator[Place]:
    """Neither tables nor streams."""
    account = nats_pool.account()
    yield Place(empty_database, account)
    await account.close()


async def test_every_row_and_every_message_comes_back_to_its_place(old: Place, new: Place, tmp_path: Path):
    made = await old.backup(tmp_path)
    before = await old.rows()
    assert sum(map(len, before.values())) > 80
    await new.succeed("restore", str(made))
    after = await new.rows()
    restored = after.pop("gateway.restores")
    assert restored
    before.pop("gateway.restores")
    assert after == before
    for stream in ("SPACES", "DEAD_LETTERS"):
        assert await new.messages(stream) == await old.messages(stream)
    for stream in ("UPLINKS", "INGRESS"):
        assert [one[1:] for one in await new.messages(stream)] == [one[1:] for one in await old.messages(stream)]
    assert await not_as_declared((await new.account.connect()).jetstream()) == []


async def test_consumers_go_on_behind_what_they_had_acknowledged(old: Place, new: Place, tmp_path: Path):
    """And what they had not is theirs again; the stream begins where it began."""
    context = (await old.account.connect()).jetstream()
    await context.purge_stream("SPACES", seq=6)
    subscription = await context.pull_subscribe_bind("downlink_dispatcher", "SPACES")
    taken = await subscription.fetch(10, timeout=5)
    await asyncio.gather(*(message.ack_sync() for message in taken[:8]))
    made = await old.backup(tmp_path)
    await new.succeed("restore", str(made))
    context = (await new.account.connect()).jetstream()
    for consumer, following in (("downlink_dispatcher", 14), ("api_gateway", 6)):
        subscription = await context.pull_subscribe_bind(consumer, "SPACES")
        (message,) = await subscription.fetch(1, timeout=5)
        assert message.metadata.sequence.stream == following
    state = (await context.stream_info("SPACES")).state
    assert (state.first_seq, state.last_seq) == (6, 30)
    assert await apply_streams(new.account.url) == []


async def test_a_place_that_was_empty_stays_empty(old: Place, new: Place, tmp_path: Path):
    context = (await old.account.connect()).jetstream()
    for place in (2, 3):
        await context.delete_msg("DEAD_LETTERS", place)
    await context.purge_stream("SPACES")
    made = await old.backup(tmp_path)
    await new.succeed("restore", str(made))
    assert [place for place, *_ in await new.messages("DEAD_LETTERS")] == [1]
    context = (await new.account.connect()).jetstream()
    for stream, last in (("DEAD_LETTERS", 3), ("SPACES", 30)):
        assert (await context.stream_info(stream)).state.last_seq == last


async def test_a_backup_is_its_makers_alone_and_can_be_checked_with_sha256sum(old: Place, tmp_path: Path):
    made = await old.backup(tmp_path)
    assert "is whole" in await old.succeed("backup", "verify", str(made))
    files = files_in(made)
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    listed = {line.split("  ")[1] for line in (made / SUMS).read_text().splitlines()}
    assert listed == {str(path.relative_to(made)) for path in files if path.name != SUMS}


def damage(made: Path, how: str) -> Path:
    """One kind of damage; what to name then."""
    part = made / "database" / "gateway.tenants.copy.gz"
    match how:
        case "a flipped bit":
            content = bytearray(part.read_bytes())
            content[-1] ^= 1
            part.write_bytes(content)
        case "a cut file":
            os.truncate(part, part.stat().st_size - 1)
        case "a missing file":
            part.unlink()
        case "no manifest":
            (made / MANIFEST).unlink()
        case "a changed manifest":
            (made / MANIFEST).write_bytes((made / MANIFEST).read_bytes().replace(b'"rows"', b'"sows"') + b" ")
        case "killed half-way":
            (made / MANIFEST).unlink()
            return made.rename(made.with_name(f"{made.name}.partial"))
        case "the folder of backups":
            return made.parent
        case "another format":
            rewrite(made, format=2)
        case "a newer version":
            newer = {"name": "9999_from_the_future.sql", "sha256": ""}
            rewrite(made, migrations=[*json.loads((made / MANIFEST).read_text())["migrations"], newer])
    return made


def rewrite(made: Path, **changed: Any) -> None:
    """Another manifest, as if it had been written so."""
    encoded = json.dumps(json.loads((made / MANIFEST).read_text()) | changed).encode()
    (made / MANIFEST).write_bytes(encoded)
    (made / SUMS).write_text(f"{hashlib.sha256(encoded).hexdigest()}  {MANIFEST}\n")


DAMAGE = {
    "a flipped bit": "damaged",
    "a cut file": "bytes instead of",
    "a missing file": "is missing",
    "no manifest": "not all of it",
    "a changed manifest": "changed or damaged",
    "killed half-way": "ended half-way",
    "the folder of backups": "Name one, such as the newest",
    "another format": "format 2",
    "a newer version": "does not know",
}


async def test_what_is_damaged_or_foreign_is_refused_before_anything_is_touched(old: Place, new: Place, tmp_path: Path):
    whole = await old.backup(tmp_path / "whole")
    for number, (how, words) in enumerate(DAMAGE.items()):
        copy = tmp_path / str(number) / whole.name
        shutil.copytree(whole, copy)
        named = damage(copy, how)
        assert words in await new.refuse("restore", str(named)), how
        if how != "a newer version":
            assert words in await new.refuse("backup", "verify", str(named)), how
    sql = await asyncpg.connect(new.database_url)
    assert not await sql.fetchval("SELECT to_regnamespace('gateway') IS NOT NULL")
    await sql.close()


async def test_a_target_that_holds_a_platform_is_kept_unless_it_is_to_be_replaced(old: Place, tmp_path: Path):
    made = await old.backup(tmp_path)
    before = await old.rows()
    assert "not empty" in await old.refuse("restore", str(made))
    assert "not empty" in await old.refuse("restore", str(made), "--dry-run")
    result = await old.run("restore", str(made), "--replace")  # nobody answers the question
    assert result.exit_code == 1
    assert "for good?" in result.output
    assert await old.rows() == before
    sql = await asyncpg.connect(old.database_url)
    await sql.execute("UPDATE gateway.users SET name = 'somebody else'")
    await sql.close()
    await old.succeed("restore", str(made), "--replace", "--yes")
    after = await old.rows()
    assert after.pop("gateway.restores")
    before.pop("gateway.restores")
    assert after == before


async def test_a_target_in_use_is_refused(old: Place, new: Place, tmp_path: Path):
    made = await old.backup(tmp_path)
    await migrate_database(new.database_url)
    engine = await asyncpg.connect(new.database_url, server_settings={"application_name": "occupancy_engine"})
    assert "occupancy_engine has the database open" in await new.refuse("restore", str(made))
    await engine.close()
    await apply_streams(new.account.url)
    context = (await new.account.connect()).jetstream()
    subscription = await context.pull_subscribe_bind("downlink_dispatcher", "SPACES")
    waiting = asyncio.create_task(subscription.fetch(1, timeout=20))
    await eventually(lambda: waits(context))
    assert "downlink_dispatcher waits for messages of SPACES" in await new.refuse("restore", str(made))
    waiting.cancel()


async def waits(context: Any) -> bool:
    return bool((await context.consumer_info("SPACES", "downlink_dispatcher")).num_waiting)


async def test_an_interrupted_restore_leaves_no_platform_and_can_be_begun_again(
    old: Place, new: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made = await old.backup(tmp_path)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED_AT_THE_STREAMS, str(made)),
        env=os.environ | {"PARKSTREAM_DATABASE_URL": new.database_url, "PARKSTREAM_NATS_URL": new.account.url},
    )
    assert await process.wait() == -signal.SIGKILL
    sql = await asyncpg.connect(new.database_url)
    await eventually(lambda: sql.fetchval("SELECT to_regnamespace('gateway') IS NULL"))
    await sql.close()
    with pytest.raises(OperatorError, match="half restored"):
        await apply_streams(new.account.url)
    await new.succeed("restore", str(made))
    assert (await new.rows())["gateway.tenants"] == (await old.rows())["gateway.tenants"]
    assert await apply_streams(new.account.url) == []


# kill -9 after the first stream was begun, as an operator's machine may do it.
KILLED_AT_THE_STREAMS = """
import os, signal, sys
from parkstream.backup import bus_writing
begin = bus_writing.begin_stream
async def begin_and_be_killed(*arguments):
    await begin(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
bus_writing.begin_stream = begin_and_be_killed
from parkstream.main import app
sys.argv = ["parkstream", "restore", sys.argv[1]]
app()
"""


async def test_a_backup_that_finds_no_room_leaves_nothing_and_says_what_to_do(old: Place, tmp_path: Path):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "parkstream.main", "backup", "--into", str(tmp_path)),
        env=os.environ | {"PARKSTREAM_DATABASE_URL": old.database_url, "PARKSTREAM_NATS_URL": old.account.url},
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
    )
    _, said = await process.communicate()
    assert process.returncode == 1
    assert b"could not be written" in said
    assert b"Make room" in said
    assert b"Traceback" not in said
    assert list(os.scandir(tmp_path)) == []


async def test_an_owner_without_superuser_backs_up_and_restores(
    owners_url: str, old: Place, nats_pool: Any, tmp_path: Path
):
    """Row-level security binds him; the role that reads everything is his to take, and the tables are his to load."""
    account = nats_pool.account()
    landlords = Place(owners_url, account)
    made = await old.backup(tmp_path / "first")
    await landlords.succeed("restore", str(made))
    again = await landlords.backup(tmp_path / "second")
    tables = [json.loads((one / MANIFEST).read_text())["tables"] for one in (made, again)]
    counts = [{table["name"]: table["part"]["count"] for table in each} for each in tables]
    assert counts[1] == counts[0] | {"gateway.restores": counts[0]["gateway.restores"] + 1}
    assert counts[0]["gateway.tenants"] == 2
    await account.close()


async def test_only_the_backup_role_reads_everything_and_it_writes_nothing(old: Place):
    sql = await asyncpg.connect(old.database_url)
    tables = [one.name for one in await relations(sql) if not one.is_view and not one.is_partition]
    await sql.execute("SET ROLE parkstream_backup")
    for table in tables:
        assert await sql.fetchval(f"SELECT count(*) FROM {table}") is not None
    rights = "SELECT array_agg(t) FROM unnest($1::text[]) t WHERE has_table_privilege($2, t, 'INSERT, UPDATE, DELETE')"
    assert await sql.fetchval(rights, tables, "parkstream_backup") is None
    await sql.close()


async def test_without_urls_the_embedded_servers_run_for_as_long_as_it_takes(old: Place, tmp_path: Path):
    made = await old.backup(tmp_path)
    home = scratch_directory("restore")
    names = [name for name in StackSettings.model_fields if name.endswith("_port")]
    given = {f"PARKSTREAM_{name.upper()}": str(ports.free_port()) for name in names}
    program = (sys.executable, "-m", "parkstream.main", "restore", str(made))
    environment = os.environ | given | {"PARKSTREAM_DATA_DIR": str(home)}
    for status, words in ((0, b"Everything is back"), (1, b"not empty")):
        process = await asyncio.create_subprocess_exec(
            *program, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await process.communicate()
        assert (process.returncode, words in said) == (status, True), said.decode()
    assert ports.is_free(int(given["PARKSTREAM_POSTGRES_PORT"]))
    shutil.rmtree(home)
