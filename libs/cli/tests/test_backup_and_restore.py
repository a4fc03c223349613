"""`parkstream backup` and `restore` on servers without services: every table, every stream, and every place in them."""

import asyncio
import json
import os
import shutil
import stat
import sys
from pathlib import Path
from typing import Any

import asyncpg

from isolation.catalogue import relations
from parkstream.backup.manifest import MANIFEST, SUMS
from parkstream.embedded import ports
from parkstream.settings import StackSettings
from parkstream.streams import apply_streams, not_as_declared
from stack.backups import Made, Place
from stack.servers import scratch_directory


def files_in(place: Path) -> list[Path]:
    return [path for path in place.rglob("*") if path.is_file()]


async def test_every_row_and_every_message_comes_back_to_its_place(made: Made, new: Place):
    assert sum(map(len, made.rows.values())) > 80
    await new.succeed("restore", str(made.folder))
    after = await new.rows()
    assert len(after.pop("gateway.restores")) == len(made.rows["gateway.restores"]) + 1
    assert after == {table: rows for table, rows in made.rows.items() if table != "gateway.restores"}
    for stream in ("SPACES", "DEAD_LETTERS"):
        assert await new.messages(stream) == made.messages[stream]
    for stream in ("UPLINKS", "INGRESS"):
        assert [one[1:] for one in await new.messages(stream)] == [one[1:] for one in made.messages[stream]]
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


async def test_a_backup_is_its_makers_alone_and_can_be_checked_with_sha256sum(made: Made, new: Place):
    assert "is whole" in await new.succeed("backup", "verify", str(made.folder))
    files = files_in(made.folder)
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    listed = {line.split("  ")[1] for line in (made.folder / SUMS).read_text().splitlines()}
    assert listed == {str(path.relative_to(made.folder)) for path in files if path.name != SUMS}


async def test_an_owner_without_superuser_backs_up_and_restores(
    made: Made, owners_url: str, nats_pool: Any, tmp_path: Path
):
    """Row-level security binds him; the role that reads everything is his to take, and the tables are his to load."""
    account = nats_pool.account()
    landlords = Place(owners_url, account)
    await landlords.succeed("restore", str(made.folder))
    again = await landlords.backup(tmp_path)
    tables = [json.loads((one / MANIFEST).read_text())["tables"] for one in (made.folder, again)]
    counts = [{table["name"]: table["part"]["count"] for table in each} for each in tables]
    assert counts[1] == counts[0] | {"gateway.restores": counts[0]["gateway.restores"] + 1}
    assert counts[0]["gateway.tenants"] == 2
    sql = await asyncpg.connect(owners_url)
    assert await sql.fetch("SELECT FROM downlink.displays WHERE sent_version > 0") == []
    await sql.close()
    await account.close()


async def test_the_backup_role_reads_everything_and_writes_nothing(database: str):
    sql = await asyncpg.connect(database)
    tables = [one.name for one in await relations(sql) if not one.is_view and not one.is_partition]
    await sql.execute("SET ROLE parkstream_backup")
    for table in tables:
        assert await sql.fetchval(f"SELECT count(*) FROM {table}") is not None
    rights = "SELECT array_agg(t) FROM unnest($1::text[]) t WHERE has_table_privilege($2, t, 'INSERT, UPDATE, DELETE')"
    assert await sql.fetchval(rights, tables, "parkstream_backup") is None
    await sql.close()


async def test_without_urls_the_embedded_servers_run_for_as_long_as_it_takes(made: Made):
    home = scratch_directory("restore")
    names = [name for name in StackSettings.model_fields if name.endswith("_port")]
    given = {f"PARKSTREAM_{name.upper()}": str(ports.free_port()) for name in names}
    program = (sys.executable, "-m", "parkstream.main", "restore", str(made.folder))
    environment = os.environ | given | {"PARKSTREAM_DATA_DIR": str(home)}
    for status, words in ((0, b"Everything is back"), (1, b"not empty")):
        process = await asyncio.create_subprocess_exec(
            *program, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await process.communicate()
        assert (process.returncode, words in said) == (status, True), said.decode()
    assert ports.is_free(int(given["PARKSTREAM_POSTGRES_PORT"]))
    shutil.rmtree(home)
